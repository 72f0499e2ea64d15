#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "picture/geometry.hpp"

namespace presisi::picture {

/// EXIF's orientation tag of a JPEG file, 1 to 8; 1 where there is none, or none that can be read.
int orientationOf(const uint8_t* bytes, size_t size);

/// How a picture lies in its file: its columns are the upright one's rows, then rows or columns run the other way.
struct Orientation {
  bool transposed = false;
  bool fromRight = false;
  bool fromBottom = false;

  Orientation() = default;
  /// `tag` as `orientationOf` gives it.
  explicit Orientation(int tag);

  /// Where the crop of the upright picture is while its rows and columns still run the other way.
  Geometry asItRuns(const Geometry& upright, int64_t crop) const;
  /// [crop, crop, 3] bytes, whose rows and columns then run as they should.
  void straighten(std::vector<uint8_t>& pixels, int64_t crop) const;
};

/// [rows, columns, 3] bytes to [columns, rows, 3].
std::unique_ptr<uint8_t[]> transposed(const uint8_t* pixels, int64_t columns, int64_t rows);

}  // namespace presisi::picture
