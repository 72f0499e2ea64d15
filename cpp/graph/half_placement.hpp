#pragma once

#include <string>
#include <vector>

#include "graph/passes.hpp"
#include "onnx/model.hpp"

/// What FP16 can hold, and which nodes therefore don't become FP16.
namespace presisi::graph {

/// What the elements of an FP32 tensor lose as FP16.
struct HalfLoss {
  bool outOfRange = false;  ///< an element beyond ±65504, or not finite
  bool subnormal = false;   ///< more than 1 % of the elements become subnormal or zero
};
HalfLoss halfLoss(const Tensor& tensor);

/// Whether every element is a normal FP16 number: what a quantization scale must be, because a subnormal one is off by
/// up to 100 % and not by 2^-11.
bool isHalfScale(const Tensor& scale);

struct HalfPlacement {
  /// For each node: its floating-point inputs and outputs stay FP32. Says nothing about Cast, QuantizeLinear and
  /// DequantizeLinear, which follow their neighbours.
  std::vector<bool> keepsFloat;
};

/// `types` are those of `model`, and its constants are initializers.
HalfPlacement placeHalf(const onnx::Model& model, const Specialization& types, HalfReport& report);

/// Inputs that are FP32 whatever the type of the data is.
bool isFloatInput(const onnx::Node& node, size_t index);

}  // namespace presisi::graph
