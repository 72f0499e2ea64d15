#include "calibration/histogram.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "calibration/distributions.hpp"

using presisi::calibration::Histogram;
using presisi::test::draw;
using presisi::test::Random;

namespace {

Histogram of(const std::vector<float>& values) {
  Histogram histogram;
  histogram.add(values.data(), static_cast<int64_t>(values.size()));
  return histogram;
}

bool isSame(const Histogram& a, const Histogram& b) {
  const float aRange[] = {a.min(), a.max()};
  const float bRange[] = {b.min(), b.max()};
  return a.bins() == b.bins() && a.exponent() == b.exponent() && a.zeros() == b.zeros() && a.total() == b.total() &&
         a.notANumber() == b.notANumber() && a.infinite() == b.infinite() && a.width() == b.width() &&
         std::memcmp(aRange, bRange, sizeof aRange) == 0;
}

/// The definition, one value at a time, once the range is known.
std::vector<uint64_t> binsByDefinition(const std::vector<float>& values, double width) {
  std::vector<uint64_t> bins(Histogram::kBins);
  for (const float value : values) {
    if (value != 0 && std::isfinite(value)) ++bins[static_cast<size_t>(std::floor(std::fabs(value) / width))];
  }
  return bins;
}

std::vector<float> wild(int count) {
  // Magnitudes over 40 powers of two, zeros among them, so that the range grows many times on the way.
  return draw(count, 7, [](Random& r) {
    return r.uniform() < 0.3 ? 0.0 : (r.uniform() < 0.5 ? -1 : 1) * std::exp2(40 * r.uniform() - 30);
  });
}

}  // namespace

TEST_CASE("histogram: nothing, and nothing but zeros") {
  const Histogram empty;
  CHECK(empty.width() == 0);
  CHECK(empty.total() == 0);
  CHECK(empty.amax() == 0);
  CHECK(empty.min() == 0);

  const Histogram zeros = of({0.0f, -0.0f, 0.0f});
  CHECK(zeros.width() == 0);
  CHECK(zeros.zeros() == 3);
  CHECK(zeros.total() == 3);
  CHECK(zeros.amax() == 0);
  CHECK(std::accumulate(zeros.bins().begin(), zeros.bins().end(), uint64_t{0}) == 0);
}

TEST_CASE("histogram: the range is the power of two above the largest magnitude") {
  for (const float value : {1.0f, 1.5f, 1.9999999f, 2.0f, 0.75f, 1e-20f, 1e20f, FLT_MAX}) {
    CAPTURE(value);
    const Histogram histogram = of({-value});
    const double range = histogram.width() * Histogram::kBins;
    CHECK(range > value);
    CHECK(range / 2 <= value);
    CHECK(histogram.min() == -value);
    CHECK(histogram.max() == -value);
    CHECK(histogram.amax() == value);
    CHECK(histogram.bins()[static_cast<size_t>(value / histogram.width())] == 1);
  }
}

TEST_CASE("histogram: follows the definition for few values and for many") {
  for (const int count : {1, 3, 5000, 32767, 32768, 100003}) {
    CAPTURE(count);
    const std::vector<float> values = wild(count);
    const Histogram histogram = of(values);
    if (histogram.width() > 0) CHECK(histogram.bins() == binsByDefinition(values, histogram.width()));
    CHECK(histogram.zeros() == static_cast<uint64_t>(std::count(values.begin(), values.end(), 0.0f)));
    CHECK(histogram.total() == values.size());
    CHECK(histogram.min() == *std::min_element(values.begin(), values.end()));
    CHECK(histogram.max() == *std::max_element(values.begin(), values.end()));
  }
}

TEST_CASE("histogram: cutting and order change no bit") {
  std::vector<float> values = wild(100000);
  values[500] = NAN;
  values[70000] = -INFINITY;
  const Histogram whole = of(values);
  CHECK(whole.notANumber() == 1);
  CHECK(whole.infinite() == 1);

  for (const size_t batch : {1u, 7u, 1000u, 33333u, 99999u}) {
    CAPTURE(batch);
    Histogram cut;
    Histogram merged;
    for (size_t start = 0; start < values.size(); start += batch) {
      const auto size = static_cast<int64_t>(std::min(batch, values.size() - start));  // the last one is ragged
      cut.add(values.data() + start, size);
      if (batch < 1000) continue;
      Histogram part;
      part.add(values.data() + start, size);
      merged.merge(part);
    }
    CHECK(isSame(cut, whole));
    if (batch >= 1000) CHECK(isSame(merged, whole));
  }

  std::vector<float> sorted = values;
  std::sort(sorted.begin(), sorted.end(), [](float a, float b) {
    return std::make_pair(std::isnan(a), std::fabs(a)) < std::make_pair(std::isnan(b), std::fabs(b));
  });
  CHECK(isSame(of(sorted), whole));
  std::reverse(values.begin(), values.end());
  CHECK(isSame(of(values), whole));
}

TEST_CASE("histogram: merging is symmetric, and with itself doubles") {
  const Histogram small = of({0.001f, 0.0f, -0.002f});
  const Histogram large = of({100.0f, -3000.0f});
  Histogram a = small;
  a.merge(large);
  Histogram b = large;
  b.merge(small);
  CHECK(isSame(a, b));
  CHECK(isSame(a, of({0.001f, 0.0f, -0.002f, 100.0f, -3000.0f})));
  a.merge(a);
  CHECK(a.total() == 10);
  Histogram c = large;
  c.merge(Histogram());
  CHECK(isSame(c, large));
}

TEST_CASE("histogram: a tiny batch and then a huge one") {
  Histogram histogram = of({1e-30f, 2e-30f});
  const float huge[] = {1e30f};
  histogram.add(huge, 1);
  CHECK(isSame(histogram, of({1e30f, 2e-30f, 1e-30f})));
  CHECK(histogram.bins()[0] == 2);
  CHECK(histogram.total() == 3);
}

TEST_CASE("histogram: subnormals count as values, not as zeros") {
  const float tiny = std::numeric_limits<float>::denorm_min();
  const Histogram histogram = of({tiny, -tiny, 0.0f});
  CHECK(histogram.zeros() == 1);
  CHECK(histogram.bins()[0] == 2);
  CHECK(histogram.exponent() == Histogram::kMinExponent);
  CHECK(histogram.min() == -tiny);
  CHECK(histogram.amax() == tiny);
}

TEST_CASE("histogram: NaN and infinities are counted and nothing else") {
  const std::vector<float> values = {NAN, 1.0f, INFINITY, -NAN, -INFINITY, 0.0f, -2.0f};
  const Histogram histogram = of(values);
  CHECK(histogram.notANumber() == 2);
  CHECK(histogram.infinite() == 2);
  CHECK(histogram.total() == 3);
  CHECK(histogram.min() == -2);
  CHECK(histogram.max() == 1);
  const Histogram none = of({NAN, INFINITY});
  CHECK(none.total() == 0);
  CHECK(none.amax() == 0);
  CHECK(none.min() == 0);
}
