#include "picture/resample.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <random>
#include <vector>

#include "picture/rows.hpp"

using namespace presisi;
using picture::Axis;
using picture::axisOf;
using picture::Kernel;
using picture::resample;
using picture::Side;

namespace {

constexpr int32_t kOne = 1 << 22;

/// `count` pixels from the first on, and the weights given.
Axis axis(int64_t count, std::vector<int32_t> starts, std::vector<int32_t> weights) {
  Axis made;
  made.count = count;
  made.width = static_cast<int64_t>(weights.size() / starts.size());
  made.starts = std::move(starts);
  made.weights = std::move(weights);
  return made;
}

/// All of `present` pixels become `scaled`.
Axis whole(int64_t present, int64_t scaled, Kernel kernel) {
  return axisOf({static_cast<double>(present), present, scaled, 0, scaled}, kernel);
}

}  // namespace

TEST_CASE("resample: rows first, then columns, each rounded to the nearest byte") {
  const std::vector<uint8_t> pixels{0, 10, 255, 4, 20, 1, 100, 30, 0, 7, 40, 255};  // 2 x 2
  const Axis half = axis(2, {0, 0, 0}, {kOne, 0, kOne / 2, kOne / 2, 0, kOne});
  const std::vector<uint8_t> expected{
      0,   10, 255, 2,  15, 128, 4, 20, 1,    // as it is, with the mean between
      50,  20, 128, 28, 25, 128, 6, 30, 128,  // (2 + 54) / 2 = 28: of means that were rounded
      100, 30, 0,   54, 35, 128, 7, 40, 255,
  };
  CHECK(resample(pixels.data(), 6, half, half) == expected);
}

TEST_CASE("resample: weights beyond one and below nothing are held to bytes; any number of neighbours") {
  const std::vector<uint8_t> pixels{0, 0, 0, 200, 100, 250, 10, 20, 30};  // 3 x 1
  const Axis sharp = axis(3, {0}, {-kOne, 2 * kOne, 0}), one = axis(1, {0}, {kOne});
  CHECK(resample(pixels.data(), 9, sharp, one) == std::vector<uint8_t>{255, 200, 255});
  const Axis below = axis(3, {0, 1}, {kOne, -kOne, kOne, -kOne});
  CHECK(resample(pixels.data(), 9, below, one) == std::vector<uint8_t>{0, 0, 0, 190, 80, 220});
}

TEST_CASE("resample: rows wider than any vector, and only what the axes look at") {
  const int64_t width = 150, height = 7, stride = width * 3 + 5;
  std::vector<uint8_t> pixels(static_cast<size_t>(height * stride), 250);
  for (int64_t y = 2; y < 5; ++y) {
    for (int64_t x = 10; x < 140; ++x) {
      for (int64_t c = 0; c < 3; ++c) pixels[static_cast<size_t>(y * stride + x * 3 + c)] = uint8_t(x + 20 * c + y);
    }
  }
  Axis columns;
  columns.count = 130;
  columns.first = 10;
  columns.width = 1;
  for (int32_t i = 0; i < 130; ++i) columns.starts.push_back(129 - i), columns.weights.push_back(kOne);
  Axis rows = axis(3, {0, 1}, {kOne / 4, kOne / 4 * 3, kOne / 4 * 3, kOne / 4});
  rows.first = 2;
  const std::vector<uint8_t> made = resample(pixels.data(), stride, columns, rows);
  REQUIRE(made.size() == 2 * 130 * 3);
  for (int64_t x = 0; x < 130; ++x) {
    for (int64_t c = 0; c < 3; ++c) {
      const int64_t base = 139 - x + 20 * c;
      CHECK(made[static_cast<size_t>(x * 3 + c)] == base + 3);          // 2.75
      CHECK(made[static_cast<size_t>((130 + x) * 3 + c)] == base + 3);  // 3.25
    }
  }
}

TEST_CASE("resample: what every processor has and what this one has make the same bytes") {
  const picture::RowFunctions &base = picture::kRowsBase, &widest = picture::rowFunctions();
  std::mt19937 random(3);
  const int64_t width = 9, made = 53, bytes = made * 3;
  std::vector<uint8_t> pixels(static_cast<size_t>(200 * 3 + 1));
  for (uint8_t& byte : pixels) byte = static_cast<uint8_t>(random());
  std::vector<int32_t> starts, weights;
  for (int64_t i = 0; i < made; ++i) {
    starts.push_back(static_cast<int32_t>(random() % (200 - width + 1)));
    for (int64_t k = 0; k < width; ++k) weights.push_back(static_cast<int32_t>(random() % kOne) - kOne / 4);
  }
  std::vector<uint8_t> expected(static_cast<size_t>(bytes)), found(expected);
  base.alongRow(pixels.data(), starts.data(), weights.data(), width, made, expected.data());
  widest.alongRow(pixels.data(), starts.data(), weights.data(), width, made, found.data());
  CHECK(found == expected);
  CHECK(std::count(found.begin(), found.end(), 0) < bytes / 2);

  base.alongColumns(pixels.data(), 150, weights.data(), 4, expected.data());
  widest.alongColumns(pixels.data(), 150, weights.data(), 4, found.data());
  CHECK(found == expected);
}

TEST_CASE("weights: half as many pixels, as Pillow has them") {
  const Axis linear = whole(8, 4, Kernel::Linear);
  CHECK(linear.first == 0);
  CHECK(linear.count == 8);
  CHECK(linear.width == 4);
  CHECK(linear.starts == std::vector<int32_t>{0, 1, 3, 4});
  // A triangle over four pixels is 1, 3, 3, 1 eighths; at the edges the first or the last of them isn't there.
  const auto sevenths = [](int32_t n) { return static_cast<int32_t>((int64_t{2} * n * kOne + 7) / 14); };
  const std::vector<int32_t> expected{sevenths(3), sevenths(3),  sevenths(1),  0,         //
                                      kOne / 8,    kOne / 8 * 3, kOne / 8 * 3, kOne / 8,  //
                                      kOne / 8,    kOne / 8 * 3, kOne / 8 * 3, kOne / 8,  //
                                      0,           sevenths(1),  sevenths(3),  sevenths(3)};
  CHECK(linear.weights == expected);
}

TEST_CASE("weights: of every kernel, smaller, larger and as it was, sum to one") {
  for (const Kernel kernel :
       {Kernel::Nearest, Kernel::Linear, Kernel::Cubic, Kernel::Mitchell, Kernel::Lanczos2, Kernel::Lanczos3}) {
    for (const int64_t scaled : {1, 3, 20, 61, 100, 333}) {
      const Axis made = whole(61, scaled, kernel);
      CAPTURE(static_cast<int>(kernel));
      CAPTURE(scaled);
      REQUIRE(made.made() == scaled);
      CHECK(made.first + made.count <= 61);
      for (int64_t i = 0; i < scaled; ++i) {
        CHECK(made.starts[static_cast<size_t>(i)] >= 0);
        CHECK(made.starts[static_cast<size_t>(i)] + made.width <= made.count);
        const auto* begin = made.weights.data() + i * made.width;
        CHECK(std::abs(std::accumulate(begin, begin + made.width, 0) - kOne) <= made.width);
      }
    }
  }
}

TEST_CASE("weights: where a picture keeps its size, each pixel is itself") {
  for (const Kernel kernel : {Kernel::Nearest, Kernel::Linear, Kernel::Cubic, Kernel::Lanczos3}) {
    std::vector<uint8_t> pixels(9 * 3);
    std::iota(pixels.begin(), pixels.end(), uint8_t{40});
    CHECK(resample(pixels.data(), 27, whole(9, 9, kernel), whole(1, 1, kernel)) == pixels);
  }
}

TEST_CASE("weights: a part is what the whole has there") {
  const Axis all = whole(97, 31, Kernel::Lanczos3), part = axisOf({97, 97, 31, 12, 7}, Kernel::Lanczos3);
  for (int64_t i = 0; i < 7; ++i) {
    CHECK(part.first + part.starts[static_cast<size_t>(i)] == all.first + all.starts[static_cast<size_t>(12 + i)]);
  }
  CHECK(part.count < all.count / 2);
}

TEST_CASE("weights: half a pixel that isn't the picture's counts for less") {
  // 7 pixels decoded at half their size are 3.5, of which four are in memory.
  const Axis made = axisOf({3.5, 4, 2, 0, 2}, Kernel::Linear);
  const Axis even = whole(4, 2, Kernel::Linear);
  CHECK(made.weights != even.weights);
  // The second's middle is at 2.625, nearer to the third pixel's, 2.5, than to the fourth's.
  const int32_t* second = made.weights.data() + made.width;
  const auto at = [&](int64_t pixel) { return second[pixel - made.first - made.starts[1]]; };
  CHECK(at(2) > at(3));
}
