#include "quantization/portable.hpp"

#include <cmath>

#include "core/error.hpp"
#include "quantization/names.hpp"

namespace presisi::quantization {

namespace {

/// Appends the nodes that stand for one fused node. The last keeps the name and the output of the original.
class Lowering {
 public:
  Lowering(onnx::Graph& graph, NameMaker& names) : graph_(graph), names_(names) {}

  void lower(const onnx::Node& node) {
    if (node.opType == "Swish") {
      swish(node);
    } else if (node.opType == "HardSwish") {
      hardSwish(node);
    } else if (node.opType == "Gelu") {
      node.getString("approximate", "none") == "tanh" ? geluTanh(node) : gelu(node);
    } else {
      throw Error(ErrorCode::UnsupportedModel, node.label() + " has no equivalent in ONNX's own operators");
    }
  }

 private:
  /// x · sigmoid(alpha · x)
  void swish(const onnx::Node& node) {
    const std::string& x = node.inputs.at(0);
    const float alpha = node.getFloat("alpha", 1.0f);
    const std::string scaled = alpha == 1.0f ? x : step(node, "Mul", {x, constant(node, alpha)});
    finish(node, "Mul", {x, step(node, "Sigmoid", {scaled})});
  }

  /// x · max(0, min(1, x / 6 + 1/2))
  void hardSwish(const onnx::Node& node) {
    const std::string& x = node.inputs.at(0);
    const std::string gate = step(node, "HardSigmoid", {x});
    graph_.nodes.back().set(onnx::Attribute::ofFloat("alpha", 1.0f / 6));
    graph_.nodes.back().set(onnx::Attribute::ofFloat("beta", 0.5f));
    finish(node, "Mul", {x, gate});
  }

  /// x · (1 + erf(x / √2)) · 1/2
  void gelu(const onnx::Node& node) {
    const std::string& x = node.inputs.at(0);
    const std::string ratio = step(node, "Div", {x, constant(node, std::sqrt(2.0f))});
    const std::string sum = step(node, "Add", {step(node, "Erf", {ratio}), constant(node, 1.0f)});
    finish(node, "Mul", {step(node, "Mul", {x, sum}), constant(node, 0.5f)});
  }

  /// x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) · 1/2
  void geluTanh(const onnx::Node& node) {
    const std::string& x = node.inputs.at(0);
    const std::string cube = step(node, "Mul", {step(node, "Mul", {x, x}), x});
    const std::string inner = step(node, "Add", {x, step(node, "Mul", {cube, constant(node, 0.044715f)})});
    const std::string scaled = step(node, "Mul", {inner, constant(node, 0.7978845608f)});
    const std::string sum = step(node, "Add", {step(node, "Tanh", {scaled}), constant(node, 1.0f)});
    finish(node, "Mul", {step(node, "Mul", {x, sum}), constant(node, 0.5f)});
  }

  std::string constant(const onnx::Node& node, float value) {
    const std::string name = names_.make(node.outputs.at(0) + "_constant");
    graph_.initializers[name] = Tensor::scalar(value);
    return name;
  }

  std::string step(const onnx::Node& node, const char* op, std::vector<std::string> inputs) {
    const std::string output = names_.make(node.outputs.at(0) + "_" + op);
    append(op, names_.make(node.name.empty() ? output + "_node" : node.name + "_" + op), std::move(inputs), output);
    return output;
  }

  void finish(const onnx::Node& node, const char* op, std::vector<std::string> inputs) {
    append(op, node.name, std::move(inputs), node.outputs.at(0));
  }

  void append(const char* op, const std::string& name, std::vector<std::string> inputs, const std::string& output) {
    onnx::Node made;
    made.name = name;
    made.opType = op;
    made.inputs = std::move(inputs);
    made.outputs = {output};
    graph_.nodes.push_back(std::move(made));
  }

  onnx::Graph& graph_;
  NameMaker& names_;
};

}  // namespace

onnx::Model lowerInternalOps(const onnx::Model& model) {
  onnx::Model lowered = model;
  lowered.opsets.erase(onnx::kPresisiDomain);
  lowered.graph.nodes.clear();
  NameMaker names(model.graph);
  Lowering lowering(lowered.graph, names);
  for (const onnx::Node& node : model.graph.nodes) {
    if (node.domain != onnx::kPresisiDomain) {
      lowered.graph.nodes.push_back(node);
      continue;
    }
    if (model.opset() < 9 && node.opType == "Gelu") {
      throw Error(ErrorCode::UnsupportedModel,
                  node.label() + " needs Erf, which opset " + std::to_string(model.opset()) + " doesn't have",
                  "export the model again at opset 13 or later");
    }
    lowering.lower(node);
  }
  return lowered;
}

}  // namespace presisi::quantization
