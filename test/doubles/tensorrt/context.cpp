#include <algorithm>
#include <cstring>
#include <mutex>

#include "core/error.hpp"
#include "graph/passes.hpp"
#include "runtime.hpp"

namespace presisi::doubles::tensorrt {

namespace {

/// What one enqueue runs with: fixed when it is enqueued, used when the stream comes to it.
struct Work {
  std::shared_ptr<const Loaded> loaded;
  std::map<std::string, Dims> shapes;
  std::map<std::string, void*> addresses;
};

/// The session behind a context, and the times of its last run. Outlives the context while work is under way.
struct Executor {
  std::mutex mutex;
  std::unique_ptr<backend::Session> session;
  std::vector<double> rowSeconds;

  void run(const Work& work) {
    std::lock_guard lock(mutex);
    backend::Feeds feeds;
    for (const IoTensor& tensor : work.loaded->tensors) {
      if (!tensor.input) continue;
      const Dims& dims = work.shapes.at(tensor.name);
      feeds[tensor.name] = Tensor::view(tensor.dtype, dims, view(work, tensor, dims));
    }
    const auto& outputs = work.loaded->engine->outputs();
    session->run(feeds,
                 [&](size_t index, const Tensor& result) {
                   const IoTensor& tensor = *work.loaded->find(outputs[index].name.c_str());
                   if (result.bytes() > 0)
                     std::memcpy(view(work, tensor, result.dims()), result.data<char>(), result.bytes());
                 },
                 {});
    rowSeconds.assign(work.loaded->layers.rows.size(), 0);
    const std::vector<double> steps = session->lastTiming().layers;
    for (size_t i = 0; i < steps.size() && i < work.loaded->rowOfStep.size(); ++i) {
      if (!rowSeconds.empty()) rowSeconds[work.loaded->rowOfStep[i]] += steps[i];
    }
  }

 private:
  static void* view(const Work& work, const IoTensor& tensor, const Dims& dims) {
    const size_t bytes = static_cast<size_t>(elementCount(dims)) * byteSize(tensor.dtype);
    void* host = bytes ? doubleCudaHostView(work.addresses.at(tensor.name), bytes) : nullptr;
    if (bytes && !host) throw Error(ErrorCode::Internal, "a binding is no device memory of that size: " + tensor.name);
    return host;
  }
};

class Context : public nvinfer1::IExecutionContext {
 public:
  Context(nvinfer1::ICudaEngine& engine, nvinfer1::ILogger& logger, std::shared_ptr<const Loaded> loaded)
      : engine_(engine), logger_(logger), loaded_(std::move(loaded)), executor_(std::make_shared<Executor>()) {
    backend::SessionOptions options;
    options.profile = true;
    executor_->session = loaded_->engine->createSession(options);
    for (const IoTensor& tensor : loaded_->tensors) {
      const bool known = std::all_of(tensor.dims.begin(), tensor.dims.end(), [](int64_t dim) { return dim >= 0; });
      if (tensor.input && known) shapes_[tensor.name] = tensor.dims;
    }
  }

  void setDebugSync(bool sync) noexcept override { debugSync_ = sync; }
  bool getDebugSync() const noexcept override { return debugSync_; }
  void setProfiler(nvinfer1::IProfiler* profiler) noexcept override { profiler_ = profiler; }
  nvinfer1::IProfiler* getProfiler() const noexcept override { return profiler_; }
  nvinfer1::ICudaEngine const& getEngine() const noexcept override { return engine_; }
  void setName(char const* name) noexcept override { name_ = name ? name : ""; }
  char const* getName() const noexcept override { return name_.c_str(); }
  void setDeviceMemory(void*) noexcept override {}
#if NV_TENSORRT_MAJOR >= 10
  void setDeviceMemoryV2(void*, int64_t) noexcept override {}
  size_t updateDeviceMemorySizeForShapes() noexcept override {
    return static_cast<size_t>(engine_.getDeviceMemorySizeV2());
  }
#endif
  int32_t getOptimizationProfile() const noexcept override { return profile_; }
  void setEnqueueEmitsProfile(bool emits) noexcept override { emits_ = emits; }
  bool getEnqueueEmitsProfile() const noexcept override { return emits_; }
  bool setInputConsumedEvent(cudaEvent_t event) noexcept override { return consumed_ = event, true; }
  cudaEvent_t getInputConsumedEvent() const noexcept override { return consumed_; }
  void setPersistentCacheLimit(size_t size) noexcept override { cacheLimit_ = size; }
  size_t getPersistentCacheLimit() const noexcept override { return cacheLimit_; }
  bool setNvtxVerbosity(nvinfer1::ProfilingVerbosity verbosity) noexcept override { return nvtx_ = verbosity, true; }
  nvinfer1::ProfilingVerbosity getNvtxVerbosity() const noexcept override { return nvtx_; }
#if PRESISI_DOUBLE_SINCE_8_6
  void setAuxStreams(cudaStream_t*, int32_t) noexcept override {}
#endif

  nvinfer1::Dims getTensorStrides(char const* name) const noexcept override {
    nvinfer1::Dims dims = getTensorShape(name);
    int64_t stride = 1;
    for (int32_t i = dims.nbDims - 1; i >= 0; --i) {
      const int64_t extent = dims.d[i];
      dims.d[i] = static_cast<std::remove_reference_t<decltype(dims.d[0])>>(stride);
      stride *= extent;
    }
    return dims;
  }

  bool setInputShape(char const* name, nvinfer1::Dims const& dims) noexcept override {
    return guarded(logger_, "setInputShape", [&] {
      const IoTensor* tensor = loaded_->find(name);
      if (!tensor || !tensor->input) return complain("setInputShape: no such input: " + std::string(name ? name : ""));
      const Dims wanted = toDims(dims);
      const std::string text = tensor->name + " " + toString(wanted);
      if (wanted.size() != tensor->dims.size()) return complain("setInputShape: wrong number of dimensions: " + text);
      for (size_t i = 0; i < wanted.size(); ++i) {
        if (tensor->dims[i] >= 0 && tensor->dims[i] != wanted[i]) {
          return complain("setInputShape: static dimension mismatch: " + text + ", engine has " +
                          toString(tensor->dims));
        }
        if (loaded_->profiles.empty()) continue;
        const auto& extents = loaded_->profiles[static_cast<size_t>(profile_)];
        const auto it = extents.find(tensor->name);
        if (it == extents.end()) continue;
        if (wanted[i] < it->second[0][i] || wanted[i] > it->second[2][i]) {
          return complain("setInputShape: " + text + " is outside of the profile's range " + toString(it->second[0]) +
                          " to " + toString(it->second[2]));
        }
      }
      if (shapes_[tensor->name] != wanted) {
        shapes_[tensor->name] = wanted;
        outputs_.clear();
        settled_ = false;
      }
      return true;
    });
  }

  nvinfer1::Dims getTensorShape(char const* name) const noexcept override {
    const IoTensor* tensor = loaded_->find(name);
    if (!tensor) return noDims();
    if (tensor->input) {
      const auto it = shapes_.find(tensor->name);
      return fromDims(it == shapes_.end() ? tensor->dims : it->second);
    }
    nvinfer1::Dims dims = fromDims(tensor->dims);
    if (!allInputDimensionsSpecified()) return dims;
    guarded(logger_, "getTensorShape", [&] {
      dims = fromDims(outputShapes().at(tensor->name));
      return true;
    });
    return dims;
  }

  bool allInputDimensionsSpecified() const noexcept override {
    return std::all_of(loaded_->tensors.begin(), loaded_->tensors.end(),
                       [&](const IoTensor& tensor) { return !tensor.input || shapes_.count(tensor.name) > 0; });
  }

  bool setOptimizationProfileAsync(int32_t profile, cudaStream_t) noexcept override {
    if (profile < 0 || profile >= engine_.getNbOptimizationProfiles()) {
      return complain("setOptimizationProfileAsync: no such profile");
    }
    if (profile == profile_) return true;
    profile_ = profile;
    for (const IoTensor& tensor : loaded_->tensors) {
      const bool dynamic = std::any_of(tensor.dims.begin(), tensor.dims.end(), [](int64_t dim) { return dim < 0; });
      if (dynamic) shapes_.erase(tensor.name);
    }
    outputs_.clear();
    settled_ = false;
    return true;
  }

  bool setTensorAddress(char const* name, void* data) noexcept override {
    const IoTensor* tensor = loaded_->find(name);
    if (!tensor) return complain("setTensorAddress: no such tensor: " + std::string(name ? name : ""));
    addresses_[tensor->name] = data;
    return true;
  }
  bool setInputTensorAddress(char const* name, void const* data) noexcept override {
    const IoTensor* tensor = loaded_->find(name);
    return tensor && tensor->input && setTensorAddress(name, const_cast<void*>(data));
  }
  void const* getTensorAddress(char const* name) const noexcept override {
    const auto it = addresses_.find(name ? name : "");
    return it == addresses_.end() ? nullptr : it->second;
  }
  void* getOutputTensorAddress(char const* name) const noexcept override {
    return const_cast<void*>(getTensorAddress(name));
  }

  int32_t inferShapes(int32_t count, char const** names) noexcept override {
    int32_t missing = 0;
    for (const IoTensor& tensor : loaded_->tensors) {
      if (!tensor.input || shapes_.count(tensor.name)) continue;
      if (names && missing < count) names[missing] = tensor.name.c_str();
      ++missing;
    }
    if (missing > 0) return missing;
    return guarded(logger_, "inferShapes", [&] { return outputShapes(), true; }) ? 0 : -1;
  }

  bool setOutputAllocator(char const* name, nvinfer1::IOutputAllocator* allocator) noexcept override {
    const IoTensor* tensor = loaded_->find(name);
    if (!tensor || tensor->input) return complain("setOutputAllocator: no such output");
    allocators_[tensor->name] = allocator;
    return true;
  }
  nvinfer1::IOutputAllocator* getOutputAllocator(char const* name) const noexcept override {
    const auto it = allocators_.find(name ? name : "");
    return it == allocators_.end() ? nullptr : it->second;
  }

  int64_t getMaxOutputSize(char const* name) const noexcept override {
    const IoTensor* tensor = loaded_->find(name);
    if (!tensor || tensor->input) return -1;
    int64_t bytes = -1;
    guarded(logger_, "getMaxOutputSize", [&] {
      std::map<std::string, Dims> largest;
      for (const IoTensor& input : loaded_->tensors) {
        if (input.input) {
          largest[input.name] =
              toDims(engine_.getProfileShape(input.name.c_str(), profile_, nvinfer1::OptProfileSelector::kMAX));
        }
      }
      const auto known = graph::specialize(loaded_->model, largest);
      bytes = elementCount(known.types.at(tensor->name).dims) * static_cast<int64_t>(byteSize(tensor->dtype));
      return true;
    });
    return bytes;
  }

  bool reportToProfiler() const noexcept override {
    if (!profiler_) return complain("reportToProfiler: there is no profiler");
    std::lock_guard lock(executor_->mutex);
    const size_t rows = std::min(executor_->rowSeconds.size(), loaded_->layers.rows.size());
    for (size_t i = 0; i < rows; ++i) {
      profiler_->reportLayerTime(loaded_->layers.rows[i].name.c_str(),
                                 static_cast<float>(executor_->rowSeconds[i] * 1e3));
    }
    return true;
  }

  bool enqueueV3(cudaStream_t stream) noexcept override {
    return guarded(logger_, "enqueueV3", [&] { return enqueue(stream); });
  }

 private:
  bool complain(const std::string& text) const noexcept {
    say(logger_, Severity::kERROR, text);
    return false;
  }

  const std::map<std::string, Dims>& outputShapes() const {
    if (outputs_.empty()) {
      const auto known = graph::specialize(loaded_->model, shapes_);
      for (const IoTensor& tensor : loaded_->tensors) {
        if (!tensor.input) outputs_[tensor.name] = known.types.at(tensor.name).dims;
      }
    }
    return outputs_;
  }

  bool enqueue(cudaStream_t stream) {
    for (const IoTensor& tensor : loaded_->tensors) {
      if (tensor.input && !shapes_.count(tensor.name)) {
        return complain("enqueueV3: the shape of " + tensor.name + " has not been set");
      }
    }
    Work work{loaded_, shapes_, addresses_};
    for (const IoTensor& tensor : loaded_->tensors) {
      if (!tensor.input && allocators_[tensor.name]) work.addresses[tensor.name] = allocate(tensor, stream);
      if (!work.addresses[tensor.name])
        return complain("enqueueV3: the address of " + tensor.name + " has not been set");
    }
    cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
    cudaStreamIsCapturing(stream, &capture);
    if (capture != cudaStreamCaptureStatusNone && !settled_) {
      return complain("enqueueV3: shapes have changed since the last enqueue; run once before capturing a graph");
    }
    const cudaError_t error = doubleCudaLaunch(stream, [executor = executor_, work] { executor->run(work); });
    if (error != cudaSuccess) return complain(std::string("enqueueV3: ") + cudaGetErrorString(error));
    if (consumed_) cudaEventRecord(consumed_, stream);
    settled_ = true;
    if (capture != cudaStreamCaptureStatusNone) return true;
    if (debugSync_ || (profiler_ && emits_)) {
      const cudaError_t finished = cudaStreamSynchronize(stream);
      if (finished != cudaSuccess) return complain(std::string("enqueueV3: ") + cudaGetErrorString(finished));
      if (profiler_ && emits_) return reportToProfiler();
    }
    return true;
  }

  void* allocate(const IoTensor& tensor, [[maybe_unused]] cudaStream_t stream) {
    nvinfer1::IOutputAllocator& allocator = *allocators_.at(tensor.name);
    const Dims& dims = outputShapes().at(tensor.name);
    const uint64_t bytes = static_cast<uint64_t>(elementCount(dims)) * byteSize(tensor.dtype);
    void* current = const_cast<void*>(getTensorAddress(tensor.name.c_str()));
#if NV_TENSORRT_MAJOR >= 10
    void* memory = allocator.reallocateOutputAsync(tensor.name.c_str(), current, bytes, 256, stream);
#else
    void* memory = allocator.reallocateOutput(tensor.name.c_str(), current, bytes, 256);
#endif
    allocator.notifyShape(tensor.name.c_str(), fromDims(dims));
    return memory;
  }

  nvinfer1::ICudaEngine& engine_;
  nvinfer1::ILogger& logger_;
  std::shared_ptr<const Loaded> loaded_;
  std::shared_ptr<Executor> executor_;
  std::map<std::string, Dims> shapes_;           ///< of inputs
  mutable std::map<std::string, Dims> outputs_;  ///< for those shapes; empty: not yet inferred
  std::map<std::string, void*> addresses_;
  std::map<std::string, nvinfer1::IOutputAllocator*> allocators_;
  nvinfer1::IProfiler* profiler_ = nullptr;
  cudaEvent_t consumed_ = nullptr;
  std::string name_;
  nvinfer1::ProfilingVerbosity nvtx_ = nvinfer1::ProfilingVerbosity::kLAYER_NAMES_ONLY;
  size_t cacheLimit_ = 0;
  int32_t profile_ = 0;
  bool debugSync_ = false, emits_ = true;
  bool settled_ = false;  ///< nothing is left to be done for the shapes before the next enqueue
};

}  // namespace

std::unique_ptr<nvinfer1::IExecutionContext> newExecutionContext(nvinfer1::ICudaEngine& engine,
                                                                 nvinfer1::ILogger& logger,
                                                                 std::shared_ptr<const Loaded> loaded) {
  return std::make_unique<Context>(engine, logger, std::move(loaded));
}

}  // namespace presisi::doubles::tensorrt
