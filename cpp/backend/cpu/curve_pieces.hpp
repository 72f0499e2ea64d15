#pragma once

#include <optional>

#include "backend/cpu/kernels/convolution.hpp"

namespace presisi::cpu {

/// A curve for int8 and what numbers are multiplied with, and what is added, to be what it takes.
struct FittedCurve {
  CurvePieces pieces;
  float unit = 1, offset = 0;
};

/// x sigmoid(x) / scale. Before it is rounded, it is off by at most 1/50. Where the scale is too large or too small for
/// that (about 0.35, and 0.01), there is none.
std::optional<FittedCurve> fittedSwish(float scale);

}  // namespace presisi::cpu
