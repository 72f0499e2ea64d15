#include "backend/tensorrt/profile.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace presisi::tensorrt {

namespace {

/// Fixed dimensions must be the model's.
void requireFit(const onnx::ValueInfo& input, const Dims& dims, const std::string& which) {
  bool fits = dims.size() == input.dims.size();
  for (size_t i = 0; fits && i < dims.size(); ++i) fits = input.dims[i] < 0 || input.dims[i] == dims[i];
  if (fits) return;
  throw Error(ErrorCode::InvalidArgument, "Expected a shape that fits " + toString(input.dims) + " for profiles." +
                                              input.name + "." + which + " but received " + toString(dims));
}

Profile defaultProfile(const onnx::ValueInfo& input, int64_t maxBatch) {
  Profile profile{input.dims, input.dims, input.dims};
  for (size_t i = 0; i < input.dims.size(); ++i) {
    if (input.dims[i] >= 0) continue;
    if (i > 0) {
      throw Error(ErrorCode::InvalidArgument,
                  "Dimension " + std::to_string(i) + " of input \"" + input.name + "\" " + toString(input.dims) +
                      " is dynamic, and nothing says how large it gets",
                  "give the setting profiles: {\"" + input.name + "\": {\"min\": […], \"opt\": […], \"max\": […]}}");
    }
    profile.min[i] = 1;
    profile.opt[i] = profile.max[i] = maxBatch;
  }
  return profile;
}

}  // namespace

nvinfer1::Dims toTensorRt(const Dims& dims) {
  if (dims.size() > static_cast<size_t>(nvinfer1::Dims::MAX_DIMS)) {
    throw Error(ErrorCode::UnsupportedModel, "TensorRT holds tensors of at most 8 dimensions, not " + toString(dims));
  }
  nvinfer1::Dims result{};
  result.nbDims = static_cast<int32_t>(dims.size());
  std::transform(dims.begin(), dims.end(), result.d, [](int64_t dim) { return static_cast<api::Dim>(dim); });
  return result;
}

Dims fromTensorRt(const nvinfer1::Dims& dims) {
  if (dims.nbDims <= 0) return {};
  return Dims(dims.d, dims.d + dims.nbDims);
}

std::map<std::string, Profile> chooseProfiles(const onnx::Model& model, const BuildSettings& settings,
                                              int64_t maxBatch) {
  std::map<std::string, Profile> profiles;
  for (const onnx::ValueInfo& input : model.graph.inputs) {
    if (!input.hasShape) {
      throw Error(ErrorCode::UnsupportedModel,
                  "TensorRT needs to know how many dimensions input \"" + input.name + "\" has");
    }
    const auto given = settings.profiles.find(input.name);
    if (given != settings.profiles.end()) {
      requireFit(input, given->second.min, "min");
      requireFit(input, given->second.opt, "opt");
      requireFit(input, given->second.max, "max");
    }
    if (std::none_of(input.dims.begin(), input.dims.end(), [](int64_t dim) { return dim < 0; })) continue;
    profiles[input.name] = given != settings.profiles.end() ? given->second : defaultProfile(input, maxBatch);
  }
  for (const auto& [name, profile] : settings.profiles) {
    const bool known = std::any_of(model.graph.inputs.begin(), model.graph.inputs.end(),
                                   [&wanted = name](const onnx::ValueInfo& input) { return input.name == wanted; });
    if (!known) {
      throw Error(ErrorCode::InvalidArgument, "The setting profiles names \"" + name + "\", which is no input");
    }
  }
  return profiles;
}

void setShapes(const std::map<std::string, Profile>& profiles, nvinfer1::IOptimizationProfile& target) {
  using nvinfer1::OptProfileSelector;
  for (const auto& [name, profile] : profiles) {
    const bool accepted = target.setDimensions(name.c_str(), OptProfileSelector::kMIN, toTensorRt(profile.min)) &&
                          target.setDimensions(name.c_str(), OptProfileSelector::kOPT, toTensorRt(profile.opt)) &&
                          target.setDimensions(name.c_str(), OptProfileSelector::kMAX, toTensorRt(profile.max));
    if (!accepted) {
      throw Error(ErrorCode::InvalidArgument, "TensorRT refuses the shapes " + toString(profile.min) + " to " +
                                                  toString(profile.max) + " for input \"" + name + "\"");
    }
  }
}

}  // namespace presisi::tensorrt
