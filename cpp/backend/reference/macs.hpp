#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "onnx/model.hpp"
#include "ops/operator.hpp"

namespace presisi::backend::reference {

using Types = std::map<std::string, ops::TensorType>;

/// Types and shapes of every tensor at batch 1. Empty where they can't be inferred: some depend on the data, and then
/// nothing is claimed.
Types inferTypes(const onnx::Model& model);

/// Multiply-accumulates of a Conv, ConvTranspose, Gemm or MatMul whose shapes are known; 0 of any other node.
int64_t countMacs(const onnx::Node& node, const Types& types);

}  // namespace presisi::backend::reference
