#include <cmath>

#include "ops/common.hpp"
#include "ops/registry.hpp"

namespace presisi::ops {

namespace {

/// The values that are normalised together lie `inner` apart: [outer, count, inner].
struct Slices {
  int64_t outer, count, inner;
};

/// Up to opset 12 everything from `axis` on is one slice; from 13 on only the axis itself.
Slices readSlices(const onnx::Node& node, int64_t opset, const Dims& x) {
  const bool flattens = opset < 13;
  if (x.empty()) return {1, 1, 1};
  int64_t axis = node.getInt("axis", flattens ? 1 : -1);
  // axis == rank is allowed where it flattens: every element is its own slice.
  if (!flattens || axis != static_cast<int64_t>(x.size())) axis = normalizeAxis(node, axis, x.size());
  const auto at = static_cast<size_t>(axis);
  if (flattens) return {countBetween(x, 0, at), countBetween(x, at, x.size()), 1};
  return {countBetween(x, 0, at), x[at], countBetween(x, at + 1, x.size())};
}

std::vector<TensorType> inferSoftmax(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  requireFloating(ctx, 0);
  readSlices(ctx.node, ctx.opset, ctx.inputs[0].dims);
  return {ctx.inputs[0]};
}

/// exp(x - max) / sum, or x - max - log(sum): subtracting the largest keeps exp from overflowing.
template <typename T, bool logarithm>
void softmax(const RunContext& ctx, Tensor& out) {
  const Tensor& in = ctx.inputs[0];
  if (in.size() == 0) return;
  const Slices slices = readSlices(ctx.node, ctx.opset, in.dims());
  for (int64_t outer = 0; outer < slices.outer; ++outer) {
    ctx.stop.check();
    for (int64_t inner = 0; inner < slices.inner; ++inner) {
      const int64_t base = outer * slices.count * slices.inner + inner;
      const T* x = in.data<T>() + base;
      T* y = out.data<T>() + base;
      const int64_t end = slices.count * slices.inner;
      T largest = x[0];
      for (int64_t i = 0; i < end; i += slices.inner) largest = x[i] > largest ? x[i] : largest;
      double sum = 0;
      for (int64_t i = 0; i < end; i += slices.inner) {
        const T value = std::exp(x[i] - largest);
        if (!logarithm) y[i] = value;
        sum += static_cast<double>(value);
      }
      for (int64_t i = 0; i < end; i += slices.inner) {
        y[i] = logarithm ? static_cast<T>(static_cast<double>(x[i] - largest) - std::log(sum))
                         : static_cast<T>(static_cast<double>(y[i]) / sum);
      }
    }
  }
}

template <bool logarithm>
void runSoftmax(const RunContext& ctx, std::vector<Tensor>& outputs) {
  if (ctx.inputs[0].dtype() == DType::Float64) return softmax<double, logarithm>(ctx, outputs[0]);
  softmax<float, logarithm>(ctx, outputs[0]);
}

}  // namespace

const std::vector<Operator>& softmaxOperators() {
  static const std::vector<Operator> list = {
      {"", "Softmax", 1, kNewestOpset, inferSoftmax, widened<runSoftmax<false>>},
      {"", "LogSoftmax", 1, kNewestOpset, inferSoftmax, widened<runSoftmax<true>>},
  };
  return list;
}

}  // namespace presisi::ops
