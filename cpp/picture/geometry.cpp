#include "picture/geometry.hpp"

#include <algorithm>

namespace presisi::picture {

namespace {

/// Half of a margin; halves of odd ones are rounded to even.
int64_t middle(int64_t margin) {
  const int64_t half = margin / 2;
  return margin % 2 == 1 && half % 2 == 1 ? half + 1 : half;
}

}  // namespace

Geometry geometryOf(int64_t width, int64_t height, const Resizing& resizing) {
  const auto [shorter, longer] = std::minmax(width, height);
  const int64_t scaled = resizing.resize * longer / shorter;
  Geometry geometry;
  geometry.width = width <= height ? resizing.resize : scaled;
  geometry.height = width <= height ? scaled : resizing.resize;
  geometry.left = middle(geometry.width - resizing.crop);
  geometry.top = middle(geometry.height - resizing.crop);
  return geometry;
}

}  // namespace presisi::picture
