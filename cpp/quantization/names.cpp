#include "quantization/names.hpp"

namespace presisi::quantization {

NameMaker::NameMaker(const onnx::Graph& graph) {
  for (const auto& [name, tensor] : graph.initializers) taken_.insert(name);
  for (const auto& [name, value] : graph.values) taken_.insert(name);
  for (const onnx::ValueInfo& input : graph.inputs) taken_.insert(input.name);
  for (const onnx::ValueInfo& output : graph.outputs) taken_.insert(output.name);
  for (const onnx::Node& node : graph.nodes) {
    taken_.insert(node.name);
    taken_.insert(node.inputs.begin(), node.inputs.end());
    taken_.insert(node.outputs.begin(), node.outputs.end());
  }
}

std::string NameMaker::make(const std::string& wish) {
  std::string name = wish;
  for (int i = 1; !taken_.insert(name).second; ++i) name = wish + "_" + std::to_string(i);
  return name;
}

}  // namespace presisi::quantization
