#include "backend/reference/macs.hpp"
#include "backend/reference/network.hpp"

namespace presisi::backend::reference {

namespace {

int64_t bytesOf(const ops::TensorType& type) {
  return elementCount(type.dims) * static_cast<int64_t>(byteSize(type.dtype));
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
