#include "backend/tensorrt/node_facts.hpp"

#include <algorithm>

#include "backend/reference/macs.hpp"
#include "quantization/names.hpp"

namespace presisi::tensorrt {

namespace {

bool hasMacs(const onnx::Node& node) {
  return node.is("Conv") || node.is("ConvTranspose") || node.is("Gemm") || node.is("MatMul");
}

bool readsDequantized(const onnx::Node& node, const onnx::Graph& graph, const onnx::Links& links) {
  return std::any_of(node.inputs.begin(), node.inputs.end(), [&](const std::string& input) {
    const int producer = input.empty() ? -1 : links.producer(input);
    return producer >= 0 && graph.nodes[static_cast<size_t>(producer)].is("DequantizeLinear");
  });
}

}  // namespace

std::map<std::string, NodeFacts> nodeFacts(const onnx::Model& model, const std::string& precision, bool implicitInt8) {
  const backend::reference::Types types = backend::reference::inferTypes(model);
  const onnx::Links links(model.graph);
  std::map<std::string, NodeFacts> facts;
  for (const onnx::Node& node : model.graph.nodes) {
    NodeFacts fact;
    fact.op = node.opType;
    const bool int8 = implicitInt8 ? hasMacs(node) : readsDequantized(node, model.graph, links);
    // What has no scales in an int8 build was asked for nothing: it runs where TensorRT likes.
    fact.requested = int8 ? "int8" : precision == "int8" ? "" : precision;
    fact.macs = backend::reference::countMacs(node, types);
    facts.emplace(node.name, std::move(fact));
  }
  return facts;
}

bool hasScales(const onnx::Model& model) {
  return std::any_of(model.graph.nodes.begin(), model.graph.nodes.end(),
                     [](const onnx::Node& node) { return node.is("QuantizeLinear") || node.is("DequantizeLinear"); });
}

void nameNodes(onnx::Model& model) {
  quantization::NameMaker names(model.graph);
  for (onnx::Node& node : model.graph.nodes) {
    if (!node.name.empty()) continue;
    const auto named = std::find_if(node.outputs.begin(), node.outputs.end(), [](const auto& o) { return !o.empty(); });
    // A tensor and a node may share a name, but a plain copy of the tensor's could be another node's already.
    node.name = names.make(named == node.outputs.end() ? node.opType : *named + "." + node.opType);
  }
}

}  // namespace presisi::tensorrt
