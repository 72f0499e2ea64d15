#include "engine/enlarge.hpp"

#include <doctest/doctest.h>

#include "support/errors.hpp"

using namespace presisi;
using namespace presisi::test;
using engine::AxisWeights;
using engine::enlarge;

namespace {

constexpr int32_t kOne = 1 << 22;

/// Weights of an axis, and the arrays they are in.
struct Axis {
  std::vector<int32_t> starts, weights;
  AxisWeights view;
  Axis(int64_t count, std::vector<int32_t> s, std::vector<int32_t> w) : starts(std::move(s)), weights(std::move(w)) {
    view = {count, static_cast<int64_t>(weights.size() / starts.size()), starts.data(),
            static_cast<int64_t>(starts.size()), weights.data()};
  }
};

}  // namespace

TEST_CASE("enlarge: rows first, then columns, each rounded to the nearest byte") {
  const std::vector<uint8_t> pixels{0, 10, 255, 4, 20, 1, 100, 30, 0, 7, 40, 255};  // 2 x 2
  const Axis half(2, {0, 0, 0}, {kOne, 0, kOne / 2, kOne / 2, 0, kOne});
  const std::vector<uint8_t> expected{
      0,   10, 255, 2,  15, 128, 4, 20, 1,    // as it is, with the mean between
      50,  20, 128, 28, 25, 128, 6, 30, 128,  // (2 + 54) / 2 = 28: of means that were rounded
      100, 30, 0,   54, 35, 128, 7, 40, 255,
  };
  CHECK(enlarge(pixels.data(), half.view, half.view) == expected);
}

TEST_CASE("enlarge: weights beyond one and below nothing are held to bytes; any number of neighbours") {
  const std::vector<uint8_t> pixels{0, 0, 0, 200, 100, 250, 10, 20, 30};  // 3 x 1
  const Axis sharp(3, {0}, {-kOne, 2 * kOne, 0}), one(1, {0}, {kOne});
  CHECK(enlarge(pixels.data(), sharp.view, one.view) == std::vector<uint8_t>{255, 200, 255});
  const Axis below(3, {0, 1}, {kOne, -kOne, kOne, -kOne});
  CHECK(enlarge(pixels.data(), below.view, one.view) == std::vector<uint8_t>{0, 0, 0, 190, 80, 220});
}

TEST_CASE("enlarge: weights that look beyond an edge are refused") {
  const std::vector<uint8_t> pixels(12);
  const Axis good(2, {0}, {kOne, 0}), after(2, {1}, {kOne, 0}), before(2, {-1}, {kOne, 0});
  for (const Axis* bad : {&after, &before}) {
    const auto refuses = [&](const AxisWeights& columns, const AxisWeights& rows) {
      return throwsError(ErrorCode::InvalidArgument, "beyond the edge", [&] { enlarge(pixels.data(), columns, rows); });
    };
    CHECK(refuses(bad->view, good.view));
    CHECK(refuses(good.view, bad->view));
  }
}
