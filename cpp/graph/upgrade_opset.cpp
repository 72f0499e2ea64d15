#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "graph/operator_history.hpp"
#include "graph/passes.hpp"
#include "graph/rewrite.hpp"

namespace presisi::graph {

namespace {

using onnx::Attribute;
using onnx::Node;

constexpr int64_t kOldest = 7;  // the reader brings older models there
constexpr int64_t kLowestTarget = 13;
constexpr int64_t kHighestTarget = 21;

class Upgrader {
 public:
  Upgrader(const onnx::Model& model, int64_t opset)
      : from_(model.opset()), to_(opset), old_(model), new_(model), links_(model.graph), names_(model.graph) {}

  onnx::Model upgrade() {
    new_.opsets[""] = to_;
    new_.irVersion = std::max(new_.irVersion, onnx::irVersionFor(to_));
    new_.graph.nodes.clear();
    for (const Node& node : old_.graph.nodes) {
      Node copy = node;
      if (copy.domain.empty()) {
        removeFutureAttributes(copy, from_);
        if (!isUnchanged(copy)) rewrite(copy);
      }
      new_.graph.nodes.push_back(std::move(copy));
    }
    return std::move(new_);
  }

 private:
  using Rule = void (Upgrader::*)(Node&);

  /// Each rule brings a node from `from_` to `to_`, whatever lies between.
  static const std::map<std::string, Rule>& rules() {
    static const std::map<std::string, Rule> table = {{"BatchNormalization", &Upgrader::batchNormalization},
                                                      {"Clip", &Upgrader::clip},
                                                      {"Dropout", &Upgrader::dropout},
                                                      {"LogSoftmax", &Upgrader::softmax},
                                                      {"Pad", &Upgrader::pad},
                                                      {"ReduceL1", &Upgrader::reduce},
                                                      {"ReduceL2", &Upgrader::reduce},
                                                      {"ReduceLogSum", &Upgrader::reduce},
                                                      {"ReduceLogSumExp", &Upgrader::reduce},
                                                      {"ReduceMax", &Upgrader::reduce},
                                                      {"ReduceMean", &Upgrader::reduce},
                                                      {"ReduceMin", &Upgrader::reduce},
                                                      {"ReduceProd", &Upgrader::reduce},
                                                      {"ReduceSum", &Upgrader::axesToInput},
                                                      {"ReduceSumSquare", &Upgrader::reduce},
                                                      {"Resize", &Upgrader::resize},
                                                      {"Slice", &Upgrader::slice},
                                                      {"Softmax", &Upgrader::softmax},
                                                      {"Split", &Upgrader::split},
                                                      {"Squeeze", &Upgrader::axesToInput},
                                                      {"Unsqueeze", &Upgrader::axesToInput},
                                                      {"Upsample", &Upgrader::upsample}};
    return table;
  }

  void rewrite(Node& node) {
    const auto rule = rules().find(node.opType);
    if (rule == rules().end()) fail(node, "is not an operator whose versions presisi knows");
    if (!node.hasInput(0) || node.outputs.empty() || node.outputs[0].empty()) {
      throw Error(ErrorCode::InvalidModel, node.label() + ": expected an input and an output");
    }
    (this->*rule->second)(node);
  }

  [[noreturn]] void fail(const Node& node, const std::string& what) const {
    throw Error(ErrorCode::UnsupportedModel,
                "cannot bring the model from opset " + std::to_string(from_) + " to " + std::to_string(to_) + ": " +
                    node.label() + " " + what,
                "export the model again at opset " + std::to_string(to_));
  }

  std::string constant(const Node& node, const char* what, Tensor value) {
    const std::string name = names_.fresh(node.outputs[0] + "_" + what);
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
    node.remove(name);
  }

  void axesToInput(Node& node) {
    if (from_ < 13) intsToInput(node, "axes", 1);
  }

  void reduce(Node& node) {
    if (from_ < 18 && to_ >= 18) intsToInput(node, "axes", 1);
  }

  /// From opset 13 on the sizes are an input, and from 18 on equal parts are asked for by their number.
  void split(Node& node) {
    if (from_ < 13) intsToInput(node, "split", 1);
    if (from_ < 18 && to_ >= 18 && !node.hasInput(1)) {
      node.set(Attribute::ofInt("num_outputs", static_cast<int64_t>(node.outputs.size())));
    }
  }

  /// Before opset 11 the bounds were attributes.
  void clip(Node& node) {
    if (from_ >= 11) return;
    const std::pair<const char*, size_t> bounds[] = {{"min", 1}, {"max", 2}};
    for (const auto& [name, index] : bounds) {
      if (node.find(name) == nullptr) continue;
      setInput(node, index, constant(node, name, scalarLikeInput(node, node.getFloat(name, 0))));
      node.remove(name);
    }
  }

  /// Before opset 12 the ratio was an attribute, which inference ignores; before 10 the mask was a number.
  void dropout(Node& node) {
    if (from_ < 12) node.remove("ratio");
    if (from_ >= 10 || node.outputs.size() < 2) return;
    const std::string& mask = node.outputs[1];
    if (!mask.empty() && (!links_.consumers(mask).empty() || links_.isOutput(mask))) {
      fail(node, "has a mask that is used, and that is of another type since opset 10");
    }
    node.outputs.resize(1);
    new_.graph.values.erase(mask);
  }

  /// Before opset 13 everything from `axis` (1 by default) on was one axis.
  void softmax(Node& node) {
    if (from_ >= 13) return;
    const int64_t axis = node.getInt("axis", 1);
    const ops::TensorType* input = typeOf(node.inputs[0]);
    if (axis == -1 || (input != nullptr && axis == static_cast<int64_t>(input->dims.size()) - 1)) {
      node.set(Attribute::ofInt("axis", -1));
      return;
    }
    // Flatten to a matrix, work along its rows, and back to the shape of the input.
    const std::string source = node.inputs[0];
    const std::string output = node.outputs[0];
    const std::string flat = names_.fresh(output + "_flat");
    const std::string result = names_.fresh(output + "_flat_result");
    const std::string shape = names_.fresh(output + "_shape");
    append("Flatten", {source}, flat).set(Attribute::ofInt("axis", axis));
    Node& work = append(node.opType, {flat}, result);
    work.name = node.name;
    work.set(Attribute::ofInt("axis", -1));
    append("Shape", {source}, shape);
    Node reshape;
    reshape.name = output + "_Reshape";
    reshape.opType = "Reshape";
    reshape.inputs = {result, shape};
    reshape.outputs = {output};
    node = std::move(reshape);
  }

  Node& append(const std::string& op, std::vector<std::string> inputs, const std::string& output) {
    Node node;
    node.name = output + "_" + op;
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
    if (value != 0) setInput(node, 2, constant(node, "value", scalarLikeInput(node, value)));
    node.remove("value");
  }

  /// Before opset 10 the ranges were attributes.
  void slice(Node& node) {
    if (from_ >= 10) return;
    if (node.find("starts") == nullptr || node.find("ends") == nullptr) fail(node, "has no starts or no ends");
    intsToInput(node, "starts", 1);
    intsToInput(node, "ends", 2);
    intsToInput(node, "axes", 3);
  }

  /// Before opset 9 an attribute could ask for statistics per value and not per channel; before 14 it was the number of
  /// outputs that asked for training.
  void batchNormalization(Node& node) {
    if (node.getInt("spatial", 1) != 1) fail(node, "has spatial = 0");
    if (from_ < 9) node.remove("spatial");
    if (from_ >= 14) return;
    const bool trains = std::any_of(node.outputs.begin() + 1, node.outputs.end(),
                                    [](const std::string& output) { return !output.empty(); });
    if (trains) fail(node, "has outputs of training");
    node.outputs.resize(1);
  }

  /// Upsample became Resize in opset 10, which got its inputs and its choice of coordinates in opset 11.
  void upsample(Node& node) {
    std::string scales;
    if (node.find("scales") != nullptr) {
      const std::vector<float> values = node.getFloats("scales", {});
      scales = constant(node, "scales", Tensor::of(DType::Float32, {static_cast<int64_t>(values.size())}, values));
      node.remove("scales");
    } else if (node.hasInput(1)) {
      scales = node.inputs[1];
    } else {
      fail(node, "has no scales");
    }
    node.opType = "Resize";
    node.inputs = {node.inputs[0], "", scales};
    node.set(Attribute::ofString("coordinate_transformation_mode", "asymmetric"));
    if (node.getString("mode", "nearest") == "nearest") node.set(Attribute::ofString("nearest_mode", "floor"));
  }

  void resize(Node& node) {
    if (from_ < 11) return upsample(node);
    if (from_ >= 13) return;
    // Opset 11 had no other way to leave an input out than an empty tensor.
    for (size_t i = 1; i < node.inputs.size(); ++i) {
      if (isEmptyConstant(node.inputs[i])) node.inputs[i].clear();
    }
    // (x + 1/2) / scale: what half_pixel gives, plus 1/2. Opset 13 dropped it.
    if (node.getString("coordinate_transformation_mode", "half_pixel") != "tf_half_pixel_for_nn") return;
    const bool isNearest = node.getString("mode", "nearest") == "nearest";
    if (!isNearest || node.getString("nearest_mode", "round_prefer_floor") != "floor") {
      fail(node, "has coordinates (tf_half_pixel_for_nn) that are gone since opset 13");
    }
    node.set(Attribute::ofString("coordinate_transformation_mode", "half_pixel"));
    node.set(Attribute::ofString("nearest_mode", "round_prefer_ceil"));
  }

  bool isEmptyConstant(const std::string& tensor) const {
    if (tensor.empty()) return false;
    const Tensor* value = old_.graph.initializer(tensor);
    const int producer = links_.producer(tensor);
    if (value == nullptr && producer >= 0) value = heldConstant(old_.graph.nodes[static_cast<size_t>(producer)]);
    return value != nullptr && value->size() == 0;
  }

  /// Inputs that were attributes have the type of the data.
  Tensor scalarLikeInput(const Node& node, float value) {
    const ops::TensorType* type = typeOf(node.inputs[0]);
    if (type == nullptr) fail(node, "has an input \"" + node.inputs[0] + "\" whose type is not known");
    return Tensor::scalar(value).cast(type->dtype);
  }

  /// Known from the whole model's shapes, which are inferred only if a node asks; or else by what the file declares.
  const ops::TensorType* typeOf(const std::string& tensor) {
    if (!types_) types_ = knownTypes(old_);
    const auto it = types_->find(tensor);
    return it == types_->end() ? nullptr : &it->second;
  }

  static std::map<std::string, ops::TensorType> knownTypes(const onnx::Model& model) {
    if (auto specialization = trySpecialize(model)) return std::move(specialization->types);
    std::map<std::string, ops::TensorType> types;
    const auto declare = [&](const onnx::ValueInfo& info) {
      if (info.hasShape && byteSize(info.dtype) > 0) types[info.name] = {info.dtype, info.dims};
    };
    for (const onnx::ValueInfo& input : model.graph.inputs) declare(input);
    for (const auto& [name, value] : model.graph.values) {
      static_cast<void>(name);
      declare(value);
    }
    return types;
  }

  const int64_t from_;
  const int64_t to_;
  const onnx::Model& old_;
  onnx::Model new_;
  onnx::Links links_;
  Names names_;
  std::optional<std::map<std::string, ops::TensorType>> types_;
};

}  // namespace

onnx::Model upgradeOpset(const onnx::Model& model, int64_t opset) {
  const int64_t from = model.opset();
  if (from == opset) return model;
  if (opset < kLowestTarget || opset > kHighestTarget) {
    throw Error(ErrorCode::InvalidArgument, "expected an opset from " + std::to_string(kLowestTarget) + " to " +
                                                std::to_string(kHighestTarget) + " but received " +
                                                std::to_string(opset));
  }
  if (from > opset) {
    throw Error(ErrorCode::InvalidArgument,
                "cannot bring the model to opset " + std::to_string(opset) + ": it is of opset " +
                    std::to_string(from) + " already, and an opset can only be raised",
                "leave the opset as it is, or export the model again at opset " + std::to_string(opset));
  }
  if (from < kOldest) {
    throw Error(ErrorCode::UnsupportedModel, "cannot bring the model from opset " + std::to_string(from) + " to " +
                                                 std::to_string(opset) + ": only from opset 7 on");
  }
  return Upgrader(model, opset).upgrade();
}

}  // namespace presisi::graph
