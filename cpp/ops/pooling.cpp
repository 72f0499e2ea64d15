#include <cmath>
#include <limits>

#include "ops/registry.hpp"
#include "ops/window.hpp"

namespace presisi::ops {

namespace {

struct PoolSizes {
  int64_t planes = 0;  ///< images x channels
  Dims input;          ///< spatial
  Window window;
};

PoolSizes readPool(const onnx::Node& node, const Dims& x) {
  if (x.size() < 3) failModel(node, "the input should have rank 3 or more, [N, C, spatial...], but is " + toString(x));
  PoolSizes sizes;
  sizes.planes = multiply(node, x[0], x[1]);
  sizes.input.assign(x.begin() + 2, x.end());
  if (node.find("kernel_shape") == nullptr) failModel(node, "the attribute kernel_shape is required but absent");
  const Dims kernel = spatialAttribute(node, "kernel_shape", sizes.input.size(), 1, 1);
  sizes.window = readWindow(node, sizes.input, kernel, node.getInt("ceil_mode", 0) != 0);
  const Window& window = sizes.window;
  for (size_t i = 0; i < window.rank(); ++i) {
    const int64_t reach = extent(node, kernel[i], window.dilations[i]);
    if (window.padsBegin[i] >= reach || window.padsEnd[i] >= reach) {
      failModel(node, "pads should be smaller than the window, " + std::to_string(reach) + " along spatial axis " +
                          std::to_string(i) + ", but are " + std::to_string(window.padsBegin[i]) + " and " +
                          std::to_string(window.padsEnd[i]));
    }
  }
  return sizes;
}

Dims pooledDims(const Dims& x, const PoolSizes& sizes) {
  Dims dims{x[0], x[1]};
  dims.insert(dims.end(), sizes.window.output.begin(), sizes.window.output.end());
  return dims;
}

/// One window: the taps inside the input along each axis, and the offset of its (perhaps virtual) corner.
struct Position {
  std::vector<Taps> taps;
  Dims start;
};

/// Calls visit(plane, output position, Position) for every element of the result.
template <typename F>
void forEachWindow(const PoolSizes& sizes, const StopToken& stop, F&& visit) {
  const Window& window = sizes.window;
  const size_t rank = window.rank();
  const int64_t positions = elementCount(window.output);
  Position at;
  at.taps.resize(rank);
  at.start.resize(rank);
  Dims index(rank, 0);
  for (int64_t plane = 0; plane < sizes.planes; ++plane) {
    for (int64_t position = 0; position < positions; ++position) {
      if (position % 256 == 0) stop.check();
      for (size_t axis = 0; axis < rank; ++axis) {
        at.start[axis] = index[axis] * window.strides[axis] - window.padsBegin[axis];
        at.taps[axis] = tapsInside(at.start[axis], window.dilations[axis], window.kernel[axis], sizes.input[axis]);
      }
      visit(plane, position, at);
      for (size_t axis = rank; axis-- > 0;) {
        if (++index[axis] < window.output[axis]) break;
        index[axis] = 0;
      }
    }
  }
}

/// Calls f(offset) for the input elements under a window, in row-major order; offsets are within one channel.
template <typename F>
void forEachTap(const PoolSizes& sizes, const Dims& strides, const Position& at, F&& f) {
  const size_t rank = sizes.window.rank();
  for (const Taps& taps : at.taps) {
    if (taps.first >= taps.last) return;
  }
  Dims tap(rank);
  int64_t offset = 0;
  for (size_t axis = 0; axis < rank; ++axis) {
    tap[axis] = at.taps[axis].first;
    offset += (at.start[axis] + tap[axis] * sizes.window.dilations[axis]) * strides[axis];
  }
  while (true) {
    f(offset);
    size_t axis = rank;
    while (axis-- > 0) {
      const int64_t step = sizes.window.dilations[axis] * strides[axis];
      if (++tap[axis] < at.taps[axis].last) {
        offset += step;
        break;
      }
      offset -= (at.taps[axis].last - 1 - at.taps[axis].first) * step;
      tap[axis] = at.taps[axis].first;
      if (axis == 0) return;
    }
  }
}

std::vector<TensorType> inferMaxPool(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  if (!isFloating(ctx.inputs[0].dtype)) requireType(ctx, 0, {DType::Int8, DType::Uint8});
  const int64_t order = ctx.node.getInt("storage_order", 0);
  if (order != 0 && order != 1) failModel(ctx.node, "storage_order should be 0 or 1 but is " + std::to_string(order));
  const Dims& x = ctx.inputs[0].dims;
  const Dims dims = pooledDims(x, readPool(ctx.node, x));
  if (ctx.node.outputs.size() < 2) return {{ctx.inputs[0].dtype, dims}};
  return {{ctx.inputs[0].dtype, dims}, {DType::Int64, dims}};
}

template <typename T>
void maxPool(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& x = ctx.inputs[0];
  const PoolSizes sizes = readPool(ctx.node, x.dims());
  const int64_t pixels = elementCount(sizes.input);
  const int64_t positions = elementCount(sizes.window.output);
  if (outputs[0].size() == 0) return;
  const Dims strides = stridesOf(sizes.input);
  const size_t rank = sizes.input.size();
  // storage_order 1: indices count as if the first spatial axis were the fastest.
  Dims indexStrides(rank, 1);
  const bool columnMajor = ctx.node.getInt("storage_order", 0) == 1;
  for (size_t i = 1; columnMajor && i < rank; ++i) indexStrides[i] = indexStrides[i - 1] * sizes.input[i - 1];
  T* y = outputs[0].data<T>();
  int64_t* indices = outputs.size() > 1 && !outputs[1].empty() ? outputs[1].data<int64_t>() : nullptr;
  forEachWindow(sizes, ctx.stop, [&](int64_t plane, int64_t position, const Position& at) {
    const T* source = x.data<T>() + plane * pixels;
    T best = std::numeric_limits<T>::lowest();
    int64_t where = -1;
    forEachTap(sizes, strides, at, [&](int64_t offset) {
      // A NaN wins, as in every framework's max pooling, and stays.
      if (where < 0 || source[offset] > best || (source[offset] != source[offset] && best == best)) {
        best = source[offset];
        where = offset;
      }
    });
    y[plane * positions + position] = best;
    if (indices == nullptr) return;
    int64_t index = where;
    if (columnMajor && where >= 0) {
      index = 0;
      for (size_t i = 0; i < rank; ++i) index += where / strides[i] % sizes.input[i] * indexStrides[i];
    }
    indices[plane * positions + position] = where < 0 ? -1 : plane * pixels + index;
  });
}

void runMaxPool(const RunContext& ctx, std::vector<Tensor>& outputs) {
  switch (ctx.inputs[0].dtype()) {
    case DType::Float64: return maxPool<double>(ctx, outputs);
    case DType::Int8: return maxPool<int8_t>(ctx, outputs);
    case DType::Uint8: return maxPool<uint8_t>(ctx, outputs);
    default: return maxPool<float>(ctx, outputs);
  }
}

std::vector<TensorType> inferFloatPool(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  requireFloating(ctx, 0);
  return {{ctx.inputs[0].dtype, pooledDims(ctx.inputs[0].dims, readPool(ctx.node, ctx.inputs[0].dims))}};
}

/// Positions of a window that lie on the padded input, where those in the padding count too. Rounding the output up
/// makes windows that reach past the padding: those positions never count.
int64_t paddedTaps(const PoolSizes& sizes, const Position& at) {
  int64_t count = 1;
  for (size_t i = 0; i < at.start.size(); ++i) {
    const int64_t size = sizes.input[i] + sizes.window.padsEnd[i];
    const Taps taps = tapsInside(at.start[i] + sizes.window.padsBegin[i], sizes.window.dilations[i],
                                 sizes.window.kernel[i], size + sizes.window.padsBegin[i]);
    count *= std::max<int64_t>(taps.last - taps.first, 0);
  }
  return count;
}

template <typename T>
void averagePool(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& x = ctx.inputs[0];
  const PoolSizes sizes = readPool(ctx.node, x.dims());
  if (outputs[0].size() == 0) return;
  const bool countPadding = ctx.node.getInt("count_include_pad", 0) != 0;
  const int64_t pixels = elementCount(sizes.input);
  const int64_t positions = elementCount(sizes.window.output);
  const Dims strides = stridesOf(sizes.input);
  T* y = outputs[0].data<T>();
  forEachWindow(sizes, ctx.stop, [&](int64_t plane, int64_t position, const Position& at) {
    const T* source = x.data<T>() + plane * pixels;
    double sum = 0;
    int64_t count = 0;
    forEachTap(sizes, strides, at, [&](int64_t offset) {
      sum += static_cast<double>(source[offset]);
      ++count;
    });
    if (countPadding) count = paddedTaps(sizes, at);
    y[plane * positions + position] = count == 0 ? T(0) : static_cast<T>(sum / static_cast<double>(count));
  });
}

void runAveragePool(const RunContext& ctx, std::vector<Tensor>& outputs) {
  if (ctx.inputs[0].dtype() == DType::Float64) return averagePool<double>(ctx, outputs);
  averagePool<float>(ctx, outputs);
}

/// (sum |x|^p)^(1/p); p is a positive integer.
int64_t readNorm(const onnx::Node& node) {
  const int64_t p = node.getInt("p", 2);
  if (p < 1) failModel(node, "p should be at least 1 but is " + std::to_string(p));
  return p;
}

double power(double x, int64_t p) { return p == 2 ? x * x : std::pow(std::fabs(x), static_cast<double>(p)); }
double root(double x, int64_t p) { return p == 2 ? std::sqrt(x) : std::pow(x, 1.0 / static_cast<double>(p)); }

template <typename T>
void lpPool(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& x = ctx.inputs[0];
  const PoolSizes sizes = readPool(ctx.node, x.dims());
  if (outputs[0].size() == 0) return;
  const int64_t p = readNorm(ctx.node);
  const int64_t pixels = elementCount(sizes.input);
  const int64_t positions = elementCount(sizes.window.output);
  const Dims strides = stridesOf(sizes.input);
  T* y = outputs[0].data<T>();
  forEachWindow(sizes, ctx.stop, [&](int64_t plane, int64_t position, const Position& at) {
    const T* source = x.data<T>() + plane * pixels;
    double sum = 0;
    forEachTap(sizes, strides, at, [&](int64_t offset) { sum += power(static_cast<double>(source[offset]), p); });
    y[plane * positions + position] = static_cast<T>(root(sum, p));
  });
}

void runLpPool(const RunContext& ctx, std::vector<Tensor>& outputs) {
  if (ctx.inputs[0].dtype() == DType::Float64) return lpPool<double>(ctx, outputs);
  lpPool<float>(ctx, outputs);
}

std::vector<TensorType> inferGlobalPool(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  requireFloating(ctx, 0);
  const Dims& x = ctx.inputs[0].dims;
  if (x.size() < 3)
    failModel(ctx.node, "the input should have rank 3 or more, [N, C, spatial...], but is " + toString(x));
  if (countBetween(x, 2, x.size()) == 0)
    failShape(ctx.node, "there is nothing to pool in an input of shape " + toString(x));
  Dims dims(x.size(), 1);
  dims[0] = x[0];
  dims[1] = x[1];
  return {{ctx.inputs[0].dtype, dims}};
}

/// Reduces each channel to one value: y = finish(fold of step over the channel from `first`).
template <typename Step, typename Finish>
void globalPool(const RunContext& ctx, Tensor& out, double first, Step step, Finish finish) {
  const Tensor& x = ctx.inputs[0];
  const int64_t pixels = countBetween(x.dims(), 2, x.rank());
  const auto run = [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t plane = 0; plane < out.size(); ++plane) {
      if (plane % 64 == 0) ctx.stop.check();
      const T* source = x.data<T>() + plane * pixels;
      double value = first;
      for (int64_t i = 0; i < pixels; ++i) value = step(value, static_cast<double>(source[i]));
      out.data<T>()[plane] = static_cast<T>(finish(value, pixels));
    }
  };
  if (x.dtype() == DType::Float64) return run(Tag<double>{});
  run(Tag<float>{});
}

void runGlobalAveragePool(const RunContext& ctx, std::vector<Tensor>& outputs) {
  globalPool(
      ctx, outputs[0], 0, [](double sum, double x) { return sum + x; },
      [](double sum, int64_t count) { return sum / static_cast<double>(count); });
}

void runGlobalMaxPool(const RunContext& ctx, std::vector<Tensor>& outputs) {
  globalPool(
      ctx, outputs[0], -std::numeric_limits<double>::infinity(),
      [](double best, double x) { return x > best || x != x ? x : best; }, [](double best, int64_t) { return best; });
}

void runGlobalLpPool(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const int64_t p = readNorm(ctx.node);
  globalPool(
      ctx, outputs[0], 0, [p](double sum, double x) { return sum + power(x, p); },
      [p](double sum, int64_t) { return root(sum, p); });
}

}  // namespace

const std::vector<Operator>& poolingOperators() {
  static const std::vector<Operator> list = {
      {"", "MaxPool", 1, kNewestOpset, inferMaxPool, widened<runMaxPool>},
      {"", "AveragePool", 1, kNewestOpset, inferFloatPool, widened<runAveragePool>},
      {"", "LpPool", 2, kNewestOpset, inferFloatPool, widened<runLpPool>},
      {"", "GlobalAveragePool", 1, kNewestOpset, inferGlobalPool, widened<runGlobalAveragePool>},
      {"", "GlobalMaxPool", 1, kNewestOpset, inferGlobalPool, widened<runGlobalMaxPool>},
      {"", "GlobalLpPool", 2, kNewestOpset, inferGlobalPool, widened<runGlobalLpPool>},
  };
  return list;
}

}  // namespace presisi::ops
