#pragma once

#include <algorithm>
#include <vector>

#include "ops/gemm.hpp"
#include "ops/window.hpp"

namespace presisi::ops {

/// Sizes of a grouped convolution over any number of spatial axes.
struct ConvolutionSizes {
  int64_t images = 0, channels = 0, filters = 0, groups = 1;
  Dims input;  ///< spatial
  Window window;
};

/// Reads and checks the attributes and shapes of a node that convolves inputs[x] with inputs[w] (Conv, ConvInteger,
/// QLinearConv).
ConvolutionSizes readConvolution(const onnx::Node& node, const Dims& x, const Dims& w);
/// [images, filters, spatial…].
Dims outputDims(const ConvolutionSizes& sizes);

/// Where each tap of the window falls for output positions [from, from + count): offset into one channel of the input,
/// or -1 in the padding. Laid out [kernel positions, count].
void tapOffsets(const Window& window, const Dims& input, int64_t from, int64_t count, std::vector<int64_t>& offsets);

/// y += conv(x, w): im2col for a tile of output positions at a time, then a matrix product, so that scratch memory
/// doesn't grow with the image. Padding counts as zero.
template <typename T>
void convolve(const ConvolutionSizes& sizes, const T* x, const T* w, T* y, const StopToken& stop) {
  constexpr int64_t kScratch = 1 << 19;  // elements of the im2col tile: stays near the cores
  const Window& window = sizes.window;
  const int64_t taps = elementCount(window.kernel);
  const int64_t pixels = elementCount(sizes.input);
  const int64_t positions = elementCount(window.output);
  const int64_t channels = sizes.channels / sizes.groups;
  const int64_t filters = sizes.filters / sizes.groups;
  const int64_t depth = channels * taps;
  if (sizes.images * sizes.filters * positions == 0 || depth == 0) return;

  const auto all = [](const Dims& values, int64_t expected) {
    return std::all_of(values.begin(), values.end(), [=](int64_t v) { return v == expected; });
  };
  const bool pointwise = taps == 1 && all(window.strides, 1) && all(window.padsBegin, 0) && all(window.padsEnd, 0);
  const int64_t tile = pointwise ? positions : std::min(positions, std::max<int64_t>(kScratch / depth, 16));
  std::vector<int64_t> offsets;
  std::vector<T> columns(pointwise ? 0 : static_cast<size_t>(depth * tile));
  for (int64_t from = 0; from < positions; from += tile) {
    const int64_t count = std::min(tile, positions - from);
    if (!pointwise) tapOffsets(window, sizes.input, from, count, offsets);
    for (int64_t image = 0; image < sizes.images; ++image) {
      for (int64_t group = 0; group < sizes.groups; ++group) {
        stop.check();
        const T* source = x + (image * sizes.channels + group * channels) * pixels;
        if (!pointwise) {
          for (int64_t channel = 0; channel < channels; ++channel) {
            const T* plane = source + channel * pixels;
            T* column = columns.data() + channel * taps * count;
            for (int64_t i = 0; i < taps * count; ++i) {
              const int64_t offset = offsets[static_cast<size_t>(i)];
              column[i] = offset < 0 ? T(0) : plane[offset];
            }
          }
        }
        const Matrix<const T> right =
            pointwise ? Matrix<const T>{source, pixels} : Matrix<const T>{columns.data(), count};
        T* out = y + (image * sizes.filters + group * filters) * positions + from;
        gemm<T>(filters, count, depth, {w + group * filters * depth, depth}, right, {out, positions}, stop);
      }
    }
  }
}

}  // namespace presisi::ops
