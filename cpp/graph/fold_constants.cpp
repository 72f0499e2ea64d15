#include <algorithm>
#include <optional>
#include <utility>

#include "core/error.hpp"
#include "graph/passes.hpp"
#include "graph/rewrite.hpp"

namespace presisi::graph {

namespace {

/// Multiply-accumulates that constants may cost in all; some seconds with the plain loops that evaluate them.
constexpr double kMostWork = 1e10;

/// An upper bound for the multiply-accumulates of a product, padding included: each element of the result takes at most
/// one filter, or one row of the first matrix.
double workOf(const onnx::Node& node, const std::vector<Tensor>& inputs, size_t resultBytes) {
  if (!isProduct(node)) return 0;
  const bool isConvolution = node.opType.find("Conv") != std::string::npos;
  const size_t filters = node.is("QLinearConv") ? 3 : 1;
  double longest = 1;
  if (isConvolution && inputs.size() > filters && inputs[filters].rank() > 0) {
    const Tensor& weight = inputs[filters];
    longest = static_cast<double>(weight.size()) / static_cast<double>(std::max<int64_t>(weight.dim(0), 1));
  } else if (!isConvolution && !inputs.empty()) {
    for (const int64_t dim : inputs[0].dims()) longest = std::max(longest, static_cast<double>(dim));
  }
  return static_cast<double>(resultBytes) * longest;
}

class Folder {
 public:
  Folder(const onnx::Model& model, size_t maxBytes, bool keepStored)
      : out_(model), maxBytes_(maxBytes), keepStored_(keepStored) {
    // Each fold may grow by `maxBytes`; a graph of many nodes would still grow without bound.
    size_t held = 0;
    for (const auto& [name, tensor] : model.graph.initializers) {
      static_cast<void>(name);
      held += tensor.bytes();
    }
    growthLeft_ = 4 * maxBytes + 2 * held;
    // With every shape known, shape arithmetic is constant too. With a dynamic batch it must stay.
    if (isFullyStatic(model.graph)) static_ = trySpecialize(model);
  }

  onnx::Model run() {
    onnx::Graph& graph = out_.graph;
    std::vector<bool> dead(graph.nodes.size(), false);
    for (size_t i = 0; i < graph.nodes.size(); ++i) dead[i] = fold(graph.nodes[i]);
    eraseNodes(graph, dead);
    return std::move(out_);
  }

 private:
  bool fold(const onnx::Node& node) {
    // INT8 weights are what DequantizeLinear's input says; as floats they would only look like weights.
    if (node.is("DequantizeLinear")) return false;
    if (keepStored_ && (node.is("QuantizeLinear") || isWideningCast(node))) return false;
    if (const Tensor* held = heldConstant(node)) {
      if (node.outputs.size() != 1) return false;
      out_.graph.initializers[node.outputs[0]] = *held;
      return true;
    }
    return take(node) || evaluate(node);
  }

  bool isWideningCast(const onnx::Node& node) const {
    const Tensor* value = node.is("Cast") && node.hasInput(0) ? out_.graph.initializer(node.inputs[0]) : nullptr;
    return value != nullptr && isHalf(value->dtype()) && node.getInt("to", 0) == static_cast<int64_t>(DType::Float32);
  }

  /// What specialization has evaluated already.
  bool take(const onnx::Node& node) {
    if (!static_) return false;
    size_t bytes = 0;
    for (const std::string& output : node.outputs) {
      if (output.empty()) continue;
      const auto value = static_->constants.find(output);
      if (value == static_->constants.end()) return false;
      bytes += value->second.bytes();
    }
    if (!mayGrow(bytes, maxBytes_)) return false;
    for (const std::string& output : node.outputs) {
      if (!output.empty()) out_.graph.initializers[output] = static_->constants.at(output);
    }
    return true;
  }

  bool evaluate(const onnx::Node& node) {
    std::vector<Tensor> inputs;
    size_t inputBytes = 0;
    for (const std::string& input : node.inputs) {
      const Tensor* known = out_.graph.initializer(input);
      if (known == nullptr && !input.empty()) return false;
      inputs.push_back(known == nullptr ? Tensor() : *known);
      inputBytes += inputs.back().bytes();
    }
    const int64_t opset = out_.opset(node.domain);
    const ops::Operator* op = ops::find(node.domain, node.opType, opset);
    if (op == nullptr) return false;
    const std::optional<size_t> bytes = resultBytes(node, opset, *op, inputs);
    if (!bytes) return false;
    const double work = workOf(node, inputs, *bytes);
    if (work > workLeft_) return false;
    // Weights stored as FP16 are widened however big they are.
    const size_t limit = node.is("Cast") ? std::max(maxBytes_, inputBytes) : maxBytes_;
    if (!mayGrow(*bytes > inputBytes ? *bytes - inputBytes : 0, limit)) return false;
    workLeft_ -= work;
    std::vector<Tensor> outputs = ops::evaluate(node, opset, std::move(inputs));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (!node.outputs[i].empty()) out_.graph.initializers[node.outputs[i]] = std::move(outputs[i]);
    }
    return true;
  }

  bool mayGrow(size_t bytes, size_t limit) {
    if (bytes > limit || bytes > growthLeft_) return false;
    growthLeft_ -= bytes;
    return true;
  }

  /// Nothing where the sizes themselves are absurd.
  static std::optional<size_t> resultBytes(const onnx::Node& node, int64_t opset, const ops::Operator& op,
                                           const std::vector<Tensor>& inputs) {
    ops::InferContext context{node, opset, {}, {}};
    for (const Tensor& input : inputs) {
      context.inputs.push_back({input.dtype(), input.dims()});
      context.constants.push_back(input.empty() ? nullptr : &input);
    }
    const std::vector<ops::TensorType> types = op.infer(context);
    if (types.size() < node.outputs.size()) return std::nullopt;
    size_t total = 0;
    for (const ops::TensorType& type : types) {
      size_t bytes = 0;
      if (__builtin_mul_overflow(static_cast<size_t>(elementCount(type.dims)), byteSize(type.dtype), &bytes) ||
          __builtin_add_overflow(total, bytes, &total)) {
        return std::nullopt;
      }
    }
    return total;
  }

  onnx::Model out_;
  size_t maxBytes_;
  bool keepStored_;
  size_t growthLeft_ = 0;
  double workLeft_ = kMostWork;
  std::optional<Specialization> static_;
};

}  // namespace

onnx::Model foldConstants(const onnx::Model& model, size_t maxBytes, bool keepStored) {
  return Folder(model, maxBytes, keepStored).run();
}

}  // namespace presisi::graph
