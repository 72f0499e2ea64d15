#include <algorithm>
#include <cmath>

#include "ops/resize.hpp"

namespace presisi::ops {

double originalCoordinate(const ResizePlan& plan, const ResizeAxis& axis, int64_t index) {
  const std::string& mode = plan.coordinates;
  const auto x = static_cast<double>(index);
  const auto in = static_cast<double>(axis.in);
  const auto out = static_cast<double>(axis.out);
  if (mode == "asymmetric") return x / axis.scale;
  if (mode == "align_corners") {
    // ONNX's definition takes the length before rounding, which makes a difference for scales such as 0.6.
    return axis.length == 1 || axis.out == 1 ? 0 : x * (in - 1) / (axis.length - 1);
  }
  if (mode == "pytorch_half_pixel") return axis.out > 1 ? (x + 0.5) / axis.scale - 0.5 : 0;
  if (mode == "tf_half_pixel_for_nn") return (x + 0.5) / axis.scale;
  if (mode == "half_pixel_symmetric") {
    const double center = in / 2;
    return center * (1 - out / axis.length) + (x + 0.5) / axis.scale - 0.5;
  }
  if (mode == "tf_crop_and_resize") {
    const double begin = axis.roiBegin, end = axis.roiEnd;
    return axis.out > 1 ? begin * (in - 1) + x * (end - begin) * (in - 1) / (out - 1) : 0.5 * (begin + end) * (in - 1);
  }
  return (x + 0.5) / axis.scale - 0.5;
}

namespace {

double nearestIndex(const std::string& mode, double at) {
  if (mode == "floor") return std::floor(at);
  if (mode == "ceil") return std::ceil(at);
  if (mode == "round_prefer_ceil") return std::floor(at + 0.5);
  return std::ceil(at - 0.5);
}

/// Keys' cubic convolution kernel.
double cubicKernel(double distance, double a) {
  const double d = std::fabs(distance);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return 0;
}

bool isOutside(const ResizePlan& plan, const ResizeAxis& axis, double at) {
  return plan.coordinates == "tf_crop_and_resize" && (at < 0 || at > static_cast<double>(axis.in - 1));
}

double linearKernel(double distance) { return std::max(0.0, 1 - std::fabs(distance)); }

/// Linear and cubic: the kernel around `at`. With antialiasing a shrinking resize stretches it to the width of one of
/// the result's pixels.
ResizeTaps interpolate(const ResizePlan& plan, const ResizeAxis& axis, double at) {
  const bool cubic = plan.mode == ResizeMode::Cubic;
  const double stretch = plan.antialias ? std::min(axis.scale, 1.0) : 1.0;
  const double radius = (cubic ? 2 : 1) / stretch;
  const double base = std::floor(at);
  const auto reach = static_cast<int64_t>(std::ceil(radius));
  ResizeTaps taps;
  double total = 0;
  for (int64_t step = 1 - reach; step <= reach; ++step) {
    const double position = base + static_cast<double>(step);
    const double distance = (position - at) * stretch;
    double weight = cubic ? cubicKernel(distance, plan.cubicA) : linearKernel(distance);
    const bool inside = position >= 0 && position < static_cast<double>(axis.in);
    if (plan.excludeOutside && !inside) weight = 0;
    if (weight == 0) continue;
    const double clamped = std::clamp(position, 0.0, static_cast<double>(axis.in - 1));
    taps.indices.push_back(static_cast<int64_t>(clamped));
    taps.weights.push_back(weight);
    total += weight;
  }
  const bool normalise = plan.antialias || plan.excludeOutside;
  if (normalise && total != 0) {
    for (double& weight : taps.weights) weight /= total;
  }
  return taps;
}

}  // namespace

std::vector<ResizeTaps> resizeTaps(const ResizePlan& plan, const ResizeAxis& axis) {
  std::vector<ResizeTaps> all(static_cast<size_t>(axis.out));
  // Far outside every tap clamps to the border: no need to go there, and the kernel's steps stay exact.
  const double far = 4 * static_cast<double>(axis.in + 1);
  for (int64_t i = 0; i < axis.out; ++i) {
    const double at = originalCoordinate(plan, axis, i);
    all[static_cast<size_t>(i)] = interpolate(plan, axis, std::clamp(at, -far, far));
    all[static_cast<size_t>(i)].outside = isOutside(plan, axis, at);
  }
  return all;
}

std::vector<int64_t> nearestIndices(const ResizePlan& plan, const ResizeAxis& axis) {
  std::vector<int64_t> indices(static_cast<size_t>(axis.out));
  for (int64_t i = 0; i < axis.out; ++i) {
    const double at = originalCoordinate(plan, axis, i);
    const double nearest = std::clamp(nearestIndex(plan.nearest, at), 0.0, static_cast<double>(axis.in - 1));
    indices[static_cast<size_t>(i)] = isOutside(plan, axis, at) ? -1 : static_cast<int64_t>(nearest);
  }
  return indices;
}

}  // namespace presisi::ops
