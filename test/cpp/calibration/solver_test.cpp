#include "calibration/solver.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "calibration/distributions.hpp"
#include "core/error.hpp"

using namespace presisi::calibration;
using presisi::test::draw;
using presisi::test::Random;
using presisi::test::sqnr;

namespace {

float threshold(const std::vector<float>& values, Method method, double percentile = 99.99) {
  Histogram histogram;
  histogram.add(values.data(), static_cast<int64_t>(values.size()));
  return solve(histogram, {method, percentile});
}

std::vector<float> arange(int count) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(static_cast<float>(i));
  return values;
}

/// Entropy calibration by its definition, with P and Q written out: slow, and nothing shared with the solver.
float entropyByDefinition(const Histogram& histogram) {
  const std::vector<uint64_t>& bins = histogram.bins();
  size_t occupied = bins.size();
  while (bins[occupied - 1] == 0) --occupied;
  double best = INFINITY;
  size_t bestCandidate = 0;
  for (size_t candidate = 128; candidate <= occupied; ++candidate) {
    std::vector<double> p(bins.begin(), bins.begin() + static_cast<std::ptrdiff_t>(candidate));
    std::vector<double> q(candidate);
    double sumP = 0;
    double sumQ = 0;
    for (size_t i = candidate; i < bins.size(); ++i) p.back() += static_cast<double>(bins[i]);
    for (size_t level = 0; level < 128; ++level) {
      const size_t from = level * (candidate / 128);
      const size_t to = level == 127 ? candidate : from + candidate / 128;
      double mass = 0;
      double nonEmpty = 0;
      for (size_t i = from; i < to; ++i) {
        mass += static_cast<double>(bins[i]);
        nonEmpty += bins[i] > 0;
      }
      for (size_t i = from; i < to; ++i) q[i] = bins[i] > 0 ? mass / nonEmpty : 0;
    }
    for (size_t i = 0; i < candidate; ++i) {
      sumP += p[i];
      sumQ += q[i];
    }
    double divergence = 0;
    for (size_t i = 0; i < candidate; ++i) {
      if (p[i] > 0) divergence += p[i] / sumP * (q[i] > 0 ? std::log((p[i] / sumP) / (q[i] / sumQ)) : INFINITY);
    }
    if (divergence < best) {
      best = divergence;
      bestCandidate = candidate;
    }
  }
  return static_cast<float>((static_cast<double>(bestCandidate) + 0.5) * histogram.width());
}

/// Expected squared error of threshold T over the values themselves.
double squaredError(const std::vector<float>& values, double threshold) {
  const double scale = threshold / 127;
  double sum = 0;
  for (const float value : values) {
    const double q = std::fmin(127, std::fmax(-127, std::nearbyint(value / scale)));
    sum += (value - q * scale) * (value - q * scale);
  }
  return sum;
}

constexpr int kSamples = 200000;

std::vector<float> reluNormal(uint64_t seed = 1) {
  return draw(kSamples, seed, [](Random& r) { return std::fmax(0, r.normal()); });
}
std::vector<float> laplace(uint64_t seed = 1) {
  return draw(kSamples, seed, [](Random& r) { return r.laplace(); });
}
std::vector<float> normalWithOutlier(uint64_t seed = 1) {
  std::vector<float> values = draw(kSamples, seed, [](Random& r) { return r.normal(); });
  values.push_back(60);
  return values;
}
/// Half of the values are zero, as after a ReLU; the others have a heavy tail.
std::vector<float> gatedLogNormal(uint64_t seed = 1) {
  return draw(kSamples, seed, [](Random& r) {
    const double value = std::exp(r.normal());
    return r.uniform() < 0.5 ? value : 0.0;
  });
}

struct Known {
  const char* name;
  std::vector<float> (*values)(uint64_t seed);
  double threshold;
  double decibel;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

TEST_CASE("solver: entropy on known distributions") {
  // The argument of a minimum jumps from one set of samples to the next, by some 10 %: hence the median of five.
  const Known distributions[] = {{"ReLU of N(0, 1)", reluNormal, 4.05, 40.7},
                                 {"Laplace(1)", laplace, 10.06, 34.7},
                                 {"N(0, 1) and one 60", normalWithOutlier, 4.70, 18.2},
                                 {"ReLU-gated log-normal", gatedLogNormal, 20.0, 16.3}};
  for (const Known& known : distributions) {
    CAPTURE(known.name);
    std::vector<double> thresholds;
    std::vector<double> decibels;
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      const std::vector<float> values = known.values(seed);
      thresholds.push_back(threshold(values, Method::Entropy));
      decibels.push_back(sqnr(values, thresholds.back()));
    }
    CHECK(median(thresholds) == doctest::Approx(known.threshold).epsilon(0.05));
    CHECK(std::fabs(median(decibels) - known.decibel) < 1);
  }
}

TEST_CASE("solver: entropy is what its definition says") {
  for (const std::vector<float>& values : {reluNormal(), laplace(), normalWithOutlier(), gatedLogNormal()}) {
    Histogram histogram;
    histogram.add(values.data(), static_cast<int64_t>(values.size()));
    CHECK(solve(histogram, {Method::Entropy}) == entropyByDefinition(histogram));
  }
}

TEST_CASE("solver: zeros change nothing but percentiles") {
  std::vector<float> values = laplace();
  const float entropy = threshold(values, Method::Entropy);
  const float mse = threshold(values, Method::Mse);
  const float percentile = threshold(values, Method::Percentile, 99);
  values.resize(values.size() * 10, 0.0f);
  CHECK(threshold(values, Method::Entropy) == entropy);
  CHECK(threshold(values, Method::Mse) == mse);
  CHECK(threshold(values, Method::Percentile, 99) < percentile);
}

TEST_CASE("solver: one outlier doesn't stretch a uniform tensor") {
  std::vector<float> values = draw(kSamples, 3, [](Random& r) { return r.uniform(); });
  values.push_back(10);
  const float entropy = threshold(values, Method::Entropy);
  CHECK(entropy < 1.1f);
  CHECK(entropy > 0.9f);
  CHECK(threshold(values, Method::MinMax) == 10);
}

TEST_CASE("solver: entropy falls back to minmax where there is no distribution to speak of") {
  CHECK(threshold(std::vector<float>(1000, 3.25f), Method::Entropy) == 3.25f);
  CHECK(threshold({-5.0f, 0.0f, 2.0f}, Method::Entropy) == 5.0f);
  CHECK(threshold(arange(100), Method::Entropy) == 99.0f);
}

TEST_CASE("solver: percentile") {
  CHECK(threshold(arange(100), Method::Percentile, 90) == doctest::Approx(89).epsilon(0.005));
  CHECK(threshold(arange(100), Method::Percentile, 100) == 99);
  const std::vector<float> uniform = draw(kSamples, 4, [](Random& r) { return -2 * r.uniform(); });
  for (const double p : {1.0, 50.0, 99.0, 99.99}) {
    CAPTURE(p);
    CHECK(threshold(uniform, Method::Percentile, p) == doctest::Approx(2 * p / 100).epsilon(0.02));
  }
  // More zeros than p: not 0, which would erase the tensor, but the smallest magnitude there is.
  std::vector<float> sparse(1000, 0.0f);
  sparse.push_back(3.0f);
  sparse.push_back(8.0f);
  CHECK(threshold(sparse, Method::Percentile, 50) == doctest::Approx(3).epsilon(0.01));
}

TEST_CASE("solver: mse") {
  CHECK(threshold(arange(256), Method::Mse) == doctest::Approx(255).epsilon(0.01));
  // Against the error over the values themselves: no other threshold may be better by more than the bins blur.
  for (const std::vector<float>& values : {reluNormal(), laplace(), normalWithOutlier()}) {
    const float best = threshold(values, Method::Mse);
    const double error = squaredError(values, best);
    const float largest = threshold(values, Method::MinMax);
    double found = error;
    for (int i = 1; i <= 200; ++i) found = std::fmin(found, squaredError(values, largest * i / 200));
    CHECK(error < 1.01 * found);
    CHECK(best > 0);
    CHECK(best <= largest);
  }
}

TEST_CASE("solver: all methods on tensors at the edges") {
  for (const Method method : {Method::MinMax, Method::Percentile, Method::Mse, Method::Entropy}) {
    CAPTURE(static_cast<int>(method));
    CHECK(threshold({}, method) == 0);
    CHECK(threshold({0.0f, -0.0f}, method) == 0);
    CHECK(threshold({-7.0f}, method) == doctest::Approx(7).epsilon(0.001));
    CHECK(threshold({FLT_MAX, -FLT_MAX}, method) == doctest::Approx(FLT_MAX).epsilon(0.001));
    const float tiny = threshold({1e-40f}, method);
    CHECK(tiny > 0);
    CHECK(tiny <= 1e-30f);

    std::vector<float> negative = draw(kSamples, 5, [](Random& r) { return -std::fabs(r.normal()) - 1; });
    std::vector<float> positive = negative;
    for (float& value : positive) value = -value;
    CHECK(threshold(negative, method) == threshold(positive, method));

    // A power of two times the values is the same power times the threshold.
    for (float& value : positive) value *= 1024;
    CHECK(threshold(positive, method) == 1024 * threshold(negative, method));
  }
}

TEST_CASE("solver: near the largest float the threshold stays finite") {
  std::vector<float> values = draw(kSamples, 6, [](Random& r) { return r.uniform() * FLT_MAX; });
  values.push_back(FLT_MAX);
  for (const Method method : {Method::MinMax, Method::Percentile, Method::Mse, Method::Entropy}) {
    CHECK(std::isfinite(threshold(values, method)));
  }
}

TEST_CASE("solver: names and options") {
  CHECK(describe({parseMethod("entropy")}) == "entropy");
  CHECK(describe({parseMethod("minmax")}) == "minmax");
  CHECK(describe({parseMethod("mse")}) == "mse");
  CHECK(describe({parseMethod("percentile")}) == "percentile(99.99)");
  CHECK(describe({Method::Percentile, 100}) == "percentile(100)");
  CHECK_THROWS_WITH_AS(parseMethod("kl"), doctest::Contains("\"kl\""), presisi::Error);
  for (const double p : {0.0, -1.0, 100.5, std::nan("")}) {
    CHECK_THROWS_WITH_AS(threshold({1.0f}, Method::Percentile, p), doctest::Contains("percentile"), presisi::Error);
  }
}
