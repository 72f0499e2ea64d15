#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace presisi::ops {

/// Rounds half to even, adds the zero point and clamps to the type's range: ONNX's saturate(round(x) + zero point).
/// NaN becomes the smallest value.
template <typename T>
T saturate(double value, int64_t zeroPoint) {
  const double shifted = std::nearbyint(value) + static_cast<double>(zeroPoint);
  constexpr double lowest = std::numeric_limits<T>::lowest();
  constexpr double highest = std::numeric_limits<T>::max();
  if (!(shifted > lowest)) return std::numeric_limits<T>::lowest();
  return shifted >= highest ? std::numeric_limits<T>::max() : static_cast<T>(shifted);
}

}  // namespace presisi::ops
