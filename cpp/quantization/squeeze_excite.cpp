#include "quantization/squeeze_excite.hpp"

#include <map>
#include <string>
#include <vector>

namespace presisi::quantization {

namespace {

/// Operators that a branch may consist of: they leave a tensor of one value per channel as one of its kind.
bool canBeInBranch(const onnx::Node& node) {
  static const std::set<std::string> own = {"Swish", "HardSwish", "Gelu"};
  static const std::set<std::string> standard = {
      "Conv",        "Gemm",    "MatMul",  "Relu",    "Clip",      "LeakyRelu", "PRelu",     "Elu",     "Sigmoid",
      "HardSigmoid", "Tanh",    "Softmax", "Swish",   "HardSwish", "Gelu",      "Add",       "Sub",     "Mul",
      "Div",         "Reshape", "Flatten", "Squeeze", "Dropout",   "Unsqueeze", "Transpose", "Identity"};
  return node.domain == onnx::kPresisiDomain ? own.count(node.opType) > 0
                                             : node.domain.empty() && standard.count(node.opType) > 0;
}

}  // namespace

std::set<int> squeezeExciteNodes(const onnx::Graph& graph, const onnx::Links& links) {
  // Which pool a tensor was made from, for those made from one pool and constants alone.
  std::map<std::string, int> origins;
  const auto originOf = [&](const std::string& tensor) {
    const auto it = origins.find(tensor);
    return it == origins.end() ? -1 : it->second;
  };
  std::vector<std::string> gates;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const onnx::Node& node = graph.nodes[i];
    int origin = -1;
    if (node.is("GlobalAveragePool")) {
      origin = static_cast<int>(i);
    } else if (canBeInBranch(node)) {
      bool same = true;
      for (const std::string& input : node.inputs) {
        if (input.empty() || graph.initializer(input) != nullptr) continue;
        const int other = originOf(input);
        same = same && other >= 0 && (origin < 0 || other == origin);
        if (other >= 0) origin = other;
      }
      if (!same) {
        if (node.is("Mul")) {
          for (const std::string& input : node.inputs) {
            if (originOf(input) >= 0) gates.push_back(input);
          }
        }
        origin = -1;
      }
    }
    if (origin < 0) continue;
    for (const std::string& output : node.outputs) {
      if (!output.empty()) origins[output] = origin;
    }
  }

  std::set<int> nodes;
  while (!gates.empty()) {
    const int producer = links.producer(gates.back());
    gates.pop_back();
    if (producer < 0 || graph.nodes[static_cast<size_t>(producer)].is("GlobalAveragePool")) continue;
    if (!nodes.insert(producer).second) continue;
    for (const std::string& input : graph.nodes[static_cast<size_t>(producer)].inputs) {
      if (originOf(input) >= 0) gates.push_back(input);
    }
  }
  return nodes;
}

}  // namespace presisi::quantization
