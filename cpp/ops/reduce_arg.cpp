#include "ops/broadcast.hpp"
#include "ops/reduce.hpp"

namespace presisi::ops {

namespace {

std::vector<TensorType> inferArg(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  requireNumeric(ctx, 0);
  const Dims& in = ctx.inputs[0].dims;
  const auto axis = static_cast<size_t>(normalizeAxis(ctx.node, ctx.node.getInt("axis", 0), in.size()));
  if (in[axis] == 0) {
    failModel(ctx.node, "there is nothing to choose from along axis " + std::to_string(axis) + " of " + toString(in));
  }
  Dims out = in;
  if (ctx.node.getInt("keepdims", 1) != 0) {
    out[axis] = 1;
  } else {
    out.erase(out.begin() + static_cast<int64_t>(axis));
  }
  return {sizedType(ctx.node, DType::Int64, std::move(out))};
}

/// Whether x takes the place of the best so far. A NaN beats every number, and, as the first of its kind, other NaNs.
template <typename T>
bool beats(T x, T best, bool greatest, bool orEqual) {
  if constexpr (std::is_floating_point_v<T>) {
    const bool xIsNaN = x != x;
    const bool bestIsNaN = best != best;
    if (xIsNaN || bestIsNaN) return xIsNaN && (!bestIsNaN || orEqual);
  }
  if (x == best) return orEqual;
  return greatest ? x > best : x < best;
}

template <bool greatest>
void runArgWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& in = ctx.inputs[0];
  const auto axis = static_cast<size_t>(normalizeAxis(ctx.node, ctx.node.getInt("axis", 0), in.rank()));
  const bool last = ctx.node.getInt("select_last_index", 0) != 0;
  const int64_t length = in.dim(axis);
  const int64_t inner = countBetween(in.dims(), axis + 1, in.rank());
  const int64_t outer = countBetween(in.dims(), 0, axis);
  dispatch(in.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    int64_t* out = outputs[0].data<int64_t>();
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < inner; ++i) {
        const T* values = in.data<T>() + o * length * inner + i;
        int64_t best = 0;
        for (int64_t k = 1; k < length; ++k) {
          if (beats(values[k * inner], values[best * inner], greatest, last)) best = k;
        }
        *out++ = best;
      }
    }
  });
}

template <bool greatest>
void runArg(const RunContext& ctx, std::vector<Tensor>& outputs) {
  runWidened(ctx, outputs, runArgWide<greatest>);
}

}  // namespace

const std::vector<Operator>& argOperators() {
  static const std::vector<Operator> list = {
      {"", "ArgMax", 7, kNewestOpset, inferArg, runArg<true>},
      {"", "ArgMin", 7, kNewestOpset, inferArg, runArg<false>},
  };
  return list;
}

}  // namespace presisi::ops
