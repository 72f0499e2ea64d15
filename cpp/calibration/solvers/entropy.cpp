#include <cmath>
#include <limits>
#include <vector>

#include "calibration/solvers/solvers.hpp"

namespace presisi::calibration::solvers {

namespace {

constexpr int kLevels = 128;

}  // namespace

/// Szymon Migacz, "8-bit Inference with TensorRT", GTC 2017. A candidate keeps the first i bins. The reference P is
/// those bins with the mass of all bins past them added to the last; Q is what is left of them after 128 levels of
/// i / 128 whole bins each (the last level takes the remainder), each level's mass spread evenly over its non-empty
/// bins, without the mass past them. The candidate with the smallest divergence KL(P || Q) wins, and
/// T = (i + 0.5) · width.
///
/// A candidate whose last bin is empty has P > 0 through the tail alone where Q = 0: its divergence is infinite by
/// definition, and it is passed over.
///
/// Over bins k of level j, with c_j the level's mass, n_j its non-empty bins, N all mass and S the mass of the kept
/// bins, P ln(P/Q) adds up to b_k ln b_k - b_k ln(c_j / n_j), plus (ln S - ln N) b_k: sums over ranges of bins, which
/// running sums answer. All levels but the last are the same for 128 candidates in a row: a candidate costs some steps,
/// not i.
float entropy(const Histogram& histogram) {
  const std::vector<uint64_t>& bins = histogram.bins();
  const int occupied = occupiedBins(histogram);
  std::vector<uint64_t> mass(static_cast<size_t>(occupied) + 1);      // of the bins before each edge
  std::vector<int> nonEmpty(static_cast<size_t>(occupied) + 1);       // of the bins before each edge
  std::vector<double> ownEntropy(static_cast<size_t>(occupied) + 1);  // sum of b ln b of the bins before each edge
  for (size_t i = 0; i < static_cast<size_t>(occupied); ++i) {
    const double count = static_cast<double>(bins[i]);
    mass[i + 1] = mass[i] + bins[i];
    nonEmpty[i + 1] = nonEmpty[i] + (bins[i] > 0);
    ownEntropy[i + 1] = ownEntropy[i] + (bins[i] > 0 ? count * std::log(count) : 0);
  }
  // Too few different values to tell a distribution: nothing to be gained by clipping.
  if (nonEmpty.back() < kLevels) return minmax(histogram);

  const double all = static_cast<double>(mass.back());
  double bestDivergence = std::numeric_limits<double>::infinity();
  int best = occupied;
  int perLevel = 0;
  double wholeLevels = 0;  // sum of c_j ln(c_j / n_j), without the last level
  for (int candidate = kLevels; candidate <= occupied; ++candidate) {
    const size_t last = static_cast<size_t>(candidate) - 1;
    if (bins[last] == 0) continue;
    const auto term = [&](size_t from, size_t to, double tail) {
      const uint64_t count = mass[to] - mass[from];
      if (count == 0) return 0.0;
      const auto levelMass = static_cast<double>(count);
      return (levelMass + tail) * std::log(levelMass / (nonEmpty[to] - nonEmpty[from]));
    };
    if (candidate / kLevels != perLevel) {
      perLevel = candidate / kLevels;
      wholeLevels = 0;
      for (int level = 0; level < kLevels - 1; ++level) {
        const size_t from = static_cast<size_t>(level) * perLevel;
        wholeLevels += term(from, from + perLevel, 0);
      }
    }
    const double kept = static_cast<double>(mass[last + 1]);
    const double tail = all - kept;
    const double lastCount = static_cast<double>(bins[last]);
    const double lastReference = lastCount + tail;

    const double divergence = ownEntropy[last] + lastReference * std::log(lastReference) +
                              all * (std::log(kept) - std::log(all)) - wholeLevels -
                              term(static_cast<size_t>(kLevels - 1) * perLevel, last + 1, tail);
    if (divergence < bestDivergence) {
      bestDivergence = divergence;
      best = candidate;
    }
  }
  return static_cast<float>((best + 0.5) * histogram.width());
}

}  // namespace presisi::calibration::solvers
