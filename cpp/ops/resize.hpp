#pragma once

#include <string>
#include <vector>

#include "ops/common.hpp"

namespace presisi::ops {

enum class ResizeMode { Nearest, Linear, Cubic };

/// One axis of a resize.
struct ResizeAxis {
  int64_t in = 0, out = 0;
  double scale = 1;
  double length = 0;  ///< of the result before rounding: scale * in, where a scale was given, else `out`
  double roiBegin = 0, roiEnd = 1;
};

/// Everything a Resize or Upsample node says, whatever its opset.
struct ResizePlan {
  ResizeMode mode = ResizeMode::Nearest;
  std::string coordinates = "half_pixel";
  std::string nearest = "round_prefer_floor";
  double cubicA = -0.75;
  bool excludeOutside = false;
  bool antialias = false;
  double extrapolation = 0;
  std::vector<ResizeAxis> axes;  ///< one for each axis of the input
};

/// Position in the input of index `x` of the result, by the plan's coordinate transformation.
double originalCoordinate(const ResizePlan& plan, const ResizeAxis& axis, int64_t x);

/// The input's elements that make one of the result's, with their weights, along one axis.
struct ResizeTaps {
  std::vector<int64_t> indices;
  std::vector<double> weights;
  bool outside = false;  ///< tf_crop_and_resize: beyond the input, so the extrapolation value
};

/// Linear and cubic: the taps for each index of the result.
std::vector<ResizeTaps> resizeTaps(const ResizePlan& plan, const ResizeAxis& axis);

/// Nearest: the input's index for each index of the result; -1 stands for the extrapolation value.
std::vector<int64_t> nearestIndices(const ResizePlan& plan, const ResizeAxis& axis);

}  // namespace presisi::ops
