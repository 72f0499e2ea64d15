#include <algorithm>
#include <array>
#include <vector>

#include "calibration/solvers/solvers.hpp"

namespace presisi::calibration::solvers {

namespace {

constexpr int kLevels = 127;  // of the positive half of symmetric INT8

/// Running sums of 1, x and x² up to a point of the range, with values spread evenly inside each bin. Positions are in
/// bins, so the numbers stay of one size whatever the tensor's scale.
class Moments {
 public:
  explicit Moments(const std::vector<uint64_t>& bins) : bins_(bins), sums_(bins.size() + 1) {
    for (size_t i = 0; i < bins.size(); ++i) {
      const double count = static_cast<double>(bins[i]);
      const double left = static_cast<double>(i);
      sums_[i + 1] = {sums_[i][0] + count, sums_[i][1] + count * (left + 0.5),
                      sums_[i][2] + count * (left * left + left + 1.0 / 3)};
    }
  }

  using Sums = std::array<double, 3>;

  Sums upTo(double position) const {
    const size_t bin = static_cast<size_t>(position);
    if (bin >= bins_.size()) return sums_.back();
    const double left = static_cast<double>(bin);
    const double part = position - left;
    const double count = static_cast<double>(bins_[bin]);
    const Sums& s = sums_[bin];
    // Integrals over [left, left + part) of 1, x and x².
    return {s[0] + count * part, s[1] + count * part * (left + part / 2),
            s[2] + count * part * (left * left + left * part + part * part / 3)};
  }

  Sums all() const { return sums_.back(); }

 private:
  const std::vector<uint64_t>& bins_;
  std::vector<Sums> sums_;
};

/// Sum of (x - level)² over the values between two points, from their running sums.
double squaredError(const Moments::Sums& from, const Moments::Sums& to, double level) {
  return (to[2] - from[2]) - 2 * level * (to[1] - from[1]) + level * level * (to[0] - from[0]);
}

/// Sum of squared quantization errors with threshold T (in bins): values round to multiples of T/127, those past
/// 126.5 steps, clipped ones included, become T. Values that round to 0 lose themselves.
double totalError(const Moments& moments, double threshold) {
  const double step = threshold / kLevels;
  Moments::Sums from{};
  double error = 0;
  for (int level = 0; level < kLevels; ++level) {
    const Moments::Sums to = moments.upTo((level + 0.5) * step);
    error += squaredError(from, to, level * step);
    from = to;
  }
  return error + squaredError(from, moments.all(), threshold);
}

}  // namespace

/// The bin edge that minimises the expected squared error of rounding and clipping together. The error of a candidate
/// follows from the first three moments of the values around each of the 128 levels, so it costs the number of levels
/// and not the number of bins. Exact zeros have no error under any threshold.
float mse(const Histogram& histogram) {
  const int occupied = occupiedBins(histogram);
  const Moments moments(histogram.bins());
  int best = occupied;
  double bestError = totalError(moments, occupied);
  for (int candidate = occupied - 1; candidate >= 1; --candidate) {
    const double error = totalError(moments, candidate);
    if (error < bestError) {
      bestError = error;
      best = candidate;
    }
  }
  return std::min(static_cast<float>(best * histogram.width()), histogram.amax());
}

}  // namespace presisi::calibration::solvers
