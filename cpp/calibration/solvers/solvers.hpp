#pragma once

#include "calibration/histogram.hpp"

/// One function per method. Each takes a histogram with at least one non-zero value and returns a threshold T > 0.
namespace presisi::calibration::solvers {

float minmax(const Histogram& histogram);
float percentile(const Histogram& histogram, double percentile);
float mse(const Histogram& histogram);
float entropy(const Histogram& histogram);

/// Bins up to and including the one that holds max |x|.
int occupiedBins(const Histogram& histogram);

}  // namespace presisi::calibration::solvers
