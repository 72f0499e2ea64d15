#include <algorithm>

#include "backend/reference/network.hpp"
#include "ops/common.hpp"
#include "ops/matmul.hpp"

namespace presisi::backend::reference {

namespace {

using Values = std::map<std::string, Tensor>;

Tensor valueOf(const Values& values, const std::string& name) {
  if (name.empty()) return {};
  const auto it = values.find(name);
  if (it == values.end()) throw Error(ErrorCode::Internal, "tensor \"" + name + "\" was let go too early");
  return it->second;
}

/// y = scale * sum + bias; `channel` tells which weight scale and bias element y[i] has.
Tensor dequantize(const onnx::Node& node, const Tensor& sums, float inputScale, const std::vector<float>& weightScales,
                  int64_t channels, int64_t inner) {
  if (weightScales.size() != 1 && static_cast<int64_t>(weightScales.size()) != channels) {
    ops::failShape(node, "has " + std::to_string(channels) + " output channels but the weights have " +
                             std::to_string(weightScales.size()) + " scales");
  }
  Tensor y(DType::Float32, sums.dims());
  const int32_t* from = sums.data<int32_t>();
  float* to = y.data<float>();
  for (int64_t i = 0; i < y.size(); ++i) {
    const size_t channel = weightScales.size() == 1 ? 0 : static_cast<size_t>(i / inner % channels);
    to[i] = static_cast<float>(from[i]) * (inputScale * weightScales[channel]);
  }
  return y;
}

void addBias(const onnx::Node& node, const Tensor& bias, const Dims& biasDims, Tensor& y) {
  if (bias.dtype() != DType::Float32)
    ops::failModel(node, "its bias should be float32 but is " + std::string(name(bias.dtype())));
  if (ops::broadcast(node, biasDims, y.dims()) != y.dims()) {
    ops::failShape(node, "a bias of shape " + toString(bias.dims()) + " does not broadcast to " + toString(y.dims()));
  }
  const float* from = bias.data<float>();
  float* to = y.data<float>();
  ops::forEachIndex(y.dims(), {ops::broadcastStrides(biasDims, y.dims())},
                    [&](int64_t i, const std::vector<int64_t>& offsets) { to[i] += from[offsets[0]]; });
}

/// An integer operator of ONNX with the attributes of `node`.
Tensor integerProduct(const Step& step, const char* op, std::vector<Tensor> inputs, const StopToken& stop) {
  onnx::Node node = step.node;
  node.opType = op;
  node.inputs = {"x", "w", inputs[2].empty() ? "" : "zero_point"};
  return ops::evaluate(node, std::max<int64_t>(step.opset, 10), std::move(inputs), stop)[0];
}

Tensor runIntegers(const Step& step, const Values& values, const StopToken& stop) {
  const onnx::Node& node = step.node;
  Tensor x = valueOf(values, step.integers.input);
  Tensor w = valueOf(values, step.integers.weight);
  const Tensor zeroPoint = valueOf(values, step.integers.inputZeroPoint);
  const Tensor bias = valueOf(values, step.integers.bias);
  const float inputScale = valueOf(values, step.integers.inputScale).toFloats()[0];
  const std::vector<float> weightScales = valueOf(values, step.integers.weightScale).toFloats();
  if (node.is("Conv")) {
    const Tensor sums = integerProduct(step, "ConvInteger", {x, w, zeroPoint}, stop);
    Tensor y =
        dequantize(node, sums, inputScale, weightScales, sums.dim(1), ops::countBetween(sums.dims(), 2, sums.rank()));
    if (bias.empty()) return y;
    // [C] lies along axis 1: [C, 1, ...] broadcasts there.
    if (bias.dims() != Dims{sums.dim(1)}) {
      ops::failShape(
          node, "the bias should have shape [" + std::to_string(sums.dim(1)) + "] but has " + toString(bias.dims()));
    }
    Dims biasDims(sums.rank() - 1, 1);
    biasDims[0] = sums.dim(1);
    addBias(node, bias, biasDims, y);
    return y;
  }
  if (node.is("Gemm")) {
    if (x.rank() != 2 || w.rank() != 2) {
      ops::failShape(node,
                     "expected two matrices but found shapes " + toString(x.dims()) + " and " + toString(w.dims()));
    }
    if (node.getInt("transA", 0) != 0) x = ops::transposed(x);
    if (node.getInt("transB", 0) != 0) w = ops::transposed(w);
  }
  const Tensor sums = integerProduct(step, "MatMulInteger", {x, w, zeroPoint}, stop);
  const int64_t columns = w.rank() < 2 ? 1 : w.dims().back();
  Tensor y = dequantize(node, sums, inputScale, weightScales, columns, 1);
  if (!bias.empty()) addBias(node, bias, bias.dims(), y);
  return y;
}

}  // namespace

std::vector<Tensor> runStep(const Step& step, const Values& values, const StopToken& stop) {
  if (step.quantized) return {runIntegers(step, values, stop)};
  std::vector<Tensor> inputs;
  for (const std::string& name : step.node.inputs) inputs.push_back(valueOf(values, name));
  return ops::evaluate(step.node, step.opset, std::move(inputs), stop);
}

}  // namespace presisi::backend::reference
