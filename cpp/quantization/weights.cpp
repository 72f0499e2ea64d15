#include "quantization/weights.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "core/error.hpp"
#include "quantization/quantize.hpp"

namespace presisi::quantization {

namespace {

/// A weight seen as [outer, channels, inner] around its channel axis.
struct Slices {
  int64_t outer = 1;
  int64_t channels = 1;
  int64_t inner = 1;
};

Slices slicesOf(const Tensor& weight, int64_t axis, DType dtype = DType::Float32) {
  if (weight.dtype() != dtype) {
    throw Error(ErrorCode::InvalidArgument,
                std::string("Expected a weight of ") + name(dtype) + " but received one of " + name(weight.dtype()));
  }
  Slices slices;
  if (axis == kPerTensor) {
    slices.inner = weight.size();
    return slices;
  }
  if (axis < 0 || axis >= static_cast<int64_t>(weight.rank())) {
    throw Error(ErrorCode::InvalidArgument, "Expected an axis of a weight of shape " + toString(weight.dims()) +
                                                " but received " + std::to_string(axis));
  }
  for (int64_t i = 0; i < static_cast<int64_t>(weight.rank()); ++i) {
    const int64_t dim = weight.dim(static_cast<size_t>(i));
    (i < axis ? slices.outer : i == axis ? slices.channels : slices.inner) *= dim;
  }
  return slices;
}

/// Calls `visit(channel, first element, elements)` for each run of elements that share a scale.
template <typename Visit>
void forEachRun(const Slices& slices, const Visit& visit) {
  for (int64_t outer = 0; outer < slices.outer; ++outer) {
    for (int64_t channel = 0; channel < slices.channels; ++channel) {
      visit(static_cast<size_t>(channel), (outer * slices.channels + channel) * slices.inner, slices.inner);
    }
  }
}

void requireScales(const Slices& slices, const std::vector<float>& scales) {
  if (static_cast<int64_t>(scales.size()) == slices.channels) return;
  throw Error(ErrorCode::InvalidArgument,
              "Expected " + std::to_string(slices.channels) + " scales but received " + std::to_string(scales.size()));
}

}  // namespace

int weightLevels(bool reduceRange) { return reduceRange ? 63 : 127; }

bool allFinite(const Tensor& weight) {
  const float* values = weight.data<float>();
  return std::all_of(values, values + weight.size(), [](float value) { return std::isfinite(value); });
}

std::vector<float> weightScales(const Tensor& weight, int64_t axis, int levels) {
  if (levels < 1 || levels > 127) {
    throw Error(ErrorCode::InvalidArgument, "Expected 1 to 127 levels but received " + std::to_string(levels));
  }
  const Slices slices = slicesOf(weight, axis);
  const float* values = weight.data<float>();
  std::vector<float> scales(static_cast<size_t>(slices.channels), 0.0f);
  forEachRun(slices, [&](size_t channel, int64_t first, int64_t count) {
    for (int64_t i = first; i < first + count; ++i) scales[channel] = std::max(scales[channel], std::fabs(values[i]));
  });
  for (float& scale : scales) {
    // Not below the smallest normal number: some kernels take a subnormal scale for 0 and divide by it.
    scale = scale == 0 ? 1.0f : std::max(scale / static_cast<float>(levels), FLT_MIN);
  }
  return scales;
}

Tensor quantizeWeight(const Tensor& weight, const std::vector<float>& scales, int64_t axis, int levels) {
  const Slices slices = slicesOf(weight, axis);
  requireScales(slices, scales);
  Tensor quantized(DType::Int8, weight.dims());
  const float* values = weight.data<float>();
  int8_t* out = quantized.data<int8_t>();
  const float limit = static_cast<float>(levels);
  forEachRun(slices, [&](size_t channel, int64_t first, int64_t count) {
    const float scale = scales[channel];
    for (int64_t i = first; i < first + count; ++i) {
      out[i] = static_cast<int8_t>(std::min(limit, std::max(-limit, std::nearbyint(values[i] / scale))));
    }
  });
  return quantized;
}

Tensor dequantizeWeight(const Tensor& quantized, const std::vector<float>& scales, int64_t axis) {
  const Slices slices = slicesOf(quantized, axis, DType::Int8);
  requireScales(slices, scales);
  Tensor weight(DType::Float32, quantized.dims());
  const int8_t* values = quantized.data<int8_t>();
  float* out = weight.data<float>();
  forEachRun(slices, [&](size_t channel, int64_t first, int64_t count) {
    for (int64_t i = first; i < first + count; ++i) out[i] = static_cast<float>(values[i]) * scales[channel];
  });
  return weight;
}

}  // namespace presisi::quantization
