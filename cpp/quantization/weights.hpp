#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor.hpp"

namespace presisi::quantization {

/// One scale for the whole tensor.
inline constexpr int64_t kPerTensor = -1;

/// The largest magnitude of an INT8 weight: 127, or 63 where the CPU's INT8 multiply-add saturates in 16 bits.
int weightLevels(bool reduceRange);

bool allFinite(const Tensor& weight);

/// round-half-to-even(w / scale) within [-levels, levels], with one scale per slice along `axis`, or just one
/// (kPerTensor).
Tensor quantizeWeight(const Tensor& weight, const std::vector<float>& scales, int64_t axis, int levels);

/// The way back: q * scale.
Tensor dequantizeWeight(const Tensor& quantized, const std::vector<float>& scales, int64_t axis);

}  // namespace presisi::quantization
