#include "engine/enlarge.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace presisi::engine {

namespace {

constexpr int64_t kChannels = 3;
constexpr int kShift = 22;
constexpr int32_t kHalf = 1 << (kShift - 1);

uint8_t toByte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kShift, 0, 255)); }

void requireWithin(const AxisWeights& axis) {
  for (int64_t i = 0; i < axis.made; ++i) {
    if (axis.width >= 1 && axis.starts[i] >= 0 && axis.starts[i] <= axis.count - axis.width) continue;
    throw Error(ErrorCode::InvalidArgument, "weights look beyond the edge of a picture");
  }
}

/// One row. Two weights, the linear kernel's, are known to the compiler.
template <int64_t kWidth>
void widen(const uint8_t* row, const AxisWeights& axis, uint8_t* out) {
  const int64_t width = kWidth > 0 ? kWidth : axis.width;
  for (int64_t x = 0; x < axis.made; ++x) {
    const uint8_t* from = row + axis.starts[x] * kChannels;
    const int32_t* weights = axis.weights + x * width;
    int32_t red = kHalf, green = kHalf, blue = kHalf;
    for (int64_t k = 0; k < width; ++k, from += kChannels) {
      red += weights[k] * from[0];
      green += weights[k] * from[1];
      blue += weights[k] * from[2];
    }
    out[x * kChannels] = toByte(red);
    out[x * kChannels + 1] = toByte(green);
    out[x * kChannels + 2] = toByte(blue);
  }
}

/// One row of `stride` bytes of those that begin at `rows`, one below the other.
void blend(const uint8_t* rows, int64_t stride, const int32_t* weights, int64_t width, int32_t* sums, uint8_t* out) {
  std::fill(sums, sums + stride, kHalf);
  for (int64_t k = 0; k < width; ++k, rows += stride) {
    for (int64_t i = 0; i < stride; ++i) sums[i] += weights[k] * rows[i];
  }
  for (int64_t i = 0; i < stride; ++i) out[i] = toByte(sums[i]);
}

}  // namespace

std::vector<uint8_t> enlarge(const uint8_t* pixels, const AxisWeights& columns, const AxisWeights& rows) {
  requireWithin(columns);
  requireWithin(rows);
  const int64_t stride = columns.made * kChannels;
  std::vector<uint8_t> wide(static_cast<size_t>(rows.count * stride));
  for (int64_t y = 0; y < rows.count; ++y) {
    const auto make = columns.width == 2 ? widen<2> : widen<0>;
    make(pixels + y * columns.count * kChannels, columns, wide.data() + y * stride);
  }
  std::vector<uint8_t> result(static_cast<size_t>(rows.made * stride));
  std::vector<int32_t> sums(static_cast<size_t>(stride));
  for (int64_t y = 0; y < rows.made; ++y) {
    blend(wide.data() + rows.starts[y] * stride, stride, rows.weights + y * rows.width, rows.width, sums.data(),
          result.data() + y * stride);
  }
  return result;
}

}  // namespace presisi::engine
