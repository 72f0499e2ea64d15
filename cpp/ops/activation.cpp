#include <cmath>
#include <limits>
#include <optional>

#include "ops/broadcast.hpp"
#include "ops/elementwise.hpp"
#include "ops/registry.hpp"

/// Formulas are those of the ONNX operator specification, rearranged where the literal form overflows or cancels.
/// Comparisons are written so that a NaN falls through to the branch that returns it.
namespace presisi::ops {

namespace {

template <typename T>
T sigmoid(T x) {
  // exp of a value that is never positive: no overflow, and full precision in the lower tail.
  const T e = std::exp(-std::abs(x));
  return (x < 0 ? e : T{1}) / (T{1} + e);
}

template <typename T>
T softplus(T x) {
  return (x < 0 ? T{0} : x) + std::log1p(std::exp(-std::abs(x)));
}

template <typename T>
T clamp(T x, T low, T high) {
  return x < low ? low : x > high ? high : x;
}

// Each wide function computes float32 or float64; `activation` is what the table holds.

template <RunFn wide>
void activation(const RunContext& ctx, std::vector<Tensor>& outputs) {
  runWidened(ctx, outputs, wide);
}

void sigmoidWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  mapFloating(ctx, outputs, [](auto x) { return sigmoid(x); });
}

void tanhWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  mapFloating(ctx, outputs, [](auto x) { return std::tanh(x); });
}

void softplusWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  mapFloating(ctx, outputs, [](auto x) { return softplus(x); });
}

void softsignWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  mapFloating(ctx, outputs, [](auto x) { return x / (1 + std::abs(x)); });
}

void mishWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  mapFloating(ctx, outputs, [](auto x) { return x * std::tanh(softplus(x)); });
}

void hardSigmoidWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const float alpha = ctx.node.getFloat("alpha", 0.2f);
  const float beta = ctx.node.getFloat("beta", 0.5f);
  mapFloating(ctx, outputs, [=](auto x) {
    using T = decltype(x);
    return clamp<T>(T{alpha} * x + T{beta}, 0, 1);
  });
}

void hardSwishWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  mapFloating(ctx, outputs, [](auto x) {
    using T = decltype(x);
    return x * clamp<T>(x / 6 + T{0.5}, 0, 1);
  });
}

void swishWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const float alpha = ctx.node.getFloat("alpha", 1.0f);
  mapFloating(ctx, outputs, [=](auto x) { return x * sigmoid(alpha * x); });
}

void eluWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const float alpha = ctx.node.getFloat("alpha", 1.0f);
  mapFloating(ctx, outputs, [=](auto x) { return x < 0 ? alpha * std::expm1(x) : x; });
}

void seluWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const float alpha = ctx.node.getFloat("alpha", 1.67326319217681884765625f);
  const float gamma = ctx.node.getFloat("gamma", 1.05070102214813232421875f);
  mapFloating(ctx, outputs, [=](auto x) { return gamma * (x < 0 ? alpha * std::expm1(x) : x); });
}

void celuWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const float alpha = ctx.node.getFloat("alpha", 1.0f);
  mapFloating(ctx, outputs, [=](auto x) { return x < 0 ? alpha * std::expm1(x / alpha) : x; });
}

void leakyReluWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const float alpha = ctx.node.getFloat("alpha", 0.01f);
  mapFloating(ctx, outputs, [=](auto x) { return x < 0 ? alpha * x : x; });
}

void thresholdedReluWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const float alpha = ctx.node.getFloat("alpha", 1.0f);
  mapFloating(ctx, outputs, [=](auto x) {
    using T = decltype(x);
    return x <= alpha ? T{0} : x;
  });
}

std::vector<TensorType> inferGelu(const InferContext& ctx) {
  std::vector<TensorType> types = inferUnaryFloating(ctx);
  const std::string approximate = ctx.node.getString("approximate", "none");
  if (approximate != "none" && approximate != "tanh") {
    failModel(ctx.node, "approximate should be \"none\" or \"tanh\" but is \"" + approximate + "\"");
  }
  return types;
}

void geluWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  if (ctx.node.getString("approximate", "none") == "tanh") {
    return mapFloating(ctx, outputs, [](auto x) {
      using T = decltype(x);
      const T rootTwoOverPi = static_cast<T>(0.79788456080286535588);
      return T{0.5} * x * (1 + std::tanh(rootTwoOverPi * (x + static_cast<T>(0.044715) * x * x * x)));
    });
  }
  // 1 + erf(z) = erfc(-z), which keeps its precision where erf(z) is next to -1.
  mapFloating(ctx, outputs, [](auto x) {
    using T = decltype(x);
    return T{0.5} * x * std::erfc(x * static_cast<T>(-0.70710678118654752440));
  });
}

void reluWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  dispatch(ctx.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    mapElements<T>(ctx, outputs, [](T x) {
      if constexpr (std::is_signed_v<T>) {
        return x < 0 ? T{0} : x;
      } else {
        return x;
      }
    });
  });
}

std::vector<TensorType> inferPRelu(const InferContext& ctx) {
  requireInputs(ctx, 2, 2);
  requireNumeric(ctx, 0);
  requireSameType(ctx, 1);
  const Dims& x = ctx.inputs[0].dims;
  const Dims& slope = ctx.inputs[1].dims;
  if (broadcast(ctx.node, x, slope) != x) {
    failShape(ctx.node, "a slope of shape " + toString(slope) + " does not broadcast to the input's " + toString(x));
  }
  return sameAsFirst(ctx);
}

void pReluWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& x = ctx.inputs[0];
  const Tensor& slope = ctx.inputs[1];
  dispatch(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    broadcastBinary(
        x.dims(), x.dims(), x.data<T>(), slope.dims(), slope.data<T>(), outputs[0].data<T>(), [](T value, T factor) {
          if constexpr (std::is_floating_point_v<T>) {
            return value < 0 ? value * factor : value;
          } else if constexpr (std::is_signed_v<T>) {  // wraps, as Mul does
            return value < 0 ? static_cast<T>(static_cast<uint64_t>(value) * static_cast<uint64_t>(factor)) : value;
          } else {
            return value;
          }
        });
  });
}

// Clip: bounds are attributes before opset 11, then optional scalars.

std::vector<TensorType> inferClip(const InferContext& ctx) {
  requireInputs(ctx, 1, ctx.opset < 11 ? 1 : 3);
  requireNumeric(ctx, 0);
  if (ctx.opset < 11) requireFloating(ctx, 0);
  for (size_t i = 1; i < ctx.inputs.size(); ++i) {
    if (!has(ctx, i)) continue;
    requireSameType(ctx, i);
    if (ctx.inputs[i].dims.size() > 1 || elementCount(ctx.inputs[i].dims) != 1) {
      failShape(ctx.node, inputName(ctx.node, i) + " should be a scalar but has shape " + toString(ctx.inputs[i].dims));
    }
  }
  return sameAsFirst(ctx);
}

template <typename T>
std::optional<T> clipBound(const RunContext& ctx, size_t index, const char* attribute) {
  if (ctx.opset >= 11) {
    if (has(ctx, index)) return ctx.inputs[index].data<T>()[0];
  } else if (ctx.node.find(attribute) != nullptr) {
    return static_cast<T>(ctx.node.getFloat(attribute, 0));
  }
  return std::nullopt;
}

void clipWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  dispatch(ctx.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using Limits = std::numeric_limits<T>;
    constexpr bool unbounded = Limits::has_infinity;
    const T low = clipBound<T>(ctx, 1, "min").value_or(unbounded ? -Limits::infinity() : Limits::lowest());
    const T high = clipBound<T>(ctx, 2, "max").value_or(unbounded ? Limits::infinity() : Limits::max());
    // Where the bounds cross, the upper one wins.
    mapElements<T>(ctx, outputs, [=](T x) {
      const T raised = x < low ? low : x;
      return raised > high ? high : raised;
    });
  });
}

}  // namespace

const std::vector<Operator>& activationOperators() {
  constexpr const char* kOwn = onnx::kPresisiDomain;
  constexpr int kOwnNewest = 1000;
  static const std::vector<Operator> list = {
      {"", "Relu", 7, kNewestOpset, inferUnaryNumeric, activation<reluWide>},
      {"", "LeakyRelu", 7, kNewestOpset, inferUnaryFloating, activation<leakyReluWide>},
      {"", "PRelu", 7, kNewestOpset, inferPRelu, activation<pReluWide>},
      {"", "Elu", 7, kNewestOpset, inferUnaryFloating, activation<eluWide>},
      {"", "Selu", 7, kNewestOpset, inferUnaryFloating, activation<seluWide>},
      {"", "Celu", 12, kNewestOpset, inferUnaryFloating, activation<celuWide>},
      {"", "ThresholdedRelu", 10, kNewestOpset, inferUnaryFloating, activation<thresholdedReluWide>},
      {"", "Softplus", 7, kNewestOpset, inferUnaryFloating, activation<softplusWide>},
      {"", "Softsign", 7, kNewestOpset, inferUnaryFloating, activation<softsignWide>},
      {"", "Mish", 18, kNewestOpset, inferUnaryFloating, activation<mishWide>},
      {"", "Clip", 7, kNewestOpset, inferClip, activation<clipWide>},
      {"", "Sigmoid", 7, kNewestOpset, inferUnaryFloating, activation<sigmoidWide>},
      {"", "HardSigmoid", 7, kNewestOpset, inferUnaryFloating, activation<hardSigmoidWide>},
      {"", "HardSwish", 14, kNewestOpset, inferUnaryFloating, activation<hardSwishWide>},
      {"", "Tanh", 7, kNewestOpset, inferUnaryFloating, activation<tanhWide>},
      {"", "Gelu", 20, kNewestOpset, inferGelu, activation<geluWide>},
      {"", "Swish", 24, kNewestOpset, inferUnaryFloating, activation<swishWide>},
      {kOwn, "Swish", 1, kOwnNewest, inferUnaryFloating, activation<swishWide>},
      {kOwn, "HardSwish", 1, kOwnNewest, inferUnaryFloating, activation<hardSwishWide>},
      {kOwn, "Gelu", 1, kOwnNewest, inferGelu, activation<geluWide>},
  };
  return list;
}

}  // namespace presisi::ops
