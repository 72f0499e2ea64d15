#include "picture/resample.hpp"

#include <algorithm>
#include <cmath>

#include "picture/rows.hpp"

namespace presisi::picture {

namespace {

/// Sums of 255 of these, and more where weights are negative, fit 32 bits.
constexpr double kOne = 1 << 22;
constexpr double kPi = 3.14159265358979323846;

double sinc(double x) { return x == 0 ? 1 : std::sin(kPi * x) / (kPi * x); }

double lanczos(double x, double lobes) { return x < lobes ? sinc(x) * sinc(x / lobes) : 0; }

/// Mitchell and Netravali 1988.
double bicubic(double x, double b, double c) {
  if (x < 1) return ((12 - 9 * b - 6 * c) * x * x * x + (-18 + 12 * b + 6 * c) * x * x + (6 - 2 * b)) / 6;
  if (x < 2) return ((-b - 6 * c) * x * x * x + (6 * b + 30 * c) * x * x + (-12 * b - 48 * c) * x + 8 * b + 24 * c) / 6;
  return 0;
}

/// The distance from which on a kernel is 0.
double supportOf(Kernel kernel) {
  switch (kernel) {
    case Kernel::Nearest: return 0.5;
    case Kernel::Linear: return 1;
    case Kernel::Cubic:
    case Kernel::Mitchell:
    case Kernel::Lanczos2: return 2;
    case Kernel::Lanczos3: return 3;
  }
  return 1;
}

double weightOf(Kernel kernel, double distance) {
  switch (kernel) {
    case Kernel::Nearest: return 1;
    case Kernel::Linear: return std::max(0.0, 1 - distance);
    case Kernel::Cubic: return bicubic(distance, 0, 0.5);
    case Kernel::Mitchell: return bicubic(distance, 1.0 / 3, 1.0 / 3);
    case Kernel::Lanczos2: return lanczos(distance, 2);
    case Kernel::Lanczos3: return lanczos(distance, 3);
  }
  return 0;
}

/// The neighbours that one pixel is made of.
struct Window {
  int64_t begin;
  std::vector<double> weights;
};

Window windowOf(double centre, double scale, int64_t present, Kernel kernel) {
  if (kernel == Kernel::Nearest) return {std::min(static_cast<int64_t>(centre), present - 1), {1}};
  const double wider = std::max(1.0, scale);
  const double support = supportOf(kernel) * wider;
  const auto edge = [&](double at) { return std::clamp(static_cast<int64_t>(at + 0.5), int64_t{0}, present); };
  const int64_t begin = edge(std::max(0.0, centre - support)), end = edge(centre + support);
  Window window{begin, {}};
  window.weights.reserve(static_cast<size_t>(end - begin));
  double sum = 0;
  for (int64_t i = begin; i < end; ++i) {
    window.weights.push_back(weightOf(kernel, std::abs(static_cast<double>(i) - centre + 0.5) / wider));
    sum += window.weights.back();
  }
  for (double& weight : window.weights) weight /= sum;
  return window;
}

}  // namespace

Axis axisOf(const Side& side, Kernel kernel) {
  const double scale = side.length / static_cast<double>(side.scaled);
  const bool smooths = kernel != Kernel::Nearest && kernel != Kernel::Linear;
  if (scale < 1 && smooths) kernel = Kernel::Cubic;
  std::vector<Window> windows;
  Axis axis;
  for (int64_t i = 0; i < side.wanted; ++i) {
    const double centre = (static_cast<double>(side.first + i) + 0.5) * scale;
    windows.push_back(windowOf(centre, scale, side.present, kernel));
    axis.width = std::max(axis.width, static_cast<int64_t>(windows.back().weights.size()));
  }
  // As many weights for each: those at the edges have some of 0 before them.
  axis.weights.resize(static_cast<size_t>(side.wanted * axis.width));
  int64_t end = 0;
  for (size_t i = 0; i < windows.size(); ++i) {
    const auto& [begin, weights] = windows[i];
    const int64_t start = std::min(begin, side.present - axis.width);
    if (i == 0 || start < axis.first) axis.first = start;
    end = std::max(end, start + axis.width);
    int32_t* into = axis.weights.data() + static_cast<int64_t>(i) * axis.width + (begin - start);
    for (const double weight : weights) *into++ = static_cast<int32_t>(std::lround(weight * kOne));
    axis.starts.push_back(static_cast<int32_t>(start));
  }
  axis.count = end - axis.first;
  for (int32_t& start : axis.starts) start -= static_cast<int32_t>(axis.first);
  return axis;
}

std::vector<uint8_t> resample(const uint8_t* pixels, int64_t stride, const Axis& columns, const Axis& rows) {
  const auto [alongRow, alongColumns] = rowFunctions();
  const int64_t bytes = columns.made() * kChannels;
  std::vector<uint8_t> narrow(static_cast<size_t>(rows.count * bytes));
  const uint8_t* corner = pixels + rows.first * stride + columns.first * kChannels;
  // Pixels are read four bytes at a time; behind the very last there may be none.
  const uint8_t* bottom = corner + (rows.count - 1) * stride;
  std::vector<uint8_t> last(bottom, bottom + columns.count * kChannels);
  last.push_back(0);
  for (int64_t y = 0; y < rows.count; ++y) {
    const uint8_t* row = y < rows.count - 1 ? corner + y * stride : last.data();
    alongRow(row, columns.starts.data(), columns.weights.data(), columns.width, columns.made(),
             narrow.data() + y * bytes);
  }
  std::vector<uint8_t> result(static_cast<size_t>(rows.made() * bytes));
  for (int64_t y = 0; y < rows.made(); ++y) {
    alongColumns(narrow.data() + rows.starts[y] * bytes, bytes, rows.weights.data() + y * rows.width, rows.width,
                 result.data() + y * bytes);
  }
  return result;
}

std::vector<uint8_t> scaledCrop(const Pixels& pixels, const Geometry& geometry, const Resizing& resizing) {
  const auto& [data, columns, rows, width, height] = pixels;
  const Axis across = axisOf({width, columns, geometry.width, geometry.left, resizing.crop}, resizing.kernel);
  const Axis down = axisOf({height, rows, geometry.height, geometry.top, resizing.crop}, resizing.kernel);
  return resample(data, columns * kChannels, across, down);
}

}  // namespace presisi::picture
