#include "picture/orientation.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "picture/resample.hpp"

namespace presisi::picture {

namespace {

/// A TIFF structure's numbers, which the file's author chose the order of.
class Tiff {
 public:
  Tiff(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  /// Of the first directory; nothing where the structure ends before.
  std::optional<uint32_t> orientation() {
    if (size_ < 8) return std::nullopt;
    if (std::memcmp(data_, "II*\0", 4) != 0 && std::memcmp(data_, "MM\0*", 4) != 0) return std::nullopt;
    littleEndian_ = data_[0] == 'I';
    const size_t directory = *number(4, 4);
    const std::optional<uint32_t> entries = number(directory, 2);
    if (!entries) return std::nullopt;
    for (size_t i = 0; i < *entries; ++i) {
      const size_t entry = directory + 2 + 12 * i;
      const std::optional<uint32_t> tag = number(entry, 2), type = number(entry + 2, 2), count = number(entry + 4, 4);
      if (!tag || !type || !count) return std::nullopt;
      if (*tag == kOrientation) return *type == kShort && *count == 1 ? number(entry + 8, 2) : std::nullopt;
    }
    return std::nullopt;
  }

 private:
  static constexpr uint32_t kOrientation = 0x0112;
  static constexpr uint32_t kShort = 3;

  std::optional<uint32_t> number(size_t at, size_t bytes) const {
    if (at > size_ || size_ - at < bytes) return std::nullopt;
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; ++i) value = value << 8 | data_[at + (littleEndian_ ? bytes - 1 - i : i)];
    return value;
  }

  const uint8_t* data_;
  size_t size_;
  bool littleEndian_ = false;
};

}  // namespace

int orientationOf(const uint8_t* bytes, size_t size) {
  constexpr uint8_t kApp1 = 0xE1, kStartOfScan = 0xDA, kFill = 0xFF;
  constexpr char kExif[] = "Exif\0";  // and the zero that ends it
  // Behind the two bytes that begin the file, segments: FF, a kind, and a length that counts itself.
  size_t at = 2;
  while (at + 4 <= size && bytes[at] == kFill) {
    const uint8_t kind = bytes[at + 1];
    if (kind == kFill) {
      ++at;
      continue;
    }
    const size_t length = static_cast<size_t>(bytes[at + 2]) << 8 | bytes[at + 3];
    if (kind == kStartOfScan || length < 2 || length > size - at - 2) return 1;
    const uint8_t* content = bytes + at + 4;
    if (kind == kApp1 && length >= 2 + sizeof kExif && std::memcmp(content, kExif, sizeof kExif) == 0) {
      const uint32_t tag = Tiff(content + sizeof kExif, length - 2 - sizeof kExif).orientation().value_or(1);
      return tag >= 1 && tag <= 8 ? static_cast<int>(tag) : 1;
    }
    at += 2 + length;
  }
  return 1;
}

Orientation::Orientation(int tag)
    : transposed(tag >= 5),
      fromRight(tag == 2 || tag == 3 || tag == 6 || tag == 7),
      fromBottom(tag == 3 || tag == 4 || tag == 7 || tag == 8) {}

Geometry Orientation::asItRuns(const Geometry& upright, int64_t crop) const {
  Geometry running = upright;
  if (fromRight) running.left = upright.width - crop - upright.left;
  if (fromBottom) running.top = upright.height - crop - upright.top;
  return running;
}

void Orientation::straighten(std::vector<uint8_t>& pixels, int64_t crop) const {
  const auto pixel = [&](int64_t row, int64_t column) { return pixels.begin() + (row * crop + column) * kChannels; };
  if (fromBottom) {
    for (int64_t y = 0; y < crop / 2; ++y) std::swap_ranges(pixel(y, 0), pixel(y + 1, 0), pixel(crop - 1 - y, 0));
  }
  if (!fromRight) return;
  for (int64_t y = 0; y < crop; ++y) {
    for (int64_t x = 0; x < crop / 2; ++x) std::swap_ranges(pixel(y, x), pixel(y, x + 1), pixel(y, crop - 1 - x));
  }
}

std::unique_ptr<uint8_t[]> transposed(const uint8_t* pixels, int64_t columns, int64_t rows) {
  std::unique_ptr<uint8_t[]> result(new uint8_t[static_cast<size_t>(columns * rows * kChannels)]);
  constexpr int64_t kTile = 16;  // what is read and what is written both stay in the cache
  for (int64_t top = 0; top < rows; top += kTile) {
    for (int64_t left = 0; left < columns; left += kTile) {
      for (int64_t x = left; x < std::min(columns, left + kTile); ++x) {
        for (int64_t y = top; y < std::min(rows, top + kTile); ++y) {
          std::copy_n(pixels + (y * columns + x) * kChannels, kChannels, result.get() + (x * rows + y) * kChannels);
        }
      }
    }
  }
  return result;
}

}  // namespace presisi::picture
