#pragma once

#include <cstdint>

#include "onnx/model.hpp"

/// What ONNX's changelog says about the operators that presisi has, from opset 7 to 21.
namespace presisi::graph {

/// Whether what the operator took in opset 7 (or when it came) means the same in every opset until 21: newer versions
/// only took more types, and attributes whose default is what was before.
bool isUnchanged(const onnx::Node& node);

/// Removes attributes that a later opset gave a meaning, and that meant nothing in `opset`: they would come alive.
void removeFutureAttributes(onnx::Node& node, int64_t opset);

}  // namespace presisi::graph
