#include "backend/tensorrt/session.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "backend/feeds.hpp"
#include "backend/tensorrt/profile.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"

namespace presisi::tensorrt {

namespace {

/// Feeds must lie within what the engine was built for.
void requireInRange(const Binding& binding, const Dims& shape) {
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] >= binding.range.min[i] && shape[i] <= binding.range.max[i]) continue;
    const std::string what = i == 0 ? "a batch" : "dimension " + std::to_string(i);
    throw Error(ErrorCode::ShapeMismatch,
                "Expected " + what + " from " + std::to_string(binding.range.min[i]) + " to " +
                    std::to_string(binding.range.max[i]) + " for input \"" + binding.info.name + "\" but received " +
                    toString(shape),
                "the engine was built for these shapes: build it with a larger maxBatch, or with the setting profiles");
  }
}

bool wantsZeroCopy(const SessionSettings& settings, const cuda::DeviceInfo& device) {
  using ZeroCopy = SessionSettings::ZeroCopy;
  if (settings.zeroCopy == ZeroCopy::On && !device.mapsHostMemory) {
    throw Error(ErrorCode::InvalidArgument, "zeroCopy isn't possible: " + device.name + " doesn't map host memory");
  }
  return settings.zeroCopy == ZeroCopy::On ||
         (settings.zeroCopy == ZeroCopy::Auto && device.integrated && device.mapsHostMemory);
}

}  // namespace

LayerTimes::LayerTimes(const std::vector<backend::LayerInfo>& layers) : seconds_(layers.size(), 0.0) {
  for (size_t i = 0; i < layers.size(); ++i) byName_.emplace(layers[i].name, i);
}

void LayerTimes::reportLayerTime(const char* layer, float milliseconds) noexcept {
  try {
    const auto it = byName_.find(layer);
    if (it != byName_.end()) seconds_[it->second] += static_cast<double>(milliseconds) / 1e3;
  } catch (...) {
    // No memory for a name: the time of this layer is missing, which is better than ending the process.
  }
}

TensorRtSession::TensorRtSession(const TensorRtEngine& engine, const backend::SessionOptions& options)
    : settings_(parseSessionSettings(options.settings)),
      logger_(engine.logger()),
      listener_(logger_, options.log),
      zeroCopy_(wantsZeroCopy(settings_, engine.device())),
      graphAllowed_(settings_.cudaGraph),
      context_(engine.createContext()) {
  for (const Binding& binding : engine.bindings()) {
    (binding.input ? inputs_ : outputs_).emplace_back(binding, engine.pinned(), zeroCopy_);
    if (!binding.input) continue;
    inputInfos_.push_back(binding.info);
    hostInputs_ = hostInputs_ || binding.onHost;
  }
  if (options.profile) {
    layerTimes_ = std::make_unique<LayerTimes>(engine.layers());
    context_.context->setProfiler(layerTimes_.get());
  }
  if (graphAllowed_ && (options.profile || hostInputs_)) {
    graphAllowed_ = false;
    logger_.note(backend::LogLevel::Warning, options.profile ? "no CUDA graph: layers can't be timed inside one"
                                                             : "no CUDA graph: an input's values are shapes");
  }
}

TensorRtSession::~TensorRtSession() {
  // The device may still use this memory.
  if (inFlight_) static_cast<void>(cudaStreamSynchronize(stream_.get()));
}

int64_t TensorRtSession::arenaBytes() const {
  auto bytes = static_cast<size_t>(std::max<int64_t>(api::activationBytes(*context_.engine), 0));
  for (const Slot& slot : inputs_) bytes += slot.capacity();
  for (const Slot& slot : outputs_) bytes += slot.capacity();
  return static_cast<int64_t>(bytes);
}

void TensorRtSession::settle() {
  if (!inFlight_) return;
  stream_.synchronize();
  inFlight_ = false;
}

void TensorRtSession::bind(Slot& slot) {
  if (slot.bound == slot.device()) return;
  graph_.reset();  // it has the old address in it
  warm_ = false;
  require(context_.context->setTensorAddress(slot.binding->info.name.c_str(), slot.device()), logger_,
          ErrorCode::Internal, "binding \"" + slot.binding->info.name + "\"");
  slot.bound = slot.device();
}

/// Whether shapes changed since the last run.
bool TensorRtSession::setInputs(const backend::Feeds& feeds) {
  const std::vector<Dims> shapes = backend::validateFeeds(inputInfos_, feeds, INT64_MAX);
  for (size_t i = 0; i < inputs_.size(); ++i) requireInRange(*inputs_[i].binding, shapes[i]);
  bool changed = !prepared_;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Slot& slot = inputs_[i];
    const std::string& name = slot.binding->info.name;
    if (changed || slot.shape() != shapes[i]) {
      // Until all of them are set the context is between two sets of shapes, and so it stays if this throws.
      prepared_ = false;
      changed = true;
      graph_.reset();
      warm_ = false;
      slot.reserve(shapes[i]);
      const Dims& declared = slot.binding->info.dims;
      if (std::any_of(declared.begin(), declared.end(), [](int64_t dim) { return dim < 0; })) {
        require(context_.context->setInputShape(name.c_str(), toTensorRt(shapes[i])), logger_, ErrorCode::ShapeMismatch,
                "setting the shape " + toString(shapes[i]) + " of input \"" + name + "\"");
      }
    }
    if (changed || settings_.transfers || slot.binding->onHost) {
      const Tensor& feed = feeds.at(name);
      if (feed.bytes() > 0) std::memcpy(slot.host(), feed.data<uint8_t>(), feed.bytes());
    }
    bind(slot);
  }
  return changed;
}

void TensorRtSession::prepareOutputs() {
  nvinfer1::IExecutionContext& context = *context_.context;
  require(context.allInputDimensionsSpecified() && context.inferShapes(0, nullptr) == 0, logger_,
          ErrorCode::ShapeMismatch, "inferring shapes");
  for (Slot& slot : outputs_) {
    const char* name = slot.binding->info.name.c_str();
    const Dims shape = fromTensorRt(context.getTensorShape(name));
    const bool late = std::any_of(shape.begin(), shape.end(), [](int64_t dim) { return dim < 0; });
    if (!late) {
      if (slot.late) {
        static_cast<void>(context.setOutputAllocator(name, nullptr));
        slot.late.reset();
        slot.bound = nullptr;
      }
      slot.reserve(shape);
      bind(slot);
      continue;
    }
    if (!slot.late) {
      slot.late = std::make_unique<LateOutput>();
      require(context.setOutputAllocator(name, slot.late.get()), logger_, ErrorCode::Internal,
              std::string("announcing memory for output \"") + name + "\"");
      slot.bound = nullptr;
      if (graphAllowed_) {
        graphAllowed_ = false;
        logger_.note(backend::LogLevel::Warning,
                     std::string("no CUDA graph: the shape of output \"") + name + "\" depends on the data");
      }
    }
    slot.late->start();
  }
  prepared_ = true;
}

bool TensorRtSession::launchNetwork() { return context_.context->enqueueV3(stream_.get()); }

void TensorRtSession::compute() {
  if (graphAllowed_ && warm_ && !graph_) {
    std::string why;
    graph_ = cuda::Graph::capture(
        stream_, [this] { return launchNetwork(); }, why);
    if (!graph_) {
      graphAllowed_ = false;
      logger_.takeErrors();
      logger_.note(backend::LogLevel::Warning, "no CUDA graph, kernels are launched one by one: " + why);
    }
  }
  if (graph_) {
    graph_.launch(stream_);
    return;
  }
  logger_.takeErrors();
  if (launchNetwork()) return;
  for (const Slot& slot : outputs_) {
    if (slot.late) slot.late->rethrow();
  }
  throw logger_.failure(ErrorCode::Internal, "enqueuing the network");
}

void TensorRtSession::enqueue(bool upload) {
  inFlight_ = true;
  begun_.record(stream_);
  for (const Slot& slot : inputs_) {
    if (!upload || !slot.copied() || slot.bytes() == 0) continue;
    cuda::check(cudaMemcpyAsync(slot.device(), slot.host(), slot.bytes(), cudaMemcpyHostToDevice, stream_.get()),
                "copying an input to the device");
  }
  uploaded_.record(stream_);
  const Clock clock;
  compute();
  enqueueSeconds_ = clock.seconds();
  computed_.record(stream_);
  for (const Slot& slot : outputs_) {
    if (!settings_.transfers || slot.late || !slot.copied() || slot.bytes() == 0) continue;
    cuda::check(cudaMemcpyAsync(slot.host(), slot.device(), slot.bytes(), cudaMemcpyDeviceToHost, stream_.get()),
                "copying an output from the device");
  }
  done_.record(stream_);
}

void TensorRtSession::wait(const StopToken& stop) {
  // Short runs end while spinning; sleeping costs up to a scheduler's tick, and is for those that take longer.
  constexpr std::chrono::microseconds kSpin(100), kSleep(50);
  const auto start = std::chrono::steady_clock::now();
  while (!done_.reached()) {
    // What was launched can't be taken back. It ends by itself, and the next run waits for it.
    stop.check();
    if (!settings_.spinWait && std::chrono::steady_clock::now() - start > kSpin) std::this_thread::sleep_for(kSleep);
  }
  inFlight_ = false;
}

/// Outputs whose size nobody knew before.
void TensorRtSession::fetchLate() {
  bool any = false;
  for (Slot& slot : outputs_) {
    if (!slot.late) continue;
    slot.late->rethrow();
    slot.reserveHost(slot.late->dims());
    if (slot.bytes() == 0 || !settings_.transfers) continue;
    inFlight_ = any = true;
    cuda::check(cudaMemcpyAsync(slot.host(), slot.late->data(), slot.bytes(), cudaMemcpyDeviceToHost, stream_.get()),
                "copying an output from the device");
  }
  if (any) settle();
}

void TensorRtSession::deliver(const backend::OutputSink& sink) {
  if (!settings_.transfers || !sink) return;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const Slot& slot = outputs_[i];
    sink(i, Tensor::view(slot.binding->info.dtype, slot.shape(), slot.host()));
  }
}

void TensorRtSession::noteTiming(double total, bool uploaded) {
  backend::Timing timing;
  timing.total = total;
  timing.stages["enqueue"] = enqueueSeconds_;
  timing.stages["compute"] = cuda::secondsBetween(uploaded_, computed_);
  if (!zeroCopy_ && uploaded) timing.stages["h2d"] = cuda::secondsBetween(begun_, uploaded_);
  if (!zeroCopy_ && settings_.transfers) timing.stages["d2h"] = cuda::secondsBetween(computed_, done_);
  if (layerTimes_) timing.layers = layerTimes_->seconds();
  timing_ = std::move(timing);
}

void TensorRtSession::run(const backend::Feeds& feeds, const backend::OutputSink& sink, const StopToken& stop) {
  stop.check();
  const Clock clock;
  settle();
  const bool changed = setInputs(feeds);
  if (changed || hostInputs_ ||
      std::any_of(outputs_.begin(), outputs_.end(), [](const Slot& s) { return s.late != nullptr; })) {
    prepareOutputs();
  }
  if (layerTimes_) layerTimes_->start();
  stop.check();
  const bool upload = changed || settings_.transfers;
  enqueue(upload);
  wait(stop);
  fetchLate();
  warm_ = true;
  noteTiming(clock.seconds(), upload);
  deliver(sink);
}

}  // namespace presisi::tensorrt
