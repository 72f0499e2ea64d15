#pragma once

#include <map>
#include <memory>
#include <string>

#include "backend/tensorrt/api.hpp"
#include "backend/tensorrt/logger.hpp"

namespace presisi::tensorrt {

/// Measured kernel times, kept in a file from build to build. They hold for one GPU model and one exact TensorRT, so
/// the file begins with both, and with a checksum; the rest is TensorRT's own. A damaged file, or one of another
/// device or version, is reported through the log and replaced: the build then measures anew.
class TimingCache {
 public:
  /// Without a path it does nothing. `identity` is the backend's. Throws FileSystem for a file that can't be read.
  TimingCache(std::string path, const std::map<std::string, std::string>& identity, nvinfer1::IBuilderConfig& config,
              Logger& logger);

  /// Writes what the build has added, joined with what others wrote meanwhile. A failure to write is a warning: the
  /// engine is worth more than the cache.
  void save() noexcept;

 private:
  std::unique_ptr<nvinfer1::ITimingCache> read();
  std::string header(const void* data, size_t size) const;

  std::string path_, identity_;
  nvinfer1::IBuilderConfig& config_;
  Logger& logger_;
  std::unique_ptr<nvinfer1::ITimingCache> cache_;
};

}  // namespace presisi::tensorrt
