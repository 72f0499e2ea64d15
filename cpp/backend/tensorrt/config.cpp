#include "backend/tensorrt/config.hpp"

#include <set>

#include "backend/tensorrt/settings_reader.hpp"
#include "core/error.hpp"

namespace presisi::tensorrt {

namespace {

using nvinfer1::BuilderFlag;

void setTypes(nvinfer1::IBuilderConfig& config, const BuildKind& kind, const BuildSettings& settings) {
  if (settings.stronglyTyped) return;  // such a config takes no types
  if (kind.precision == "fp16") api::allowHalf(config);
  if (kind.precision == "int8") {
    api::allowInt8(config);
    if (settings.halfFallback) api::allowHalf(config);
  } else if (kind.explicitInt8) {
    api::allowInt8(config);  // Q/DQ in the graph needs it whatever the build is called
  }
}

void setDla(nvinfer1::IBuilderConfig& config, const nvinfer1::IBuilder& builder, const BuildSettings& settings) {
  if (!settings.dlaCore) return;
  const int cores = builder.getNbDLACores();
  if (*settings.dlaCore >= cores) {
    throw Error(ErrorCode::InvalidArgument, "Expected a DLA core below " + std::to_string(cores) +
                                                " for dlaCore but received " + std::to_string(*settings.dlaCore) +
                                                (cores == 0 ? ": this device has no DLA" : ""));
  }
  config.setDefaultDeviceType(nvinfer1::DeviceType::kDLA);
  config.setDLACore(*settings.dlaCore);
  if (settings.gpuFallback) config.setFlag(BuilderFlag::kGPU_FALLBACK);
}

}  // namespace

void requireConsistent(const BuildKind& kind, const BuildSettings& settings) {
  if (kind.precision != "fp32" && kind.precision != "fp16" && kind.precision != "int8") {
    throw Error(ErrorCode::InvalidArgument,
                "Expected one of fp32, fp16, int8 for precision but received \"" + kind.precision + "\"");
  }
  if (kind.ownCalibration) {
    SettingsReader::requireFeature(api::hasImplicitCalibration, "for TensorRT's own calibration",
                                   "TensorRT 10 or older; give a model that carries its scales (Q/DQ)");
    if (kind.precision != "int8") {
      throw Error(ErrorCode::InvalidArgument, "a calibration was given for an " + kind.precision + " build");
    }
    if (kind.explicitInt8) {
      throw Error(ErrorCode::InvalidArgument, "the model carries its scales (Q/DQ), so TensorRT has none to find");
    }
    if (settings.stronglyTyped) {
      throw Error(ErrorCode::InvalidArgument, "TensorRT's own calibration can't go with stronglyTyped");
    }
  } else if (kind.precision == "int8" && !kind.explicitInt8) {
    throw Error(ErrorCode::InvalidCalibration, "an int8 build needs scales, and the model carries none (no Q/DQ)",
                "calibrate and quantize the model first");
  }
  if (settings.dlaCore && kind.precision == "fp32") {
    throw Error(ErrorCode::InvalidArgument, "a DLA computes in fp16 and int8 only, and this is an fp32 build");
  }
}

void configure(nvinfer1::IBuilderConfig& config, const nvinfer1::IBuilder& builder, const BuildKind& kind,
               const BuildSettings& settings) {
  setTypes(config, kind, settings);
  setDla(config, builder, settings);
  if (!settings.tf32) config.clearFlag(BuilderFlag::kTF32);
  if (settings.sparsity) config.setFlag(BuilderFlag::kSPARSE_WEIGHTS);
  if (settings.refit) config.setFlag(BuilderFlag::kREFIT);
  if (settings.workspaceBytes) {
    config.setMemoryPoolLimit(nvinfer1::MemoryPoolType::kWORKSPACE, *settings.workspaceBytes);
  }
  if (settings.optimizationLevel) api::setOptimizationLevel(config, *settings.optimizationLevel);
  api::setHardwareCompatibility(config, settings.hardwareCompatibility);
  if (settings.versionCompatible) api::setVersionCompatible(config);
  // Averaging over so many runs brings a kernel's time within about one percent on a device with steady clocks.
  constexpr int kSteadyTimingRuns = 8;
  if (settings.deterministic) {
    config.setAvgTimingIterations(kSteadyTimingRuns);
    api::setEditableTimingCache(config);
  }
  if (settings.avgTimingIterations) config.setAvgTimingIterations(*settings.avgTimingIterations);
  // What layers() reports is in the plan only if asked for here; it costs no speed.
  config.setProfilingVerbosity(nvinfer1::ProfilingVerbosity::kDETAILED);
}

void constrain(nvinfer1::IBuilderConfig& config, nvinfer1::INetworkDefinition& network, const BuildSettings& settings) {
  if (settings.layerPrecisions.empty()) return;
  std::set<std::string> missing;
  for (const auto& [name, type] : settings.layerPrecisions) missing.insert(name);
  for (int32_t i = 0; i < network.getNbLayers(); ++i) {
    nvinfer1::ILayer* layer = network.getLayer(i);
    const auto wish = settings.layerPrecisions.find(layer->getName());
    if (wish == settings.layerPrecisions.end()) continue;
    missing.erase(wish->first);
    api::setPrecision(*layer, wish->second);
    if (wish->second == nvinfer1::DataType::kHALF) api::allowHalf(config);
    if (wish->second == nvinfer1::DataType::kINT8) api::allowInt8(config);
  }
  if (!missing.empty()) {
    throw Error(ErrorCode::InvalidArgument,
                "The setting layerPrecisions names \"" + *missing.begin() + "\", which is no layer of the network",
                "use the names of the ONNX nodes, of the model as it is built (after simplification)");
  }
  api::obeyPrecisions(config);
}

}  // namespace presisi::tensorrt
