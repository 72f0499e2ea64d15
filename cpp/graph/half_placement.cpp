#include "graph/half_placement.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>

#include "graph/rewrite.hpp"

namespace presisi::graph {

namespace {

using onnx::Node;

constexpr float kHalfMax = 65504.0f;
constexpr float kHalfMinNormal = 6.103515625e-5f;  // 2^-14
constexpr double kTolerableLoss = 0.01;            // of the elements

/// Up to so many values are added up in FP16. Nothing in a graph's types promises an accumulator that is wider than the
/// data: 1024 values may be of magnitude 63 before their sum passes 65504, and activations keep to that.
constexpr int64_t kMaxSummands = 1024;

template <size_t N>
bool isOneOf(const Node& node, const char* const (&operators)[N]) {
  return std::any_of(std::begin(operators), std::end(operators), [&](const char* op) { return node.is(op); });
}

/// Operators that ONNX has no FP16 form of, at every opset (Celu and Range) or at some.
bool lacksHalf(const Node& node, int64_t opset) {
  static const char* const kNever[] = {"Celu", "Range", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"};
  return isOneOf(node, kNever) || (node.is("IsInf") && opset < 20);
}

/// Results that can leave FP16's range although the inputs are well inside, and so must reach the operator that brings
/// them back in FP32: e^x does from x = 11.1 on, x^2 from 256 on. PyTorch's automatic mixed precision has exp, pow,
/// prod and sum on its FP32 list too.
bool isExpansive(const Node& node, const std::vector<const Tensor*>& constants, int64_t summands) {
  static const char* const kAlways[] = {"Exp", "ReduceProd", "ReduceSumSquare"};
  static const char* const kSums[] = {"ReduceSum", "ReduceL1"};
  if (isOneOf(node, kAlways)) return true;
  if (isOneOf(node, kSums)) return summands > kMaxSummands;
  if (node.is("Mul")) return node.inputs.size() == 2 && node.inputs[0] == node.inputs[1];
  if (!node.is("Pow")) return false;
  const Tensor* exponent = constants.size() > 1 ? constants[1] : nullptr;
  if (exponent == nullptr) return true;
  const std::vector<float> values = exponent->toFloats();
  return std::any_of(values.begin(), values.end(), [](float value) { return !(std::fabs(value) <= 1); });
}

/// Results in range, of sums that may not be. Normalizations sum squares, and a strongly typed TensorRT network
/// computes them in the type of their input: there is nothing else to ask for FP32 by. A softmax has at most 1 to add
/// up for each value, so only a long one is among these, unlike in PyTorch's list: attention would lose its fused FP16
/// kernels.
bool addsUp(const Node& node, int64_t summands) {
  static const char* const kSquares[] = {"LayerNormalization", "InstanceNormalization", "ReduceL2", "LRN", "LpPool",
                                         "GlobalLpPool",       "ReduceLogSumExp"};
  static const char* const kSums[] = {"ReduceMean",  "ReduceLogSum", "GlobalAveragePool",
                                      "AveragePool", "Softmax",      "LogSoftmax"};
  return isOneOf(node, kSquares) || (isOneOf(node, kSums) && summands > kMaxSummands);
}

/// What passes a large value on, and what turns it into one of an ordinary size.
bool carries(const Node& node) {
  static const char* const kOperators[] = {
      "Add",    "Sub",    "Mul",     "Neg",     "Abs",      "Sum",       "Max",        "Min",       "Mean",
      "Where",  "Concat", "Reshape", "Flatten", "Squeeze",  "Unsqueeze", "Transpose",  "Slice",     "Split",
      "Gather", "Expand", "Tile",    "Pad",     "Identity", "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"};
  return isOneOf(node, kOperators);
}

bool contracts(const Node& node) {
  static const char* const kOperators[] = {"Sqrt",    "Log",  "Div",     "Reciprocal", "Pow",     "Clip",
                                           "Sigmoid", "Tanh", "Softmax", "LogSoftmax", "ReduceL2"};
  return isOneOf(node, kOperators);
}

bool isQuantization(const Node& node) { return node.is("QuantizeLinear") || node.is("DequantizeLinear"); }

class Placer {
 public:
  Placer(const onnx::Model& model, const Specialization& types, HalfReport& report)
      : model_(model),
        graph_(model.graph),
        types_(types),
        report_(report),
        links_(model.graph),
        keeps_(graph_.nodes.size()) {}

  HalfPlacement run() {
    markShapeArithmetic();
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      if (keeps_[i] || node.is("Cast")) continue;
      if (isQuantization(node)) {
        checkScale(i);
        continue;
      }
      const int64_t summands = summandsOf(node);
      if (lacksHalf(node, model_.opset(node.domain)) || addsUp(node, summands)) keeps_[i] = true;
      const bool makesFloat = !node.outputs.empty() && isFloat(node.outputs[0]);
      if (makesFloat && isExpansive(node, constantsOf(node), summands)) spread(i);
    }
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      if (!keeps_[i] && !node.is("Cast") && !isQuantization(node)) keeps_[i] = holdsLargeConstant(node);
    }
    std::sort(report_.outOfRange.begin(), report_.outOfRange.end());
    std::sort(report_.subnormal.begin(), report_.subnormal.end());
    return {std::move(keeps_)};
  }

 private:
  const Node& nodeAt(int index) const { return graph_.nodes[static_cast<size_t>(index)]; }

  bool isFloat(const std::string& tensor) const {
    const auto it = types_.types.find(tensor);
    return it != types_.types.end() && it->second.dtype == DType::Float32;
  }

  std::vector<const Tensor*> constantsOf(const Node& node) const {
    std::vector<const Tensor*> constants;
    for (const std::string& input : node.inputs) constants.push_back(graph_.initializer(input));
    return constants;
  }

  /// Numbers computed from shapes are sizes, and FP16 has no integers above 2048 but even ones.
  void markShapeArithmetic() {
    std::set<std::string> known;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      bool isShape = node.is("Shape") || node.is("Size");
      if (!isShape && !node.is("ConstantOfShape") && !isQuantization(node)) {
        bool all = true;
        for (const std::string& input : node.inputs) {
          if (input.empty() || graph_.initializer(input) != nullptr) continue;
          const bool isKnown = known.count(input) > 0;
          isShape = isShape || isKnown;
          all = all && isKnown;
        }
        isShape = isShape && all;
        keeps_[i] = isShape;
      }
      if (isShape) known.insert(node.outputs.begin(), node.outputs.end());
    }
  }

  /// How many values go into one of the output.
  int64_t summandsOf(const Node& node) const {
    if (node.is("AveragePool")) {
      int64_t count = 1;
      for (const int64_t size : node.getInts("kernel_shape", {}))
        count *= std::clamp<int64_t>(size, 1, kMaxSummands + 1);
      return count;
    }
    if (node.inputs.empty() || node.outputs.empty()) return 1;
    const auto from = types_.types.find(node.inputs[0]);
    const auto to = types_.types.find(node.outputs[0]);
    if (from == types_.types.end() || to == types_.types.end()) return 1;
    if (node.is("Softmax") || node.is("LogSoftmax")) {
      // Before opset 13 everything from the axis on was one axis.
      const Dims& dims = from->second.dims;
      const bool isOne = model_.opset() < 13;
      const auto rank = static_cast<int64_t>(dims.size());
      const int64_t axis = node.getInt("axis", isOne ? 1 : -1);
      const int64_t first = std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
      const int64_t last = isOne ? rank : std::min(first + 1, rank);
      return elementCount(Dims(dims.begin() + first, dims.begin() + last));
    }
    return elementCount(from->second.dims) / std::max<int64_t>(1, elementCount(to->second.dims));
  }

  void spread(size_t index) {
    keeps_[index] = true;
    std::vector<size_t> open = {index};
    while (!open.empty()) {
      const Node& node = graph_.nodes[open.back()];
      open.pop_back();
      for (const std::string& output : node.outputs) {
        for (const int user : links_.consumers(output)) {
          const auto next = static_cast<size_t>(user);
          const bool isCarrier = carries(nodeAt(user));
          if (keeps_[next] || (!isCarrier && !contracts(nodeAt(user)))) continue;
          keeps_[next] = true;
          if (isCarrier) open.push_back(next);
        }
      }
    }
  }

  bool holdsLargeConstant(const Node& node) {
    bool found = false;
    if (const onnx::Attribute* value = node.find("value");
        value != nullptr && value->kind == onnx::Attribute::Kind::Tensor && value->t.dtype() == DType::Float32) {
      found = report(node.outputs[0], value->t);
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Tensor* constant = node.inputs[i].empty() ? nullptr : graph_.initializer(node.inputs[i]);
      if (constant == nullptr || constant->dtype() != DType::Float32 || isFloatInput(node, i)) continue;
      found = report(node.inputs[i], *constant) || found;
    }
    return found;
  }

  bool report(const std::string& name, const Tensor& tensor) {
    const auto [entry, isNew] = losses_.try_emplace(name);
    if (isNew) {
      entry->second = halfLoss(tensor);
      if (entry->second.outOfRange) report_.outOfRange.push_back(name);
      if (!entry->second.outOfRange && entry->second.subnormal) report_.subnormal.push_back(name);
    }
    return entry->second.outOfRange;
  }

  /// A Q or DQ whose scale FP16 can't hold is FP32, and with it the layer at its float side.
  void checkScale(size_t index) {
    const Node& node = graph_.nodes[index];
    const Tensor* scale = graph_.initializer(node.inputs[1]);
    if (!isFloat(node.inputs[1]) || (scale != nullptr && isHalfScale(*scale))) return;
    if (losses_.try_emplace(node.inputs[1]).second) report_.outOfRange.push_back(node.inputs[1]);
    if (node.is("QuantizeLinear")) {
      keepUpwards(node.inputs[0]);
      return;
    }
    for (const int user : links_.consumers(node.outputs[0])) {
      keeps_[static_cast<size_t>(user)] = true;
      keepDownwards(user);
    }
  }

  /// A node of one tensor and constants, such as an activation: with the layer before it, one kernel.
  bool isStage(const Node& node) const {
    if (node.is("Cast") || isQuantization(node) || isProduct(node)) return false;
    if (node.inputs.empty() || !isFloat(node.inputs[0])) return false;
    return std::all_of(node.inputs.begin() + 1, node.inputs.end(),
                       [&](const std::string& input) { return input.empty() || links_.producer(input) < 0; });
  }

  void keepUpwards(const std::string& tensor) {
    for (int at = links_.producer(tensor); at >= 0;) {
      if (nodeAt(at).is("Cast") || isQuantization(nodeAt(at))) return;
      keeps_[static_cast<size_t>(at)] = true;
      const int before = isStage(nodeAt(at)) ? links_.producer(nodeAt(at).inputs[0]) : -1;
      at = before >= 0 && links_.onlyConsumer(nodeAt(at).inputs[0]) == at ? before : -1;
    }
  }

  /// As far as the last stage before a Q: what runs on in FP16 may narrow right after the layer.
  void keepDownwards(int layer) {
    std::vector<int> stages;
    for (int at = links_.onlyConsumer(nodeAt(layer).outputs[0]); at >= 0 && isStage(nodeAt(at));) {
      stages.push_back(at);
      const std::string& output = nodeAt(at).outputs[0];
      const std::vector<int>& users = links_.consumers(output);
      if (std::any_of(users.begin(), users.end(), [&](int user) { return nodeAt(user).is("QuantizeLinear"); })) {
        for (const int stage : stages) keeps_[static_cast<size_t>(stage)] = true;
        stages.clear();
      }
      at = links_.onlyConsumer(output);
    }
  }

  const onnx::Model& model_;
  const onnx::Graph& graph_;
  const Specialization& types_;
  HalfReport& report_;
  onnx::Links links_;
  std::vector<bool> keeps_;
  std::map<std::string, HalfLoss> losses_;  ///< of the constants seen so far
};

}  // namespace

HalfLoss halfLoss(const Tensor& tensor) {
  HalfLoss loss;
  int64_t subnormal = 0;
  const float* values = tensor.data<float>();
  for (int64_t i = 0; i < tensor.size(); ++i) {
    const float magnitude = std::fabs(values[i]);
    loss.outOfRange = loss.outOfRange || !(magnitude <= kHalfMax);
    if (magnitude > 0 && magnitude < kHalfMinNormal) ++subnormal;
  }
  loss.subnormal = static_cast<double>(subnormal) > kTolerableLoss * static_cast<double>(tensor.size());
  return loss;
}

bool isHalfScale(const Tensor& scale) {
  const std::vector<float> values = scale.toFloats();
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return value >= kHalfMinNormal && value <= kHalfMax; });
}

HalfPlacement placeHalf(const onnx::Model& model, const Specialization& types, HalfReport& report) {
  return Placer(model, types, report).run();
}

bool isFloatInput(const onnx::Node& node, size_t index) {
  if (node.is("Resize")) return index > 0;
  return node.is("Upsample") && index == 1;
}

}  // namespace presisi::graph
