#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "picture/geometry.hpp"

namespace presisi::picture {

/// A JPEG file's picture, turned upright as its EXIF says, scaled and cut: [crop, crop, 3] bytes, red first. Colour
/// profiles are left alone.
///
/// Nothing for whatever isn't an intact JPEG picture of one (grey) or three components: other decoders know more
/// formats, and can say what is wrong. Throws only std::bad_alloc.
std::optional<std::vector<uint8_t>> decodeJpeg(const uint8_t* bytes, size_t size, const Resizing& resizing);

}  // namespace presisi::picture
