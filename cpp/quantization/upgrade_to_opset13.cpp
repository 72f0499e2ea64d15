#include "quantization/upgrade_to_opset13.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "core/error.hpp"
#include "graph/passes.hpp"
#include "quantization/names.hpp"

namespace presisi::quantization {

namespace {

using onnx::Attribute;
using onnx::Node;

constexpr const char* kHint = "export the model again at opset 13 or later";

/// Operators whose form in opset 13 takes everything that it took since opset 7.
bool isUnchanged(const std::string& op) {
  static const std::set<std::string> names = {"Abs",
                                              "Acos",
                                              "Acosh",
                                              "Add",
                                              "And",
                                              "ArgMax",
                                              "ArgMin",
                                              "Asin",
                                              "Asinh",
                                              "Atan",
                                              "Atanh",
                                              "AveragePool",
                                              "BitShift",
                                              "Cast",
                                              "Ceil",
                                              "Celu",
                                              "Concat",
                                              "Constant",
                                              "ConstantOfShape",
                                              "Conv",
                                              "ConvTranspose",
                                              "Cos",
                                              "Cosh",
                                              "CumSum",
                                              "DepthToSpace",
                                              "Div",
                                              "Einsum",
                                              "Elu",
                                              "Equal",
                                              "Erf",
                                              "Exp",
                                              "Expand",
                                              "EyeLike",
                                              "Flatten",
                                              "Floor",
                                              "Gather",
                                              "GatherElements",
                                              "GatherND",
                                              "Gemm",
                                              "GlobalAveragePool",
                                              "GlobalLpPool",
                                              "GlobalMaxPool",
                                              "Greater",
                                              "GreaterOrEqual",
                                              "HardSigmoid",
                                              "Identity",
                                              "InstanceNormalization",
                                              "IsInf",
                                              "IsNaN",
                                              "LeakyRelu",
                                              "Less",
                                              "LessOrEqual",
                                              "Log",
                                              "LpNormalization",
                                              "LpPool",
                                              "LRN",
                                              "MatMul",
                                              "Max",
                                              "MaxPool",
                                              "Mean",
                                              "MeanVarianceNormalization",
                                              "Min",
                                              "Mod",
                                              "Mul",
                                              "Neg",
                                              "NonZero",
                                              "Not",
                                              "OneHot",
                                              "Or",
                                              "Pow",
                                              "PRelu",
                                              "Range",
                                              "Reciprocal",
                                              "ReduceL1",
                                              "ReduceL2",
                                              "ReduceLogSum",
                                              "ReduceLogSumExp",
                                              "ReduceMax",
                                              "ReduceMean",
                                              "ReduceMin",
                                              "ReduceProd",
                                              "ReduceSumSquare",
                                              "Relu",
                                              "Reshape",
                                              "Round",
                                              "Selu",
                                              "Shape",
                                              "Sigmoid",
                                              "Sign",
                                              "Sin",
                                              "Sinh",
                                              "Size",
                                              "Softplus",
                                              "Softsign",
                                              "SpaceToDepth",
                                              "Sqrt",
                                              "Sub",
                                              "Sum",
                                              "Tan",
                                              "Tanh",
                                              "ThresholdedRelu",
                                              "Tile",
                                              "Transpose",
                                              "Where",
                                              "Xor"};
  return names.count(op) > 0;
}

void removeAttribute(Node& node, const char* name) {
  node.attributes.erase(std::remove_if(node.attributes.begin(), node.attributes.end(),
                                       [&](const Attribute& attribute) { return attribute.name == name; }),
                        node.attributes.end());
}

class Upgrader {
 public:
  explicit Upgrader(const onnx::Model& model) : from_(model.opset()), old_(model), new_(model), names_(model.graph) {}

  onnx::Model upgrade(int64_t opset) {
    new_.opsets[""] = opset;
    new_.graph.nodes.clear();
    for (const Node& node : old_.graph.nodes) {
      Node copy = node;
      if (copy.domain.empty() && !isUnchanged(copy.opType)) rewrite(copy);
      new_.graph.nodes.push_back(std::move(copy));
    }
    return std::move(new_);
  }

 private:
  void rewrite(Node& node) {
    if (node.is("Clip")) return clip(node);
    if (node.is("Dropout")) return dropout(node);
    if (node.is("Squeeze") || node.is("Unsqueeze") || node.is("ReduceSum")) return intsToInput(node, "axes", 1);
    if (node.is("Split")) return intsToInput(node, "split", 1);
    if (node.is("Softmax") || node.is("LogSoftmax") || node.is("Hardmax")) return softmax(node);
    if (node.is("Pad")) return pad(node);
    if (node.is("Slice")) return slice(node);
    if (node.is("TopK")) return topK(node);
    if (node.is("BatchNormalization")) return batchNormalization(node);
    if (node.is("Upsample") || node.is("Resize")) return resize(node);
    fail(node, "has no known form in opset 13");
  }

  [[noreturn]] void fail(const Node& node, const std::string& what) const {
    throw Error(ErrorCode::UnsupportedModel,
                "cannot bring the model from opset " + std::to_string(from_) + " to 13: " + node.label() + " " + what,
                kHint);
  }

  std::string constant(const Node& node, const char* what, Tensor value) {
    const std::string base = node.outputs.empty() ? node.name : node.outputs.front();
    const std::string name = names_.make(base + "_" + what);
    new_.graph.initializers[name] = std::move(value);
    return name;
  }

  static void setInput(Node& node, size_t index, const std::string& tensor) {
    if (node.inputs.size() <= index) node.inputs.resize(index + 1);
    node.inputs[index] = tensor;
  }

  void intsToInput(Node& node, const char* name, size_t index) {
    if (node.find(name) == nullptr) return;
    setInput(node, index, constant(node, name, Tensor::fromInt64(node.getInts(name, {}))));
    removeAttribute(node, name);
  }

  /// Before opset 11 the bounds were attributes.
  void clip(Node& node) {
    if (from_ >= 11) return;
    const std::pair<const char*, size_t> bounds[] = {{"min", 1}, {"max", 2}};
    for (const auto& [name, index] : bounds) {
      if (node.find(name) == nullptr) continue;
      setInput(node, index, constant(node, name, Tensor::scalar(node.getFloat(name, 0))));
      removeAttribute(node, name);
    }
  }

  /// Before opset 12 the ratio was an attribute; inference ignores it.
  void dropout(Node& node) { removeAttribute(node, "ratio"); }

  /// Before opset 13 everything from `axis` (1 by default) on was one axis.
  void softmax(Node& node) {
    const int64_t axis = node.getInt("axis", 1);
    const int64_t rank = rankOf(node.inputs.at(0));
    if (axis == -1 || axis == rank - 1) {
      node.set(Attribute::ofInt("axis", -1));
      return;
    }
    // Flatten to a matrix, work along its rows, and back to the shape of the input.
    const std::string input = node.inputs[0];
    const std::string output = node.outputs.at(0);
    const std::string flat = names_.make(output + "_flat");
    const std::string result = names_.make(output + "_flat_result");
    const std::string shape = names_.make(output + "_shape");
    append("Flatten", {input}, flat).set(Attribute::ofInt("axis", axis));
    Node& work = append(node.opType, {flat}, result);
    work.name = node.name;
    work.set(Attribute::ofInt("axis", -1));
    append("Shape", {input}, shape);
    Node reshape;
    reshape.name = names_.make(output + "_Reshape");
    reshape.opType = "Reshape";
    reshape.inputs = {result, shape};
    reshape.outputs = {output};
    node = std::move(reshape);
  }

  Node& append(const std::string& op, std::vector<std::string> inputs, const std::string& output) {
    Node node;
    node.name = names_.make(output + "_" + op);
    node.opType = op;
    node.inputs = std::move(inputs);
    node.outputs = {output};
    new_.graph.nodes.push_back(std::move(node));
    return new_.graph.nodes.back();
  }

  /// Before opset 11 paddings and value were attributes.
  void pad(Node& node) {
    if (from_ >= 11) return;
    if (node.find("pads") == nullptr) fail(node, "has no attribute \"pads\"");
    const float value = node.getFloat("value", 0);
    intsToInput(node, "pads", 1);
    if (value != 0) setInput(node, 2, constant(node, "value", Tensor::scalar(value)));
    removeAttribute(node, "value");
  }

  /// Before opset 10 the ranges were attributes.
  void slice(Node& node) {
    if (from_ >= 10) return;
    if (node.find("starts") == nullptr || node.find("ends") == nullptr) fail(node, "has no starts or no ends");
    intsToInput(node, "starts", 1);
    intsToInput(node, "ends", 2);
    intsToInput(node, "axes", 3);
  }

  /// Before opset 10 `k` was an attribute.
  void topK(Node& node) {
    if (from_ >= 10) return;
    setInput(node, 1, constant(node, "k", Tensor::fromInt64({node.getInt("k", 1)})));
    removeAttribute(node, "k");
  }

  /// Before opset 9 an attribute could ask for statistics per value and not per channel.
  void batchNormalization(Node& node) {
    if (node.getInt("spatial", 1) != 1) fail(node, "has spatial = 0");
    removeAttribute(node, "spatial");
  }

  /// Upsample became Resize in opset 10, which got its inputs and its choice of coordinates in opset 11.
  void resize(Node& node) {
    if (node.is("Resize") && from_ >= 11) return;
    std::string scales;
    if (node.find("scales") != nullptr) {
      const std::vector<float> values = node.getFloats("scales", {});
      scales = constant(node, "scales", Tensor::of(DType::Float32, {static_cast<int64_t>(values.size())}, values));
      removeAttribute(node, "scales");
    } else if (node.hasInput(1)) {
      scales = node.inputs[1];
    } else {
      fail(node, "has no scales");
    }
    node.opType = "Resize";
    node.inputs = {node.inputs.at(0), "", scales};
    node.set(Attribute::ofString("coordinate_transformation_mode", "asymmetric"));
    if (node.getString("mode", "nearest") == "nearest") node.set(Attribute::ofString("nearest_mode", "floor"));
  }

  /// Known from the whole model's shapes, which are inferred only if a node asks.
  int64_t rankOf(const std::string& tensor) {
    if (!types_) types_ = graph::specialize(old_, graph::inputShapes(old_, 1)).types;
    const auto it = types_->find(tensor);
    return it == types_->end() ? std::numeric_limits<int64_t>::max() : static_cast<int64_t>(it->second.dims.size());
  }

  const int64_t from_;
  const onnx::Model& old_;
  onnx::Model new_;
  NameMaker names_;
  std::optional<std::map<std::string, ops::TensorType>> types_;
};

}  // namespace

onnx::Model upgradeOpset(const onnx::Model& model, int64_t opset) {
  if (model.opset() >= opset) return model;
  if (opset != 13 || model.opset() < 7) {
    throw Error(ErrorCode::UnsupportedModel,
                "cannot bring the model from opset " + std::to_string(model.opset()) + " to " + std::to_string(opset),
                kHint);
  }
  return Upgrader(model).upgrade(opset);
}

}  // namespace presisi::quantization
