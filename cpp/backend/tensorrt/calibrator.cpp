#include "backend/tensorrt/calibrator.hpp"

#include <utility>

#include "backend/feeds.hpp"
#include "calibration/table.hpp"
#include "core/error.hpp"

namespace presisi::tensorrt {

namespace {

/// As TensorRT writes it into the first line of a cache.
std::string algorithmOf(const std::string& method) {
  if (method == "entropy") return "EntropyCalibration2";
  if (method == "minmax") return "MinMaxCalibration";
  throw Error(ErrorCode::InvalidArgument,
              "Expected one of entropy, minmax for TensorRT's own calibration but received \"" + method + "\"");
}

void requireUsable(const std::string& cache, const std::string& method) {
  const calibration::TensorRtCache parsed = calibration::parseTensorRtCache(cache);
  const std::string algorithm = algorithmOf(method);
  const int version = api::runtimeVersionNumber();
  if (parsed.version == version && parsed.algorithm == algorithm) return;
  throw Error(ErrorCode::InvalidCalibration,
              "the calibration cache is TRT-" + std::to_string(parsed.version) + "-" + parsed.algorithm +
                  " but this build needs TRT-" + std::to_string(version) + "-" + algorithm,
              "calibrate again with this TensorRT and method: it would skip the cache in silence and do the same");
}

template <typename Base>
class Calibrator final : public Base {
 public:
  explicit Calibrator(CalibrationFeed& feed) : feed_(feed) {}
  int32_t getBatchSize() const noexcept override { return feed_.batchSize(); }
  bool getBatch(void* bindings[], const char* names[], int32_t count) noexcept override {
    return feed_.getBatch(bindings, names, count);
  }
  const void* readCalibrationCache(size_t& length) noexcept override { return feed_.readCache(length); }
  void writeCalibrationCache(const void* cache, size_t length) noexcept override { feed_.writeCache(cache, length); }

 private:
  CalibrationFeed& feed_;
};

}  // namespace

CalibrationFeed::CalibrationFeed(std::shared_ptr<const backend::OwnCalibration> source,
                                 std::vector<backend::TensorInfo> inputs, Logger& logger, ProgressFn progress,
                                 StopToken stop)
    : source_(std::move(source)),
      inputs_(std::move(inputs)),
      logger_(logger),
      progress_(std::move(progress)),
      stop_(std::move(stop)),
      cache_(source_->cache) {
  algorithmOf(source_->method);  // refuses unknown methods
  if (!cache_.empty()) requireUsable(cache_, source_->method);
}

bool CalibrationFeed::fetch(backend::Feeds& feeds) {
  feeds.clear();
  return source_->next && source_->next(feeds);
}

std::map<std::string, Dims> CalibrationFeed::shapes() {
  if (!cache_.empty()) return {};
  stop_.check();
  if (!fetch(first_)) {
    throw Error(ErrorCode::InvalidCalibration, "there is no calibration data", "give at least one batch of samples");
  }
  const std::vector<Dims> dims = backend::validateFeeds(inputs_, first_, INT64_MAX);
  for (size_t i = 0; i < inputs_.size(); ++i) shapes_[inputs_[i].name] = dims[i];
  if (!dims.empty() && !dims[0].empty()) batchSize_ = static_cast<int32_t>(dims[0][0]);
  return shapes_;
}

bool CalibrationFeed::upload(void* bindings[], const char* names[], int32_t count) {
  for (;;) {
    stop_.check();
    backend::Feeds feeds;
    if (!first_.empty()) {
      feeds.swap(first_);
    } else if (!fetch(feeds)) {
      if (skipped_ > 0) {
        logger_.note(backend::LogLevel::Warning,
                     std::to_string(skipped_) +
                         " calibration batches of another shape than the first were left out: "
                         "TensorRT calibrates at one shape");
      }
      return false;
    }
    const std::vector<Dims> dims = backend::validateFeeds(inputs_, feeds, INT64_MAX);
    bool same = true;
    for (size_t i = 0; i < inputs_.size(); ++i) same = same && shapes_[inputs_[i].name] == dims[i];
    if (!same) {
      ++skipped_;
      continue;
    }
    for (int32_t i = 0; i < count; ++i) {
      const auto feed = feeds.find(names[i]);
      if (feed == feeds.end()) {
        throw Error(ErrorCode::Internal, std::string("TensorRT calibrates an unknown input \"") + names[i] + "\"");
      }
      cuda::DeviceBuffer& buffer = buffers_[names[i]];
      buffer.reserve(feed->second.bytes());
      cuda::check(cudaMemcpy(buffer.data(), feed->second.data<uint8_t>(), feed->second.bytes(), cudaMemcpyHostToDevice),
                  "copying a calibration batch to the device");
      bindings[i] = buffer.data();
    }
    if (progress_) progress_({"calibrate", static_cast<double>(++batches_), 0});
    return true;
  }
}

bool CalibrationFeed::getBatch(void* bindings[], const char* names[], int32_t count) noexcept {
  if (failure_) return false;
  try {
    return upload(bindings, names, count);
  } catch (...) {
    failure_ = std::current_exception();
    return false;
  }
}

const void* CalibrationFeed::readCache(size_t& length) noexcept {
  length = cache_.size();
  return cache_.empty() ? nullptr : cache_.data();
}

void CalibrationFeed::writeCache(const void* cache, size_t length) noexcept {
  // A calibration that was cut short has scales of part of the data: not worth keeping.
  if (failure_ || cache == nullptr || !source_->keep) return;
  try {
    source_->keep(std::string(static_cast<const char*>(cache), length));
  } catch (...) {
    failure_ = std::current_exception();
  }
}

void CalibrationFeed::rethrow() const {
  if (failure_) std::rethrow_exception(failure_);
}

std::unique_ptr<api::AnyCalibrator> makeCalibrator(const std::string& method, CalibrationFeed& feed) {
  if (method == "minmax") return std::make_unique<Calibrator<api::MinMaxCalibrator>>(feed);
  return std::make_unique<Calibrator<api::EntropyCalibrator>>(feed);
}

}  // namespace presisi::tensorrt
