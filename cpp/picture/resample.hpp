#pragma once

#include <cstdint>
#include <vector>

#include "picture/geometry.hpp"

namespace presisi::picture {

/// Interleaved RGB.
constexpr int64_t kChannels = 3;

/// How pixels along one axis are made of others: each of `width` neighbours, from `first + starts[i]` on, weighted with
/// `weights[i · width …]`, which are multiples of 2^-22.
struct Axis {
  int64_t first = 0;  ///< of the pixels that are looked at
  int64_t count = 0;  ///< of them
  int64_t width = 0;
  std::vector<int32_t> starts;  ///< one for each pixel that is made
  std::vector<int32_t> weights;

  int64_t made() const { return static_cast<int64_t>(starts.size()); }
};

/// One axis of a picture. `length` is how many of its pixels there are to scale, `present` how many lie in memory: a
/// reduced one may have half a pixel less than it has in memory.
struct Side {
  double length = 0;
  int64_t present = 0;
  int64_t scaled = 0;  ///< how many `length` becomes
  int64_t first = 0;   ///< of the scaled ones that are wanted
  int64_t wanted = 0;
};

/// The weights that Pillow's `resize` has. Pixels are squares: the middle of the first is at 1/2, before and after.
/// Where pixels become fewer, the kernel is as much wider; beyond an edge there is nothing, and what is left of the
/// weights counts for more. Where they become more, kernels that differ in how they smooth interpolate as `Cubic`.
Axis axisOf(const Side& side, Kernel kernel);

/// Rows of `stride` bytes, from the picture's first on, to [rows.made, columns.made, 3]: first along the rows, then
/// along the columns, rounded to 8 bits after each, as in Pillow. Only what the axes look at is read.
std::vector<uint8_t> resample(const uint8_t* pixels, int64_t stride, const Axis& columns, const Axis& rows);

/// A picture in memory, rows of `columns` pixels one after the other. Where it was decoded at a fraction of its size,
/// it has up to one column and row more than `width` and `height` say.
struct Pixels {
  const uint8_t* data = nullptr;
  int64_t columns = 0;
  int64_t rows = 0;
  double width = 0;
  double height = 0;
};

/// The crop that `geometry` tells, [crop, crop, 3] bytes.
std::vector<uint8_t> scaledCrop(const Pixels& pixels, const Geometry& geometry, const Resizing& resizing);

}  // namespace presisi::picture
