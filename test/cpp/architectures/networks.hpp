#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "architectures/architecture.hpp"
#include "support/errors.hpp"
#include "support/same_model.hpp"

namespace presisi::test {

using Shapes = std::map<std::string, Dims>;

/// What a checkpoint of the network would have.
inline Shapes shapesOf(const architectures::Network& network) {
  Shapes shapes;
  for (const architectures::Parameter& parameter : network.parameters) shapes[parameter.name] = parameter.dims;
  return shapes;
}

/// Trained parameters: batch normalizations' statistics are none.
inline int64_t countTrained(const architectures::Network& network) {
  int64_t count = 0;
  for (const architectures::Parameter& parameter : network.parameters) {
    const bool isStatistic =
        parameter.init == architectures::Init::NormMean || parameter.init == architectures::Init::NormVariance;
    if (!isStatistic) count += elementCount(parameter.dims);
  }
  return count;
}

/// What differs first between two networks, in words; empty when nothing does.
inline std::string whatDiffers(const architectures::Network& a, const architectures::Network& b) {
  if (a.architecture != b.architecture) return a.architecture + " against " + b.architecture;
  if (a.family != b.family) return "family";
  if (a.configuration != b.configuration) return "configuration";
  if (a.classes != b.classes) return "classes";
  if (a.inputSize != b.inputSize) return "input size";
  if (a.parameters.size() != b.parameters.size()) return "number of parameters";
  for (size_t i = 0; i < a.parameters.size(); ++i) {
    const architectures::Parameter& p = a.parameters[i];
    const architectures::Parameter& q = b.parameters[i];
    if (p.name != q.name || p.dims != q.dims || p.init != q.init) return "parameter " + p.name;
  }
  return whatDiffers(a.model, b.model);
}

/// The model with zeros for its parameters, all in the same memory: enough where only shapes matter.
inline onnx::Model withZeros(const architectures::Network& network) {
  int64_t largest = 0;
  for (const architectures::Parameter& parameter : network.parameters) {
    largest = std::max(largest, elementCount(parameter.dims));
  }
  const auto zeros = std::make_shared<const std::vector<float>>(static_cast<size_t>(largest));
  onnx::Model model = network.model;
  for (const architectures::Parameter& parameter : network.parameters) {
    model.graph.initializers[parameter.name] = Tensor::view(DType::Float32, parameter.dims, zeros->data(), zeros);
  }
  return model;
}

inline const onnx::Node* findNode(const onnx::Model& model, const std::string& name) {
  for (const onnx::Node& node : model.graph.nodes) {
    if (node.name == name) return &node;
  }
  return nullptr;
}

}  // namespace presisi::test
