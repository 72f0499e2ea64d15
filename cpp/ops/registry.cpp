#include "ops/registry.hpp"

#include <algorithm>
#include <map>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>

#include "ops/common.hpp"

namespace presisi::ops {

namespace {

using Key = std::pair<std::string, std::string>;  // domain, operator

/// Entries of one operator, oldest first.
const std::map<Key, std::vector<const Operator*>>& table() {
  static const std::map<Key, std::vector<const Operator*>> entries = [] {
    std::map<Key, std::vector<const Operator*>> built;
    for (const Operator& op : all()) built[{op.domain, op.name}].push_back(&op);
    for (auto& [key, list] : built) {
      std::sort(list.begin(), list.end(), [](auto* a, auto* b) { return a->sinceOpset < b->sinceOpset; });
    }
    return built;
  }();
  return entries;
}

std::string domainName(const std::string& domain) { return domain.empty() ? "ai.onnx" : domain; }

/// `operator X (domain D, opset V)`.
std::string describe(const onnx::Node& node, int64_t opset) {
  return "operator " + node.opType + " (domain " + domainName(node.domain) + ", opset " + std::to_string(opset) + ")";
}

std::string idOf(const onnx::Node& node) {
  return "\"" + (node.name.empty() && !node.outputs.empty() ? node.outputs.front() : node.name) + "\"";
}

/// What would do, where the operator is known at other versions.
std::string versionHint(const onnx::Node& node) {
  const auto it = table().find({node.domain, node.opType});
  if (it == table().end()) return {};
  std::string ranges;
  for (const Operator* op : it->second) {
    if (!ranges.empty()) ranges += ", ";
    ranges += std::to_string(op->sinceOpset) + " to " + std::to_string(op->untilOpset);
  }
  return node.opType + " is supported in opsets " + ranges + ": export the model with another opset";
}

/// Shapes whose axes multiply past 64 bits are refused even where an axis of 0 makes them empty, so that products of
/// some of the axes never overflow.
void requireCountable(const onnx::Node& node, const Dims& dims) {
  int64_t product = 1;
  for (const int64_t dim : dims) {
    if (dim < 0) failModel(node, "a negative dimension in shape " + toString(dims));
    if (__builtin_mul_overflow(product, std::max<int64_t>(dim, 1), &product)) {
      failModel(node, "shape " + toString(dims) + " has more elements than 64 bits can count");
    }
  }
}

}  // namespace

const std::vector<Operator>& all() {
  static const std::vector<Operator> list = [] {
    std::vector<Operator> joined;
    for (const std::vector<Operator>* part :
         {&convolutionOperators(), &poolingOperators(), &matmulOperators(), &normalizationOperators(),
          &softmaxOperators(), &padOperators(), &resizeOperators(), &quantizeOperators(), &integerOperators(),
          &elementwiseOperators(), &activationOperators(), &reduceOperators(), &shapeOperators(),
          &movementOperators()}) {
      joined.insert(joined.end(), part->begin(), part->end());
    }
    return joined;
  }();
  return list;
}

const Operator* find(const std::string& domain, const std::string& opType, int64_t opset) {
  const auto it = table().find({domain, opType});
  if (it == table().end()) return nullptr;
  for (const Operator* op : it->second) {
    if (opset >= op->sinceOpset && opset <= op->untilOpset) return op;
  }
  return nullptr;
}

const Operator& get(const onnx::Node& node, int64_t opset) {
  const Operator* op = find(node.domain, node.opType, opset);
  if (op != nullptr) return *op;
  throw Error(ErrorCode::UnsupportedOperator,
              describe(node, opset) + ", needed by node " + idOf(node) + ", is not supported", versionHint(node));
}

namespace {

std::vector<Tensor> inferAndRun(const Operator& op, const onnx::Node& node, int64_t opset, std::vector<Tensor> inputs,
                                const StopToken& stop) {
  InferContext inferContext{node, opset, {}, {}};
  for (const Tensor& input : inputs) {
    requireCountable(node, input.dims());
    inferContext.inputs.push_back({input.dtype(), input.dims()});
    inferContext.constants.push_back(input.empty() ? nullptr : &input);
  }
  const std::vector<TensorType> types = op.infer(inferContext);
  if (types.size() < node.outputs.size()) {
    failModel(node, "has " + std::to_string(node.outputs.size()) + " outputs, but at most " +
                        std::to_string(types.size()) + " are expected");
  }
  std::vector<Tensor> outputs(types.size());
  for (size_t i = 0; i < types.size(); ++i) {
    const bool wanted = i < node.outputs.size() && !node.outputs[i].empty();
    if (i > 0 && !wanted) continue;  // the first output is always computed
    if (types[i].dtype == DType::Undefined) {
      failUnsupported(node, "output " + std::to_string(i) + " (\"" + node.outputs[i] + "\") is not supported");
    }
    requireCountable(node, types[i].dims);
    outputs[i] = Tensor(types[i].dtype, types[i].dims);
  }
  op.run({node, opset, std::move(inputs), stop}, outputs);
  outputs.resize(node.outputs.size());
  return outputs;
}

}  // namespace

std::vector<Tensor> evaluate(const onnx::Node& node, int64_t opset, std::vector<Tensor> inputs, const StopToken& stop) {
  const Operator& op = get(node, opset);
  try {
    return inferAndRun(op, node, opset, std::move(inputs), stop);
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::OutOfMemory, node.label() + ": not enough memory for the tables it needs");
  } catch (const std::length_error&) {
    throw Error(ErrorCode::OutOfMemory, node.label() + ": needs tables larger than memory can be");
  }
}

void requireSupported(const onnx::Model& model) {
  std::set<std::tuple<std::string, std::string, int64_t>> seen;
  std::string list;
  std::string hint;
  for (const onnx::Node& node : model.graph.nodes) {
    const int64_t opset = model.opset(node.domain);
    if (find(node.domain, node.opType, opset) != nullptr) continue;
    if (!seen.insert({node.domain, node.opType, opset}).second) continue;
    list += "\n  " + describe(node, opset) + ", needed by node " + idOf(node);
    if (hint.empty()) hint = versionHint(node);
  }
  if (seen.empty()) return;
  const std::string count =
      seen.size() == 1 ? "1 operator that is" : std::to_string(seen.size()) + " operators that are";
  throw Error(ErrorCode::UnsupportedOperator, "the model needs " + count + " not supported:" + list, hint);
}

}  // namespace presisi::ops
