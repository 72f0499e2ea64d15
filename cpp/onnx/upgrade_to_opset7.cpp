#include "onnx/upgrade_to_opset7.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "onnx/reader_tensor.hpp"
#include "ops/operator.hpp"

namespace presisi::onnx {

namespace {

constexpr int64_t kTarget = 7;
constexpr int64_t kMostValues = 1024;  ///< elements of a tensor that may be part of a shape's arithmetic

bool isOneOf(const Node& node, const std::set<std::string>& operators) {
  return node.domain.empty() && operators.count(node.opType) > 0;
}

/// Operators whose second operand was broadcast by the attributes `broadcast` and `axis`.
bool isBroadcast(const Node& node) {
  static const std::set<std::string> operators = {"Add", "And", "Div", "Equal", "Greater", "Less",
                                                  "Mul", "Or",  "Pow", "Sub",   "Xor"};
  return isOneOf(node, operators);
}

bool isAligned(const Node& node) {
  return isBroadcast(node) && node.getInt("broadcast", 0) != 0 && node.find("axis") != nullptr;
}

/// What is known of the tensors' shapes while walking over the nodes in order, by the operators' own inference. Dynamic
/// dimensions count as 1: only ranks are asked for.
class Shapes {
 public:
  explicit Shapes(const Model& model) : model_(model), graph_(model.graph) {
    for (const ValueInfo& input : graph_.inputs) declare(input);
    for (const ValueInfo& output : graph_.outputs) hints_.emplace(output.name, &output);
    for (const auto& [name, value] : graph_.values) hints_.emplace(name, &value);
  }

  std::optional<int64_t> rank(const std::string& tensor) const {
    const std::optional<ops::TensorType> type = find(tensor);
    if (!type) return std::nullopt;
    return static_cast<int64_t>(type->dims.size());
  }

  /// `node` is of opset 7 already. What can't be inferred is what the model declares, or stays unknown: a node that is
  /// wrong or unknown is refused later, and only if a rank behind it is asked for does that matter here.
  void visit(const Node& node) {
    // Which dimensions go depends on their sizes, and the dynamic ones are made up.
    const bool isGuess = !isStatic_ && node.is("Squeeze") && node.find("axes") == nullptr;
    try {
      if (!isGuess && infer(node)) return;
    } catch (const Error&) {
      // As above.
    }
    for (const std::string& output : node.outputs) {
      const auto hint = hints_.find(output);
      if (hint != hints_.end()) declare(*hint->second);
    }
  }

 private:
  std::optional<ops::TensorType> find(const std::string& tensor) const {
    if (const Tensor* value = graph_.initializer(tensor)) return ops::TensorType{value->dtype(), value->dims()};
    const auto it = types_.find(tensor);
    if (it == types_.end()) return std::nullopt;
    return it->second;
  }

  void declare(const ValueInfo& info) {
    if (!info.hasShape) {
      isStatic_ = false;
      return;
    }
    Dims dims = info.dims;
    for (int64_t& dim : dims) {
      if (dim >= 0) continue;
      isStatic_ = false;
      dim = 1;
    }
    remember(info.name, {info.dtype, std::move(dims)});
  }

  /// Beyond the rank that a file may declare nothing is kept: lists of axes could ask for any number.
  void remember(const std::string& tensor, ops::TensorType type) {
    if (tensor.empty() || type.dims.size() > kMaxRank) return;
    try {
      elementCount(type.dims);
    } catch (const Error&) {
      return;  // inference multiplies dimensions
    }
    types_[tensor] = std::move(type);
  }

  const Tensor* constant(const std::string& tensor) const {
    if (const Tensor* value = graph_.initializer(tensor)) return value;
    const auto it = constants_.find(tensor);
    return it == constants_.end() ? nullptr : &it->second;
  }

  bool infer(const Node& node) {
    const int64_t opset = model_.opset(node.domain);
    const ops::Operator* op = ops::find(node.domain, node.opType, opset);
    if (op == nullptr) return false;
    ops::InferContext context{node, opset, {}, {}};
    for (const std::string& input : node.inputs) {
      const std::optional<ops::TensorType> type = input.empty() ? ops::TensorType{} : find(input);
      if (!type) return false;
      context.inputs.push_back(*type);
      context.constants.push_back(input.empty() ? nullptr : constant(input));
    }
    const std::vector<ops::TensorType> types = op->infer(context);
    if (types.size() < node.outputs.size()) return false;
    for (size_t i = 0; i < node.outputs.size(); ++i) remember(node.outputs[i], types[i]);
    if (node.is("Shape") && !context.inputs.empty()) {
      constants_[node.outputs[0]] = Tensor::fromInt64(context.inputs[0].dims);
    } else {
      evaluate(node, opset, context, types);
    }
    return true;
  }

  /// The arithmetic of shapes, so that Reshape and its like have theirs.
  void evaluate(const Node& node, int64_t opset, const ops::InferContext& context,
                const std::vector<ops::TensorType>& types) {
    const auto isSmall = [](const ops::TensorType& type) {
      return (type.dtype == DType::Int64 || type.dtype == DType::Int32) && elementCount(type.dims) <= kMostValues;
    };
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (!isSmall(types[i])) return;
    }
    std::vector<Tensor> inputs;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Tensor* value = context.constants[i];
      if (!node.inputs[i].empty() && (value == nullptr || value->size() > kMostValues)) return;
      inputs.push_back(value == nullptr ? Tensor() : *value);
    }
    std::vector<Tensor> outputs = ops::evaluate(node, opset, std::move(inputs));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (!node.outputs[i].empty()) constants_[node.outputs[i]] = std::move(outputs[i]);
    }
  }

  const Model& model_;
  const Graph& graph_;
  std::map<std::string, ops::TensorType> types_;
  std::map<std::string, Tensor> constants_;
  std::map<std::string, const ValueInfo*> hints_;
  bool isStatic_ = true;
};

class Upgrader {
 public:
  explicit Upgrader(Model& model) : from_(model.opset()), graph_(model.graph) {
    model.opsets[""] = kTarget;
    for (const auto& [name, tensor] : graph_.initializers) {
      static_cast<void>(tensor);
      taken_.insert(name);
    }
    for (const ValueInfo& input : graph_.inputs) taken_.insert(input.name);
    bool asksForRanks = false;
    for (const Node& node : graph_.nodes) {
      taken_.insert(node.outputs.begin(), node.outputs.end());
      asksForRanks = asksForRanks || isAligned(node) || node.is("PRelu");
    }
    if (asksForRanks) shapes_.emplace(model);
  }

  void run() {
    std::vector<Node> nodes = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (Node& node : nodes) {
      if (node.domain.empty()) {
        upgradeToOpset6(node);
        upgrade(node);
      }
      append(std::move(node));
    }
  }

 private:
  void append(Node node) {
    if (shapes_) shapes_->visit(node);
    graph_.nodes.push_back(std::move(node));
  }

  [[noreturn]] void fail(const Node& node, const std::string& what) const {
    throw Error(ErrorCode::UnsupportedModel,
                node.label() + ": " + what + ", and the model is of opset " + std::to_string(from_) +
                    ", which is read as opset " + std::to_string(kTarget),
                "export the model again with a newer opset, or convert it with onnx.version_converter");
  }

  /// Of the other operators opset 6 only dropped a hint, `consumed_inputs`, and took on more types.
  void upgradeToOpset6(Node& node) {
    node.remove("consumed_inputs");
    static const std::map<std::string, int64_t> changed = {
        {"Cast", 6}, {"GRU", 3}, {"GlobalLpPool", 2}, {"LpPool", 2}, {"Selu", 6}, {"Split", 2}, {"Tile", 6}};
    const auto it = changed.find(node.opType);
    if (it != changed.end() && from_ < it->second) {
      fail(node, "the operator changed in opset " + std::to_string(it->second));
    }
    if (from_ < 2 && node.is("Pad") && node.find("paddings") != nullptr) {
      node.set(Attribute::ofInts("pads", node.getInts("paddings", {})));
      node.remove("paddings");
    }
    if (from_ < 4 && node.is("Concat") && node.find("axis") == nullptr) node.set(Attribute::ofInt("axis", 1));
    if (from_ < 5 && node.is("Reshape") && node.find("shape") != nullptr && node.inputs.size() == 1) {
      const std::string shape = freshName(node.inputs[0] + "_shape");
      graph_.initializers[shape] = Tensor::fromInt64(node.getInts("shape", {}));
      node.inputs.push_back(shape);
      node.remove("shape");
    }
  }

  void upgrade(Node& node) {
    if (isAligned(node)) align(node);
    if (isBroadcast(node)) node.remove("axis");
    if (isBroadcast(node) || node.is("Gemm")) node.remove("broadcast");
    // These compute what inference does, whatever the flag says; outputs of training are refused where they are run.
    if (node.is("BatchNormalization") || node.is("Dropout")) node.remove("is_test");
    if (node.is("PRelu")) alignSlope(node);
    if (node.is("Upsample")) upsample(node);
  }

  /// B's dimensions matched a run of A's that starts at `axis`; numpy matches the last ones.
  void align(Node& node) {
    if (!node.hasInput(0) || !node.hasInput(1) || hasOneElement(node.inputs[1])) return;
    const int64_t right = rankOf(node, 1);
    if (right == 0) return;
    const int64_t left = rankOf(node, 0);
    const int64_t axis = node.getInt("axis", 0);
    if (axis < -left || axis > left) {
      throw Error(ErrorCode::InvalidModel, node.label() + ": axis " + std::to_string(axis) + " is outside of input \"" +
                                               node.inputs[0] + "\", which has rank " + std::to_string(left));
    }
    const int64_t trailing = left - right - (axis < 0 ? axis + left : axis);
    if (trailing < 0) {
      throw Error(ErrorCode::InvalidModel, node.label() + ": input \"" + node.inputs[1] + "\" of rank " +
                                               std::to_string(right) + " does not fit at axis " + std::to_string(axis) +
                                               " of input \"" + node.inputs[0] + "\", which has rank " +
                                               std::to_string(left));
    }
    addTrailing(node, 1, trailing);
  }

  /// The slope was one number, or one for each channel, which is axis 1.
  void alignSlope(Node& node) {
    if (!node.hasInput(0) || !node.hasInput(1) || hasOneElement(node.inputs[1]) || rankOf(node, 1) != 1) return;
    addTrailing(node, 1, rankOf(node, 0) - 2);
  }

  /// A spelling of before the scales were one list.
  void upsample(Node& node) {
    if (node.find("height_scale") == nullptr || node.find("width_scale") == nullptr) return;
    node.set(Attribute::ofFloats("scales", {1, 1, node.getFloat("height_scale", 1), node.getFloat("width_scale", 1)}));
    node.remove("height_scale");
    node.remove("width_scale");
    if (node.getString("mode", "nearest") == "bilinear") node.set(Attribute::ofString("mode", "linear"));
  }

  bool hasOneElement(const std::string& tensor) const {
    const Tensor* value = graph_.initializer(tensor);
    return value != nullptr && value->size() == 1;
  }

  int64_t rankOf(const Node& node, size_t index) const {
    const std::optional<int64_t> rank = shapes_->rank(node.inputs[index]);
    if (!rank) fail(node, "the rank of input \"" + node.inputs[index] + "\" is not known");
    return *rank;
  }

  /// Gives the input `count` more dimensions of size 1, at the end.
  void addTrailing(Node& node, size_t index, int64_t count) {
    if (count <= 0) return;
    const std::string from = node.inputs[index];
    std::string& name = widened_[{from, count}];
    if (name.empty()) {
      name = freshName(from + "_unsqueezed");
      const int64_t rank = rankOf(node, index);
      if (const Tensor* value = graph_.initializer(from)) {
        Dims dims = value->dims();
        dims.resize(static_cast<size_t>(rank + count), 1);
        graph_.initializers[name] = value->reshaped(std::move(dims));
      } else {
        Node unsqueeze;
        unsqueeze.name = name;
        unsqueeze.opType = "Unsqueeze";
        unsqueeze.inputs = {from};
        unsqueeze.outputs = {name};
        std::vector<int64_t> axes;
        for (int64_t i = 0; i < count; ++i) axes.push_back(rank + i);
        unsqueeze.attributes = {Attribute::ofInts("axes", std::move(axes))};
        append(std::move(unsqueeze));
      }
    }
    node.inputs[index] = name;
  }

  std::string freshName(const std::string& base) {
    std::string name = base;
    for (int i = 1; !taken_.insert(name).second; ++i) name = base + "_" + std::to_string(i);
    return name;
  }

  const int64_t from_;
  Graph& graph_;
  std::optional<Shapes> shapes_;  ///< where a node asks
  std::set<std::string> taken_;
  std::map<std::pair<std::string, int64_t>, std::string> widened_;  ///< by tensor and count
};

}  // namespace

void upgradeToOpset7(Model& model) {
  if (model.opset() < kTarget) Upgrader(model).run();
}

}  // namespace presisi::onnx
