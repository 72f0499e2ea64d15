#include <algorithm>

#include "calibration/solvers/solvers.hpp"

namespace presisi::calibration::solvers {

/// The magnitude that p percent of the values don't exceed, interpolated inside its bin.
///
/// Zeros count as values of magnitude 0, unlike for entropy: a percentile speaks of the distribution of the data, of
/// which they are a part, and the 90th percentile of 0, 1, …, 99 has to be 89 and not 90.
float percentile(const Histogram& histogram, double percentile) {
  const double wanted = percentile / 100.0 * static_cast<double>(histogram.total());
  const double width = histogram.width();
  double below = static_cast<double>(histogram.zeros());
  for (int i = 0; i < Histogram::kBins; ++i) {
    const uint64_t count = histogram.bins()[static_cast<size_t>(i)];
    if (count == 0) continue;
    if (below + static_cast<double>(count) < wanted) {
      below += static_cast<double>(count);
      continue;
    }
    // Where even the zeros alone reach p, a threshold of 0 would erase the tensor: the end of the first occupied bin,
    // the smallest magnitude there is, takes its place.
    const double inside = wanted <= below ? (below > histogram.zeros() ? 0.0 : 1.0) : (wanted - below) / count;
    return std::min(static_cast<float>((i + inside) * width), histogram.amax());
  }
  return histogram.amax();
}

}  // namespace presisi::calibration::solvers
