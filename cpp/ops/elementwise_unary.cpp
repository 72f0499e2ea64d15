#include <cmath>

#include "ops/elementwise.hpp"

namespace presisi::ops {

namespace {

/// Runs Op, a functor of one floating-point argument, on every element.
template <typename Op>
void runFloatingWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  mapFloating(ctx, outputs, Op{});
}

template <typename Op>
void runFloating(const RunContext& ctx, std::vector<Tensor>& outputs) {
  runWidened(ctx, outputs, runFloatingWide<Op>);
}

struct SqrtOp {
  template <typename T>
  T operator()(T x) const {
    return std::sqrt(x);
  }
};
struct ExpOp {
  template <typename T>
  T operator()(T x) const {
    return std::exp(x);
  }
};
struct LogOp {
  template <typename T>
  T operator()(T x) const {
    return std::log(x);
  }
};
struct SinOp {
  template <typename T>
  T operator()(T x) const {
    return std::sin(x);
  }
};
struct CosOp {
  template <typename T>
  T operator()(T x) const {
    return std::cos(x);
  }
};
struct ErfOp {
  template <typename T>
  T operator()(T x) const {
    return std::erf(x);
  }
};
struct FloorOp {
  template <typename T>
  T operator()(T x) const {
    return std::floor(x);
  }
};
struct CeilOp {
  template <typename T>
  T operator()(T x) const {
    return std::ceil(x);
  }
};
struct ReciprocalOp {
  template <typename T>
  T operator()(T x) const {
    return T{1} / x;
  }
};

/// Half to even: the processor's default rounding mode, which nobody here changes.
struct RoundOp {
  template <typename T>
  T operator()(T x) const {
    return std::nearbyint(x);
  }
};

/// Runs Op, a functor of one numeric argument, on every element.
template <typename Op>
void runNumericWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  dispatch(ctx.inputs[0].dtype(), [&](auto tag) { mapElements<typename decltype(tag)::type>(ctx, outputs, Op{}); });
}

template <typename Op>
void runNumeric(const RunContext& ctx, std::vector<Tensor>& outputs) {
  runWidened(ctx, outputs, runNumericWide<Op>);
}

/// -x; the smallest integer is its own negative, as in NumPy.
template <typename T>
T negative(T x) {
  if constexpr (std::is_floating_point_v<T>) {
    return -x;
  } else {
    return static_cast<T>(uint64_t{0} - static_cast<uint64_t>(x));
  }
}

struct NegOp {
  template <typename T>
  T operator()(T x) const {
    return negative(x);
  }
};
struct AbsOp {
  template <typename T>
  T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::abs(x);
    } else if constexpr (std::is_signed_v<T>) {
      return x < 0 ? negative(x) : x;
    } else {
      return x;
    }
  }
};
struct SignOp {
  template <typename T>
  T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(x)) return x;
    }
    if constexpr (std::is_signed_v<T>) {
      if (x < 0) return T{-1};
    }
    return x == 0 ? T{0} : T{1};
  }
};

std::vector<TensorType> inferNeg(const InferContext& ctx) {
  std::vector<TensorType> types = inferUnaryNumeric(ctx);
  const DType dtype = ctx.inputs[0].dtype;
  if (dtype == DType::Uint8 || dtype == DType::Uint16 || dtype == DType::Uint32 || dtype == DType::Uint64) {
    failModel(ctx.node, inputName(ctx.node, 0) + " should be signed but is " + name(dtype));
  }
  return types;
}

}  // namespace

const std::vector<Operator>& unaryOperators() {
  static const std::vector<Operator> list = {
      {"", "Sqrt", 7, kNewestOpset, inferUnaryFloating, runFloating<SqrtOp>},
      {"", "Exp", 7, kNewestOpset, inferUnaryFloating, runFloating<ExpOp>},
      {"", "Log", 7, kNewestOpset, inferUnaryFloating, runFloating<LogOp>},
      {"", "Sin", 7, kNewestOpset, inferUnaryFloating, runFloating<SinOp>},
      {"", "Cos", 7, kNewestOpset, inferUnaryFloating, runFloating<CosOp>},
      {"", "Erf", 9, kNewestOpset, inferUnaryFloating, runFloating<ErfOp>},
      {"", "Floor", 7, kNewestOpset, inferUnaryFloating, runFloating<FloorOp>},
      {"", "Ceil", 7, kNewestOpset, inferUnaryFloating, runFloating<CeilOp>},
      {"", "Round", 11, kNewestOpset, inferUnaryFloating, runFloating<RoundOp>},
      {"", "Reciprocal", 7, kNewestOpset, inferUnaryFloating, runFloating<ReciprocalOp>},
      {"", "Neg", 7, kNewestOpset, inferNeg, runNumeric<NegOp>},
      {"", "Abs", 7, kNewestOpset, inferUnaryNumeric, runNumeric<AbsOp>},
      {"", "Sign", 9, kNewestOpset, inferUnaryNumeric, runNumeric<SignOp>},
  };
  return list;
}

}  // namespace presisi::ops
