#pragma once

#include <vector>

#include "ops/common.hpp"

/// The parts that elementwiseOperators() joins.
namespace presisi::ops {

const std::vector<Operator>& arithmeticOperators();  ///< Add, Div, Pow, Max, Mean, …: numbers in, the same type out
const std::vector<Operator>& logicOperators();       ///< And, Equal, Less, Where, IsNaN, …: bool in or out
const std::vector<Operator>& unaryOperators();       ///< Sqrt, Neg, Round, Erf, …: one tensor in, the same type out

/// One tensor in; same type and shape out.
std::vector<TensorType> inferUnaryFloating(const InferContext& ctx);
std::vector<TensorType> inferUnaryNumeric(const InferContext& ctx);

/// Applies f to each element of input 0, whose element type is T.
template <typename T, typename R = T, typename F>
void mapElements(const RunContext& ctx, std::vector<Tensor>& outputs, F f) {
  const T* in = ctx.inputs[0].data<T>();
  R* out = outputs[0].data<R>();
  const int64_t n = outputs[0].size();
  for (int64_t i = 0; i < n; ++i) out[i] = f(in[i]);
}

/// The same for float32 and float64; float16 and bfloat16 go through runWidened.
template <typename F>
void mapFloating(const RunContext& ctx, std::vector<Tensor>& outputs, F f) {
  if (ctx.inputs[0].dtype() == DType::Float64) return mapElements<double>(ctx, outputs, f);
  mapElements<float>(ctx, outputs, f);
}

}  // namespace presisi::ops
