#pragma once

#include "NvInferRuntime.h"

// A stand-in for the part of TensorRT that presisi uses, with the differences between its generations: what a
// generation doesn't have isn't declared. Classes that TensorRT implements are pure interfaces here.

namespace nvinfer1 {

using BuilderFlags = uint32_t;
using NetworkDefinitionCreationFlags = uint32_t;
using QuantizationFlags = uint32_t;

enum class LayerType : int32_t {
  kCONVOLUTION,
#if NV_TENSORRT_MAJOR == 8
  kFULLY_CONNECTED,
#endif
#if PRESISI_DOUBLE_SINCE_8_6
  kCAST,
#endif
  kACTIVATION,
  kPOOLING,
  kSOFTMAX,
  kDECONVOLUTION,
  kCONCATENATION,
  kELEMENTWISE,
  kUNARY,
  kPADDING,
  kSHUFFLE,
  kREDUCE,
  kTOPK,
  kGATHER,
  kMATRIX_MULTIPLY,
  kCONSTANT,
  kIDENTITY,
  kSLICE,
  kSHAPE,
  kPARAMETRIC_RELU,
  kRESIZE,
  kSELECT,
  kFILL,
  kQUANTIZE,
  kDEQUANTIZE,
#if PRESISI_DOUBLE_SINCE_8_6
  kNORMALIZATION,
#endif
  kSCALE,
};

enum class BuilderFlag : int32_t {
#if NV_TENSORRT_MAJOR <= 10
  kFP16,
  kINT8,
#endif
  kDEBUG,
  kGPU_FALLBACK,
  kREFIT,
  kDISABLE_TIMING_CACHE,
  kTF32,
  kSPARSE_WEIGHTS,
#if NV_TENSORRT_MAJOR <= 10
  kOBEY_PRECISION_CONSTRAINTS,
  kPREFER_PRECISION_CONSTRAINTS,
  kREJECT_EMPTY_ALGORITHMS,
#endif
  kDIRECT_IO,
#if PRESISI_DOUBLE_SINCE_8_6
  kVERSION_COMPATIBLE,
  kEXCLUDE_LEAN_RUNTIME,
#endif
#if NV_TENSORRT_MAJOR >= 10
  kERROR_ON_TIMING_CACHE_MISS,
  kDISABLE_COMPILATION_CACHE,
  kSTRIP_PLAN,
#endif
#if NV_TENSORRT_MAJOR == 10
  kBF16,
#endif
#if NV_TENSORRT_MAJOR >= 11
  kMONITOR_MEMORY,
  kEDITABLE_TIMING_CACHE,
#endif
};

enum class MemoryPoolType : int32_t {
  kWORKSPACE = 0,
  kDLA_MANAGED_SRAM = 1,
  kDLA_LOCAL_DRAM = 2,
  kDLA_GLOBAL_DRAM = 3,
#if PRESISI_DOUBLE_SINCE_8_6
  kTACTIC_DRAM = 4,
#endif
#if NV_TENSORRT_MAJOR >= 10
  kTACTIC_SHARED_MEMORY = 5,
#endif
};

enum class NetworkDefinitionCreationFlag : int32_t {
#if NV_TENSORRT_MAJOR <= 10
  kEXPLICIT_BATCH = 0,
#endif
#if NV_TENSORRT_MAJOR == 10
  kSTRONGLY_TYPED = 1,
#elif NV_TENSORRT_MAJOR >= 11
  kSTRONGLY_TYPED = 0,
#endif
};

class ITensor : public INoCopy {
 public:
  virtual void setName(char const* name) noexcept = 0;
  virtual char const* getName() const noexcept = 0;
#if NV_TENSORRT_MAJOR >= 10
  virtual void setDimensions(Dims const& dimensions) noexcept = 0;
#else
  virtual void setDimensions(Dims dimensions) noexcept = 0;
#endif
  virtual Dims getDimensions() const noexcept = 0;
#if NV_TENSORRT_MAJOR <= 10
  virtual void setType(DataType type) noexcept = 0;
  virtual bool setDynamicRange(float min, float max) noexcept = 0;
  virtual bool dynamicRangeIsSet() const noexcept = 0;
  virtual void resetDynamicRange() noexcept = 0;
  virtual float getDynamicRangeMin() const noexcept = 0;
  virtual float getDynamicRangeMax() const noexcept = 0;
#endif
  virtual DataType getType() const noexcept = 0;
  virtual bool isNetworkInput() const noexcept = 0;
  virtual bool isNetworkOutput() const noexcept = 0;
  virtual TensorLocation getLocation() const noexcept = 0;
  virtual void setAllowedFormats(TensorFormats formats) noexcept = 0;
  virtual TensorFormats getAllowedFormats() const noexcept = 0;
  virtual bool isShapeTensor() const noexcept = 0;
  virtual bool isExecutionTensor() const noexcept = 0;

 protected:
  virtual ~ITensor() noexcept = default;
};

class ILayer : public INoCopy {
 public:
  virtual LayerType getType() const noexcept = 0;
  virtual void setName(char const* name) noexcept = 0;
  virtual char const* getName() const noexcept = 0;
  virtual int32_t getNbInputs() const noexcept = 0;
  virtual ITensor* getInput(int32_t index) const noexcept = 0;
  virtual int32_t getNbOutputs() const noexcept = 0;
  virtual ITensor* getOutput(int32_t index) const noexcept = 0;
#if NV_TENSORRT_MAJOR <= 10
  virtual void setPrecision(DataType dataType) noexcept = 0;
  virtual DataType getPrecision() const noexcept = 0;
  virtual bool precisionIsSet() const noexcept = 0;
  virtual void resetPrecision() noexcept = 0;
  virtual void setOutputType(int32_t index, DataType dataType) noexcept = 0;
  virtual bool outputTypeIsSet(int32_t index) const noexcept = 0;
  virtual void resetOutputType(int32_t index) noexcept = 0;
#endif
  virtual DataType getOutputType(int32_t index) const noexcept = 0;
#if PRESISI_DOUBLE_SINCE_8_6
  virtual void setMetadata(char const* metadata) noexcept = 0;
  virtual char const* getMetadata() const noexcept = 0;
#endif

 protected:
  virtual ~ILayer() noexcept = default;
};

class IBuilder;

class INetworkDefinition : public INoCopy {
 public:
  virtual ~INetworkDefinition() noexcept = default;
  virtual void markOutput(ITensor& tensor) noexcept = 0;
  virtual void unmarkOutput(ITensor& tensor) noexcept = 0;
  virtual int32_t getNbLayers() const noexcept = 0;
  virtual ILayer* getLayer(int32_t index) const noexcept = 0;
  virtual int32_t getNbInputs() const noexcept = 0;
  virtual ITensor* getInput(int32_t index) const noexcept = 0;
  virtual int32_t getNbOutputs() const noexcept = 0;
  virtual ITensor* getOutput(int32_t index) const noexcept = 0;
  virtual void setName(char const* name) noexcept = 0;
  virtual char const* getName() const noexcept = 0;
#if NV_TENSORRT_MAJOR >= 10
  virtual NetworkDefinitionCreationFlags getFlags() const noexcept = 0;
  virtual bool getFlag(NetworkDefinitionCreationFlag networkDefinitionCreationFlag) const noexcept = 0;
#endif
#if PRESISI_DOUBLE_SINCE_8_6
  virtual IBuilder& getBuilder() const noexcept = 0;
#endif
};

#if NV_TENSORRT_MAJOR <= 10
enum class QuantizationFlag : int32_t { kCALIBRATE_BEFORE_FUSION = 0 };

enum class CalibrationAlgoType : int32_t {
  kLEGACY_CALIBRATION = 0,
  kENTROPY_CALIBRATION = 1,
  kENTROPY_CALIBRATION_2 = 2,
  kMINMAX_CALIBRATION = 3
};

#if NV_TENSORRT_MAJOR >= 10
class IInt8Calibrator : public IVersionedInterface {
#else
class IInt8Calibrator {
#endif
 public:
  virtual int32_t getBatchSize() const noexcept = 0;
  virtual bool getBatch(void* bindings[], char const* names[], int32_t nbBindings) noexcept = 0;
  virtual void const* readCalibrationCache(std::size_t& length) noexcept = 0;
  virtual void writeCalibrationCache(void const* ptr, std::size_t length) noexcept = 0;
  virtual CalibrationAlgoType getAlgorithm() noexcept = 0;
  virtual ~IInt8Calibrator() noexcept = default;
};

#if NV_TENSORRT_MAJOR >= 10
#define PRESISI_DOUBLE_INFO(name) \
  InterfaceInfo getInterfaceInfo() const noexcept override { return {name, 1, 0}; }
namespace v_1_0 {
#else
#define PRESISI_DOUBLE_INFO(name)
#endif
class IInt8EntropyCalibrator : public IInt8Calibrator {
 public:
  PRESISI_DOUBLE_INFO("IInt8EntropyCalibrator")
  CalibrationAlgoType getAlgorithm() noexcept override { return CalibrationAlgoType::kENTROPY_CALIBRATION; }
};
class IInt8EntropyCalibrator2 : public IInt8Calibrator {
 public:
  PRESISI_DOUBLE_INFO("IInt8EntropyCalibrator2")
  CalibrationAlgoType getAlgorithm() noexcept override { return CalibrationAlgoType::kENTROPY_CALIBRATION_2; }
};
class IInt8MinMaxCalibrator : public IInt8Calibrator {
 public:
  PRESISI_DOUBLE_INFO("IInt8MinMaxCalibrator")
  CalibrationAlgoType getAlgorithm() noexcept override { return CalibrationAlgoType::kMINMAX_CALIBRATION; }
};
class IInt8LegacyCalibrator : public IInt8Calibrator {
 public:
  PRESISI_DOUBLE_INFO("IInt8Calibrator")
  CalibrationAlgoType getAlgorithm() noexcept override { return CalibrationAlgoType::kLEGACY_CALIBRATION; }
  virtual double getQuantile() const noexcept = 0;
  virtual double getRegressionCutoff() const noexcept = 0;
  virtual void const* readHistogramCache(std::size_t& length) noexcept = 0;
  virtual void writeHistogramCache(void const* ptr, std::size_t length) noexcept = 0;
};
#undef PRESISI_DOUBLE_INFO
#if NV_TENSORRT_MAJOR >= 10
}  // namespace v_1_0
using IInt8EntropyCalibrator = v_1_0::IInt8EntropyCalibrator;
using IInt8EntropyCalibrator2 = v_1_0::IInt8EntropyCalibrator2;
using IInt8MinMaxCalibrator = v_1_0::IInt8MinMaxCalibrator;
using IInt8LegacyCalibrator = v_1_0::IInt8LegacyCalibrator;
#endif
#endif  // NV_TENSORRT_MAJOR <= 10

#if NV_TENSORRT_MAJOR >= 10
namespace v_1_0 {
class IProgressMonitor : public IVersionedInterface {
 public:
  IProgressMonitor() = default;
  virtual ~IProgressMonitor() noexcept = default;
  InterfaceInfo getInterfaceInfo() const noexcept override { return {"IProgressMonitor", 1, 0}; }
  virtual void phaseStart(char const* phaseName, char const* parentPhase, int32_t nbSteps) noexcept = 0;
  virtual bool stepComplete(char const* phaseName, int32_t step) noexcept = 0;
  virtual void phaseFinish(char const* phaseName) noexcept = 0;
};
}  // namespace v_1_0
using IProgressMonitor = v_1_0::IProgressMonitor;
#endif

class ITimingCache : public INoCopy {
 public:
  virtual ~ITimingCache() noexcept = default;
  virtual IHostMemory* serialize() const noexcept = 0;
  virtual bool combine(ITimingCache const& inputCache, bool ignoreMismatch) noexcept = 0;
  virtual bool reset() noexcept = 0;
};

class IBuilderConfig : public INoCopy {
 public:
  virtual ~IBuilderConfig() noexcept = default;
  virtual void setAvgTimingIterations(int32_t avgTiming) noexcept = 0;
  virtual int32_t getAvgTimingIterations() const noexcept = 0;
  virtual void setEngineCapability(EngineCapability capability) noexcept = 0;
  virtual EngineCapability getEngineCapability() const noexcept = 0;
#if NV_TENSORRT_MAJOR <= 10
  virtual void setInt8Calibrator(IInt8Calibrator* calibrator) noexcept = 0;
  virtual IInt8Calibrator* getInt8Calibrator() const noexcept = 0;
  virtual bool setCalibrationProfile(IOptimizationProfile const* profile) noexcept = 0;
  virtual IOptimizationProfile const* getCalibrationProfile() noexcept = 0;
  virtual void setQuantizationFlag(QuantizationFlag flag) noexcept = 0;
  virtual void clearQuantizationFlag(QuantizationFlag flag) noexcept = 0;
  virtual bool getQuantizationFlag(QuantizationFlag flag) const noexcept = 0;
#endif
  virtual void setFlags(BuilderFlags builderFlags) noexcept = 0;
  virtual BuilderFlags getFlags() const noexcept = 0;
  virtual void clearFlag(BuilderFlag builderFlag) noexcept = 0;
  virtual void setFlag(BuilderFlag builderFlag) noexcept = 0;
  virtual bool getFlag(BuilderFlag builderFlag) const noexcept = 0;
  virtual void setDeviceType(ILayer const* layer, DeviceType deviceType) noexcept = 0;
  virtual DeviceType getDeviceType(ILayer const* layer) const noexcept = 0;
  virtual bool isDeviceTypeSet(ILayer const* layer) const noexcept = 0;
  virtual void resetDeviceType(ILayer const* layer) noexcept = 0;
  virtual bool canRunOnDLA(ILayer const* layer) const noexcept = 0;
  virtual void setDLACore(int32_t dlaCore) noexcept = 0;
  virtual int32_t getDLACore() const noexcept = 0;
  virtual void setDefaultDeviceType(DeviceType deviceType) noexcept = 0;
  virtual DeviceType getDefaultDeviceType() const noexcept = 0;
  virtual void reset() noexcept = 0;
  virtual void setProfileStream(const cudaStream_t stream) noexcept = 0;
  virtual cudaStream_t getProfileStream() const noexcept = 0;
  virtual int32_t addOptimizationProfile(IOptimizationProfile const* profile) noexcept = 0;
  virtual int32_t getNbOptimizationProfiles() const noexcept = 0;
  virtual void setProfilingVerbosity(ProfilingVerbosity verbosity) noexcept = 0;
  virtual ProfilingVerbosity getProfilingVerbosity() const noexcept = 0;
  virtual bool setTacticSources(TacticSources tacticSources) noexcept = 0;
  virtual TacticSources getTacticSources() const noexcept = 0;
  virtual ITimingCache* createTimingCache(void const* blob, std::size_t size) const noexcept = 0;
  virtual bool setTimingCache(ITimingCache const& cache, bool ignoreMismatch) noexcept = 0;
  virtual ITimingCache const* getTimingCache() const noexcept = 0;
  virtual void setMemoryPoolLimit(MemoryPoolType pool, std::size_t poolSize) noexcept = 0;
  virtual std::size_t getMemoryPoolLimit(MemoryPoolType pool) const noexcept = 0;
#if PRESISI_DOUBLE_SINCE_8_6
  virtual void setBuilderOptimizationLevel(int32_t level) noexcept = 0;
  virtual int32_t getBuilderOptimizationLevel() noexcept = 0;
  virtual void setHardwareCompatibilityLevel(HardwareCompatibilityLevel hardwareCompatibilityLevel) noexcept = 0;
  virtual HardwareCompatibilityLevel getHardwareCompatibilityLevel() const noexcept = 0;
#if NV_TENSORRT_MAJOR >= 11
  virtual bool setMaxAuxStreams(int32_t nbStreams) noexcept = 0;
#else
  virtual void setMaxAuxStreams(int32_t nbStreams) noexcept = 0;
#endif
  virtual int32_t getMaxAuxStreams() const noexcept = 0;
#endif
#if NV_TENSORRT_MAJOR >= 10
  virtual void setProgressMonitor(IProgressMonitor* monitor) noexcept = 0;
  virtual IProgressMonitor* getProgressMonitor() const noexcept = 0;
#endif
};

class IBuilder : public INoCopy {
 public:
  virtual ~IBuilder() noexcept = default;
#if NV_TENSORRT_MAJOR <= 10
  virtual bool platformHasFastFp16() const noexcept = 0;
  virtual bool platformHasFastInt8() const noexcept = 0;
  virtual bool platformHasTf32() const noexcept = 0;
#endif
  virtual int32_t getMaxDLABatchSize() const noexcept = 0;
  virtual int32_t getNbDLACores() const noexcept = 0;
  virtual IBuilderConfig* createBuilderConfig() noexcept = 0;
  virtual INetworkDefinition* createNetworkV2(NetworkDefinitionCreationFlags flags) noexcept = 0;
  virtual IOptimizationProfile* createOptimizationProfile() noexcept = 0;
  virtual void reset() noexcept = 0;
  virtual IHostMemory* buildSerializedNetwork(INetworkDefinition& network, IBuilderConfig& config) noexcept = 0;
  virtual bool isNetworkSupported(INetworkDefinition const& network, IBuilderConfig const& config) const noexcept = 0;
  virtual ILogger* getLogger() const noexcept = 0;
  virtual bool setMaxThreads(int32_t maxThreads) noexcept = 0;
  virtual int32_t getMaxThreads() const noexcept = 0;
};

}  // namespace nvinfer1

extern "C" TENSORRTAPI void* createInferBuilder_INTERNAL(void* logger, int32_t version) noexcept;

namespace nvinfer1 {
namespace {
inline IBuilder* createInferBuilder(ILogger& logger) noexcept {
  return static_cast<IBuilder*>(createInferBuilder_INTERNAL(&logger, NV_TENSORRT_VERSION));
}
}  // namespace
}  // namespace nvinfer1
