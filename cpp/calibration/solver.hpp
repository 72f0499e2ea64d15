#pragma once

#include <string>

#include "calibration/histogram.hpp"

namespace presisi::calibration {

enum class Method { MinMax, Percentile, Mse, Entropy };

struct SolveOptions {
  Method method = Method::Entropy;
  double percentile = 99.99;  ///< (0, 100]; percentile only
};

/// `entropy`, `percentile`, `mse`, `minmax`; throws InvalidArgument otherwise.
Method parseMethod(const std::string& name);
std::string describe(const SolveOptions& options);  ///< as it stands in the fingerprint

/// The threshold T (> 0 unless the tensor is all zeros: then 0).
float solve(const Histogram& histogram, const SolveOptions& options);

}  // namespace presisi::calibration
