#include <utility>

#include "graph/half_placement.hpp"
#include "graph/passes.hpp"
#include "graph/rewrite.hpp"

namespace presisi::graph {

namespace {

/// Scales, zero points and weights of Q/DQ must be initializers, not computed: TensorRT refuses anything else.
bool feedsQuantization(const onnx::Graph& graph, const onnx::Links& links, const std::string& tensor) {
  for (const int user : links.consumers(tensor)) {
    const onnx::Node& node = graph.nodes[static_cast<size_t>(user)];
    if (node.is("QuantizeLinear") || node.is("DequantizeLinear")) return true;
  }
  return false;
}

}  // namespace

onnx::Model storeAsHalf(const onnx::Model& model, HalfReport& report, int64_t minElements) {
  onnx::Model out = model;
  onnx::Graph& graph = out.graph;
  const onnx::Links links(model.graph);
  Names names(graph);
  std::vector<onnx::Node> casts;
  for (const auto& [name, tensor] : model.graph.initializers) {
    if (tensor.dtype() != DType::Float32 || tensor.size() < minElements || tensor.size() == 0) continue;
    if (links.isOutput(name) || links.consumers(name).empty() || feedsQuantization(graph, links, name)) continue;
    const HalfLoss loss = halfLoss(tensor);
    if (loss.outOfRange) {
      report.outOfRange.push_back(name);
      continue;
    }
    if (loss.subnormal) report.subnormal.push_back(name);
    const std::string half = names.fresh(name + "_fp16");
    graph.initializers[half] = tensor.cast(DType::Float16);
    graph.initializers.erase(name);
    casts.push_back(castNode(half, name, DType::Float32));
  }
  casts.insert(casts.end(), std::make_move_iterator(graph.nodes.begin()), std::make_move_iterator(graph.nodes.end()));
  graph.nodes = std::move(casts);
  return out;
}

}  // namespace presisi::graph
