#include "checkpoint/torch.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "checkpoint/pickle.hpp"
#include "checkpoint/state_dict.hpp"
#include "checkpoint/zip.hpp"

namespace presisi::checkpoint {

namespace {

/// Of torch.save's and TorchScript's archives (torch's kMaxSupportedFileFormatVersion).
constexpr int kNewestVersion = 10;

std::string_view text(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data), bytes.size}; }

bool startsWith(std::string_view whole, std::string_view prefix) { return whole.substr(0, prefix.size()) == prefix; }

class TorchArchive {
 public:
  TorchArchive(const std::string& path, const std::shared_ptr<const MappedFile>& file)
      : path_(path), file_(file), zip_(file, path) {}

  Checkpoint read() {
    findPrefix();
    refuseTorchScript();  // whose code is compressed
    zip_.requireStored();
    checkByteOrder();
    checkVersion();
    const auto* member = zip_.find(prefix_ + "data.pkl");
    const pickle::Document document = pickle::read(zip_.read(*member), path_);
    const StateDict found = findStateDict(document, path_);
    Checkpoint checkpoint;
    checkpoint.format = Checkpoint::Format::PyTorch;
    checkpoint.section = found.section;
    checkpoint.files = {path_};
    checkpoint.facts = factsAround(document, found);
    readEntries(document, found.dict, checkpoint);
    return checkpoint;
  }

 private:
  /// The archive's own name, which is before the name of every member: `resnet50/data.pkl`.
  void findPrefix() {
    for (const auto& member : zip_.members()) {
      const size_t slash = member.name.find('/');
      if (slash != std::string_view::npos && member.name.substr(slash + 1) == "data.pkl") {
        prefix_ = std::string(member.name.substr(0, slash + 1));
        return;
      }
    }
    throw Error(ErrorCode::InvalidModel, path_ + ": it is a zip file, but none that PyTorch wrote: it has no data.pkl",
                "unpack it if the checkpoint lies inside");
  }

  void refuseTorchScript() const {
    const auto& members = zip_.members();
    const bool code = std::any_of(members.begin(), members.end(),
                                  [&](const auto& member) { return startsWith(member.name, prefix_ + "code/"); });
    if (code || zip_.find(prefix_ + "constants.pkl") != nullptr) {
      unsupported(path_ + ": it is a TorchScript program (torch.jit.save), of which nothing is run",
                  "save its state_dict: torch.save(torch.jit.load(path).state_dict(), other)");
    }
  }

  void checkByteOrder() const {
    const auto* member = zip_.find(prefix_ + "byteorder");
    if (member == nullptr) return;  // before PyTorch 2.1, which wrote little-endian on nearly every machine
    const std::string_view order = text(zip_.read(*member));
    if (order == "big") {
      unsupported(path_ + ": its numbers are big-endian", "save it anew on a little-endian machine");
    }
    if (order != "little") corrupt(path_ + ": expected the byte order little or big but found " + quote(order));
  }

  void checkVersion() const {
    const auto* member = zip_.find(prefix_ + "version");
    if (member == nullptr) return;
    std::string_view digits = text(zip_.read(*member));
    while (!digits.empty() && (digits.back() == '\n' || digits.back() == '\r')) digits.remove_suffix(1);
    int version = 0;
    bool good = !digits.empty() && digits.size() <= 6;
    for (const char c : digits) {
      good = good && c >= '0' && c <= '9';
      if (good) version = version * 10 + (c - '0');
    }
    if (!good) corrupt(path_ + ": expected a number as the version of its format but found " + quote(digits));
    if (version > kNewestVersion) {
      unsupported(path_ + ": its format has version " + std::to_string(version) + "; up to " +
                      std::to_string(kNewestVersion) + " is known",
                  "update presisi, or save it with an older PyTorch");
    }
  }

  void readEntries(const pickle::Document& document, pickle::Id dict, Checkpoint& checkpoint) {
    const auto& items = document.items(dict);
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      // What else a state_dict may hold (None, counters, a module's extra state) is no array.
      if (document[items[i + 1]].kind != pickle::Kind::Tensor) continue;
      if (document[items[i]].kind != pickle::Kind::Text) {
        corrupt(path_ + ": expected a string as the name of a tensor but found " + name(document[items[i]].kind));
      }
      const std::string_view key = document.text(items[i]);
      if (key.empty() || !isUtf8(key)) corrupt(path_ + ": " + quote(key) + " is no name of a tensor");
      const auto added = checkpoint.entries.emplace(key, Entry{});
      if (!added.second) corrupt(path_ + ": it has two tensors named " + quote(key));
      added.first->second = entry(document.tensor(items[i + 1]), key);
    }
  }

  Entry entry(const pickle::TensorRecord& tensor, std::string_view key) {
    const auto refuse = [&](const std::string& reason) {
      corrupt(path_ + ": the tensor " + quote(key) + " " + reason);
    };
    const size_t width = byteSize(tensor.dtype);
    if (width == 0) {
      unsupported(path_ + ": the tensor " + quote(key) + " has elements of type " + std::string(tensor.type) +
                      ", which is not read",
                  "convert it before saving, for example by model.float()");
    }
    const ByteView bytes = storage(tensor.storage, key);
    const auto stored = static_cast<int64_t>(bytes.size / width);
    const int64_t count = elementCount(tensor.dims);
    // The position of the last element that dims and strides reach.
    int64_t last = tensor.offset;
    bool good = tensor.offset >= 0;
    for (size_t i = 0; i < tensor.dims.size(); ++i) {
      int64_t reach = 0;
      good = good && tensor.strides[i] >= 0;
      if (!good || count == 0) continue;
      good = !__builtin_mul_overflow(tensor.dims[i] - 1, tensor.strides[i], &reach) &&
             !__builtin_add_overflow(last, reach, &last);
    }
    if (!good || (count > 0 ? last >= stored : last > stored)) {
      refuse("of shape " + toString(tensor.dims) + ", strides " + toString(tensor.strides) + " and offset " +
             std::to_string(tensor.offset) + " reaches beyond the " + std::to_string(stored) +
             " elements of its storage");
    }
    if (count > stored) {
      unsupported(path_ + ": the tensor " + quote(key) + " of shape " + toString(tensor.dims) + " repeats the " +
                      std::to_string(stored) + " elements of its storage",
                  "save expanded tensors as tensor.contiguous()");
    }
    Entry entry;
    entry.dtype = tensor.dtype;
    entry.dims = tensor.dims;
    entry.strides = tensor.strides;
    entry.data = bytes.data + static_cast<size_t>(tensor.offset) * width;
    entry.file = file_;
    return entry;
  }

  /// Tensors may share a storage; it is verified once.
  ByteView storage(const pickle::Storage& storage, std::string_view tensor) {
    auto known = storages_.find(storage.key);
    if (known == storages_.end()) {
      const auto* member = zip_.find(prefix_ + "data/" + std::string(storage.key));
      if (member == nullptr) {
        corrupt(path_ + ": the tensor " + quote(tensor) + " lies in " + quote("data/" + std::string(storage.key)) +
                ", which is missing");
      }
      known = storages_.emplace(storage.key, zip_.read(*member)).first;
    }
    const ByteView bytes = known->second;
    const size_t width = storage.untyped ? 1 : byteSize(storage.dtype);
    uint64_t expected = 0;
    if (__builtin_mul_overflow(static_cast<uint64_t>(storage.elements), width, &expected) || expected != bytes.size) {
      corrupt(path_ + ": the tensor " + quote(tensor) + " lies in a " + std::string(storage.type) + " of " +
              std::to_string(storage.elements) + " elements, but " + std::to_string(bytes.size) + " bytes are stored");
    }
    return bytes;
  }

  const std::string& path_;
  const std::shared_ptr<const MappedFile>& file_;
  ZipArchive zip_;
  std::string prefix_;  ///< with its slash
  std::unordered_map<std::string_view, ByteView> storages_;
};

/// AveragedModel (torch.optim.swa_utils) is a wrapper that counts what it averaged: the one name without its prefix.
void setAsideAverageCount(Checkpoint& checkpoint) {
  const auto counter = checkpoint.entries.find("n_averaged");
  if (counter == checkpoint.entries.end() || checkpoint.entries.size() < 2 || !counter->second.dims.empty()) return;
  for (const auto& [name, entry] : checkpoint.entries) {
    if (name != "n_averaged" && !startsWith(name, "module.")) return;
  }
  if (counter->second.dtype == DType::Int64) {
    checkpoint.facts["n_averaged"] = std::to_string(load<int64_t>(counter->second.data));
  }
  checkpoint.entries.erase(counter);
}

}  // namespace

Checkpoint readTorch(const std::string& path, const std::shared_ptr<const MappedFile>& file) {
  return TorchArchive(path, file).read();
}

void removeWrapperPrefixes(Checkpoint& checkpoint) {
  setAsideAverageCount(checkpoint);
  auto& entries = checkpoint.entries;
  const auto takeOff = [&](std::string_view prefix) {
    const bool all = !entries.empty() && std::all_of(entries.begin(), entries.end(), [&](const auto& entry) {
      return entry.first.size() > prefix.size() && startsWith(entry.first, prefix);
    });
    if (!all) return false;
    std::map<std::string, Entry> bare;
    for (auto& [name, entry] : entries) bare.emplace_hint(bare.end(), name.substr(prefix.size()), std::move(entry));
    entries = std::move(bare);
    return true;
  };
  while (takeOff("module.") || takeOff("_orig_mod.")) {
  }
}

}  // namespace presisi::checkpoint
