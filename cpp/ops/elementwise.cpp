#include "ops/elementwise.hpp"

#include "ops/registry.hpp"

namespace presisi::ops {

std::vector<TensorType> inferUnaryFloating(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  requireFloating(ctx, 0);
  return sameAsFirst(ctx);
}

std::vector<TensorType> inferUnaryNumeric(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  requireNumeric(ctx, 0);
  return sameAsFirst(ctx);
}

const std::vector<Operator>& elementwiseOperators() {
  static const std::vector<Operator> list = [] {
    std::vector<Operator> joined = arithmeticOperators();
    joined.insert(joined.end(), logicOperators().begin(), logicOperators().end());
    joined.insert(joined.end(), unaryOperators().begin(), unaryOperators().end());
    return joined;
  }();
  return list;
}

}  // namespace presisi::ops
