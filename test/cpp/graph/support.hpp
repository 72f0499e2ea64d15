#pragma once

#include <algorithm>
#include <map>
#include <string>

#include "graph/passes.hpp"
#include "support/errors.hpp"
#include "support/interpreter.hpp"
#include "support/model_builder.hpp"
#include "support/same_model.hpp"

namespace presisi::test {

inline long count(const onnx::Model& model, const std::string& opType) {
  return std::count_if(model.graph.nodes.begin(), model.graph.nodes.end(),
                       [&](const onnx::Node& node) { return node.opType == opType; });
}

/// Operators in order, `Conv Relu presisi::Swish`.
inline std::string operators(const onnx::Model& model) {
  std::string text;
  for (const onnx::Node& node : model.graph.nodes) {
    if (!text.empty()) text += " ";
    text += (node.domain.empty() ? "" : node.domain + "::") + node.opType;
  }
  return text;
}

/// Random feeds for a model, dynamic dimensions as given.
inline std::map<std::string, Tensor> feedsFor(const onnx::Model& model, int64_t dynamic = 1) {
  ModelBuilder random;
  std::map<std::string, Tensor> feeds;
  for (const onnx::ValueInfo& input : model.graph.inputs) {
    Dims dims = input.dims;
    for (int64_t& dim : dims) dim = dim < 0 ? dynamic : dim;
    feeds[input.name] = random.random(dims, -4, 4).cast(input.dtype);
  }
  return feeds;
}

/// How far the outputs of two models differ for the same feeds, relative to the largest value.
inline double difference(const onnx::Model& a, const onnx::Model& b, int64_t dynamic = 1) {
  const auto feeds = feedsFor(a, dynamic);
  return difference(interpret(a, feeds), interpret(b, feeds));
}

}  // namespace presisi::test
