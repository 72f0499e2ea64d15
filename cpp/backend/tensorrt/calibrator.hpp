#pragma once

#include <exception>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "backend/cuda/buffer.hpp"
#include "backend/tensorrt/api.hpp"
#include "backend/tensorrt/logger.hpp"
#include "core/progress.hpp"
#include "core/stop_token.hpp"

namespace presisi::tensorrt {

/// What TensorRT's own calibration (to version 10) asks for. Its callbacks can't throw: what goes wrong in one is kept,
/// ends the calibration, and is thrown by rethrow() afterwards.
class CalibrationFeed {
 public:
  /// Throws InvalidCalibration for a cache that this TensorRT or this method can't use, instead of passing it over in
  /// silence as TensorRT does; InvalidArgument for an unknown method. `inputs` are the network's.
  CalibrationFeed(std::shared_ptr<const backend::OwnCalibration> source, std::vector<backend::TensorInfo> inputs,
                  Logger& logger, ProgressFn progress, StopToken stop);

  /// The shapes of the first batch, which all others must have: TensorRT calibrates at one shape. Takes that batch from
  /// the source. Empty when a cache makes batches needless. Throws what the source throws, and InvalidCalibration when
  /// it has nothing.
  std::map<std::string, Dims> shapes();

  int32_t batchSize() const noexcept { return batchSize_; }
  bool getBatch(void* bindings[], const char* names[], int32_t count) noexcept;
  const void* readCache(size_t& length) noexcept;
  void writeCache(const void* cache, size_t length) noexcept;

  /// Throws what a callback couldn't.
  void rethrow() const;

 private:
  bool fetch(backend::Feeds& feeds);
  bool upload(void* bindings[], const char* names[], int32_t count);

  std::shared_ptr<const backend::OwnCalibration> source_;
  std::vector<backend::TensorInfo> inputs_;
  Logger& logger_;
  ProgressFn progress_;
  StopToken stop_;
  std::string cache_;
  backend::Feeds first_;  ///< taken to learn its shapes, and not yet given to TensorRT
  std::map<std::string, Dims> shapes_;
  std::map<std::string, cuda::DeviceBuffer> buffers_;
  int32_t batchSize_ = 1;
  int64_t batches_ = 0, skipped_ = 0;
  std::exception_ptr failure_;
};

/// `entropy` or `minmax`, as TensorRT's interface of that name. The feed must outlive it.
std::unique_ptr<api::AnyCalibrator> makeCalibrator(const std::string& method, CalibrationFeed& feed);

}  // namespace presisi::tensorrt
