// Every class and enumerator (functions: conformance_members.cpp) that the stand-in offers, as a program that compiles
// against the stand-in and against TensorRT's own headers: a signature that differs from the published one fails to
// compile. Nothing here runs.

#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace nvinfer1 {

#define SINCE_8_6 (NV_TENSORRT_MAJOR > 8 || NV_TENSORRT_MINOR >= 6)

static_assert(std::has_virtual_destructor_v<IBuilder> && std::has_virtual_destructor_v<IBuilderConfig> &&
              std::has_virtual_destructor_v<INetworkDefinition> && std::has_virtual_destructor_v<IRuntime> &&
              std::has_virtual_destructor_v<ICudaEngine> && std::has_virtual_destructor_v<IExecutionContext> &&
              std::has_virtual_destructor_v<IEngineInspector> && std::has_virtual_destructor_v<ITimingCache> &&
              std::has_virtual_destructor_v<IHostMemory> && std::has_virtual_destructor_v<nvonnxparser::IParser>);
// Owned by what makes them: may not be deleted.
static_assert(!std::is_destructible_v<IOptimizationProfile> && !std::is_destructible_v<ITensor> &&
              !std::is_destructible_v<ILayer>);

#if NV_TENSORRT_MAJOR >= 10
static_assert(std::is_same_v<decltype(Dims::d), int64_t[8]>);
static_assert(NV_TENSORRT_VERSION == NV_TENSORRT_MAJOR * 10000 + NV_TENSORRT_MINOR * 100 + NV_TENSORRT_PATCH);
#else
static_assert(std::is_same_v<decltype(Dims::d), int32_t[8]>);
static_assert(NV_TENSORRT_VERSION == NV_TENSORRT_MAJOR * 1000 + NV_TENSORRT_MINOR * 100 + NV_TENSORRT_PATCH);
#endif
static_assert(Dims::MAX_DIMS == 8 && std::is_same_v<decltype(Dims::nbDims), int32_t>);

template <auto... values>
constexpr bool exist = true;
template <auto first, int expected>
constexpr bool numbered = static_cast<int>(first) == expected;

static_assert(numbered<DataType::kFLOAT, 0> && numbered<DataType::kHALF, 1> && numbered<DataType::kINT8, 2> &&
              numbered<DataType::kINT32, 3> && numbered<DataType::kBOOL, 4> && numbered<DataType::kUINT8, 5>);
static_assert(numbered<TensorFormat::kLINEAR, 0> && numbered<TensorFormat::kCHW32, 5> &&
              numbered<TensorFormat::kHWC16, 11>);
static_assert(numbered<OptProfileSelector::kMIN, 0> && numbered<OptProfileSelector::kOPT, 1> &&
              numbered<OptProfileSelector::kMAX, 2>);
static_assert(numbered<TensorIOMode::kINPUT, 1> && numbered<TensorIOMode::kOUTPUT, 2>);
static_assert(numbered<ProfilingVerbosity::kDETAILED, 2> && numbered<LayerInformationFormat::kJSON, 1>);
static_assert(exist<BuilderFlag::kDEBUG, BuilderFlag::kGPU_FALLBACK, BuilderFlag::kREFIT, BuilderFlag::kTF32,
                    BuilderFlag::kDISABLE_TIMING_CACHE, BuilderFlag::kSPARSE_WEIGHTS, BuilderFlag::kDIRECT_IO>);
static_assert(exist<LayerType::kCONVOLUTION, LayerType::kACTIVATION, LayerType::kPOOLING, LayerType::kSOFTMAX,
                    LayerType::kDECONVOLUTION, LayerType::kCONCATENATION, LayerType::kELEMENTWISE, LayerType::kUNARY,
                    LayerType::kPADDING, LayerType::kSHUFFLE, LayerType::kREDUCE, LayerType::kTOPK, LayerType::kGATHER,
                    LayerType::kMATRIX_MULTIPLY, LayerType::kCONSTANT, LayerType::kIDENTITY, LayerType::kSLICE,
                    LayerType::kSHAPE, LayerType::kPARAMETRIC_RELU, LayerType::kRESIZE, LayerType::kSELECT,
                    LayerType::kFILL, LayerType::kQUANTIZE, LayerType::kDEQUANTIZE, LayerType::kSCALE>);
static_assert(exist<MemoryPoolType::kWORKSPACE, MemoryPoolType::kDLA_MANAGED_SRAM, MemoryPoolType::kDLA_LOCAL_DRAM,
                    MemoryPoolType::kDLA_GLOBAL_DRAM, EngineCapability::kSTANDARD, EngineCapability::kSAFETY,
                    EngineCapability::kDLA_STANDALONE, DeviceType::kGPU, DeviceType::kDLA, TensorLocation::kDEVICE,
                    TensorLocation::kHOST, TacticSource::kEDGE_MASK_CONVOLUTIONS, TacticSource::kJIT_CONVOLUTIONS>);
#if NV_TENSORRT_MAJOR <= 10
static_assert(exist<BuilderFlag::kFP16, BuilderFlag::kINT8, BuilderFlag::kOBEY_PRECISION_CONSTRAINTS,
                    BuilderFlag::kPREFER_PRECISION_CONSTRAINTS, BuilderFlag::kREJECT_EMPTY_ALGORITHMS,
                    NetworkDefinitionCreationFlag::kEXPLICIT_BATCH, TacticSource::kCUBLAS, TacticSource::kCUBLAS_LT,
                    TacticSource::kCUDNN, QuantizationFlag::kCALIBRATE_BEFORE_FUSION>);
static_assert(numbered<NetworkDefinitionCreationFlag::kEXPLICIT_BATCH, 0> &&
              numbered<CalibrationAlgoType::kENTROPY_CALIBRATION_2, 2> &&
              numbered<CalibrationAlgoType::kMINMAX_CALIBRATION, 3>);
#endif
#if SINCE_8_6
static_assert(exist<BuilderFlag::kVERSION_COMPATIBLE, BuilderFlag::kEXCLUDE_LEAN_RUNTIME, LayerType::kCAST,
                    LayerType::kNORMALIZATION, MemoryPoolType::kTACTIC_DRAM, HardwareCompatibilityLevel::kNONE,
                    HardwareCompatibilityLevel::kAMPERE_PLUS, DataType::kFP8, TensorFormat::kDHWC>);
#endif
#if NV_TENSORRT_MAJOR >= 10
static_assert(exist<BuilderFlag::kERROR_ON_TIMING_CACHE_MISS, BuilderFlag::kDISABLE_COMPILATION_CACHE,
                    BuilderFlag::kSTRIP_PLAN, NetworkDefinitionCreationFlag::kSTRONGLY_TYPED,
                    MemoryPoolType::kTACTIC_SHARED_MEMORY, ExecutionContextAllocationStrategy::kUSER_MANAGED>);
static_assert(numbered<DataType::kBF16, 7> && numbered<DataType::kINT64, 8> && numbered<DataType::kINT4, 9>);
#endif
#if NV_TENSORRT_MAJOR >= 11
static_assert(exist<BuilderFlag::kMONITOR_MEMORY, BuilderFlag::kEDITABLE_TIMING_CACHE,
                    HardwareCompatibilityLevel::kSAME_COMPUTE_CAPABILITY, DataType::kFP4, DataType::kE8M0>);
#endif

// What a user derives from.
class Logger : public ILogger {
  void log(Severity severity, AsciiChar const*) noexcept override {
    static_assert(numbered<Severity::kERROR, 1> && numbered<Severity::kVERBOSE, 4>);
    last = severity;
  }

 public:
  Severity last = Severity::kINTERNAL_ERROR;
};

class Profiler : public IProfiler {
  void reportLayerTime(char const*, float) noexcept override {}
};

class OutputAllocator : public IOutputAllocator {
#if NV_TENSORRT_MAJOR >= 10
  void* reallocateOutputAsync(char const*, void*, uint64_t, uint64_t, cudaStream_t) override { return nullptr; }
#else
  void* reallocateOutput(char const*, void*, uint64_t, uint64_t) noexcept override { return nullptr; }
#endif
  void notifyShape(char const*, Dims const&) noexcept override {}
};

#if NV_TENSORRT_MAJOR <= 10
template <class Base>
class Calibrator : public Base {
  int32_t getBatchSize() const noexcept override { return 1; }
  bool getBatch(void*[], char const*[], int32_t) noexcept override { return false; }
  void const* readCalibrationCache(std::size_t&) noexcept override { return nullptr; }
  void writeCalibrationCache(void const*, std::size_t) noexcept override {}
};
class LegacyCalibrator : public Calibrator<IInt8LegacyCalibrator> {
  double getQuantile() const noexcept override { return 1; }
  double getRegressionCutoff() const noexcept override { return 1; }
  void const* readHistogramCache(std::size_t&) noexcept override { return nullptr; }
  void writeHistogramCache(void const*, std::size_t) noexcept override {}
};
static_assert(!std::is_abstract_v<Calibrator<IInt8EntropyCalibrator>> &&
              !std::is_abstract_v<Calibrator<IInt8EntropyCalibrator2>> &&
              !std::is_abstract_v<Calibrator<IInt8MinMaxCalibrator>> && !std::is_abstract_v<LegacyCalibrator>);
#endif

#if NV_TENSORRT_MAJOR >= 10
class Monitor : public IProgressMonitor {
  void phaseStart(char const*, char const*, int32_t) noexcept override {}
  bool stepComplete(char const*, int32_t) noexcept override { return true; }
  void phaseFinish(char const*) noexcept override {}
};
static_assert(!std::is_abstract_v<Monitor>);
#endif
static_assert(!std::is_abstract_v<Logger> && !std::is_abstract_v<Profiler> && !std::is_abstract_v<OutputAllocator>);

// Factories and what is linked against.
[[maybe_unused]] int factories(Logger& logger, INetworkDefinition& network) {
  IBuilder* builder = createInferBuilder(logger);
  IRuntime* runtime = createInferRuntime(logger);
  nvonnxparser::IParser* parser = nvonnxparser::createParser(network, logger);
  delete parser;
  delete runtime;
  delete builder;
#if NV_TENSORRT_MAJOR >= 10
  return getInferLibMajorVersion() + getInferLibMinorVersion() + getInferLibPatchVersion() + getInferLibBuildVersion();
#else
  return getInferLibVersion() + getNvOnnxParserVersion();
#endif
}

}  // namespace nvinfer1
