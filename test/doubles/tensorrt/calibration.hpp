#pragma once

#include "config.hpp"
#include "network.hpp"

namespace presisi::doubles::tensorrt {

#if NV_TENSORRT_MAJOR <= 10
/// Implicit INT8: asks the calibrator for its cache or its batches in the documented order, or takes the ranges set on
/// the network's tensors, and gives the model with the Q/DQ that follow. Layers without ranges stay in floating point.
/// Throws presisi::Error where there is nothing to calibrate with.
onnx::Model calibrate(const onnx::Model& model, const Network& network, Config& config,
                      const std::set<std::string>& keepFloat);
#endif

}  // namespace presisi::doubles::tensorrt
