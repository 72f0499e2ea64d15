#pragma once

#include <array>

#include "backend/backend.hpp"
#include "layers.hpp"

namespace presisi::doubles::tensorrt {

struct IoTensor {
  std::string name;
  DType dtype = DType::Undefined;
  Dims dims;
  bool input = false;
};

/// What a plan holds, unpacked: shared by the engine and its contexts.
struct Loaded {
  Json head;
  std::string bytes;  ///< the whole plan, for serialize()
  onnx::Model model;
  std::vector<IoTensor> tensors;  ///< inputs, then outputs
  std::vector<std::map<std::string, std::array<Dims, 3>>> profiles;
  LayerPlan layers;
  std::vector<size_t> rowOfStep;  ///< to which row the time of each reference step goes
  std::shared_ptr<backend::Engine> engine;

  const IoTensor* find(const char* name) const;
};

class Engine : public nvinfer1::ICudaEngine {
 public:
  Engine(nvinfer1::ILogger& logger, std::shared_ptr<const Loaded> loaded)
      : logger_(logger), loaded_(std::move(loaded)) {}

  nvinfer1::Dims getTensorShape(char const* name) const noexcept override;
  nvinfer1::DataType getTensorDataType(char const* name) const noexcept override;
  int32_t getNbLayers() const noexcept override { return static_cast<int32_t>(loaded_->layers.rows.size()); }
  nvinfer1::IHostMemory* serialize() const noexcept override;
#if NV_TENSORRT_MAJOR >= 10
  nvinfer1::IExecutionContext* createExecutionContext(
      nvinfer1::ExecutionContextAllocationStrategy strategy) noexcept override;
  int64_t getDeviceMemorySizeV2() const noexcept override { return scratchBytes(); }
  int64_t getDeviceMemorySizeForProfileV2(int32_t) const noexcept override { return scratchBytes(); }
#else
  nvinfer1::IExecutionContext* createExecutionContext() noexcept override;
  nvinfer1::IExecutionContext* createExecutionContextWithoutDeviceMemory() noexcept override;
#endif
#if NV_TENSORRT_MAJOR <= 10
  size_t getDeviceMemorySize() const noexcept override { return static_cast<size_t>(scratchBytes()); }
#endif
  nvinfer1::TensorLocation getTensorLocation(char const*) const noexcept override {
    return nvinfer1::TensorLocation::kDEVICE;
  }
  bool isShapeInferenceIO(char const*) const noexcept override { return false; }
  nvinfer1::TensorIOMode getTensorIOMode(char const* name) const noexcept override;
  bool isRefittable() const noexcept override { return loaded_->head.value("refit", false); }
  int32_t getTensorBytesPerComponent(char const*) const noexcept override { return -1; }
  int32_t getTensorComponentsPerElement(char const*) const noexcept override { return -1; }
  nvinfer1::TensorFormat getTensorFormat(char const*) const noexcept override {
    return nvinfer1::TensorFormat::kLINEAR;
  }
  char const* getTensorFormatDesc(char const* name) const noexcept override;
  int32_t getTensorVectorizedDim(char const*) const noexcept override { return -1; }
  char const* getName() const noexcept override { return name_.c_str(); }
  int32_t getNbOptimizationProfiles() const noexcept override;
  nvinfer1::Dims getProfileShape(char const* name, int32_t profile,
                                 nvinfer1::OptProfileSelector select) const noexcept override;
  nvinfer1::EngineCapability getEngineCapability() const noexcept override;
  nvinfer1::TacticSources getTacticSources() const noexcept override { return ~0U; }
  nvinfer1::ProfilingVerbosity getProfilingVerbosity() const noexcept override;
  nvinfer1::IEngineInspector* createEngineInspector() const noexcept override;
  int32_t getNbIOTensors() const noexcept override { return static_cast<int32_t>(loaded_->tensors.size()); }
  char const* getIOTensorName(int32_t index) const noexcept override;
#if PRESISI_DOUBLE_SINCE_8_6
  nvinfer1::HardwareCompatibilityLevel getHardwareCompatibilityLevel() const noexcept override;
  int32_t getNbAuxStreams() const noexcept override { return 0; }
#endif

 private:
  nvinfer1::IExecutionContext* newContext() noexcept;
  int64_t scratchBytes() const;

  nvinfer1::ILogger& logger_;
  std::shared_ptr<const Loaded> loaded_;
  std::string name_ = loaded_->head.value("name", "");
};

class Runtime : public nvinfer1::IRuntime {
 public:
  explicit Runtime(nvinfer1::ILogger& logger) : logger_(logger) {}

  void setDLACore(int32_t core) noexcept override { dlaCore_ = core; }
  int32_t getDLACore() const noexcept override { return dlaCore_; }
  int32_t getNbDLACores() const noexcept override { return doubleCudaDlaCores(); }
  nvinfer1::ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size) noexcept override;
  nvinfer1::ILogger* getLogger() const noexcept override { return &logger_; }
  bool setMaxThreads(int32_t count) noexcept override { return count >= 1 ? (threads_ = count, true) : false; }
  int32_t getMaxThreads() const noexcept override { return threads_; }
#if PRESISI_DOUBLE_SINCE_8_6
  void setEngineHostCodeAllowed(bool allowed) noexcept override { hostCode_ = allowed; }
  bool getEngineHostCodeAllowed() const noexcept override { return hostCode_; }
#endif

 private:
  void checkPlan(const Json& head) const;

  nvinfer1::ILogger& logger_;
  int32_t dlaCore_ = 0, threads_ = 1;
  bool hostCode_ = false;
};

std::unique_ptr<nvinfer1::IEngineInspector> newInspector(const nvinfer1::ICudaEngine& engine, nvinfer1::ILogger& logger,
                                                         std::shared_ptr<const Loaded> loaded);
std::unique_ptr<nvinfer1::IExecutionContext> newExecutionContext(nvinfer1::ICudaEngine& engine,
                                                                 nvinfer1::ILogger& logger,
                                                                 std::shared_ptr<const Loaded> loaded);

}  // namespace presisi::doubles::tensorrt
