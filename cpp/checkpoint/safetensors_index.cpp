#include <algorithm>
#include <filesystem>
#include <set>
#include <string_view>

#include "checkpoint/json_events.hpp"
#include "checkpoint/safetensors.hpp"

namespace presisi::checkpoint {

namespace {

constexpr int kDeepest = 16;

/// {"metadata": anything, "weight_map": {tensor: shard}}
class IndexReader final : public JsonEvents {
 public:
  using JsonEvents::JsonEvents;

  std::map<std::string, std::string> shardOf;
  std::map<std::string, std::string> facts;

  bool null() override { return fact(nullptr); }
  bool boolean(bool value) override { return fact(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return fact(std::to_string(value).c_str()); }
  bool number_unsigned(number_unsigned_t value) override { return fact(std::to_string(value).c_str()); }
  bool number_float(number_float_t, const string_t& text) override { return fact(text.c_str()); }
  bool string(string_t& text) override {
    if (depth_ != 2 || !inMap_) return fact(text.c_str());
    if (!shardOf.emplace(key_, text).second) corrupt(label_ + ": its weight_map has " + quote(key_) + " twice");
    return true;
  }
  bool start_array(std::size_t) override { return enter("an array"); }
  bool end_array() override { return leave(); }
  bool start_object(std::size_t) override { return depth_ < 2 ? descend() : enter("an object"); }
  bool end_object() override { return leave(); }
  bool key(string_t& key) override {
    if (depth_ == 1) inMap_ = key == "weight_map";
    if (depth_ <= 2) key_ = key;
    return true;
  }

 protected:
  std::string where() const override { return inMap_ ? "its weight_map" : "the index"; }

 private:
  bool descend() {
    if (++depth_ > kDeepest) corrupt(label_ + ": it nests deeper than " + std::to_string(kDeepest) + " levels");
    return true;
  }
  bool enter(const char* what) { return inMap_ ? unexpected(what) : descend(); }
  bool leave() {
    if (--depth_ == 1) inMap_ = false;
    return true;
  }
  bool fact(const char* text) {
    if (inMap_) return unexpected("something other than the name of a file");
    if (depth_ == 2 && text != nullptr) facts.emplace(key_, text);
    return true;
  }

  int depth_ = 0;
  bool inMap_ = false;
  std::string key_;
};

/// Shards lie beside their index.
void checkShardName(const std::string& name, const std::string& path) {
  const bool plain = !name.empty() && name != "." && name != ".." && name.find_first_of("/\\") == std::string::npos &&
                     name.find('\0') == std::string::npos;
  if (!plain) corrupt(path + ": expected the name of a file beside the index but found " + quote(name));
}

}  // namespace

bool isSafetensorsIndex(const MappedFile& file) {
  constexpr std::string_view kKey = "\"weight_map\"";
  if (file.size() == 0 || file.size() > kMostHeaderBytes) return false;
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{' && text.find(kKey) != std::string_view::npos;
}

Checkpoint readSafetensorsIndex(const std::string& path, const MappedFile& file) {
  const auto* begin = reinterpret_cast<const char*>(file.data());
  IndexReader index(path);
  nlohmann::json::sax_parse(begin, begin + file.size(), &index);
  std::set<std::string> names;
  for (const auto& [tensor, shard] : index.shardOf) names.insert(shard);

  Checkpoint checkpoint;
  checkpoint.format = Checkpoint::Format::Safetensors;
  checkpoint.files = {path};
  checkpoint.facts = std::move(index.facts);
  for (const std::string& name : names) {
    checkShardName(name, path);
    const std::string shardPath = (std::filesystem::path(path).parent_path() / name).string();
    std::error_code ignored;
    if (!std::filesystem::exists(shardPath, ignored)) {
      throw Error(ErrorCode::FileSystem, path + ": its shard " + quote(name) + " is missing",
                  "keep all the files of a sharded checkpoint in one folder");
    }
    const auto shard = MappedFile::open(shardPath);
    if (!isSafetensors(*shard)) corrupt(path + ": its shard " + quote(name) + " is no safetensors file");
    Checkpoint part = readSafetensors(shardPath, shard);
    for (auto& [tensor, entry] : part.entries) {
      const auto expected = index.shardOf.find(tensor);
      if (expected == index.shardOf.end() || expected->second != name) {
        corrupt(path + ": its shard " + quote(name) + " has the tensor " + quote(tensor) +
                ", which the index doesn't list there");
      }
      checkpoint.entries.emplace(tensor, std::move(entry));
    }
    checkpoint.facts.merge(part.facts);
    checkpoint.files.push_back(shardPath);
  }
  for (const auto& [tensor, shard] : index.shardOf) {
    if (checkpoint.entries.count(tensor) == 0) {
      corrupt(path + ": the tensor " + quote(tensor) + " is missing from its shard " + quote(shard));
    }
  }
  return checkpoint;
}

}  // namespace presisi::checkpoint
