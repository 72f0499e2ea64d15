#include "backend/tensorrt/timing_cache.hpp"

#include <sys/stat.h>
#include <xxhash.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/error.hpp"
#include "core/file.hpp"

namespace presisi::tensorrt {

namespace {

constexpr const char* kMagic = "presisi timing cache 1";

bool exists(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 || errno != ENOENT;
}

/// `key=value;…`, in one line whatever a device calls itself.
std::string toLine(const std::map<std::string, std::string>& identity) {
  std::string line;
  for (const char* key : {"tensorrt", "gpu", "computeCapability"}) {
    const auto it = identity.find(key);
    line += std::string(key) + "=" + (it == identity.end() ? "" : it->second) + ";";
  }
  for (char& c : line) c = c == '\n' || c == '\r' ? ' ' : c;
  return line;
}

}  // namespace

TimingCache::TimingCache(std::string path, const std::map<std::string, std::string>& identity,
                         nvinfer1::IBuilderConfig& config, Logger& logger)
    : path_(std::move(path)), identity_(toLine(identity)), config_(config), logger_(logger) {
  if (path_.empty()) return;
  cache_ = read();
  if (!cache_) cache_.reset(config_.createTimingCache(nullptr, 0));
  if (!cache_ || !config_.setTimingCache(*cache_, false)) {
    throw logger_.failure(ErrorCode::Internal, "preparing a timing cache");
  }
}

std::string TimingCache::header(const void* data, size_t size) const {
  char checksum[17];
  std::snprintf(checksum, sizeof checksum, "%016llx", static_cast<unsigned long long>(XXH64(data, size, 0)));
  return std::string(kMagic) + "\n" + identity_ + "\n" + checksum + "\n";
}

std::unique_ptr<nvinfer1::ITimingCache> TimingCache::read() {
  if (!exists(path_)) return nullptr;
  const auto file = MappedFile::open(path_);
  const std::string start = std::string(kMagic) + "\n" + identity_ + "\n";
  const size_t length = header(nullptr, 0).size();
  const auto* text = reinterpret_cast<const char*>(file->data());
  std::string why;
  if (file->size() < length || std::string(text, start.size()) != start) {
    const bool ours = file->size() > std::strlen(kMagic) && std::string(text, std::strlen(kMagic)) == kMagic;
    why = ours ? "is of another GPU or TensorRT than " + identity_ : "is no timing cache of presisi";
  } else if (header(file->data() + length, file->size() - length) != std::string(text, length)) {
    why = "is damaged";
  } else {
    std::unique_ptr<nvinfer1::ITimingCache> cache(
        config_.createTimingCache(file->data() + length, file->size() - length));
    if (cache) return cache;
    logger_.takeErrors();
    why = "is refused by TensorRT";
  }
  logger_.note(backend::LogLevel::Warning, "the timing cache " + path_ + " " + why + ": it will be replaced");
  return nullptr;
}

void TimingCache::save() noexcept {
  if (path_.empty()) return;
  try {
    const nvinfer1::ITimingCache* used = config_.getTimingCache();
    if (used == nullptr) return;
    // Another build may have written meanwhile: its measurements stay.
    std::unique_ptr<nvinfer1::ITimingCache> joined = read();
    if (joined && !joined->combine(*used, false)) joined.reset();
    const nvinfer1::ITimingCache& result = joined ? *joined : *used;
    const std::unique_ptr<nvinfer1::IHostMemory> bytes(
        require(result.serialize(), logger_, ErrorCode::Internal, "serializing the timing cache"));
    const std::string start = header(bytes->data(), bytes->size());
    writeFileAtomically(path_, {{start.data(), start.size()}, {bytes->data(), bytes->size()}});
  } catch (const std::exception& error) {
    logger_.note(backend::LogLevel::Warning, "the timing cache " + path_ + " could not be kept: " + error.what());
  }
}

}  // namespace presisi::tensorrt
