#include "calibration/solver.hpp"

#include <algorithm>
#include <cfloat>
#include <locale>
#include <sstream>

#include "calibration/solvers/solvers.hpp"
#include "core/error.hpp"

namespace presisi::calibration {

namespace solvers {

int occupiedBins(const Histogram& histogram) {
  int occupied = Histogram::kBins;
  while (occupied > 0 && histogram.bins()[static_cast<size_t>(occupied) - 1] == 0) --occupied;
  return occupied;
}

}  // namespace solvers

Method parseMethod(const std::string& name) {
  if (name == "entropy") return Method::Entropy;
  if (name == "percentile") return Method::Percentile;
  if (name == "mse") return Method::Mse;
  if (name == "minmax") return Method::MinMax;
  throw Error(ErrorCode::InvalidArgument,
              "Expected one of entropy, percentile, mse, minmax for calibration method but received \"" + name + "\"");
}

std::string describe(const SolveOptions& options) {
  switch (options.method) {
    case Method::MinMax: return "minmax";
    case Method::Mse: return "mse";
    case Method::Entropy: return "entropy";
    case Method::Percentile: break;
  }
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(10);
  text << "percentile(" << options.percentile << ")";
  return text.str();
}

float solve(const Histogram& histogram, const SolveOptions& options) {
  if (options.method == Method::Percentile && !(options.percentile > 0 && options.percentile <= 100)) {
    std::ostringstream text;
    text << "Expected a number above 0 and at most 100 for percentile but received " << options.percentile;
    throw Error(ErrorCode::InvalidArgument, text.str());
  }
  if (histogram.amax() == 0) return 0;
  float threshold = 0;
  switch (options.method) {
    case Method::MinMax: threshold = solvers::minmax(histogram); break;
    case Method::Percentile: threshold = solvers::percentile(histogram, options.percentile); break;
    case Method::Mse: threshold = solvers::mse(histogram); break;
    case Method::Entropy: threshold = solvers::entropy(histogram); break;
  }
  // (i + 0.5) widths may pass the largest float where max |x| is next to it.
  return std::min(threshold, FLT_MAX);
}

}  // namespace presisi::calibration
