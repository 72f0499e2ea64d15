#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/broadcast.hpp"
#include "ops/elementwise.hpp"

namespace presisi::ops {

namespace {

/// Integer arithmetic wraps, as NumPy's does: done in an unsigned type no narrower than int, where wrapping is defined.
template <typename T>
using Wrapping =
    std::conditional_t<std::is_floating_point_v<T>, T, std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>>;

struct AddOp {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
  }
};

struct SubOp {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
  }
};

struct MulOp {
  template <typename T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
  }
};

/// Integers truncate; the divisor is known not to be 0. Dividing by -1 is negation, which wraps for the smallest value
/// instead of trapping.
struct DivOp {
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
      if (b == -1) return SubOp{}(T{0}, a);
    }
    return static_cast<T>(a / b);
  }
};

/// The remainder has the divisor's sign, as Python's %.
struct FloorModOp {
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::fmod(a, b);
    } else if constexpr (std::is_signed_v<T>) {
      if (b == -1) return 0;
      const T rest = static_cast<T>(a % b);
      return rest != 0 && (rest < 0) != (b < 0) ? static_cast<T>(rest + b) : rest;
    } else {
      return static_cast<T>(a % b);
    }
  }
};

/// The remainder has the dividend's sign, as C's fmod.
struct TruncatedModOp {
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::fmod(a, b);
    } else {
      if constexpr (std::is_signed_v<T>) {
        if (b == -1) return 0;
      }
      return static_cast<T>(a % b);
    }
  }
};

/// A NaN on either side wins. Written so that the compiler vectorises it: `a != a` is the test for NaN.
struct MaxOp {
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return a > b || a != a ? a : b;
    } else {
      return a > b ? a : b;
    }
  }
};

struct MinOp {
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return a < b || a != a ? a : b;
    } else {
      return a < b ? a : b;
    }
  }
};

std::vector<TensorType> inferBinary(const InferContext& ctx) {
  requireInputs(ctx, 2, 2);
  requireNumeric(ctx, 0);
  requireSameType(ctx, 1);
  return {sizedType(ctx.node, ctx.inputs[0].dtype, broadcast(ctx.node, ctx.inputs[0].dims, ctx.inputs[1].dims))};
}

template <typename Op>
void applyBinary(const Tensor& a, const Tensor& b, Tensor& out) {
  dispatch(out.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    broadcastBinary(out.dims(), a.dims(), a.data<T>(), b.dims(), b.data<T>(), out.data<T>(), Op{});
  });
}

template <typename Op>
void runBinaryWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  applyBinary<Op>(ctx.inputs[0], ctx.inputs[1], outputs[0]);
}

template <typename Op>
void runBinary(const RunContext& ctx, std::vector<Tensor>& outputs) {
  runWidened(ctx, outputs, runBinaryWide<Op>);
}

/// Integers have no answer to a division by zero, and the processor's is a signal that ends the process.
void requireNonZero(const onnx::Node& node, const Tensor& divisor) {
  if (!isInteger(divisor.dtype())) return;
  dispatch(divisor.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* values = divisor.data<T>();
    if (std::find(values, values + divisor.size(), T{0}) != values + divisor.size()) {
      failModel(node, inputName(node, 1) + " is an integer divisor and holds a zero");
    }
  });
}

void runDiv(const RunContext& ctx, std::vector<Tensor>& outputs) {
  if (outputs[0].size() > 0) requireNonZero(ctx.node, ctx.inputs[1]);
  runBinary<DivOp>(ctx, outputs);
}

std::vector<TensorType> inferMod(const InferContext& ctx) {
  std::vector<TensorType> types = inferBinary(ctx);
  const int64_t fmod = ctx.node.getInt("fmod", 0);
  if (fmod != 0 && fmod != 1) failModel(ctx.node, "fmod should be 0 or 1 but is " + std::to_string(fmod));
  if (fmod == 0 && isFloating(ctx.inputs[0].dtype)) {
    failModel(ctx.node, std::string("fmod should be 1 for elements of type ") + name(ctx.inputs[0].dtype));
  }
  return types;
}

void runMod(const RunContext& ctx, std::vector<Tensor>& outputs) {
  if (outputs[0].size() > 0) requireNonZero(ctx.node, ctx.inputs[1]);
  if (ctx.node.getInt("fmod", 0) == 1) return runBinary<TruncatedModOp>(ctx, outputs);
  runBinary<FloorModOp>(ctx, outputs);
}

std::vector<TensorType> inferVariadic(const InferContext& ctx) {
  requireInputs(ctx, 1, ctx.inputs.size());
  requireNumeric(ctx, 0);
  Dims dims = ctx.inputs[0].dims;
  for (size_t i = 1; i < ctx.inputs.size(); ++i) {
    if (!has(ctx, i)) failModel(ctx.node, "input " + std::to_string(i) + " is absent, and none is optional");
    requireSameType(ctx, i);
    dims = broadcast(ctx.node, dims, ctx.inputs[i].dims);
  }
  return {sizedType(ctx.node, ctx.inputs[0].dtype, std::move(dims))};
}

struct FirstOp {
  template <typename T>
  T operator()(T a, T) const {
    return a;
  }
};

template <typename Op>
void runVariadicWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  Tensor& out = outputs[0];
  if (ctx.inputs.size() == 2) return applyBinary<Op>(ctx.inputs[0], ctx.inputs[1], out);
  applyBinary<FirstOp>(ctx.inputs[0], out, out);
  for (size_t i = 1; i < ctx.inputs.size(); ++i) applyBinary<Op>(out, ctx.inputs[i], out);
}

template <typename Op>
void runVariadic(const RunContext& ctx, std::vector<Tensor>& outputs) {
  runWidened(ctx, outputs, runVariadicWide<Op>);
}

std::vector<TensorType> inferMean(const InferContext& ctx) {
  requireInputs(ctx, 1, ctx.inputs.size());
  requireFloating(ctx, 0);
  return inferVariadic(ctx);
}

void runMeanWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  runVariadicWide<AddOp>(ctx, outputs);
  dispatch(outputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* values = outputs[0].data<T>();
    const auto count = static_cast<T>(ctx.inputs.size());
    for (int64_t i = 0; i < outputs[0].size(); ++i) values[i] = static_cast<T>(values[i] / count);
  });
}

void runMean(const RunContext& ctx, std::vector<Tensor>& outputs) { runWidened(ctx, outputs, runMeanWide); }

std::vector<TensorType> inferPow(const InferContext& ctx) {
  requireInputs(ctx, 2, 2);
  requireNumeric(ctx, 0);
  requireNumeric(ctx, 1);
  if (ctx.opset < 12) requireSameType(ctx, 1);  // mixed types came with opset 12
  return {sizedType(ctx.node, ctx.inputs[0].dtype, broadcast(ctx.node, ctx.inputs[0].dims, ctx.inputs[1].dims))};
}

/// Exact modulo 2^bits, by squaring. A negative exponent gives the truncated fraction; 0 to a negative power is
/// refused before.
template <typename T, typename E>
T integerPower(T base, E exponent) {
  if constexpr (std::is_signed_v<E>) {
    if (exponent < 0) {
      if (base == 1) return 1;
      return std::is_signed_v<T> && base == static_cast<T>(-1) ? static_cast<T>(exponent % 2 == 0 ? 1 : -1) : T{0};
    }
  }
  T result = 1;
  for (auto rest = static_cast<uint64_t>(exponent); rest != 0; rest >>= 1) {
    if (rest & 1u) result = MulOp{}(result, base);
    base = MulOp{}(base, base);
  }
  return result;
}

/// Saturates where the power is beyond the type; 0 for NaN.
template <typename T>
T powerToInteger(double base, double exponent) {
  const double power = std::pow(base, exponent);
  if (std::isnan(power)) return 0;
  if (power >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
  if (power <= static_cast<double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  return static_cast<T>(power);
}

void powFloating(const Tensor& base, const Tensor& exponent, Tensor& out) {
  // The square is by far the most frequent power, and exact without pow.
  const bool square = exponent.size() == 1 && exponent.toFloats()[0] == 2;
  dispatch(out.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_floating_point_v<T>) {
      const Tensor power = exponent.cast(out.dtype());
      const T* y = power.data<T>();
      const T* x = base.data<T>();
      if (square) {
        broadcastBinary(out.dims(), base.dims(), x, power.dims(), y, out.data<T>(), [](T a, T) { return a * a; });
      } else {
        broadcastBinary(out.dims(), base.dims(), x, power.dims(), y, out.data<T>(),
                        [](T a, T b) { return std::pow(a, b); });
      }
    }
  });
}

template <typename T>
void powInteger(const onnx::Node& node, const Tensor& base, const Tensor& exponent, Tensor& out) {
  const T* x = base.data<T>();
  T* result = out.data<T>();
  if (isFloating(exponent.dtype())) {
    const Tensor wide = exponent.cast(DType::Float64);
    broadcastBinary(out.dims(), base.dims(), x, wide.dims(), wide.data<double>(), result,
                    [](T a, double b) { return powerToInteger<T>(static_cast<double>(a), b); });
  } else if (exponent.dtype() == DType::Uint64) {
    broadcastBinary(out.dims(), base.dims(), x, exponent.dims(), exponent.data<uint64_t>(), result,
                    [](T a, uint64_t b) { return integerPower(a, b); });
  } else {
    const Tensor wide = exponent.cast(DType::Int64);
    broadcastBinary(out.dims(), base.dims(), x, wide.dims(), wide.data<int64_t>(), result, [&](T a, int64_t b) {
      if (a == 0 && b < 0) failModel(node, "an integer zero is raised to the power " + std::to_string(b));
      return integerPower(a, b);
    });
  }
}

void runPowWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  if (isFloating(outputs[0].dtype())) return powFloating(ctx.inputs[0], ctx.inputs[1], outputs[0]);
  dispatch(outputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_integral_v<T>) powInteger<T>(ctx.node, ctx.inputs[0], ctx.inputs[1], outputs[0]);
  });
}

void runPow(const RunContext& ctx, std::vector<Tensor>& outputs) { runWidened(ctx, outputs, runPowWide); }

}  // namespace

const std::vector<Operator>& arithmeticOperators() {
  static const std::vector<Operator> list = {
      {"", "Add", 7, kNewestOpset, inferBinary, runBinary<AddOp>},
      {"", "Sub", 7, kNewestOpset, inferBinary, runBinary<SubOp>},
      {"", "Mul", 7, kNewestOpset, inferBinary, runBinary<MulOp>},
      {"", "Div", 7, kNewestOpset, inferBinary, runDiv},
      {"", "Mod", 10, kNewestOpset, inferMod, runMod},
      {"", "Pow", 7, kNewestOpset, inferPow, runPow},
      {"", "Max", 7, kNewestOpset, inferVariadic, runVariadic<MaxOp>},
      {"", "Min", 7, kNewestOpset, inferVariadic, runVariadic<MinOp>},
      {"", "Sum", 7, kNewestOpset, inferVariadic, runVariadic<AddOp>},
      {"", "Mean", 7, kNewestOpset, inferMean, runMean},
  };
  return list;
}

}  // namespace presisi::ops
