#pragma once

#include <cstdint>

#include "onnx/model.hpp"

namespace presisi::quantization {

/// Rewrites the nodes of a model of opset 7 to 12 in the forms of opset 13. Models of opset 13 or later come back as
/// they are. Throws UnsupportedModel, naming the node, for operators whose change this does not know.
onnx::Model upgradeOpset(const onnx::Model& model, int64_t opset = 13);

}  // namespace presisi::quantization
