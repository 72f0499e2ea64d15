#include "backend/tensorrt/engine.hpp"

#include <algorithm>
#include <utility>

#include "backend/tensorrt/inspector.hpp"
#include "backend/tensorrt/profile.hpp"
#include "backend/tensorrt/session.hpp"
#include "core/error.hpp"

namespace presisi::tensorrt {

namespace {

constexpr const char* kQuantizeAgain =
    "engines belong to one TensorRT version and one GPU model: quantize the model again on this device";

bool isDynamic(const Dims& dims) {
  return std::any_of(dims.begin(), dims.end(), [](int64_t dim) { return dim < 0; });
}

std::unique_ptr<nvinfer1::IRuntime> createRuntime(const BuildSettings& settings, Logger& logger) {
  std::unique_ptr<nvinfer1::IRuntime> runtime(
      require(nvinfer1::createInferRuntime(logger), logger, ErrorCode::BackendUnavailable, "creating a runtime"));
  if (settings.dlaCore) runtime->setDLACore(*settings.dlaCore);
  if (settings.versionCompatible) api::allowHostCode(*runtime);
  return runtime;
}

}  // namespace

std::string Whereabouts::describe() const {
  return std::string(api::productName()) + " " + api::runtimeVersion().text() + " on " + device.name +
         " (compute capability " + device.computeCapability() + ")";
}

TensorRtEngine::TensorRtEngine(Plan plan, std::map<std::string, NodeFacts> facts, const BuildSettings& settings,
                               std::shared_ptr<Logger> logger)
    : device_(cuda::currentDevice()),
      plan_(std::move(plan)),
      facts_(std::move(facts)),
      logger_(std::move(logger)),
      runtime_(createRuntime(settings, *logger_)),
      engine_(deserialize()) {
  readBindings();
}

std::shared_ptr<nvinfer1::ICudaEngine> TensorRtEngine::deserialize() const {
  if (plan_.data == nullptr || plan_.size == 0) throw Error(ErrorCode::InvalidEngine, "the TensorRT plan is empty");
  logger_->takeErrors();
  std::shared_ptr<nvinfer1::ICudaEngine> engine(runtime_->deserializeCudaEngine(plan_.data, plan_.size));
  if (engine) return engine;
  const Error failure = logger_->failure(ErrorCode::IncompatibleEngine, "loading an engine", kQuantizeAgain);
  if (failure.code() == ErrorCode::OutOfMemory) throw failure;
  const std::string said = failure.what();
  // Every plan begins with the same mark.
  if (said.find("agic tag") != std::string::npos) throw Error(ErrorCode::InvalidEngine, said);
  throw Error(ErrorCode::IncompatibleEngine, said + " (this is " + Whereabouts{device_}.describe() + ")",
              failure.hint());
}

void TensorRtEngine::readBindings() {
  using nvinfer1::OptProfileSelector;
  for (int32_t i = 0; i < engine_->getNbIOTensors(); ++i) {
    const char* name = engine_->getIOTensorName(i);
    Binding binding;
    binding.input = engine_->getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT;
    binding.onHost = engine_->getTensorLocation(name) == nvinfer1::TensorLocation::kHOST;
    const std::optional<DType> dtype = api::toDType(engine_->getTensorDataType(name));
    if (!dtype || (!binding.onHost && engine_->getTensorFormat(name) != nvinfer1::TensorFormat::kLINEAR)) {
      const char* format = engine_->getTensorFormatDesc(name);
      throw Error(ErrorCode::UnsupportedModel,
                  std::string("the engine's ") + (binding.input ? "input" : "output") + " \"" + name +
                      "\" is of a type or layout that presisi doesn't " +
                      "exchange: " + (format != nullptr ? format : "unknown"),
                  "build it with plain row-major inputs and outputs");
    }
    binding.info = {name, *dtype, fromTensorRt(engine_->getTensorShape(name)), true};
    if (binding.input && isDynamic(binding.info.dims)) {
      dynamic_ = true;
      binding.range = {fromTensorRt(engine_->getProfileShape(name, 0, OptProfileSelector::kMIN)),
                       fromTensorRt(engine_->getProfileShape(name, 0, OptProfileSelector::kOPT)),
                       fromTensorRt(engine_->getProfileShape(name, 0, OptProfileSelector::kMAX))};
      const size_t rank = binding.info.dims.size();
      if (binding.range.min.size() != rank || binding.range.opt.size() != rank || binding.range.max.size() != rank) {
        throw logger_->failure(ErrorCode::InvalidEngine, "reading the shapes that the engine accepts");
      }
    } else if (binding.input) {
      binding.range = {binding.info.dims, binding.info.dims, binding.info.dims};
    }
    (binding.input ? inputs_ : outputs_).push_back(binding.info);
    bindings_.push_back(std::move(binding));
  }
}

TensorRtEngine::Context TensorRtEngine::createContext() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  Context result;
  const bool taken = !api::sharesProfiles && dynamic_ && engine_.use_count() > 1;
  result.engine = taken ? deserialize() : engine_;
  result.context.reset(require(result.engine->createExecutionContext(), *logger_, ErrorCode::OutOfMemory,
                               "creating an execution context"));
  return result;
}

std::vector<backend::LayerInfo> TensorRtEngine::inspect() const {
  // Formats and sizes of dynamic tensors are known in a context with shapes only. Without one the names remain.
  Context context{engine_, nullptr};
  bool shaped = false;
  if (dynamic_) {
    try {
      context = createContext();
      shaped = true;
      for (const Binding& binding : bindings_) {
        if (!binding.input || !isDynamic(binding.info.dims)) continue;
        Dims dims = binding.range.opt;
        if (binding.info.dims[0] < 0) dims[0] = binding.range.min[0];
        shaped = shaped && context.context->setInputShape(binding.info.name.c_str(), toTensorRt(dims));
      }
    } catch (const Error& error) {
      logger_->note(backend::LogLevel::Warning, std::string("layers are described without shapes: ") + error.what());
    }
  }
  const std::unique_ptr<nvinfer1::IEngineInspector> inspector(
      require(context.engine->createEngineInspector(), *logger_, ErrorCode::Internal, "inspecting the engine"));
  if (shaped) inspector->setExecutionContext(context.context.get());
  const char* text = inspector->getEngineInformation(nvinfer1::LayerInformationFormat::kJSON);
  if (text == nullptr) throw logger_->failure(ErrorCode::Internal, "describing the engine's layers");
  return parseLayers(text, facts_);
}

std::vector<backend::LayerInfo> TensorRtEngine::layers() const {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (layers_) return *layers_;
  }
  std::vector<backend::LayerInfo> layers = inspect();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!layers_) layers_ = std::move(layers);
  return *layers_;
}

int64_t TensorRtEngine::weightBytes() const {
  int64_t bytes = 0;
  for (const backend::LayerInfo& layer : layers()) bytes += layer.weightBytes;
  return bytes > 0 ? bytes : static_cast<int64_t>(plan_.size);
}

std::unique_ptr<backend::Session> TensorRtEngine::createSession(const backend::SessionOptions& options) {
  return std::make_unique<TensorRtSession>(*this, options);
}

}  // namespace presisi::tensorrt
