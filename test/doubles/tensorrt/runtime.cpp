#include "runtime.hpp"

#include <algorithm>

#include "backend/reference/network.hpp"
#include "backend/reference/reference.hpp"
#include "core/error.hpp"
#include "onnx/reader.hpp"

namespace presisi::doubles::tensorrt {

namespace {

constexpr int64_t kAnyBatch = int64_t{1} << 31;  // profiles bound the batch

std::vector<size_t> assignSteps(const onnx::Model& model, const LayerPlan& layers) {
  std::map<std::string, size_t> rowOf;
  for (size_t row = 0; row < layers.rows.size(); ++row) {
    for (const std::string& made : layers.rows[row].makes) rowOf.emplace(made, row);
  }
  std::vector<size_t> assigned;
  size_t last = 0;
  for (const backend::reference::Step& step : backend::reference::planSteps(model)) {
    for (const std::string& output : step.node.outputs) {
      if (const auto it = rowOf.find(output); it != rowOf.end()) {
        last = it->second;
        break;
      }
    }
    assigned.push_back(last);  // what no row makes goes with the row before
  }
  return assigned;
}

std::shared_ptr<const Loaded> unpackPlan(Json head, const std::string& body, std::string bytes) {
  auto loaded = std::make_shared<Loaded>();
  loaded->bytes = std::move(bytes);
  loaded->layers = layerPlanFromJson(head.at("layers"));
  for (const char* side : {"inputs", "outputs"}) {
    for (const Json& info : head.at(side)) {
      loaded->tensors.push_back({info.at("name"), static_cast<DType>(info.at("dtype").get<int>()),
                                 info.at("dims").get<Dims>(), side == std::string("inputs")});
    }
  }
  for (const Json& profile : head.at("profiles")) {
    loaded->profiles.push_back(profile.get<std::map<std::string, std::array<Dims, 3>>>());
  }
  loaded->model = onnx::readModel(reinterpret_cast<const uint8_t*>(body.data()), body.size(), nullptr);
  backend::BuildOptions options;
  options.maxBatch = kAnyBatch;
  loaded->engine = backend::reference::instance().build(loaded->model, options, {}, {});
  loaded->rowOfStep = assignSteps(loaded->model, loaded->layers);
  loaded->head = std::move(head);
  return loaded;
}

}  // namespace

const IoTensor* Loaded::find(const char* name) const {
  const auto it =
      std::find_if(tensors.begin(), tensors.end(), [&](const IoTensor& tensor) { return name && tensor.name == name; });
  return it == tensors.end() ? nullptr : &*it;
}

void Runtime::checkPlan(const Json& head) const {
  const std::string version = head.at("version");
  const bool compatible = head.at("versionCompatible");
  if (version != libraryVersion()) {
    const bool sameWorld = compatible && head.at("major").get<int>() <= NV_TENSORRT_MAJOR;
    if (!sameWorld) {
      throw Error(ErrorCode::IncompatibleEngine,
                  "The engine plan file is not compatible with this version of TensorRT, expecting library version " +
                      libraryVersion() + " got " + version + ", please rebuild.");
    }
  }
  if (head.at("leanRuntime").get<bool>() && !hostCode_) {
    throw Error(ErrorCode::IncompatibleEngine,
                "Cannot deserialize engine with lean runtime: setEngineHostCodeAllowed(true) is needed");
  }
  const Gpu gpu = currentGpu();
  const int major = head.at("compute").at(0), minor = head.at("compute").at(1);
  const int hardware = head.at("hardware");
  const bool same = major == gpu.major && minor == gpu.minor;
  const bool ampere = hardware == 1 && major >= 8 && gpu.major >= 8;
  if (!same && !ampere) {
    throw Error(ErrorCode::IncompatibleEngine,
                "The engine plan file is generated on an incompatible device, expecting compute " + gpu.compute() +
                    " got compute " + std::to_string(major) + "." + std::to_string(minor) + ", please rebuild.");
  }
  if (hardware == 0 && head.at("gpu").get<std::string>() != gpu.name) {
    say(logger_, Severity::kWARNING,
        "Using an engine plan file across different models of devices is not recommended and is likely to affect "
        "performance or even cause errors.");
  }
}

nvinfer1::ICudaEngine* Runtime::deserializeCudaEngine(void const* blob, std::size_t size) noexcept {
  std::unique_ptr<Engine> engine;
  guarded(logger_, "deserializeCudaEngine", [&] {
    Json head;
    std::string body;
    if (!unpack(kPlanMagic, blob, size, head, body)) {
      throw Error(ErrorCode::InvalidEngine,
                  "Serialization assertion failed: the plan's magic tag or checksum does not match");
    }
    checkPlan(head);
    engine = std::make_unique<Engine>(
        logger_, unpackPlan(std::move(head), body, std::string(static_cast<const char*>(blob), size)));
    return true;
  });
  return engine.release();
}

nvinfer1::Dims Engine::getTensorShape(char const* name) const noexcept {
  const IoTensor* tensor = loaded_->find(name);
  return tensor ? fromDims(tensor->dims) : noDims();
}

nvinfer1::DataType Engine::getTensorDataType(char const* name) const noexcept {
  const IoTensor* tensor = loaded_->find(name);
  return tensor ? fromDType(tensor->dtype) : nvinfer1::DataType::kFLOAT;
}

nvinfer1::IHostMemory* Engine::serialize() const noexcept {
  return std::make_unique<HostMemory>(loaded_->bytes).release();
}

nvinfer1::IExecutionContext* Engine::newContext() noexcept {
  std::unique_ptr<nvinfer1::IExecutionContext> context;
  guarded(logger_, "createExecutionContext", [&] {
    // As TensorRT does, take the scratch memory now, so that its lack shows here.
    void* scratch = nullptr;
    const cudaError_t error = cudaMalloc(&scratch, static_cast<size_t>(scratchBytes()));
    if (error != cudaSuccess) {
      throw Error(ErrorCode::OutOfMemory, std::string("Requested amount of GPU memory (") +
                                              std::to_string(scratchBytes()) +
                                              " bytes) could not be allocated: " + cudaGetErrorString(error));
    }
    cudaFree(scratch);
    context = newExecutionContext(*this, logger_, loaded_);
    return true;
  });
  return context.release();
}

#if NV_TENSORRT_MAJOR >= 10
nvinfer1::IExecutionContext* Engine::createExecutionContext(nvinfer1::ExecutionContextAllocationStrategy) noexcept {
  return newContext();
}
#else
nvinfer1::IExecutionContext* Engine::createExecutionContext() noexcept { return newContext(); }
nvinfer1::IExecutionContext* Engine::createExecutionContextWithoutDeviceMemory() noexcept { return newContext(); }
#endif

nvinfer1::TensorIOMode Engine::getTensorIOMode(char const* name) const noexcept {
  const IoTensor* tensor = loaded_->find(name);
  if (!tensor) return nvinfer1::TensorIOMode::kNONE;
  return tensor->input ? nvinfer1::TensorIOMode::kINPUT : nvinfer1::TensorIOMode::kOUTPUT;
}

char const* Engine::getTensorFormatDesc(char const* name) const noexcept {
  const IoTensor* tensor = loaded_->find(name);
  if (!tensor) return "";
  switch (tensor->dtype) {
    case DType::Float16: return "Row major linear FP16 format (kLINEAR)";
    case DType::Int8: return "Row major Int8 format (kLINEAR)";
    case DType::Int32: return "Row major linear Int32 format (kLINEAR)";
    default: return "Row major linear FP32 format (kLINEAR)";
  }
}

int32_t Engine::getNbOptimizationProfiles() const noexcept {
  return std::max<int32_t>(1, static_cast<int32_t>(loaded_->profiles.size()));
}

nvinfer1::Dims Engine::getProfileShape(char const* name, int32_t profile,
                                       nvinfer1::OptProfileSelector select) const noexcept {
  const IoTensor* tensor = loaded_->find(name);
  if (!tensor || !tensor->input || profile < 0 || profile >= getNbOptimizationProfiles()) return noDims();
  if (loaded_->profiles.empty()) return fromDims(tensor->dims);
  const auto& extents = loaded_->profiles[static_cast<size_t>(profile)];
  const auto it = extents.find(tensor->name);
  return fromDims(it == extents.end() ? tensor->dims : it->second[static_cast<size_t>(select)]);
}

nvinfer1::EngineCapability Engine::getEngineCapability() const noexcept {
  return static_cast<nvinfer1::EngineCapability>(loaded_->head.value("capability", 0));
}

nvinfer1::ProfilingVerbosity Engine::getProfilingVerbosity() const noexcept {
  return static_cast<nvinfer1::ProfilingVerbosity>(loaded_->head.value("verbosity", 0));
}

nvinfer1::IEngineInspector* Engine::createEngineInspector() const noexcept {
  return newInspector(*this, logger_, loaded_).release();
}

char const* Engine::getIOTensorName(int32_t index) const noexcept {
  if (index < 0 || index >= getNbIOTensors()) return nullptr;
  return loaded_->tensors[static_cast<size_t>(index)].name.c_str();
}

#if PRESISI_DOUBLE_SINCE_8_6
nvinfer1::HardwareCompatibilityLevel Engine::getHardwareCompatibilityLevel() const noexcept {
  return static_cast<nvinfer1::HardwareCompatibilityLevel>(loaded_->head.value("hardware", 0));
}
#endif

int64_t Engine::scratchBytes() const {
  // As if every tensor between had its own memory.
  int64_t bytes = 256;
  for (const LayerRow& row : loaded_->layers.rows) {
    for (const std::string& name : row.outputs) {
      const auto it = loaded_->layers.dims.find(name);
      if (it != loaded_->layers.dims.end()) bytes += elementCount(it->second) * (row.writesAs == "INT8" ? 1 : 4);
    }
  }
  return bytes;
}

}  // namespace presisi::doubles::tensorrt
