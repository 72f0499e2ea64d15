#include "backend/tensorrt/settings.hpp"

#include <limits>

#include "backend/tensorrt/settings_reader.hpp"
#include "core/error.hpp"

namespace presisi::tensorrt {

namespace {

using nlohmann::json;

Dims readShape(const json& value, const std::string& key) {
  constexpr size_t kMaxRank = 8;  // what TensorRT's Dims hold
  if (!value.is_array() || value.empty() || value.size() > kMaxRank) {
    SettingsReader::refuse("an array of 1 to 8 dimensions", key, value);
  }
  Dims dims;
  for (const json& dim : value) {
    if (!dim.is_number_integer() || dim <= 0 || dim > std::numeric_limits<int32_t>::max()) {
      SettingsReader::refuse("positive integers", key, value);
    }
    dims.push_back(dim.get<int64_t>());
  }
  return dims;
}

Profile readProfile(const json& value, const std::string& key) {
  if (!value.is_object() || value.size() != 3 || !value.contains("min") || !value.contains("opt") ||
      !value.contains("max")) {
    SettingsReader::refuse("an object of min, opt and max", key, value);
  }
  Profile profile{readShape(value["min"], key + ".min"), readShape(value["opt"], key + ".opt"),
                  readShape(value["max"], key + ".max")};
  bool ordered = profile.min.size() == profile.opt.size() && profile.opt.size() == profile.max.size();
  for (size_t i = 0; ordered && i < profile.min.size(); ++i) {
    ordered = profile.min[i] <= profile.opt[i] && profile.opt[i] <= profile.max[i];
  }
  if (!ordered) SettingsReader::refuse("shapes of one rank with min <= opt <= max", key, value);
  return profile;
}

nvinfer1::DataType readPrecision(const json& value, const std::string& key) {
  const std::string name = value.is_string() ? value.get<std::string>() : "";
  if (name == "fp32") return nvinfer1::DataType::kFLOAT;
  if (name == "fp16") return nvinfer1::DataType::kHALF;
  if (name == "int8") return nvinfer1::DataType::kINT8;
  SettingsReader::refuse("one of fp32, fp16, int8", key, value);
}

const json* findObject(SettingsReader& reader, const std::string& key) {
  const json* value = reader.find(key);
  if (value != nullptr && !value->is_object()) SettingsReader::refuse("an object", key, *value);
  return value;
}

void readVersionDependent(SettingsReader& reader, BuildSettings& settings) {
  if (reader.find("optimizationLevel") != nullptr) {
    SettingsReader::requireFeature(api::hasOptimizationLevel, "optimizationLevel", "TensorRT 8.6 or newer");
    settings.optimizationLevel = static_cast<int>(reader.integer("optimizationLevel", 0, 5, 3));
  }
  const std::string level =
      reader.choice("hardwareCompatibility", {"none", "amperePlus", "sameComputeCapability"}, "none");
  if (level != "none") {
    SettingsReader::requireFeature(api::hasHardwareCompatibility, "hardwareCompatibility", "TensorRT 8.6 or newer");
    settings.hardwareCompatibility = api::HardwareCompatibility::AmperePlus;
  }
  if (level == "sameComputeCapability") {
    SettingsReader::requireFeature(api::hasSameComputeCapability, "hardwareCompatibility: sameComputeCapability",
                                   "TensorRT 10.9 or newer");
    settings.hardwareCompatibility = api::HardwareCompatibility::SameComputeCapability;
  }
  settings.versionCompatible = reader.flag("versionCompatible", false);
  if (settings.versionCompatible) {
    SettingsReader::requireFeature(api::hasVersionCompatible, "versionCompatible", "TensorRT 8.6 or newer");
  }
  if (const json* value = reader.find("stronglyTyped")) {
    settings.stronglyTyped = reader.flag("stronglyTyped", false);
    if (settings.stronglyTyped) {
      SettingsReader::requireFeature(api::hasStronglyTyped, "stronglyTyped", "TensorRT 9 or newer");
    } else if (api::isStronglyTypedOnly) {
      SettingsReader::refuse("true, as TensorRT 11 and TensorRT for RTX know nothing else,", "stronglyTyped", *value);
    }
  }
}

void readPrecisions(SettingsReader& reader, BuildSettings& settings) {
  const bool given = reader.find("fallback") != nullptr;
  settings.halfFallback = reader.choice("fallback", {"fp16", "fp32"}, "fp16") == "fp16";
  const json* layers = findObject(reader, "layerPrecisions");
  if (settings.stronglyTyped && (given || layers != nullptr)) {
    const std::string key = given ? "fallback" : "layerPrecisions";
    SettingsReader::requireFeature(api::hasLayerPrecisions, key, "TensorRT 10 or older, which chooses precisions");
    throw Error(
        ErrorCode::InvalidArgument,
        "The setting " + key + " can't go with stronglyTyped: there the graph says what runs in which precision");
  }
  if (layers == nullptr) return;
  for (const auto& [node, value] : layers->items()) {
    settings.layerPrecisions[node] = readPrecision(value, "layerPrecisions." + node);
  }
}

}  // namespace

BuildSettings parseBuildSettings(const std::string& text) {
  SettingsReader reader(text);
  BuildSettings settings;
  settings.tf32 = reader.flag("tf32", true);
  if (reader.find("workspaceBytes") != nullptr) {
    settings.workspaceBytes =
        static_cast<size_t>(reader.integer("workspaceBytes", 1, std::numeric_limits<int64_t>::max(), 1));
  }
  settings.timingCache = reader.text("timingCache", "");
  constexpr int64_t kMaxDlaCores = 16;
  if (reader.find("dlaCore") != nullptr) {
    settings.dlaCore = static_cast<int>(reader.integer("dlaCore", 0, kMaxDlaCores, 0));
  }
  settings.gpuFallback = reader.flag("gpuFallback", true);
  settings.sparsity = reader.flag("sparsity", false);
  settings.refit = reader.flag("refit", false);
  settings.deterministic = reader.flag("deterministic", false);
  constexpr int64_t kMaxTimingRuns = 1024;
  if (reader.find("avgTimingIterations") != nullptr) {
    settings.avgTimingIterations = static_cast<int>(reader.integer("avgTimingIterations", 1, kMaxTimingRuns, 1));
  }
  readVersionDependent(reader, settings);
  readPrecisions(reader, settings);
  if (const json* profiles = findObject(reader, "profiles")) {
    for (const auto& [input, value] : profiles->items()) {
      settings.profiles[input] = readProfile(value, "profiles." + input);
    }
  }
  reader.finish();
  if (settings.deterministic && settings.timingCache.empty()) {
    throw Error(ErrorCode::InvalidArgument,
                "The setting deterministic needs timingCache: without the times of an earlier "
                "build, kernels are chosen by what is measured anew");
  }
  return settings;
}

SessionSettings parseSessionSettings(const std::string& text) {
  SettingsReader reader(text);
  SessionSettings settings;
  settings.cudaGraph = reader.flag("cudaGraph", false);
  if (const json* value = reader.find("zeroCopy")) {
    using ZeroCopy = SessionSettings::ZeroCopy;
    if (*value == true) {
      settings.zeroCopy = ZeroCopy::On;
    } else if (*value == false) {
      settings.zeroCopy = ZeroCopy::Off;
    } else if (*value != "auto") {
      SettingsReader::refuse("true, false or \"auto\"", "zeroCopy", *value);
    }
  }
  settings.spinWait = reader.flag("spinWait", false);
  settings.transfers = reader.flag("transfers", true);
  reader.finish();
  return settings;
}

}  // namespace presisi::tensorrt
