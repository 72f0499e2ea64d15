#pragma once

#include <map>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "backend/tensorrt/api.hpp"
#include "backend/tensorrt/settings.hpp"
#include "onnx/model.hpp"

namespace presisi::tensorrt {

nvinfer1::Dims toTensorRt(const Dims& dims);
Dims fromTensorRt(const nvinfer1::Dims& dims);

/// The shapes to build for, of every input whose shape is dynamic: the settings', or else any batch from 1 to
/// `maxBatch`, tuned for `maxBatch`, since a larger batch is what a dynamic batch is for. Throws InvalidArgument for
/// settings about inputs that there aren't or that contradict the model, and for a dynamic dimension other than the
/// batch that no setting bounds; UnsupportedModel for an input without a rank.
std::map<std::string, Profile> chooseProfiles(const onnx::Model& model, const BuildSettings& settings,
                                              int64_t maxBatch);

/// Throws InvalidArgument for a profile that TensorRT refuses.
void setShapes(const std::map<std::string, Profile>& profiles, nvinfer1::IOptimizationProfile& target);

}  // namespace presisi::tensorrt
