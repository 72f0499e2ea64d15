#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "onnx/model.hpp"
#include "ops/operator.hpp"

namespace presisi::test {

/// Runs a model node by node as it stands: what the passes before and after must agree on.
inline std::map<std::string, Tensor> interpret(const onnx::Model& model, const std::map<std::string, Tensor>& feeds) {
  std::map<std::string, Tensor> values(model.graph.initializers);
  for (const auto& [name, tensor] : feeds) values[name] = tensor;
  for (const onnx::Node& node : model.graph.nodes) {
    std::vector<Tensor> inputs;
    for (const std::string& input : node.inputs) inputs.push_back(input.empty() ? Tensor() : values.at(input));
    std::vector<Tensor> outputs = ops::evaluate(node, model.opset(node.domain), std::move(inputs));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (!node.outputs[i].empty()) values[node.outputs[i]] = outputs[i];
    }
  }
  std::map<std::string, Tensor> results;
  for (const onnx::ValueInfo& output : model.graph.outputs) results[output.name] = values.at(output.name);
  return results;
}

/// The largest difference of two sets of outputs, relative to the largest value; infinite when names, types or shapes
/// differ.
inline double difference(const std::map<std::string, Tensor>& a, const std::map<std::string, Tensor>& b) {
  if (a.size() != b.size()) return INFINITY;
  double worst = 0;
  double largest = 1e-30;
  for (const auto& [name, left] : a) {
    const auto it = b.find(name);
    if (it == b.end() || it->second.dtype() != left.dtype() || it->second.dims() != left.dims()) return INFINITY;
    const std::vector<float> x = left.toFloats();
    const std::vector<float> y = it->second.toFloats();
    for (size_t i = 0; i < x.size(); ++i) {
      if (std::isnan(x[i]) && std::isnan(y[i])) continue;
      if (!(x[i] == y[i])) worst = std::max(worst, static_cast<double>(std::fabs(x[i] - y[i])));
      if (std::isnan(x[i]) != std::isnan(y[i])) return INFINITY;
      if (std::isfinite(x[i])) largest = std::max(largest, static_cast<double>(std::fabs(x[i])));
    }
  }
  return worst / largest;
}

}  // namespace presisi::test
