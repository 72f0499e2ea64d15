#include "calibration/solvers/solvers.hpp"

namespace presisi::calibration::solvers {

float minmax(const Histogram& histogram) { return histogram.amax(); }

}  // namespace presisi::calibration::solvers
