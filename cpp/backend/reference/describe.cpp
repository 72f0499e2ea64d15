#include "backend/reference/network.hpp"
#include "core/error.hpp"
#include "graph/passes.hpp"
#include "ops/common.hpp"

namespace presisi::backend::reference {

namespace {

using Types = std::map<std::string, ops::TensorType>;

/// At batch 1. Empty where the shapes can't be inferred: some depend on the data, and then nothing is claimed.
Types inferTypes(const onnx::Model& model) {
  try {
    return graph::specialize(model, graph::inputShapes(model, 1)).types;
  } catch (const Error&) {
    return {};
  }
}

int64_t bytesOf(const ops::TensorType& type) {
  return elementCount(type.dims) * static_cast<int64_t>(byteSize(type.dtype));
}

/// Multiply-accumulates of the layers that have them.
int64_t countMacs(const onnx::Node& node, const Types& types) {
  if (node.inputs.size() < 2 || node.outputs.empty()) return 0;
  const auto x = types.find(node.inputs[0]), w = types.find(node.inputs[1]), y = types.find(node.outputs[0]);
  if (x == types.end() || w == types.end() || y == types.end()) return 0;
  const Dims& left = x->second.dims;
  const Dims& right = w->second.dims;
  const int64_t results = elementCount(y->second.dims);
  if (node.is("Conv") && right.size() > 1) return results * ops::countBetween(right, 1, right.size());
  if (node.is("ConvTranspose") && right.size() > 1)
    return elementCount(left) * ops::countBetween(right, 1, right.size());
  if (node.is("Gemm") && left.size() == 2) return results * (node.getInt("transA", 0) != 0 ? left[0] : left[1]);
  if (node.is("MatMul") && !left.empty()) return results * left.back();
  return 0;
}

}  // namespace

std::vector<LayerInfo> describeSteps(const onnx::Model& model, const std::vector<Step>& steps) {
  const Types types = inferTypes(model);
  std::vector<LayerInfo> layers;
  for (const Step& step : steps) {
    const onnx::Node& node = step.node;
    LayerInfo layer;
    layer.name = node.name.empty() && !node.outputs.empty() ? node.outputs[0] : node.name;
    layer.op = node.opType;
    layer.requested = step.asksInt8 ? "int8" : "fp32";
    layer.precision = step.quantized ? "int8" : "fp32";
    layer.reason = step.reason;
    layer.kernel = "reference";
    layer.fused = step.fused;
    layer.macs = countMacs(node, types);
    for (const std::string& input : step.inputs) {
      if (const Tensor* initializer = model.graph.initializer(input)) {
        layer.weightBytes += static_cast<int64_t>(initializer->bytes());
      } else if (const auto it = types.find(input); it != types.end()) {
        layer.activationBytes += bytesOf(it->second);
      }
    }
    for (const std::string& output : node.outputs) {
      if (const auto it = types.find(output); it != types.end()) layer.activationBytes += bytesOf(it->second);
    }
    if (!node.outputs.empty()) {
      if (const auto it = types.find(node.outputs[0]); it != types.end()) layer.outputDims = it->second.dims;
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace presisi::backend::reference
