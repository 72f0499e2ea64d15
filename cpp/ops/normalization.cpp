#include <algorithm>
#include <cmath>

#include "ops/common.hpp"
#include "ops/registry.hpp"

namespace presisi::ops {

namespace {

void requireChannelVector(const InferContext& ctx, size_t index, int64_t channels) {
  requireFloating(ctx, index);
  if (ctx.inputs[index].dims != Dims{channels}) {
    failShape(ctx.node, inputName(ctx.node, index) + " should have shape [" + std::to_string(channels) +
                            "], one value for each channel, but has " + toString(ctx.inputs[index].dims));
  }
}

/// Calls f with T, the type of arithmetic of `dtype` (float unless float64).
template <typename F>
void dispatchFloat(DType dtype, F&& f) {
  if (dtype == DType::Float64) return f(Tag<double>{});
  f(Tag<float>{});
}

// BatchNormalization: y = (x - mean) / sqrt(variance + epsilon) * scale + bias, with the statistics of training.

std::vector<TensorType> inferBatchNorm(const InferContext& ctx) {
  requireInputs(ctx, 5, 5);
  requireFloating(ctx, 0);
  const Dims& x = ctx.inputs[0].dims;
  if (ctx.node.getInt("training_mode", 0) != 0) {
    failUnsupported(ctx.node, "training_mode = 1 is not supported", "export the model for inference (model.eval())");
  }
  if (ctx.node.getInt("spatial", 1) != 1) failUnsupported(ctx.node, "spatial = 0 is not supported");
  for (size_t i = 1; i < ctx.node.outputs.size(); ++i) {
    if (!ctx.node.outputs[i].empty()) {
      failUnsupported(ctx.node, "outputs of training (\"" + ctx.node.outputs[i] + "\") are not supported",
                      "export the model for inference (model.eval())");
    }
  }
  const int64_t channels = x.size() < 2 ? 1 : x[1];
  for (size_t i = 1; i < 5; ++i) requireChannelVector(ctx, i, channels);
  return {ctx.inputs[0]};
}

template <typename T>
void batchNorm(const RunContext& ctx, Tensor& out) {
  const Tensor& x = ctx.inputs[0];
  if (x.size() == 0) return;
  const int64_t channels = x.rank() < 2 ? 1 : x.dim(1);
  const int64_t count = x.rank() < 2 ? x.size() : countBetween(x.dims(), 2, x.rank());
  // The vectors may have another floating type than x.
  const std::vector<float> scale = ctx.inputs[1].toFloats(), bias = ctx.inputs[2].toFloats();
  const std::vector<float> mean = ctx.inputs[3].toFloats(), variance = ctx.inputs[4].toFloats();
  const double epsilon = static_cast<double>(ctx.node.getFloat("epsilon", 1e-5f));
  for (int64_t plane = 0; plane < x.size() / count; ++plane) {
    if (plane % 64 == 0) ctx.stop.check();
    const auto c = static_cast<size_t>(plane % channels);
    const double factor = static_cast<double>(scale[c]) / std::sqrt(static_cast<double>(variance[c]) + epsilon);
    const auto a = static_cast<T>(factor);
    const auto b = static_cast<T>(static_cast<double>(bias[c]) - static_cast<double>(mean[c]) * factor);
    const T* from = x.data<T>() + plane * count;
    T* to = out.data<T>() + plane * count;
    for (int64_t i = 0; i < count; ++i) to[i] = from[i] * a + b;
  }
}

void runBatchNorm(const RunContext& ctx, std::vector<Tensor>& outputs) {
  dispatchFloat(ctx.inputs[0].dtype(), [&](auto tag) { batchNorm<typename decltype(tag)::type>(ctx, outputs[0]); });
}

// LayerNormalization over the axes from `axis` on.

std::vector<TensorType> inferLayerNorm(const InferContext& ctx) {
  requireInputs(ctx, 2, 3);
  requireFloating(ctx, 0);
  const Dims& x = ctx.inputs[0].dims;
  const auto axis = static_cast<size_t>(normalizeAxis(ctx.node, ctx.node.getInt("axis", -1), x.size()));
  const Dims normalized(x.begin() + static_cast<std::ptrdiff_t>(axis), x.end());
  for (size_t i = 1; i < 3; ++i) {
    if (!has(ctx, i)) continue;
    requireSameType(ctx, i);
    if (broadcast(ctx.node, ctx.inputs[i].dims, normalized) != normalized) {
      failShape(ctx.node, inputName(ctx.node, i) + " of shape " + toString(ctx.inputs[i].dims) +
                              " does not broadcast to the normalized axes " + toString(normalized));
    }
  }
  const int64_t stash = ctx.node.getInt("stash_type", 1);
  if (stash != static_cast<int64_t>(DType::Float32) && stash != static_cast<int64_t>(DType::Float64)) {
    failUnsupported(ctx.node,
                    "stash_type " + std::to_string(stash) + " is not supported: only 1 (float32) and 11 (float64) are");
  }
  Dims statistics = x;
  std::fill(statistics.begin() + static_cast<std::ptrdiff_t>(axis), statistics.end(), 1);
  // Statistics of a float64 tensor stay float64: the types must be able to hold them.
  const DType type = ctx.inputs[0].dtype == DType::Float64 ? DType::Float64 : static_cast<DType>(stash);
  return {ctx.inputs[0], {type, statistics}, {type, statistics}};
}

template <typename T>
void layerNorm(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& x = ctx.inputs[0];
  if (x.size() == 0) return;
  const auto axis = static_cast<size_t>(normalizeAxis(ctx.node, ctx.node.getInt("axis", -1), x.rank()));
  const Dims normalized(x.dims().begin() + static_cast<std::ptrdiff_t>(axis), x.dims().end());
  const int64_t count = elementCount(normalized);
  const double epsilon = static_cast<double>(ctx.node.getFloat("epsilon", 1e-5f));
  const auto wanted = [&](size_t i) { return i < outputs.size() && !outputs[i].empty(); };
  const auto store = [&](size_t i, int64_t at, double value) {
    if (outputs[i].dtype() == DType::Float64) {
      outputs[i].data<double>()[at] = value;
    } else {
      outputs[i].data<float>()[at] = static_cast<float>(value);
    }
  };
  // Scale and bias broadcast over the normalized axes: spread once.
  std::vector<T> scale(static_cast<size_t>(count)), bias(static_cast<size_t>(count), T(0));
  const auto spread = [&](const Tensor& from, std::vector<T>& to) {
    const T* data = from.data<T>();
    forEachIndex(
        normalized, {broadcastStrides(from.dims(), normalized)},
        [&](int64_t i, const std::vector<int64_t>& offsets) { to[static_cast<size_t>(i)] = data[offsets[0]]; });
  };
  spread(ctx.inputs[1], scale);
  if (has(ctx, 2)) spread(ctx.inputs[2], bias);
  for (int64_t row = 0; row < x.size() / count; ++row) {
    if (row % 64 == 0) ctx.stop.check();
    const T* from = x.data<T>() + row * count;
    T* to = outputs[0].data<T>() + row * count;
    double mean = 0;
    for (int64_t i = 0; i < count; ++i) mean += static_cast<double>(from[i]);
    mean /= static_cast<double>(count);
    double variance = 0;
    for (int64_t i = 0; i < count; ++i) {
      const double d = static_cast<double>(from[i]) - mean;
      variance += d * d;
    }
    variance /= static_cast<double>(count);
    const double inverse = 1.0 / std::sqrt(variance + epsilon);
    for (int64_t i = 0; i < count; ++i) {
      const auto j = static_cast<size_t>(i);
      to[i] = static_cast<T>((static_cast<double>(from[i]) - mean) * inverse) * scale[j] + bias[j];
    }
    if (wanted(1)) store(1, row, mean);
    if (wanted(2)) store(2, row, inverse);
  }
}

void runLayerNorm(const RunContext& ctx, std::vector<Tensor>& outputs) {
  dispatchFloat(ctx.inputs[0].dtype(), [&](auto tag) { layerNorm<typename decltype(tag)::type>(ctx, outputs); });
}

// InstanceNormalization: each channel of each image by its own statistics.

std::vector<TensorType> inferInstanceNorm(const InferContext& ctx) {
  requireInputs(ctx, 3, 3);
  requireFloating(ctx, 0);
  const Dims& x = ctx.inputs[0].dims;
  if (x.size() < 3)
    failModel(ctx.node, "the input should have rank 3 or more, [N, C, spatial...], but is " + toString(x));
  for (size_t i = 1; i < 3; ++i) {
    requireSameType(ctx, i);
    requireChannelVector(ctx, i, x[1]);
  }
  return {ctx.inputs[0]};
}

template <typename T>
void instanceNorm(const RunContext& ctx, Tensor& out) {
  const Tensor& x = ctx.inputs[0];
  if (x.size() == 0) return;
  const int64_t count = countBetween(x.dims(), 2, x.rank());
  const double epsilon = static_cast<double>(ctx.node.getFloat("epsilon", 1e-5f));
  for (int64_t plane = 0; plane < x.size() / count; ++plane) {
    if (plane % 64 == 0) ctx.stop.check();
    const T* from = x.data<T>() + plane * count;
    T* to = out.data<T>() + plane * count;
    double mean = 0;
    for (int64_t i = 0; i < count; ++i) mean += static_cast<double>(from[i]);
    mean /= static_cast<double>(count);
    double variance = 0;
    for (int64_t i = 0; i < count; ++i) {
      const double d = static_cast<double>(from[i]) - mean;
      variance += d * d;
    }
    const double inverse = 1.0 / std::sqrt(variance / static_cast<double>(count) + epsilon);
    const double scale = static_cast<double>(ctx.inputs[1].data<T>()[plane % x.dim(1)]);
    const double bias = static_cast<double>(ctx.inputs[2].data<T>()[plane % x.dim(1)]);
    for (int64_t i = 0; i < count; ++i)
      to[i] = static_cast<T>((static_cast<double>(from[i]) - mean) * inverse * scale + bias);
  }
}

void runInstanceNorm(const RunContext& ctx, std::vector<Tensor>& outputs) {
  dispatchFloat(ctx.inputs[0].dtype(), [&](auto tag) { instanceNorm<typename decltype(tag)::type>(ctx, outputs[0]); });
}

// LRN: y = x / (bias + alpha / size * sum of squares over `size` neighbouring channels)^beta.

std::vector<TensorType> inferLrn(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  requireFloating(ctx, 0);
  if (ctx.inputs[0].dims.size() < 2) {
    failModel(ctx.node, "the input should have rank 2 or more, [N, C, ...], but is " + toString(ctx.inputs[0].dims));
  }
  if (ctx.node.find("size") == nullptr) failModel(ctx.node, "the attribute size is required but absent");
  if (const int64_t size = ctx.node.getInt("size", 1); size < 1) {
    failModel(ctx.node, "size should be at least 1 but is " + std::to_string(size));
  }
  return {ctx.inputs[0]};
}

template <typename T>
void lrn(const RunContext& ctx, Tensor& out) {
  const Tensor& x = ctx.inputs[0];
  if (x.size() == 0) return;
  const int64_t size = ctx.node.getInt("size", 1);
  const double alpha = static_cast<double>(ctx.node.getFloat("alpha", 1e-4f)) / static_cast<double>(size);
  const double beta = static_cast<double>(ctx.node.getFloat("beta", 0.75f));
  const double bias = static_cast<double>(ctx.node.getFloat("bias", 1.0f));
  const int64_t channels = x.dim(1);
  const int64_t count = countBetween(x.dims(), 2, x.rank());
  const int64_t before = std::min((size - 1) / 2, channels);
  const int64_t after = std::min(size - 1 - (size - 1) / 2, channels);
  for (int64_t image = 0; image < x.dim(0); ++image) {
    for (int64_t channel = 0; channel < channels; ++channel) {
      ctx.stop.check();
      const T* from = x.data<T>() + image * channels * count;
      T* to = out.data<T>() + (image * channels + channel) * count;
      const int64_t first = std::max<int64_t>(channel - before, 0);
      const int64_t last = std::min(channel + after, channels - 1);
      for (int64_t i = 0; i < count; ++i) {
        double sum = 0;
        for (int64_t c = first; c <= last; ++c) {
          const auto value = static_cast<double>(from[c * count + i]);
          sum += value * value;
        }
        to[i] = static_cast<T>(static_cast<double>(from[channel * count + i]) / std::pow(bias + alpha * sum, beta));
      }
    }
  }
}

void runLrn(const RunContext& ctx, std::vector<Tensor>& outputs) {
  dispatchFloat(ctx.inputs[0].dtype(), [&](auto tag) { lrn<typename decltype(tag)::type>(ctx, outputs[0]); });
}

}  // namespace

const std::vector<Operator>& normalizationOperators() {
  static const std::vector<Operator> list = {
      {"", "BatchNormalization", 7, kNewestOpset, inferBatchNorm, widened<runBatchNorm>},
      {"", "LayerNormalization", 17, kNewestOpset, inferLayerNorm, widened<runLayerNorm>},
      {"", "InstanceNormalization", 6, kNewestOpset, inferInstanceNorm, widened<runInstanceNorm>},
      {"", "LRN", 1, kNewestOpset, inferLrn, widened<runLrn>},
  };
  return list;
}

}  // namespace presisi::ops
