#include "picture/jpeg.hpp"

#include <turbojpeg.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "picture/orientation.hpp"
#include "picture/resample.hpp"

namespace presisi::picture {

namespace {

/// What is larger in the file is for others to refuse, before a header of a few bytes has gigabytes set aside; what is
/// larger in memory goes to a decoder that needn't hold it whole.
constexpr int64_t kMaxStored = 1 << 28;
constexpr int64_t kMaxDecoded = 1 << 25;

/// A picture that is to become much smaller is decoded to a fraction of its size, which saves most of the work, as long
/// as so many times the pixels that are wanted are left: with fewer the difference would show.
constexpr int64_t kLeft = 2;

struct Close {
  void operator()(void* handle) const { tjDestroy(handle); }
};

/// Damage goes to a decoder that can say what it is.
constexpr int kStrict = TJFLAG_STOPONWARNING
#ifdef TJFLAG_LIMITSCANS  // since 2.1: a small file may ask for very many passes over a large picture
                        | TJFLAG_LIMITSCANS
#endif
    ;

/// A power of two, at most 8.
int denominatorFor(int64_t shorter, int64_t resize) {
  int denominator = 1;
  while (denominator < 8 && shorter / (2 * denominator) >= kLeft * resize) denominator *= 2;
  return denominator;
}

/// The decoder's own way to say how long a side is.
int64_t reduced(int64_t side, int denominator) { return (side + denominator - 1) / denominator; }

}  // namespace

std::optional<std::vector<uint8_t>> decodeJpeg(const uint8_t* bytes, size_t size, const Resizing& resizing) {
  if (size < 4 || bytes[0] != 0xFF || bytes[1] != 0xD8) return std::nullopt;
  const std::unique_ptr<void, Close> handle(tjInitDecompress());
  if (!handle) return std::nullopt;
  int width = 0, height = 0, subsampling = 0, space = 0;
  if (tjDecompressHeader3(handle.get(), bytes, size, &width, &height, &subsampling, &space) != 0) return std::nullopt;
  if (space != TJCS_RGB && space != TJCS_YCbCr && space != TJCS_GRAY) return std::nullopt;

  if (int64_t{width} * height > kMaxStored) return std::nullopt;
  const int denominator = denominatorFor(std::min(width, height), resizing.resize);
  int64_t columns = reduced(width, denominator), rows = reduced(height, denominator);
  if (columns * rows > kMaxDecoded) return std::nullopt;
  std::unique_ptr<uint8_t[]> pixels(new uint8_t[static_cast<size_t>(columns * rows * kChannels)]);
  if (tjDecompress2(handle.get(), bytes, size, pixels.get(), static_cast<int>(columns),
                    static_cast<int>(columns * kChannels), static_cast<int>(rows), TJPF_RGB, kStrict) != 0) {
    return std::nullopt;
  }

  const Orientation lies(orientationOf(bytes, size));
  if (lies.transposed) {
    pixels = transposed(pixels.get(), columns, rows);
    std::swap(columns, rows);
    std::swap(width, height);
  }
  const Geometry geometry = lies.asItRuns(geometryOf(width, height, resizing), resizing.crop);
  std::vector<uint8_t> crop = scaledCrop({pixels.get(), columns, rows, static_cast<double>(width) / denominator,
                                          static_cast<double>(height) / denominator},
                                         geometry, resizing);
  lies.straighten(crop, resizing.crop);
  return crop;
}

}  // namespace presisi::picture
