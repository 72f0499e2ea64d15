#pragma once

/// The one place where TensorRT's generations differ: 8.5, 8.6, 9, 10, 11 and TensorRT for RTX. What a generation lacks
/// is a feature constant here, and the function that would use it does nothing: settings.cpp refuses a wish for it
/// before. Everything else in this folder is written once against this header.

#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

#include "core/dtype.hpp"

#if defined(TRT_MAJOR_RTX)
// TensorRT for RTX counts its versions by itself, and offers what TensorRT 11 does.
#define PRESISI_TENSORRT_API 1100
#elif NV_TENSORRT_MAJOR < 8 || (NV_TENSORRT_MAJOR == 8 && NV_TENSORRT_MINOR < 5)
#error "presisi needs TensorRT 8.5 or newer (JetPack 5.1 or newer): older ones have no enqueueV3"
#else
#define PRESISI_TENSORRT_API (NV_TENSORRT_MAJOR * 100 + NV_TENSORRT_MINOR)
#endif

namespace presisi::tensorrt::api {

#if defined(TRT_MAJOR_RTX)
inline constexpr bool isRtx = true;
#else
inline constexpr bool isRtx = false;
#endif
inline constexpr int kApi = PRESISI_TENSORRT_API;

inline constexpr bool hasOptimizationLevel = kApi >= 806;
inline constexpr bool hasHardwareCompatibility = kApi >= 806;
inline constexpr bool hasSameComputeCapability = kApi >= 1009;
inline constexpr bool hasVersionCompatible = kApi >= 806;
inline constexpr bool hasStronglyTyped = kApi >= 900;
inline constexpr bool isStronglyTypedOnly = kApi >= 1100;
inline constexpr bool hasImplicitCalibration = kApi < 1100;
inline constexpr bool hasLayerPrecisions = kApi < 1100;
inline constexpr bool hasProgressMonitor = kApi >= 900;
inline constexpr bool hasEditableTimingCache = kApi >= 1008;
/// Several execution contexts may use one optimization profile at once.
inline constexpr bool sharesProfiles = kApi >= 1000;
inline constexpr bool has64BitIntegers = kApi >= 900;

using Dim = std::remove_extent_t<decltype(nvinfer1::Dims::d)>;  ///< int32_t to 9, int64_t from 10

struct Version {
  int major = 0, minor = 0, patch = 0;
  friend bool operator==(const Version& a, const Version& b) {
    return a.major == b.major && a.minor == b.minor && a.patch == b.patch;
  }
  friend bool operator!=(const Version& a, const Version& b) { return !(a == b); }
  std::string text() const { return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch); }
};

inline constexpr const char* productName() { return isRtx ? "TensorRT for RTX" : "TensorRT"; }

inline Version compiledVersion() { return {NV_TENSORRT_MAJOR, NV_TENSORRT_MINOR, NV_TENSORRT_PATCH}; }

/// One number per version: M·1000 + m·100 + p to 9, M·10000 + m·100 + p from 10 on and for RTX.
inline Version decodeVersion(int number) {
  if (isRtx || number >= 100000) return {number / 10000, number / 100 % 100, number % 100};
  return {number / 1000, number / 100 % 10, number % 100};
}

/// Of the library that is loaded, which may be another than the headers'.
inline int runtimeVersionNumber() { return getInferLibVersion(); }
inline Version runtimeVersion() { return decodeVersion(runtimeVersionNumber()); }

inline uint32_t networkFlags([[maybe_unused]] bool stronglyTyped) {
#if PRESISI_TENSORRT_API < 900
  return 1U << static_cast<uint32_t>(nvinfer1::NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);
#elif PRESISI_TENSORRT_API < 1100
  uint32_t flags = 0;
#if PRESISI_TENSORRT_API < 1000
  flags |= 1U << static_cast<uint32_t>(nvinfer1::NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);
#endif
  if (stronglyTyped) flags |= 1U << static_cast<uint32_t>(nvinfer1::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED);
  return flags;
#else
  return 0;
#endif
}

inline void allowHalf([[maybe_unused]] nvinfer1::IBuilderConfig& config) {
#if PRESISI_TENSORRT_API < 1100
  config.setFlag(nvinfer1::BuilderFlag::kFP16);
#endif
}

inline void allowInt8([[maybe_unused]] nvinfer1::IBuilderConfig& config) {
#if PRESISI_TENSORRT_API < 1100
  config.setFlag(nvinfer1::BuilderFlag::kINT8);
#endif
}

inline void obeyPrecisions([[maybe_unused]] nvinfer1::IBuilderConfig& config) {
#if PRESISI_TENSORRT_API < 1100
  config.setFlag(nvinfer1::BuilderFlag::kOBEY_PRECISION_CONSTRAINTS);
#endif
}

inline void setPrecision([[maybe_unused]] nvinfer1::ILayer& layer, [[maybe_unused]] nvinfer1::DataType type) {
#if PRESISI_TENSORRT_API < 1100
  layer.setPrecision(type);
#endif
}

inline void setOptimizationLevel([[maybe_unused]] nvinfer1::IBuilderConfig& config, [[maybe_unused]] int level) {
#if PRESISI_TENSORRT_API >= 806
  config.setBuilderOptimizationLevel(level);
#endif
}

enum class HardwareCompatibility { None, AmperePlus, SameComputeCapability };

inline void setHardwareCompatibility([[maybe_unused]] nvinfer1::IBuilderConfig& config,
                                     [[maybe_unused]] HardwareCompatibility level) {
#if PRESISI_TENSORRT_API >= 806
  if (level == HardwareCompatibility::AmperePlus) {
    config.setHardwareCompatibilityLevel(nvinfer1::HardwareCompatibilityLevel::kAMPERE_PLUS);
  }
#endif
#if PRESISI_TENSORRT_API >= 1009
  if (level == HardwareCompatibility::SameComputeCapability) {
    config.setHardwareCompatibilityLevel(nvinfer1::HardwareCompatibilityLevel::kSAME_COMPUTE_CAPABILITY);
  }
#endif
}

inline void setVersionCompatible([[maybe_unused]] nvinfer1::IBuilderConfig& config) {
#if PRESISI_TENSORRT_API >= 806
  config.setFlag(nvinfer1::BuilderFlag::kVERSION_COMPATIBLE);
#endif
}

/// A version-compatible plan carries code of the runtime that it runs on.
inline void allowHostCode([[maybe_unused]] nvinfer1::IRuntime& runtime) {
#if PRESISI_TENSORRT_API >= 806
  runtime.setEngineHostCodeAllowed(true);
#endif
}

inline void setEditableTimingCache([[maybe_unused]] nvinfer1::IBuilderConfig& config) {
#if PRESISI_TENSORRT_API >= 1008
  config.setFlag(nvinfer1::BuilderFlag::kEDITABLE_TIMING_CACHE);
#endif
}

inline int64_t activationBytes(const nvinfer1::ICudaEngine& engine) {
#if PRESISI_TENSORRT_API >= 1001
  return engine.getDeviceMemorySizeV2();
#else
  return static_cast<int64_t>(engine.getDeviceMemorySize());
#endif
}

#if PRESISI_TENSORRT_API < 1100
using EntropyCalibrator = nvinfer1::IInt8EntropyCalibrator2;
using MinMaxCalibrator = nvinfer1::IInt8MinMaxCalibrator;
using AnyCalibrator = nvinfer1::IInt8Calibrator;
#else
// Never instantiated where these are gone, but written against them all the same.
struct AnyCalibrator {
  virtual ~AnyCalibrator() = default;
  virtual int32_t getBatchSize() const noexcept = 0;
  virtual bool getBatch(void* bindings[], const char* names[], int32_t count) noexcept = 0;
  virtual const void* readCalibrationCache(size_t& length) noexcept = 0;
  virtual void writeCalibrationCache(const void* cache, size_t length) noexcept = 0;
};
struct EntropyCalibrator : AnyCalibrator {};
struct MinMaxCalibrator : AnyCalibrator {};
#endif

inline void setCalibrator([[maybe_unused]] nvinfer1::IBuilderConfig& config,
                          [[maybe_unused]] AnyCalibrator* calibrator) {
#if PRESISI_TENSORRT_API < 1100
  config.setInt8Calibrator(calibrator);
#endif
}

inline bool setCalibrationProfile([[maybe_unused]] nvinfer1::IBuilderConfig& config,
                                  [[maybe_unused]] const nvinfer1::IOptimizationProfile* profile) {
#if PRESISI_TENSORRT_API < 1100
  return config.setCalibrationProfile(profile);
#else
  return false;
#endif
}

#if PRESISI_TENSORRT_API >= 900
using ProgressMonitor = nvinfer1::IProgressMonitor;
inline void setProgressMonitor(nvinfer1::IBuilderConfig& config, ProgressMonitor* monitor) {
  config.setProgressMonitor(monitor);
}
#else
struct ProgressMonitor {
  virtual ~ProgressMonitor() = default;
  virtual void phaseStart(const char* phase, const char* parent, int32_t steps) noexcept = 0;
  virtual bool stepComplete(const char* phase, int32_t step) noexcept = 0;
  virtual void phaseFinish(const char* phase) noexcept = 0;
};
inline void setProgressMonitor(nvinfer1::IBuilderConfig&, ProgressMonitor*) {}
#endif

/// Empty where the parser of that time doesn't say: the index of the node remains.
inline std::string nodeName([[maybe_unused]] const nvonnxparser::IParserError& error) {
#if PRESISI_TENSORRT_API >= 900
  return error.nodeName() != nullptr ? error.nodeName() : "";
#else
  return {};
#endif
}

inline std::string nodeOperator([[maybe_unused]] const nvonnxparser::IParserError& error) {
#if PRESISI_TENSORRT_API >= 1001
  return error.nodeOperator() != nullptr ? error.nodeOperator() : "";
#else
  return {};
#endif
}

/// Whether the parser says that it lacks something, and not that the model is wrong: kUNSUPPORTED_GRAPH and what
/// follows it up to kUNSUPPORTED_NODE_SHAPE, of which older parsers know only the first two.
inline bool saysUnsupported(nvonnxparser::ErrorCode code) {
  constexpr int kLast = 13;
  return code >= nvonnxparser::ErrorCode::kUNSUPPORTED_GRAPH && static_cast<int>(code) <= kLast;
}

/// Nothing for types that a tensor of presisi can't hold (FP8, INT4, …).
inline std::optional<DType> toDType(nvinfer1::DataType type) {
  using nvinfer1::DataType;
  switch (type) {
    case DataType::kFLOAT: return DType::Float32;
    case DataType::kHALF: return DType::Float16;
    case DataType::kINT8: return DType::Int8;
    case DataType::kINT32: return DType::Int32;
    case DataType::kBOOL: return DType::Bool;
    case DataType::kUINT8: return DType::Uint8;
#if PRESISI_TENSORRT_API >= 900
    case DataType::kINT64: return DType::Int64;
    case DataType::kBF16: return DType::Bfloat16;
#endif
    default: return std::nullopt;
  }
}

}  // namespace presisi::tensorrt::api
