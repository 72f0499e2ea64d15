#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ops/common.hpp"

namespace presisi::ops {

/// The sliding window of a convolution or a pooling; one entry per spatial axis. Every value is checked: kernel,
/// strides and dilations are at least 1, pads at least 0, and (kernel - 1) * dilation + 1 and padded sizes fit 64 bits.
struct Window {
  Dims kernel, strides, dilations, padsBegin, padsEnd;
  Dims output;  ///< spatial dimensions of the result

  size_t rank() const { return kernel.size(); }
};

/// Positions of the kernel that fall on the input, [first, last): `start + k * dilation` lies in [0, size).
struct Taps {
  int64_t first, last;
};
inline Taps tapsInside(int64_t start, int64_t dilation, int64_t kernel, int64_t size) {
  const int64_t first = start >= 0 ? 0 : (-start - 1) / dilation + 1;
  const int64_t last = start >= size ? 0 : std::min(kernel, (size - 1 - start) / dilation + 1);
  return {std::min(first, kernel), std::max<int64_t>(last, 0)};
}

/// A list attribute with one value for each spatial axis, all at least `least`; `otherwise` for each when absent.
Dims spatialAttribute(const onnx::Node& node, const char* attribute, size_t count, int64_t otherwise, int64_t least);

/// `pads` attribute, split into begins and ends.
void readPads(const onnx::Node& node, size_t rank, Dims& begin, Dims& end);

/// Reads strides, dilations, pads and auto_pad for an input of the spatial dimensions given, and finds the output's.
/// `ceilMode` rounds the output up, but never so far that a window starts in the padding at the end.
/// Throws InvalidModel for attributes that make no sense, ShapeMismatch where the window does not fit the input.
Window readWindow(const onnx::Node& node, const Dims& spatial, const Dims& kernel, bool ceilMode = false);

/// (kernel - 1) * dilation + 1.
int64_t extent(const onnx::Node& node, int64_t kernel, int64_t dilation);

}  // namespace presisi::ops
