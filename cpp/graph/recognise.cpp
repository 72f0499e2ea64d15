#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "graph/passes.hpp"
#include "graph/pattern.hpp"
#include "graph/rewrite.hpp"

namespace presisi::graph {

namespace {

/// One sweep over the graph, from its end so that the biggest spelling of a pattern is found first. Matches in a sweep
/// don't overlap: a node that was rewritten is left to the next one.
class Sweep {
 public:
  Sweep(const onnx::Model& model, const Specialization& types)
      : model_(model),
        pattern_(model, types),
        names_(model.graph),
        out_(model),
        dead_(model.graph.nodes.size(), false),
        touched_(model.graph.nodes.size(), false) {}

  /// False when nothing was found.
  bool run() {
    bool changed = false;
    for (int i = static_cast<int>(model_.graph.nodes.size()) - 1; i >= 0; --i) {
      if (!isTouched(i) && rewrite(i)) changed = true;
    }
    if (changed) assemble();
    return changed;
  }

  onnx::Model take() { return std::move(out_); }

 private:
  bool rewrite(int top) {
    return activation(top) || fusedOperator(top) || pooling(top) || gemm(top) || batchReshape(top);
  }

  bool isTouched(int index) const { return touched_[static_cast<size_t>(index)]; }
  onnx::Node& outNode(int index) { return out_.graph.nodes[static_cast<size_t>(index)]; }

  /// Claims the nodes of a match; false, and nothing claimed, when another match has one of them.
  bool claim(int top, const std::vector<int>& absorbed) {
    if (std::any_of(absorbed.begin(), absorbed.end(), [&](int index) { return isTouched(index); })) return false;
    for (const int index : absorbed) dead_[static_cast<size_t>(index)] = touched_[static_cast<size_t>(index)] = true;
    touched_[static_cast<size_t>(top)] = true;
    return true;
  }

  void replace(int top, const char* domain, const char* opType, std::vector<std::string> inputs) {
    onnx::Node& node = outNode(top);
    node.domain = domain;
    node.opType = opType;
    node.inputs = std::move(inputs);
    node.attributes.clear();
    if (!node.domain.empty()) out_.opsets[node.domain] = 1;
  }

  /// An activation function that a product turned out to be.
  struct Activation {
    const char* opType = nullptr;  ///< null: none
    std::string x;
    std::vector<int> absorbed;
  };

  /// Products that are activation functions, in every order of factors that exporters use.
  bool activation(int top) {
    const auto product = pattern_.product(top);
    if (!product) return false;
    const std::vector<std::string>& factors = product->tensors;
    Activation found;
    if (factors.size() == 1) found = clipped(factors[0], *product);
    if (factors.size() == 2) {
      found = gated(factors[0], factors[1], *product);
      if (found.opType == nullptr) found = gated(factors[1], factors[0], *product);
    }
    if (found.opType == nullptr || !pattern_.sameFloats(found.x, pattern_.node(top).outputs[0])) return false;
    if (!claim(top, found.absorbed)) return false;
    if (factors.size() == 2) {
      replace(top, onnx::kPresisiDomain, found.opType, {found.x});
    } else {
      replace(top, "", found.opType, {found.x});
      outNode(top).set(onnx::Attribute::ofFloat("alpha", 1.0f / 6));
      outNode(top).set(onnx::Attribute::ofFloat("beta", 0.5f));
    }
    return true;
  }

  /// relu6(x + 3) / 6.
  Activation clipped(const std::string& function, const Pattern::Product& product) const {
    Activation found{nullptr, {}, product.absorbed};
    if (isNear(product.factor, 1.0 / 6)) found.x = pattern_.shiftedRelu6(function, found.absorbed);
    if (!found.x.empty()) found.opType = "HardSigmoid";
    return found;
  }

  /// x times a function of x.
  Activation gated(const std::string& x, const std::string& function, const Pattern::Product& product) const {
    Activation found{nullptr, x, product.absorbed};
    if (isNear(product.factor, 1)) {
      for (const char* op : {"Sigmoid", "HardSigmoid"}) {
        const int gate = pattern_.onlyFrom(function, op);
        if (gate < 0 || pattern_.node(gate).inputs[0] != x) continue;
        const bool isHard = pattern_.node(gate).is("HardSigmoid");
        if (isHard && !isSixth(pattern_.node(gate))) continue;
        found.opType = isHard ? "HardSwish" : "Swish";
        found.absorbed.push_back(gate);
      }
    } else if (isNear(product.factor, 1.0 / 6)) {
      if (pattern_.shiftedRelu6(function, found.absorbed) == x) found.opType = "HardSwish";
    } else if (isNear(product.factor, 0.5)) {
      if (pattern_.shiftedErf(function, found.absorbed) == x) found.opType = "Gelu";
    }
    return found;
  }

  /// The parameters with which HardSigmoid(x) is relu6(x + 3) / 6.
  static bool isSixth(const onnx::Node& hardSigmoid) {
    return isNear(static_cast<double>(hardSigmoid.getFloat("alpha", 0.2f)), 1.0 / 6) &&
           isNear(static_cast<double>(hardSigmoid.getFloat("beta", 0.5f)), 0.5);
  }

  /// ONNX's own spelling in one operator.
  bool fusedOperator(int top) {
    const onnx::Node& node = pattern_.node(top);
    const bool isGelu = node.is("Gelu") && node.getString("approximate", "none") == "none";
    const bool isSwish = node.is("Swish") && node.getFloat("alpha", 1) == 1;
    if (!isGelu && !isSwish && !node.is("HardSwish")) return false;
    if (node.inputs.size() != 1 || !pattern_.sameFloats(node.inputs[0], node.outputs[0]) || !claim(top, {})) {
      return false;
    }
    const std::string opType = node.opType;
    replace(top, onnx::kPresisiDomain, opType.c_str(), {node.inputs[0]});
    return true;
  }

  /// The mean over both spatial axes.
  bool pooling(int top) {
    const onnx::Node& node = pattern_.node(top);
    if (!node.is("ReduceMean")) return false;
    const ops::TensorType* input = pattern_.type(node.inputs[0]);
    if (input == nullptr || input->dtype != DType::Float32 || input->dims.size() != 4) return false;
    std::vector<int64_t> axes = node.getInts("axes", {});
    if (node.hasInput(1)) {
      const Tensor* constant = pattern_.constant(node.inputs[1]);
      if (constant == nullptr || constant->dtype() != DType::Int64) return false;
      axes = constant->toInt64s();
    }
    std::set<int64_t> spatial;
    for (const int64_t axis : axes) spatial.insert(axis < 0 ? axis + 4 : axis);
    if (axes.size() != 2 || spatial != std::set<int64_t>{2, 3}) return false;
    const bool keepsDims = node.getInt("keepdims", 1) != 0;
    if (!claim(top, {})) return false;
    replace(top, "", "GlobalAveragePool", {node.inputs[0]});
    if (keepsDims) return true;
    onnx::Node flatten;
    flatten.name = node.name.empty() ? "" : node.name + "_flatten";
    flatten.opType = "Flatten";
    flatten.inputs = {names_.fresh(node.outputs[0] + "_pooled")};
    flatten.outputs = node.outputs;
    flatten.set(onnx::Attribute::ofInt("axis", 1));
    outNode(top).outputs = flatten.inputs;
    followers_.emplace_back(top, std::move(flatten));
    return true;
  }

  /// MatMul with a constant matrix, and a constant added to each row.
  bool gemm(int top) {
    const onnx::Node& add = pattern_.node(top);
    if (!add.is("Add") || add.inputs.size() != 2) return false;
    for (size_t i = 0; i < 2; ++i) {
      const int index = pattern_.onlyFrom(add.inputs[i], "MatMul");
      if (index < 0) continue;
      const onnx::Node& matmul = pattern_.node(index);
      const ops::TensorType* input = pattern_.type(matmul.inputs[0]);
      const Tensor* weight = pattern_.constant(matmul.inputs[1]);
      const Tensor* bias = pattern_.constant(add.inputs[1 - i]);
      if (input == nullptr || weight == nullptr || bias == nullptr) continue;
      if (input->dims.size() != 2 || weight->rank() != 2 || bias->rank() > 1) continue;
      if (weight->dtype() != DType::Float32 || bias->dtype() != DType::Float32) continue;
      if (bias->size() != 1 && bias->size() != weight->dim(1)) continue;
      if (!pattern_.sameFloats(matmul.outputs[0], add.outputs[0]) || !claim(top, {index})) continue;
      replace(top, "", "Gemm", {matmul.inputs[0], matmul.inputs[1], add.inputs[1 - i]});
      if (!matmul.name.empty()) outNode(top).name = matmul.name;
      return true;
    }
    return false;
  }

  /// Reshape(x, [x.shape[0], constants…]) says 0, "as it was", for the first dimension.
  bool batchReshape(int top) {
    const onnx::Node& node = pattern_.node(top);
    if (!node.is("Reshape") || !node.hasInput(1) || node.getInt("allowzero", 0) != 0) return false;
    const int producer = pattern_.links().producer(node.inputs[1]);
    if (producer < 0 || !pattern_.node(producer).is("Concat")) return false;
    const onnx::Node& concat = pattern_.node(producer);
    if (!isFirstDimension(concat.inputs[0], node.inputs[0])) return false;
    std::vector<int64_t> shape{0};
    for (size_t i = 1; i < concat.inputs.size(); ++i) {
      const Tensor* constant = pattern_.constant(concat.inputs[i]);
      if (constant == nullptr || constant->dtype() != DType::Int64 || constant->rank() != 1) return false;
      const std::vector<int64_t> values = constant->toInt64s();
      shape.insert(shape.end(), values.begin(), values.end());
    }
    if (!claim(top, {})) return false;
    std::string& input = outNode(top).inputs[1];
    input = names_.fresh(node.outputs[0] + "_shape");
    out_.graph.initializers[input] = Tensor::fromInt64(shape);
    return true;
  }

  /// Whether `tensor` is [x.shape[0]].
  bool isFirstDimension(const std::string& tensor, const std::string& x) const {
    int at = pattern_.links().producer(tensor);
    if (at >= 0 && pattern_.node(at).is("Unsqueeze")) at = pattern_.links().producer(pattern_.node(at).inputs[0]);
    if (at < 0) return false;
    const onnx::Node& pick = pattern_.node(at);
    const auto isConstant = [&](size_t input, int64_t value) {
      const Tensor* constant = pick.hasInput(input) ? pattern_.constant(pick.inputs[input]) : nullptr;
      return constant != nullptr && constant->size() == 1 && constant->toInt64s()[0] == value;
    };
    const auto isShape = [&](const std::string& name, int64_t end) {
      const int producer = pattern_.links().producer(name);
      if (producer < 0) return false;
      const onnx::Node& shape = pattern_.node(producer);
      return shape.is("Shape") && shape.inputs[0] == x && shape.getInt("start", 0) == 0 &&
             (end == 0 ? shape.find("end") == nullptr : shape.getInt("end", 0) == end);
    };
    if (pick.is("Shape")) return isShape(tensor, 1);
    if (pick.is("Gather")) {
      return pick.inputs.size() == 2 && pick.getInt("axis", 0) == 0 && isConstant(1, 0) && isShape(pick.inputs[0], 0);
    }
    if (!pick.is("Slice") || pick.inputs.size() < 3) return false;
    return isConstant(1, 0) && isConstant(2, 1) && (!pick.hasInput(3) || isConstant(3, 0)) &&
           (!pick.hasInput(4) || isConstant(4, 1)) && isShape(pick.inputs[0], 0);
  }

  /// The nodes that are left, with the new ones between.
  void assemble() {
    std::map<int, onnx::Node> after;
    for (auto& [index, node] : followers_) after.emplace(index, std::move(node));
    std::vector<onnx::Node> nodes;
    for (size_t i = 0; i < out_.graph.nodes.size(); ++i) {
      if (!dead_[i]) nodes.push_back(std::move(out_.graph.nodes[i]));
      const auto follower = after.find(static_cast<int>(i));
      if (follower != after.end()) nodes.push_back(std::move(follower->second));
    }
    out_.graph.nodes = std::move(nodes);
  }

  const onnx::Model& model_;
  Pattern pattern_;
  Names names_;
  onnx::Model out_;
  std::vector<bool> dead_;
  std::vector<bool> touched_;
  std::vector<std::pair<int, onnx::Node>> followers_;  ///< nodes to put behind others
};

}  // namespace

onnx::Model recognise(const onnx::Model& model) {
  const auto types = trySpecialize(model);
  if (!types) return model;
  onnx::Model out = model;
  // Tensors that survive a sweep keep their names and types.
  for (;;) {
    Sweep sweep(out, *types);
    if (!sweep.run()) return out;
    out = sweep.take();
  }
}

}  // namespace presisi::graph
