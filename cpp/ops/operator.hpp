#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/stop_token.hpp"
#include "core/tensor.hpp"
#include "onnx/model.hpp"

/// The one place that knows ONNX's operators: which exist, what shapes they give, and what they compute.
/// Constant folding, shape inference, the reference backend and the fallback of other backends all stand on it.
namespace presisi::ops {

struct TensorType {
  DType dtype = DType::Undefined;  ///< Undefined: an absent optional input
  Dims dims;                       ///< static: shapes are inferred for one concrete set of input shapes
};

/// What a node's inference may look at. `constants[i]` is null unless the value of input i is already known.
struct InferContext {
  const onnx::Node& node;
  int64_t opset;
  std::vector<TensorType> inputs;
  std::vector<const Tensor*> constants;
};

/// What a node's evaluation may look at. Absent optional inputs are empty tensors. `outputs` are allocated,
/// zero-filled, by the caller from what inference gave.
struct RunContext {
  const onnx::Node& node;
  int64_t opset;
  std::vector<Tensor> inputs;
  StopToken stop;
};

using InferFn = std::vector<TensorType> (*)(const InferContext&);
using RunFn = void (*)(const RunContext&, std::vector<Tensor>& outputs);

struct Operator {
  const char* domain;
  const char* name;
  int sinceOpset;  ///< the oldest opset this entry implements
  int untilOpset;  ///< the newest (inclusive)
  InferFn infer;
  RunFn run;
};

/// Null when the operator is outside the supported set.
const Operator* find(const std::string& domain, const std::string& opType, int64_t opset);

/// The entry for a node, or UnsupportedOperator naming node, operator, domain and version.
const Operator& get(const onnx::Node& node, int64_t opset);

/// Every entry, for `doctor`, documentation and tests.
const std::vector<Operator>& all();

/// Infers, allocates and evaluates.
std::vector<Tensor> evaluate(const onnx::Node& node, int64_t opset, std::vector<Tensor> inputs,
                             const StopToken& stop = {});

/// Refuses, in one error that lists them all, a model with operators outside the set.
void requireSupported(const onnx::Model& model);

}  // namespace presisi::ops
