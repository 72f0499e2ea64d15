#include "ops/movement_copy.hpp"

#include <algorithm>
#include <cstring>

#include "ops/common.hpp"

namespace presisi::ops {

namespace {

struct Axis {
  int64_t length;
  int64_t in;   ///< stride in the input, in elements
  int64_t out;  ///< stride in the output
};

/// Drops axes of length 1 and merges neighbours that the input walks as one.
std::vector<Axis> collapsed(const Dims& dims, const Dims& strides) {
  std::vector<Axis> axes;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 1) continue;
    if (!axes.empty() && axes.back().in == strides[i] * dims[i]) {
      axes.back().length *= dims[i];
      axes.back().in = strides[i];
    } else {
      axes.push_back({dims[i], strides[i], 0});
    }
  }
  int64_t stride = 1;
  for (size_t i = axes.size(); i-- > 0;) {
    axes[i].out = stride;
    stride *= axes[i].length;
  }
  return axes;
}

/// Calls f(offset into the input, offset into the output) for every index of `axes`.
template <typename F>
void forEachOffset(const std::vector<Axis>& axes, F&& f) {
  int64_t total = 1;
  for (const Axis& axis : axes) total *= axis.length;
  Dims index(axes.size(), 0);
  int64_t in = 0;
  int64_t out = 0;
  for (int64_t i = 0; i < total; ++i) {
    f(in, out);
    for (size_t a = axes.size(); a-- > 0;) {
      in += axes[a].in;
      out += axes[a].out;
      if (++index[a] < axes[a].length) break;
      in -= axes[a].in * axes[a].length;
      out -= axes[a].out * axes[a].length;
      index[a] = 0;
    }
  }
}

template <typename T>
void copyRow(const T* in, T* out, const Axis& row) {
  if (row.in == 1) {
    std::memcpy(out, in, static_cast<size_t>(row.length) * sizeof(T));
  } else if (row.in == 0) {
    std::fill(out, out + row.length, *in);
  } else {
    for (int64_t i = 0; i < row.length; ++i) out[i] = in[i * row.in];
  }
}

/// A transposition: `column` is next to each other in the input, `row` in the output. Both sides of a tile stay in the
/// first-level cache.
template <typename T>
void copyTiles(const T* in, T* out, const Axis& column, const Axis& row) {
  constexpr int64_t kTile = 32;
  for (int64_t c0 = 0; c0 < column.length; c0 += kTile) {
    const int64_t c1 = std::min(c0 + kTile, column.length);
    for (int64_t r0 = 0; r0 < row.length; r0 += kTile) {
      const int64_t r1 = std::min(r0 + kTile, row.length);
      for (int64_t c = c0; c < c1; ++c) {
        for (int64_t r = r0; r < r1; ++r) out[c * column.out + r] = in[c + r * row.in];
      }
    }
  }
}

template <typename T>
void copyElements(const T* in, T* out, std::vector<Axis> axes) {
  const Axis row = axes.back();
  axes.pop_back();
  const auto column = std::find_if(axes.begin(), axes.end(), [](const Axis& axis) { return axis.in == 1; });
  if (row.in > 1 && column != axes.end()) {
    const Axis inner = *column;
    axes.erase(column);
    forEachOffset(axes, [&](int64_t from, int64_t to) { copyTiles(in + from, out + to, inner, row); });
  } else {
    forEachOffset(axes, [&](int64_t from, int64_t to) { copyRow(in + from, out + to, row); });
  }
}

}  // namespace

void copyStrided(const void* in, const Dims& dims, const Dims& strides, void* out, size_t width) {
  if (elementCount(dims) == 0) return;
  std::vector<Axis> axes = collapsed(dims, strides);
  if (axes.empty()) axes.push_back({1, 1, 1});
  switch (width) {
    case 1: return copyElements(static_cast<const uint8_t*>(in), static_cast<uint8_t*>(out), std::move(axes));
    case 2: return copyElements(static_cast<const uint16_t*>(in), static_cast<uint16_t*>(out), std::move(axes));
    case 4: return copyElements(static_cast<const uint32_t*>(in), static_cast<uint32_t*>(out), std::move(axes));
    case 8: return copyElements(static_cast<const uint64_t*>(in), static_cast<uint64_t*>(out), std::move(axes));
    default: throw Error(ErrorCode::Internal, "elements of " + std::to_string(width) + " bytes cannot be copied");
  }
}

}  // namespace presisi::ops
