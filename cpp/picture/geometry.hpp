#pragma once

#include <cstdint>

namespace presisi::picture {

/// How pixels are interpolated, over as many as become one.
enum class Kernel { Nearest, Linear, Cubic, Mitchell, Lanczos2, Lanczos3 };

/// The part of preprocessing that makes pixels: the shorter side is scaled to `resize`, the middle `crop`×`crop` stay.
struct Resizing {
  int64_t resize = 256;
  int64_t crop = 224;  ///< at most `resize`
  Kernel kernel = Kernel::Linear;
};

/// A picture's size after scaling, and where in that the crop begins.
struct Geometry {
  int64_t width = 0;
  int64_t height = 0;
  int64_t left = 0;
  int64_t top = 0;
};

/// Where pixels go, to the pixel as torchvision's `Resize(resize)` and `CenterCrop(crop)` have it: the shorter side
/// becomes `resize`; the longer one is scaled by the same ratio and cut to an integer, not rounded, so the two axes'
/// own scales may differ a little; and a crop that can't lie in the very middle begins at the even one of its two
/// places.
Geometry geometryOf(int64_t width, int64_t height, const Resizing& resizing);

}  // namespace presisi::picture
