#include <algorithm>
#include <set>
#include <string>
#include <unordered_map>

#include "graph/passes.hpp"

namespace presisi::graph {

namespace {

/// What an operator asks of its inputs so that each sample of its result comes of that sample alone.
enum class Rule {
  ElementWise,
  First,    ///< works within the samples of its first input; the others are the same for all
  Reshape,  ///< keeps the order of the elements
  Join,     ///< along an axis that isn't the first
  AlongAxis,
  Reduce,
  Transpose,
  Quantize,
  Gemm,
  MatMul,
};

const std::unordered_map<std::string, Rule>& rules() {
  static const std::unordered_map<std::string, Rule> known = [] {
    std::unordered_map<std::string, Rule> made;
    const auto add = [&](Rule rule, std::initializer_list<const char*> operators) {
      for (const char* op : operators) made[op] = rule;
    };
    add(Rule::ElementWise,
        {"Abs",   "Add",  "Cast",        "Celu",      "Clip",     "Div",       "Dropout", "Elu",
         "Erf",   "Exp",  "Gelu",        "HardSwish", "Identity", "LeakyRelu", "Log",     "Max",
         "Mean",  "Min",  "Mish",        "Mul",       "Neg",      "PRelu",     "Pow",     "Reciprocal",
         "Relu",  "Selu", "Sigmoid",     "Softplus",  "Softsign", "Sqrt",      "Sub",     "Sum",
         "Swish", "Tanh", "HardSigmoid", "Where"});
    add(Rule::First, {"AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "GlobalAveragePool",
                      "GlobalMaxPool", "InstanceNormalization", "LRN", "LpPool", "MaxPool"});
    add(Rule::Reshape, {"Flatten", "Reshape", "Squeeze", "Unsqueeze"});
    add(Rule::AlongAxis, {"LayerNormalization", "LogSoftmax", "Softmax"});
    add(Rule::Reduce, {"ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"});
    add(Rule::Quantize, {"DequantizeLinear", "QuantizeLinear"});
    add(Rule::Join, {"Concat"});
    add(Rule::Transpose, {"Transpose"});
    add(Rule::Gemm, {"Gemm"});
    add(Rule::MatMul, {"MatMul"});
    return made;
  }();
  return known;
}

class Samples {
 public:
  Samples(const onnx::Model& model, const Specialization& at, int64_t count)
      : graph_(model.graph), at_(at), count_(count) {}

  bool apart() {
    for (const onnx::ValueInfo& input : graph_.inputs) {
      if (!countedFirst(input.name)) return false;
      apart_.insert(input.name);
    }
    for (const onnx::Node& node : graph_.nodes) {
      const bool apart = any(node, apart_), shaped = any(node, shaped_);
      if (!apart && !shaped) continue;
      if (known(node)) {
        shaped_.insert(node.outputs.begin(), node.outputs.end());
        continue;
      }
      const bool counted = std::all_of(node.outputs.begin(), node.outputs.end(),
                                       [&](const auto& o) { return o.empty() || countedFirst(o); });
      if (!apart || !counted || !keeps(node, shaped)) return false;
      apart_.insert(node.outputs.begin(), node.outputs.end());
    }
    return std::all_of(graph_.outputs.begin(), graph_.outputs.end(), [&](const auto& o) { return isApart(o.name); });
  }

 private:
  const Dims& dims(const std::string& tensor) const { return at_.types.at(tensor).dims; }
  size_t rank(const std::string& tensor) const { return dims(tensor).size(); }
  bool isApart(const std::string& tensor) const { return !tensor.empty() && apart_.count(tensor) > 0; }
  bool countedFirst(const std::string& tensor) const { return !dims(tensor).empty() && dims(tensor).front() == count_; }
  static bool any(const onnx::Node& node, const std::set<std::string>& of) {
    return std::any_of(node.inputs.begin(), node.inputs.end(), [&](const auto& i) { return of.count(i) > 0; });
  }
  /// A result that shapes alone decide, say Shape.
  bool known(const onnx::Node& node) const {
    return std::all_of(node.outputs.begin(), node.outputs.end(),
                       [&](const auto& o) { return o.empty() || at_.constants.count(o) > 0; });
  }
  bool onlyFirst(const onnx::Node& node) const {
    return isApart(node.inputs[0]) &&
           std::none_of(node.inputs.begin() + 1, node.inputs.end(), [&](const auto& i) { return isApart(i); });
  }
  bool isFirstAxis(int64_t axis, const std::string& tensor) const {
    return axis == 0 || axis == -static_cast<int64_t>(rank(tensor));
  }

  /// `shaped`: some input comes of shapes. Only new shapes may: anything else could tell how many samples there are.
  bool keeps(const onnx::Node& node, bool shaped) const {
    const auto rule = rules().find(node.opType);
    if (rule == rules().end() || (shaped && rule->second != Rule::Reshape)) return false;
    switch (rule->second) {
      case Rule::ElementWise: return elementWise(node);
      case Rule::First:
      case Rule::Reshape: return onlyFirst(node);
      case Rule::Join:
        return !isFirstAxis(node.getInt("axis", 0), node.inputs[0]) &&
               std::all_of(node.inputs.begin(), node.inputs.end(), [&](const auto& i) { return isApart(i); });
      case Rule::AlongAxis:
        return onlyFirst(node) && rank(node.inputs[0]) > 1 && !isFirstAxis(node.getInt("axis", -1), node.inputs[0]);
      case Rule::Reduce: return reduces(node);
      case Rule::Transpose: {
        const std::vector<int64_t> order = node.getInts("perm", {});
        return !order.empty() && order[0] == 0;
      }
      case Rule::Quantize:
        return onlyFirst(node) &&
               (elementCount(dims(node.inputs[1])) == 1 || !isFirstAxis(node.getInt("axis", 1), node.inputs[0]));
      case Rule::Gemm:
        return onlyFirst(node) && node.getInt("transA", 0) == 0 && (!node.hasInput(2) || sameForAll(node.inputs[2], 2));
      case Rule::MatMul: return multiplies(node);
    }
    return false;
  }

  /// Whether a tensor, broadcast to a result of that rank, is the same for every sample.
  bool sameForAll(const std::string& tensor, size_t resultRank) const {
    return rank(tensor) < resultRank || dims(tensor).empty() || dims(tensor).front() == 1;
  }

  bool elementWise(const onnx::Node& node) const {
    const size_t resultRank = rank(node.outputs[0]);
    return std::all_of(node.inputs.begin(), node.inputs.end(), [&](const std::string& input) {
      if (input.empty()) return true;
      return isApart(input) ? rank(input) == resultRank : sameForAll(input, resultRank);
    });
  }

  bool reduces(const onnx::Node& node) const {
    std::vector<int64_t> axes = node.getInts("axes", {});
    if (node.hasInput(1)) {
      const auto given = at_.constants.find(node.inputs[1]);
      if (given == at_.constants.end() || given->second.dtype() != DType::Int64) return false;
      const int64_t* first = given->second.data<int64_t>();
      axes.assign(first, first + elementCount(given->second.dims()));
    }
    return onlyFirst(node) && !axes.empty() &&
           std::none_of(axes.begin(), axes.end(), [&](int64_t axis) { return isFirstAxis(axis, node.inputs[0]); });
  }

  bool multiplies(const onnx::Node& node) const {
    const std::string &a = node.inputs[0], &b = node.inputs[1];
    if (isApart(a) && isApart(b)) return rank(a) > 2 && rank(a) == rank(b);
    return onlyFirst(node) && rank(a) > 1 && (rank(b) <= 2 || (rank(b) == rank(a) && dims(b).front() == 1));
  }

  const onnx::Graph& graph_;
  const Specialization& at_;
  const int64_t count_;
  std::set<std::string> apart_;
  std::set<std::string> shaped_;  ///< known, but perhaps others for another number of samples
};

}  // namespace

bool samplesApart(const onnx::Model& model, const Specialization& at, int64_t count) {
  return Samples(model, at, count).apart();
}

}  // namespace presisi::graph
