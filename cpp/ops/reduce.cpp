#include "ops/reduce.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "ops/broadcast.hpp"
#include "ops/registry.hpp"

namespace presisi::ops {

namespace {

/// In what an accumulator counts: floating-point values in double, so that the sum over a feature map keeps its digits;
/// integers in 64 bits that wrap.
template <typename T>
using Accumulator = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;

template <typename T>
T lowestOf() {
  return std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
}
template <typename T>
T highestOf() {
  return std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
}

template <typename T>
bool isNaN(T x) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(x);
  return false;
}

// A reduction: the accumulator's type, its start, and one step.

template <typename T>
struct SumOf {
  using Acc = Accumulator<T>;
  static Acc start() { return 0; }
  static Acc step(Acc acc, T x) { return acc + static_cast<Acc>(x); }
};
template <typename T>
struct ProductOf {
  using Acc = Accumulator<T>;
  static Acc start() { return 1; }
  static Acc step(Acc acc, T x) { return acc * static_cast<Acc>(x); }
};
template <typename T>
struct SquaresOf {
  using Acc = Accumulator<T>;
  static Acc start() { return 0; }
  static Acc step(Acc acc, T x) { return acc + static_cast<Acc>(x) * static_cast<Acc>(x); }
};
template <typename T>
struct MagnitudesOf {
  using Acc = Accumulator<T>;
  static Acc start() { return 0; }
  static Acc step(Acc acc, T x) {
    if constexpr (std::is_signed_v<T>) {
      if (x < 0) return acc - static_cast<Acc>(x);
    }
    return acc + static_cast<Acc>(x);
  }
};
/// A NaN, once seen, stays.
template <typename T>
struct MaximumOf {
  using Acc = T;
  static Acc start() { return lowestOf<T>(); }
  static Acc step(Acc acc, T x) { return acc >= x || isNaN(acc) ? acc : x; }
};
template <typename T>
struct MinimumOf {
  using Acc = T;
  static Acc start() { return highestOf<T>(); }
  static Acc step(Acc acc, T x) { return acc <= x || isNaN(acc) ? acc : x; }
};

/// `acc` holds one accumulator for each output element.
template <typename T, typename Acc, typename Step>
void accumulate(const ReducePlan& plan, const T* in, Acc* acc, Step step) {
  const int64_t n = plan.inner.length;
  plan.forEachRow([&](int64_t from, int64_t to) {
    const T* row = in + from;
    if (plan.innerReduced()) {
      Acc total = acc[to];
      for (int64_t i = 0; i < n; ++i) total = step(total, row[i], to);
      acc[to] = total;
    } else {
      for (int64_t i = 0; i < n; ++i) acc[to + i] = step(acc[to + i], row[i], to + i);
    }
  });
}

template <typename T, template <typename> class Reduction>
std::vector<typename Reduction<T>::Acc> reduced(const ReducePlan& plan, const Tensor& in, int64_t outputs) {
  using Acc = typename Reduction<T>::Acc;
  std::vector<Acc> acc(static_cast<size_t>(outputs), Reduction<T>::start());
  accumulate(plan, in.data<T>(), acc.data(), [](Acc a, T x, int64_t) { return Reduction<T>::step(a, x); });
  return acc;
}

/// An accumulator as a number: the bits of a signed integer are counted unsigned.
template <typename T, typename Acc>
double valueOf(Acc acc) {
  if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) return static_cast<double>(static_cast<int64_t>(acc));
  return static_cast<double>(acc);
}

/// Double to the output's type: integers truncate and saturate.
template <typename T>
T resultOf(double value) {
  if constexpr (std::is_integral_v<T>) {
    if (std::isnan(value)) return 0;
    if (value >= static_cast<double>(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
    if (value <= static_cast<double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  }
  return static_cast<T>(value);
}

// Axes.

/// ReduceSum's axes became an input with opset 13, everybody else's with opset 18.
bool axesAreInput(const onnx::Node& node, int64_t opset) { return opset >= (node.opType == "ReduceSum" ? 13 : 18); }

std::vector<int64_t> reducedAxes(const onnx::Node& node, int64_t opset, size_t rank, const std::vector<int64_t>& axes) {
  if (!axes.empty()) return normalizeAxes(node, axes, rank);
  std::vector<int64_t> all;
  if (axesAreInput(node, opset) && node.getInt("noop_with_empty_axes", 0) != 0) return all;
  all.resize(rank);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::vector<TensorType> inferReduce(const InferContext& ctx) {
  const bool input = axesAreInput(ctx.node, ctx.opset);
  requireInputs(ctx, 1, input ? 2 : 1);
  const bool extremum = ctx.node.opType == "ReduceMax" || ctx.node.opType == "ReduceMin";
  if (!(extremum && ctx.inputs[0].dtype == DType::Bool)) requireNumeric(ctx, 0);
  const Dims& in = ctx.inputs[0].dims;
  std::vector<int64_t> given;
  if (!input) given = ctx.node.getInts("axes", {});
  if (input && has(ctx, 1)) given = requireConstantInts(ctx, 1);
  const std::vector<bool> gone = axisMask(reducedAxes(ctx.node, ctx.opset, in.size(), given), in.size());
  const bool keep = ctx.node.getInt("keepdims", 1) != 0;
  Dims out;
  for (size_t axis = 0; axis < in.size(); ++axis) {
    if (!gone[axis] || keep) out.push_back(gone[axis] ? 1 : in[axis]);
    if (gone[axis] && in[axis] == 0 && ctx.node.opType == "ReduceMean" && isInteger(ctx.inputs[0].dtype)) {
      failModel(ctx.node, "the mean of no integers, over axis " + std::to_string(axis) + " of " + toString(in));
    }
  }
  return {sizedType(ctx.node, ctx.inputs[0].dtype, std::move(out))};
}

ReducePlan planOf(const RunContext& ctx) {
  std::vector<int64_t> given;
  if (!axesAreInput(ctx.node, ctx.opset)) {
    given = ctx.node.getInts("axes", {});
  } else if (has(ctx, 1)) {
    given = ctx.inputs[1].toInt64s();
  }
  return ReducePlan(ctx.inputs[0].dims(), reducedAxes(ctx.node, ctx.opset, ctx.inputs[0].rank(), given));
}

/// Reductions whose accumulator, cut to the element's type, is the result.
template <template <typename> class Reduction>
void runPlainWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const ReducePlan plan = planOf(ctx);
  dispatch(outputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto acc = reduced<T, Reduction>(plan, ctx.inputs[0], outputs[0].size());
    const bool truth = outputs[0].dtype() == DType::Bool;
    std::transform(acc.begin(), acc.end(), outputs[0].data<T>(),
                   [=](auto value) { return static_cast<T>(truth ? value != 0 : value); });
  });
}

template <template <typename> class Reduction>
void runPlain(const RunContext& ctx, std::vector<Tensor>& outputs) {
  runWidened(ctx, outputs, runPlainWide<Reduction>);
}

double meanOf(double sum, int64_t count) { return sum / static_cast<double>(count); }
double rootOf(double sum, int64_t) { return std::sqrt(sum); }
double logOf(double sum, int64_t) { return std::log(sum); }

/// Reductions followed by a function of the accumulator.
template <template <typename> class Reduction, double (*finish)(double, int64_t)>
void runFinishedWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const ReducePlan plan = planOf(ctx);
  dispatch(outputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto acc = reduced<T, Reduction>(plan, ctx.inputs[0], outputs[0].size());
    std::transform(acc.begin(), acc.end(), outputs[0].data<T>(),
                   [&](auto value) { return resultOf<T>(finish(valueOf<T>(value), plan.count)); });
  });
}

template <template <typename> class Reduction, double (*finish)(double, int64_t)>
void runFinished(const RunContext& ctx, std::vector<Tensor>& outputs) {
  runWidened(ctx, outputs, runFinishedWide<Reduction, finish>);
}

/// log(sum(exp(x - max))) + max, which no large x overflows.
void runLogSumExpWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const ReducePlan plan = planOf(ctx);
  dispatch(outputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto peaks = reduced<T, MaximumOf>(plan, ctx.inputs[0], outputs[0].size());
    // An infinite peak would make inf - inf of itself; without a shift the answer is right.
    const auto shift = [&](int64_t i) {
      const double peak = static_cast<double>(peaks[static_cast<size_t>(i)]);
      return std::isinf(peak) ? 0.0 : peak;
    };
    std::vector<double> sums(peaks.size(), 0.0);
    accumulate(plan, ctx.inputs[0].data<T>(), sums.data(),
               [&](double sum, T x, int64_t to) { return sum + std::exp(static_cast<double>(x) - shift(to)); });
    T* out = outputs[0].data<T>();
    for (size_t i = 0; i < sums.size(); ++i) {
      out[i] = resultOf<T>(std::log(sums[i]) + shift(static_cast<int64_t>(i)));
    }
  });
}

void runLogSumExp(const RunContext& ctx, std::vector<Tensor>& outputs) { runWidened(ctx, outputs, runLogSumExpWide); }

}  // namespace

const std::vector<Operator>& reduceOperators() {
  static const std::vector<Operator> list = [] {
    std::vector<Operator> joined = {
        {"", "ReduceSum", 7, kNewestOpset, inferReduce, runPlain<SumOf>},
        {"", "ReduceProd", 7, kNewestOpset, inferReduce, runPlain<ProductOf>},
        {"", "ReduceMax", 7, kNewestOpset, inferReduce, runPlain<MaximumOf>},
        {"", "ReduceMin", 7, kNewestOpset, inferReduce, runPlain<MinimumOf>},
        {"", "ReduceL1", 7, kNewestOpset, inferReduce, runPlain<MagnitudesOf>},
        {"", "ReduceSumSquare", 7, kNewestOpset, inferReduce, runPlain<SquaresOf>},
        {"", "ReduceMean", 7, kNewestOpset, inferReduce, runFinished<SumOf, meanOf>},
        {"", "ReduceL2", 7, kNewestOpset, inferReduce, runFinished<SquaresOf, rootOf>},
        {"", "ReduceLogSum", 7, kNewestOpset, inferReduce, runFinished<SumOf, logOf>},
        {"", "ReduceLogSumExp", 7, kNewestOpset, inferReduce, runLogSumExp},
    };
    joined.insert(joined.end(), argOperators().begin(), argOperators().end());
    return joined;
  }();
  return list;
}

}  // namespace presisi::ops
