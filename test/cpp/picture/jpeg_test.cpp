#include "picture/jpeg.hpp"

#include <doctest/doctest.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <memory>
#include <random>

#include "picture/orientation.hpp"

using namespace presisi;
using picture::decodeJpeg;
using picture::Kernel;
using picture::orientationOf;

namespace {

using Bytes = std::vector<uint8_t>;

/// Rows from the top.
struct Picture {
  int width, height;
  Bytes pixels;
  const uint8_t* at(int64_t x, int64_t y) const { return &pixels[static_cast<size_t>((y * width + x) * 3)]; }
};

Picture noise(int width, int height) {
  std::mt19937 random(7);
  Picture made{width, height, Bytes(static_cast<size_t>(width * height * 3))};
  for (uint8_t& byte : made.pixels) byte = static_cast<uint8_t>(random());
  return made;
}

Bytes encoded(const Picture& picture, int subsampling, int flags = 0, int format = TJPF_RGB) {
  const std::unique_ptr<void, int (*)(void*)> handle(tjInitCompress(), tjDestroy);
  unsigned char* data = nullptr;
  unsigned long size = 0;  // NOLINT: the library's type
  REQUIRE(tjCompress2(handle.get(), picture.pixels.data(), picture.width, 0, picture.height, format, &data, &size,
                      subsampling, 95, flags) == 0);
  Bytes bytes(data, data + size);
  tjFree(data);
  return bytes;
}

/// What is in the file, of any size.
Picture stored(const Bytes& file) {
  const std::unique_ptr<void, int (*)(void*)> handle(tjInitDecompress(), tjDestroy);
  Picture picture{};
  int subsampling, space;
  REQUIRE(tjDecompressHeader3(handle.get(), file.data(), file.size(), &picture.width, &picture.height, &subsampling,
                              &space) == 0);
  picture.pixels.resize(static_cast<size_t>(picture.width * picture.height * 3));
  REQUIRE(tjDecompress2(handle.get(), file.data(), file.size(), picture.pixels.data(), picture.width, 0, picture.height,
                        TJPF_RGB, 0) == 0);
  return picture;
}

/// The middle `crop`×`crop` of a picture, each pixel from where `from` says that it is.
Bytes middle(int width, int height, int crop, const std::function<const uint8_t*(int64_t, int64_t)>& from) {
  const auto geometry = picture::geometryOf(width, height, {std::min(width, height), crop, Kernel::Linear});
  Bytes pixels;
  for (int64_t y = 0; y < crop; ++y) {
    for (int64_t x = 0; x < crop; ++x) {
      const uint8_t* pixel = from(geometry.left + x, geometry.top + y);
      pixels.insert(pixels.end(), pixel, pixel + 3);
    }
  }
  return pixels;
}

void put(Bytes& into, uint32_t value, int bytes, bool littleEndian) {
  for (int i = 0; i < bytes; ++i) {
    into.push_back(static_cast<uint8_t>(value >> 8 * (littleEndian ? i : bytes - 1 - i)));
  }
}

/// An EXIF segment with another tag before the orientation.
Bytes exif(uint32_t orientation, bool littleEndian) {
  Bytes tiff{'E', 'x', 'i', 'f', 0, 0};
  for (int i = 0; i < 2; ++i) tiff.push_back(littleEndian ? 'I' : 'M');
  put(tiff, 42, 2, littleEndian);
  put(tiff, 8, 4, littleEndian);
  put(tiff, 2, 2, littleEndian);
  for (const auto& [tag, value] : {std::pair<uint32_t, uint32_t>{0x0100, 5}, {0x0112, orientation}}) {
    put(tiff, tag, 2, littleEndian);
    put(tiff, 3, 2, littleEndian);
    put(tiff, 1, 4, littleEndian);
    put(tiff, value, 2, littleEndian);
    put(tiff, 0, 2, littleEndian);
  }
  put(tiff, 0, 4, littleEndian);
  Bytes segment{0xFF, 0xE1};
  put(segment, static_cast<uint32_t>(tiff.size()) + 2, 2, false);
  std::copy(tiff.begin(), tiff.end(), std::back_inserter(segment));
  return segment;
}

Bytes tagged(Bytes file, const Bytes& segment) {
  file.insert(file.begin() + 2, segment.begin(), segment.end());
  return file;
}

}  // namespace

TEST_CASE("JPEG: pixels are those in the file, whatever their chroma's resolution") {
  for (const int subsampling : {TJSAMP_444, TJSAMP_422, TJSAMP_420, TJSAMP_GRAY}) {
    for (const int flags : {0, TJFLAG_PROGRESSIVE}) {
      const Bytes file = encoded(noise(53, 37), subsampling, flags);
      const Picture picture = stored(file);
      const auto found = decodeJpeg(file.data(), file.size(), {37, 32, Kernel::Linear});
      REQUIRE(found.has_value());
      CHECK(*found == middle(53, 37, 32, [&](int64_t x, int64_t y) { return picture.at(x, y); }));
    }
  }
}

TEST_CASE("JPEG: turned upright as EXIF says") {
  const Bytes plain = encoded(noise(53, 37), TJSAMP_444);
  const Picture lying = stored(plain);
  const int64_t right = lying.width - 1, bottom = lying.height - 1;
  using Place = std::pair<int64_t, int64_t>;
  // Where a pixel of the upright picture is in the file: EXIF 2.3, tag Orientation.
  const std::function<Place(int64_t, int64_t)> places[] = {
      [](int64_t x, int64_t y) {
        return Place{x, y};
      },
      [&](int64_t x, int64_t y) {
        return Place{right - x, y};
      },
      [&](int64_t x, int64_t y) {
        return Place{right - x, bottom - y};
      },
      [&](int64_t x, int64_t y) {
        return Place{x, bottom - y};
      },
      [](int64_t x, int64_t y) {
        return Place{y, x};
      },
      [&](int64_t x, int64_t y) {
        return Place{y, bottom - x};
      },
      [&](int64_t x, int64_t y) {
        return Place{right - y, bottom - x};
      },
      [&](int64_t x, int64_t y) {
        return Place{right - y, x};
      },
  };
  for (uint32_t tag = 1; tag <= 8; ++tag) {
    for (const bool littleEndian : {false, true}) {
      CAPTURE(tag);
      const Bytes file = tagged(plain, exif(tag, littleEndian));
      CHECK(orientationOf(file.data(), file.size()) == static_cast<int>(tag));
      const auto found = decodeJpeg(file.data(), file.size(), {37, 32, Kernel::Linear});
      REQUIRE(found.has_value());
      const auto expected = middle(tag < 5 ? 53 : 37, tag < 5 ? 37 : 53, 32, [&](int64_t x, int64_t y) {
        const auto [column, row] = places[tag - 1](x, y);
        return lying.at(column, row);
      });
      CHECK(*found == expected);
    }
  }
}

TEST_CASE("JPEG: EXIF that says nothing, or nonsense, leaves a picture as it lies") {
  const Bytes plain = encoded(noise(16, 16), TJSAMP_444);
  CHECK(orientationOf(plain.data(), plain.size()) == 1);
  for (const uint32_t tag : {0, 9, 65535}) {
    const Bytes file = tagged(plain, exif(tag, true));
    CHECK(orientationOf(file.data(), file.size()) == 1);
  }
  const Bytes segment = exif(6, false);
  for (size_t size = 0; size < segment.size(); ++size) {
    // The segment says that it is as long as it is; then the file ends, or goes on.
    Bytes cut(segment.begin(), segment.begin() + static_cast<std::ptrdiff_t>(size));
    Bytes ends{0xFF, 0xD8};
    ends.insert(ends.end(), cut.begin(), cut.end());
    CHECK(orientationOf(ends.data(), ends.size()) == 1);
    if (size < 4) continue;
    cut[2] = static_cast<uint8_t>((size - 2) >> 8), cut[3] = static_cast<uint8_t>(size - 2);
    const Bytes goesOn = tagged(plain, cut);
    const int found = orientationOf(goesOn.data(), goesOn.size());
    CHECK((found == 1 || (found == 6 && size >= segment.size() - 6)));
  }
  for (size_t at = 4; at < segment.size(); ++at) {
    for (const uint8_t value : {0x00, 0x7F, 0xFF}) {
      Bytes changed = segment;
      changed[at] = value;
      const Bytes file = tagged(plain, changed);
      const int found = orientationOf(file.data(), file.size());
      CHECK(found >= 1);
      CHECK(found <= 8);
    }
  }
}

TEST_CASE("JPEG: pixels lie where they should, also where it was decoded at a fraction of its size") {
  for (const auto& [width, height] : {std::pair{256, 256}, {801, 601}, {1603, 1201}, {2405, 3207}}) {
    Picture ramp{width, height, {}};
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        for (const int value : {255 * x / width, 255 * y / height, 77}) ramp.pixels.push_back(uint8_t(value));
      }
    }
    const Bytes plain = encoded(ramp, TJSAMP_444);
    for (const uint32_t tag : {1, 3, 6}) {
      CAPTURE(width);
      CAPTURE(tag);
      const Bytes file = tagged(plain, exif(tag, true));
      const auto found = decodeJpeg(file.data(), file.size(), {64, 56, Kernel::Linear});
      REQUIRE(found.has_value());
      const bool turned = tag == 6;
      const int wide = turned ? height : width, tall = turned ? width : height;
      const auto geometry = picture::geometryOf(wide, tall, {64, 56, Kernel::Linear});
      double worst = 0;
      for (int64_t y = 0; y < 56; ++y) {
        for (int64_t x = 0; x < 56; ++x) {
          const double right = (double(geometry.left + x) + 0.5) / double(geometry.width) * 255;
          const double down = (double(geometry.top + y) + 0.5) / double(geometry.height) * 255;
          const uint8_t* pixel = &(*found)[static_cast<size_t>((y * 56 + x) * 3)];
          const double red = tag == 1 ? right : tag == 3 ? 255 - right : down;
          const double green = tag == 1 ? down : tag == 3 ? 255 - down : 255 - right;
          worst = std::max({worst, std::abs(pixel[0] + 0.5 - red), std::abs(pixel[1] + 0.5 - green)});
        }
      }
      // A pixel more or less to the side would be 4.
      CHECK(worst < 2.2);
    }
  }
}

TEST_CASE("JPEG: nothing for what isn't an intact picture of one or three components") {
  const picture::Resizing resizing{16, 16, Kernel::Linear};
  const Bytes file = encoded(noise(24, 20), TJSAMP_420);
  REQUIRE(decodeJpeg(file.data(), file.size(), resizing).has_value());
  // A copy for each length: what is beyond its end isn't there.
  for (size_t size = 0; size < file.size(); ++size) {
    const Bytes cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(!decodeJpeg(cut.data(), cut.size(), resizing).has_value());
  }
  for (size_t at = 0; at < file.size(); ++at) {
    for (const uint8_t bits : {0x01, 0x80, 0xFF}) {
      Bytes changed = file;
      changed[at] ^= bits;
      const auto found = decodeJpeg(changed.data(), changed.size(), resizing);
      CHECK((!found || found->size() == 16 * 16 * 3));
    }
  }
  Bytes huge = file;
  const uint8_t marker[] = {0xFF, 0xC0};
  const auto frame = std::search(huge.begin(), huge.end(), marker, marker + 2);
  for (int i = 0; i < 4; ++i) *(frame + 5 + i) = 0xFF;  // 65535 x 65535
  CHECK(!decodeJpeg(huge.data(), huge.size(), resizing).has_value());
  const Picture ink{12, 10, Bytes(12 * 10 * 4, 99)};
  const Bytes cmyk = encoded(ink, TJSAMP_444, 0, TJPF_CMYK);
  CHECK(!decodeJpeg(cmyk.data(), cmyk.size(), resizing).has_value());
  const Bytes png{0x89, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0, 0, 13};
  CHECK(!decodeJpeg(png.data(), png.size(), resizing).has_value());
}
