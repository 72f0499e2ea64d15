#pragma once

#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "quantization/quantize.hpp"

namespace presisi::test {

using Thresholds = std::map<std::string, calibration::Threshold>;

/// [-4, 4] for every activation that asks for a threshold.
inline Thresholds uniformThresholds(const onnx::Model& model, const quantization::Options& options = {}) {
  Thresholds thresholds;
  for (const std::string& tensor : quantization::activationsToCalibrate(model, options)) {
    thresholds[tensor] = {4.0f, -4.0f, 4.0f, 1};
  }
  return thresholds;
}

inline const onnx::Node& nodeThatMakes(const onnx::Model& model, const std::string& tensor) {
  const int index = onnx::Links(model.graph).producer(tensor);
  if (index < 0) throw std::runtime_error("no node makes " + tensor);
  return model.graph.nodes[static_cast<size_t>(index)];
}

/// The tensor whose quantized and dequantized values an input reads; `float` when it reads a tensor as it is.
inline std::string source(const onnx::Model& model, const std::string& madeByNode, size_t input) {
  const onnx::Node& node = nodeThatMakes(model, madeByNode);
  const int dequantize = onnx::Links(model.graph).producer(node.inputs.at(input));
  if (dequantize < 0) return "float";
  const onnx::Node& dq = model.graph.nodes[static_cast<size_t>(dequantize)];
  if (!dq.is("DequantizeLinear")) return "float";
  const int quantize = onnx::Links(model.graph).producer(dq.inputs.at(0));
  if (quantize < 0) return dq.inputs[0];
  return model.graph.nodes[static_cast<size_t>(quantize)].inputs.at(0);
}

inline std::vector<float> scaleOf(const onnx::Model& model, const std::string& tensor) {
  return model.graph.initializers.at(tensor + "_scale").toFloats();
}

/// Tensors that go through a QuantizeLinear.
inline std::set<std::string> quantizedTensors(const onnx::Model& model) {
  std::set<std::string> tensors;
  for (const onnx::Node& node : model.graph.nodes) {
    if (node.is("QuantizeLinear")) tensors.insert(node.inputs[0]);
  }
  return tensors;
}

}  // namespace presisi::test
