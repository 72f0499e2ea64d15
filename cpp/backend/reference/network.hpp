#pragma once

#include <map>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "onnx/model.hpp"

namespace presisi::backend::reference {

/// A Conv, Gemm or MatMul between dequantized tensors, computed with the integers themselves: 32-bit sums, then
/// y = s_x * s_w[c] * sum + bias in float32.
struct IntegerStep {
  std::string input, inputScale, inputZeroPoint;  ///< int8 or uint8, any zero point; an empty name is an absent one
  std::string weight, weightScale;                ///< int8 or uint8, zero point 0
  std::string bias;                               ///< float32
};

/// What is executed at once.
struct Step {
  onnx::Node node;
  int64_t opset = 0;
  bool quantized = false;
  IntegerStep integers;
  bool asksInt8 = false;             ///< the graph dequantizes its operands
  std::string reason;                ///< why it is not quantized although asked for
  std::vector<std::string> fused;    ///< names of the DequantizeLinear nodes it takes the place of
  std::vector<std::string> inputs;   ///< tensors it reads
  std::vector<std::string> release;  ///< tensors that nothing after it reads
};

/// The nodes of a model in the order in which they run. Throws InvalidModel for a graph that reads tensors before they
/// exist.
std::vector<Step> planSteps(const onnx::Model& model);

/// Output of the step, from the values of its tensors.
std::vector<Tensor> runStep(const Step& step, const std::map<std::string, Tensor>& values, const StopToken& stop);

/// One entry for each step; shapes, bytes and multiply-accumulates at batch 1 where they can be inferred.
std::vector<LayerInfo> describeSteps(const onnx::Model& model, const std::vector<Step>& steps);

}  // namespace presisi::backend::reference
