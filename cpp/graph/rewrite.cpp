#include "graph/rewrite.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/error.hpp"

namespace presisi::graph {

bool isHalf(DType dtype) { return dtype == DType::Float16 || dtype == DType::Bfloat16; }

Names::Names(const onnx::Graph& graph) {
  for (const onnx::ValueInfo& input : graph.inputs) taken_.insert(input.name);
  for (const onnx::ValueInfo& output : graph.outputs) taken_.insert(output.name);
  for (const auto& [name, tensor] : graph.initializers) {
    static_cast<void>(tensor);
    taken_.insert(name);
  }
  for (const onnx::Node& node : graph.nodes) taken_.insert(node.outputs.begin(), node.outputs.end());
  // A hint about a tensor that no longer exists would be read as one about ours.
  for (const auto& [name, value] : graph.values) {
    static_cast<void>(value);
    taken_.insert(name);
  }
}

std::string Names::fresh(const std::string& base) {
  std::string name = base;
  for (int i = 1; !taken_.insert(name).second; ++i) name = base + "_" + std::to_string(i);
  return name;
}

void renameInputs(onnx::Graph& graph, const std::map<std::string, std::string>& names) {
  if (names.empty()) return;
  for (onnx::Node& node : graph.nodes) {
    for (std::string& input : node.inputs) {
      for (auto it = names.find(input); it != names.end(); it = names.find(input)) input = it->second;
    }
  }
}

void eraseNodes(onnx::Graph& graph, const std::vector<bool>& dead) {
  size_t kept = 0;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (dead[i]) continue;
    if (kept != i) graph.nodes[kept] = std::move(graph.nodes[i]);
    ++kept;
  }
  graph.nodes.resize(kept);
}

onnx::Node castNode(const std::string& input, const std::string& output, DType to) {
  onnx::Node node;
  node.name = output + "_cast";
  node.opType = "Cast";
  node.inputs = {input};
  node.outputs = {output};
  node.set(onnx::Attribute::ofInt("to", static_cast<int64_t>(to)));
  return node;
}

std::optional<Specialization> trySpecialize(const onnx::Model& model) {
  std::map<std::string, Dims> shapes;
  for (const onnx::ValueInfo& input : model.graph.inputs) {
    if (!input.hasShape) return std::nullopt;
    Dims& dims = shapes[input.name] = input.dims;
    for (int64_t& dim : dims) dim = dim < 0 ? 1 : dim;
  }
  try {
    return specialize(model, shapes);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::OutOfMemory) throw;
    return std::nullopt;
  }
}

const Tensor* heldConstant(const onnx::Node& node) {
  if (!node.is("Constant")) return nullptr;
  const onnx::Attribute* value = node.find("value");
  return value != nullptr && value->kind == onnx::Attribute::Kind::Tensor ? &value->t : nullptr;
}

bool isProduct(const onnx::Node& node) {
  static const char* const kOperators[] = {"Conv",        "ConvTranspose", "MatMul",      "Gemm",
                                           "ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"};
  return std::any_of(std::begin(kOperators), std::end(kOperators), [&](const char* op) { return node.is(op); });
}

bool isFullyStatic(const onnx::Graph& graph) {
  return std::all_of(graph.inputs.begin(), graph.inputs.end(), [](const onnx::ValueInfo& input) {
    return input.hasShape && std::all_of(input.dims.begin(), input.dims.end(), [](int64_t dim) { return dim >= 0; });
  });
}

}  // namespace presisi::graph
