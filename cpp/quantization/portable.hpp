#pragma once

#include "onnx/model.hpp"

namespace presisi::quantization {

/// Spells the fused operators of presisi's own domain (Swish, HardSwish, Gelu) in ONNX's operators of opset 13, so that
/// ONNX Runtime and TensorRT read the model. Throws UnsupportedModel for another operator of that domain, and for
/// opsets older than 9, which have no Erf.
onnx::Model lowerInternalOps(const onnx::Model& model);

}  // namespace presisi::quantization
