#include <optional>
#include <set>
#include <utility>

#include "graph/passes.hpp"
#include "graph/rewrite.hpp"

namespace presisi::graph {

namespace {

/// Finds nodes whose output is their input, and takes them out.
class Bypass {
 public:
  explicit Bypass(const onnx::Model& model) : model_(model), links_(model.graph) {
    for (const onnx::Node& node : model.graph.nodes) {
      if (!node.is("Cast")) continue;
      types_ = trySpecialize(model);
      break;
    }
  }

  bool isNoOp(const onnx::Node& node) const {
    if (!node.hasInput(0) || node.outputs.empty() || node.outputs[0].empty()) return false;
    if (node.is("Identity")) return node.inputs.size() == 1;
    if (node.is("Dropout")) return isInferenceDropout(node);
    if (!node.is("Cast") || !types_) return false;
    const auto type = types_->types.find(node.inputs[0]);
    return type != types_->types.end() && static_cast<int64_t>(type->second.dtype) == node.getInt("to", 0);
  }

  void apply(onnx::Graph& graph) const {
    std::vector<bool> dead(graph.nodes.size(), false);
    std::map<std::string, std::string> inputs;  // output of a no-op -> what its consumers use instead
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      const onnx::Node& node = graph.nodes[i];
      if (!isNoOp(node) || links_.isOutput(node.outputs[0])) continue;
      // Resolved here, so that a long chain of them is not followed again for every node.
      const auto source = inputs.find(node.inputs[0]);
      inputs[node.outputs[0]] = source == inputs.end() ? node.inputs[0] : source->second;
      dead[i] = true;
    }
    renameInputs(graph, inputs);

    // A graph output keeps its name: then the tensor before the no-op takes that name, if it is free to.
    std::map<std::string, std::string> outputs;
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      const onnx::Node& node = graph.nodes[i];
      if (dead[i] || !isNoOp(node)) continue;
      const std::string& source = node.inputs[0];
      if (links_.producer(source) < 0 || links_.isOutput(source) || outputs.count(source) > 0) continue;
      outputs[source] = node.outputs[0];
      dead[i] = true;
    }
    renameInputs(graph, outputs);
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      if (dead[i]) continue;
      for (std::string& output : graph.nodes[i].outputs) {
        const auto renamed = outputs.find(output);
        if (renamed != outputs.end()) output = renamed->second;
      }
    }
    eraseNodes(graph, dead);
  }

 private:
  bool isInferenceDropout(const onnx::Node& node) const {
    if (node.outputs.size() > 1 && (!links_.consumers(node.outputs[1]).empty() || links_.isOutput(node.outputs[1]))) {
      return false;
    }
    if (!node.hasInput(2)) return true;
    const Tensor* training = model_.graph.initializer(node.inputs[2]);
    return training != nullptr && training->dtype() == DType::Bool && training->size() == 1 &&
           *training->data<uint8_t>() == 0;
  }

  const onnx::Model& model_;
  onnx::Links links_;
  std::optional<Specialization> types_;
};

/// Operators whose outputs after the first are optional: nobody need compute what nobody reads.
bool hasOptionalOutputs(const onnx::Node& node) {
  return node.is("MaxPool") || node.is("Dropout") || node.is("LayerNormalization");
}

void removeUnused(onnx::Graph& graph) {
  std::set<std::string> needed;
  for (const onnx::ValueInfo& output : graph.outputs) needed.insert(output.name);
  std::vector<bool> dead(graph.nodes.size(), false);
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    onnx::Node& node = graph.nodes[i];
    bool used = false;
    for (const std::string& output : node.outputs) used = used || needed.count(output) > 0;
    dead[i] = !used;
    if (!used) continue;
    needed.insert(node.inputs.begin(), node.inputs.end());
    if (!hasOptionalOutputs(node)) continue;
    for (size_t k = 1; k < node.outputs.size(); ++k) {
      if (needed.count(node.outputs[k]) == 0) node.outputs[k].clear();
    }
    while (node.outputs.size() > 1 && node.outputs.back().empty()) node.outputs.pop_back();
  }
  eraseNodes(graph, dead);

  for (auto it = graph.initializers.begin(); it != graph.initializers.end();) {
    it = needed.count(it->first) > 0 ? std::next(it) : graph.initializers.erase(it);
  }
  std::set<std::string> made;
  for (const onnx::Node& node : graph.nodes) made.insert(node.outputs.begin(), node.outputs.end());
  for (auto it = graph.values.begin(); it != graph.values.end();) {
    it = made.count(it->first) > 0 ? std::next(it) : graph.values.erase(it);
  }
}

}  // namespace

onnx::Model removeDeadCode(const onnx::Model& model) {
  onnx::Model out = model;
  Bypass(model).apply(out.graph);
  removeUnused(out.graph);
  return out;
}

}  // namespace presisi::graph
