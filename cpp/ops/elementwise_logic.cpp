#include <cmath>

#include "ops/broadcast.hpp"
#include "ops/elementwise.hpp"

namespace presisi::ops {

namespace {

// Comparisons.

std::vector<TensorType> comparedType(const InferContext& ctx) {
  requireSameType(ctx, 1);
  return {sizedType(ctx.node, DType::Bool, broadcast(ctx.node, ctx.inputs[0].dims, ctx.inputs[1].dims))};
}

std::vector<TensorType> inferOrder(const InferContext& ctx) {
  requireInputs(ctx, 2, 2);
  requireNumeric(ctx, 0);
  return comparedType(ctx);
}

std::vector<TensorType> inferEqual(const InferContext& ctx) {
  requireInputs(ctx, 2, 2);
  if (ctx.inputs[0].dtype != DType::Bool) requireNumeric(ctx, 0);
  return comparedType(ctx);
}

struct EqualOp {
  template <typename T>
  uint8_t operator()(T a, T b) const {
    return a == b;
  }
};
struct GreaterOp {
  template <typename T>
  uint8_t operator()(T a, T b) const {
    return a > b;
  }
};
struct LessOp {
  template <typename T>
  uint8_t operator()(T a, T b) const {
    return a < b;
  }
};
struct GreaterOrEqualOp {
  template <typename T>
  uint8_t operator()(T a, T b) const {
    return a >= b;
  }
};
struct LessOrEqualOp {
  template <typename T>
  uint8_t operator()(T a, T b) const {
    return a <= b;
  }
};

template <typename Op>
void runCompareWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& a = ctx.inputs[0];
  const Tensor& b = ctx.inputs[1];
  dispatch(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    broadcastBinary(outputs[0].dims(), a.dims(), a.data<T>(), b.dims(), b.data<T>(), outputs[0].data<uint8_t>(), Op{});
  });
}

template <typename Op>
void runCompare(const RunContext& ctx, std::vector<Tensor>& outputs) {
  runWidened(ctx, outputs, runCompareWide<Op>);
}

// Logic. A bool from a file may hold any byte that isn't 0; what we write is 0 or 1.

std::vector<TensorType> inferLogic(const InferContext& ctx) {
  requireInputs(ctx, 2, 2);
  requireType(ctx, 0, {DType::Bool});
  return comparedType(ctx);
}

struct AndOp {
  uint8_t operator()(uint8_t a, uint8_t b) const { return a != 0 && b != 0; }
};
struct OrOp {
  uint8_t operator()(uint8_t a, uint8_t b) const { return a != 0 || b != 0; }
};
struct XorOp {
  uint8_t operator()(uint8_t a, uint8_t b) const { return (a != 0) != (b != 0); }
};

template <typename Op>
void runLogic(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& a = ctx.inputs[0];
  const Tensor& b = ctx.inputs[1];
  broadcastBinary(outputs[0].dims(), a.dims(), a.data<uint8_t>(), b.dims(), b.data<uint8_t>(),
                  outputs[0].data<uint8_t>(), Op{});
}

std::vector<TensorType> inferNot(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  requireType(ctx, 0, {DType::Bool});
  return sameAsFirst(ctx);
}

void runNot(const RunContext& ctx, std::vector<Tensor>& outputs) {
  mapElements<uint8_t>(ctx, outputs, [](uint8_t x) { return static_cast<uint8_t>(x == 0); });
}

// Classification of floating-point values.

std::vector<TensorType> inferIsNaN(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  requireFloating(ctx, 0);
  return {{DType::Bool, ctx.inputs[0].dims}};
}

template <typename F>
void classify(const RunContext& ctx, std::vector<Tensor>& outputs, F f) {
  if (ctx.inputs[0].dtype() == DType::Float64) return mapElements<double, uint8_t>(ctx, outputs, f);
  mapElements<float, uint8_t>(ctx, outputs, f);
}

void runIsNaNWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  classify(ctx, outputs, [](auto x) { return static_cast<uint8_t>(std::isnan(x)); });
}

void runIsNaN(const RunContext& ctx, std::vector<Tensor>& outputs) { runWidened(ctx, outputs, runIsNaNWide); }

void runIsInfWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const bool negative = ctx.node.getInt("detect_negative", 1) != 0;
  const bool positive = ctx.node.getInt("detect_positive", 1) != 0;
  classify(ctx, outputs, [=](auto x) { return static_cast<uint8_t>(std::isinf(x) && (x < 0 ? negative : positive)); });
}

void runIsInf(const RunContext& ctx, std::vector<Tensor>& outputs) { runWidened(ctx, outputs, runIsInfWide); }

// Where chooses and never computes, so only the elements' width matters.

std::vector<TensorType> inferWhere(const InferContext& ctx) {
  requireInputs(ctx, 3, 3);
  requireType(ctx, 0, {DType::Bool});
  requireSameType(ctx, 2, 1);
  const Dims values = broadcast(ctx.node, ctx.inputs[1].dims, ctx.inputs[2].dims);
  return {sizedType(ctx.node, ctx.inputs[1].dtype, broadcast(ctx.node, ctx.inputs[0].dims, values))};
}

void runWhere(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& condition = ctx.inputs[0];
  const Tensor& yes = ctx.inputs[1];
  const Tensor& no = ctx.inputs[2];
  const BroadcastPlan<3> plan(outputs[0].dims(), {condition.dims(), yes.dims(), no.dims()});
  const int64_t n = plan.rowLength();
  const std::array<int64_t, 3> step = {plan.moves(0), plan.moves(1), plan.moves(2)};
  dispatchWidth(yes.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    plan.forEachRow([&](int64_t at, const std::array<int64_t, 3>& offset) {
      const uint8_t* c = condition.data<uint8_t>() + offset[0];
      const T* x = yes.data<T>() + offset[1];
      const T* y = no.data<T>() + offset[2];
      T* out = outputs[0].data<T>() + at;
      for (int64_t i = 0; i < n; ++i) out[i] = c[i * step[0]] != 0 ? x[i * step[1]] : y[i * step[2]];
    });
  });
}

}  // namespace

const std::vector<Operator>& logicOperators() {
  static const std::vector<Operator> list = {
      {"", "And", 7, kNewestOpset, inferLogic, runLogic<AndOp>},
      {"", "Or", 7, kNewestOpset, inferLogic, runLogic<OrOp>},
      {"", "Xor", 7, kNewestOpset, inferLogic, runLogic<XorOp>},
      {"", "Not", 7, kNewestOpset, inferNot, runNot},
      {"", "Equal", 7, kNewestOpset, inferEqual, runCompare<EqualOp>},
      {"", "Greater", 7, kNewestOpset, inferOrder, runCompare<GreaterOp>},
      {"", "Less", 7, kNewestOpset, inferOrder, runCompare<LessOp>},
      {"", "GreaterOrEqual", 12, kNewestOpset, inferOrder, runCompare<GreaterOrEqualOp>},
      {"", "LessOrEqual", 12, kNewestOpset, inferOrder, runCompare<LessOrEqualOp>},
      {"", "IsNaN", 9, kNewestOpset, inferIsNaN, runIsNaN},
      {"", "IsInf", 10, kNewestOpset, inferIsNaN, runIsInf},
      {"", "Where", 9, kNewestOpset, inferWhere, runWhere},
  };
  return list;
}

}  // namespace presisi::ops
