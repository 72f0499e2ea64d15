#include "cases.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <tuple>

#include "core/error.hpp"

namespace presisi::conformance {

namespace fs = std::filesystem;

std::vector<Case> findCases(const std::string& folder) {
  std::vector<Case> cases;
  std::error_code error;
  for (const auto& category : fs::directory_iterator(folder, error)) {
    if (!category.is_directory()) continue;
    for (const auto& entry : fs::directory_iterator(category.path())) {
      const fs::path model = entry.path() / "model.onnx";
      if (!fs::exists(model)) continue;
      Case found{category.path().filename(), entry.path().filename(), model, {}};
      for (const auto& inner : fs::directory_iterator(entry.path())) {
        const std::string name = inner.path().filename();
        if (inner.is_directory() && name.rfind("test_data_set_", 0) == 0) found.dataSets.push_back(inner.path());
      }
      std::sort(found.dataSets.begin(), found.dataSets.end());
      if (!found.dataSets.empty()) cases.push_back(std::move(found));
    }
  }
  if (cases.empty()) throw Error(ErrorCode::FileSystem, "no conformance cases in " + folder);
  std::sort(cases.begin(), cases.end(),
            [](const Case& a, const Case& b) { return std::tie(a.category, a.name) < std::tie(b.category, b.name); });
  return cases;
}

namespace {

bool isFloating(DType dtype) {
  return dtype == DType::Float32 || dtype == DType::Float64 || dtype == DType::Float16 || dtype == DType::Bfloat16;
}

std::string describe(int64_t index, double got, double expected) {
  char text[128];
  std::snprintf(text, sizeof text, "element %lld is %.9g, expected %.9g", static_cast<long long>(index), got, expected);
  return text;
}

}  // namespace

std::string compare(const Tensor& got, const Tensor& expected, const Tolerance& tolerance) {
  if (got.dtype() != expected.dtype()) {
    return std::string("type is ") + name(got.dtype()) + ", expected " + name(expected.dtype());
  }
  if (got.dims() != expected.dims())
    return "shape is " + toString(got.dims()) + ", expected " + toString(expected.dims());
  if (!isFloating(got.dtype())) {
    const std::vector<int64_t> a = got.toInt64s(), b = expected.toInt64s();
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i] != b[i]) return describe(static_cast<int64_t>(i), static_cast<double>(a[i]), static_cast<double>(b[i]));
    }
    return {};
  }
  // bfloat16 has 8 bits of precision, and some files were cut to it, not rounded.
  const double relative = got.dtype() == DType::Bfloat16 ? 1.0 / 128 : tolerance.relative;
  const Tensor a = got.cast(DType::Float64), b = expected.cast(DType::Float64);
  int64_t worst = -1, wrong = 0;
  double largest = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    const double x = a.data<double>()[i], y = b.data<double>()[i];
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double difference = std::fabs(x - y);
    if (difference <= tolerance.absolute + relative * std::fabs(y)) continue;
    ++wrong;
    if (worst < 0 || !(difference <= largest)) {
      worst = i;
      largest = difference;
    }
  }
  if (worst < 0) return {};
  return std::to_string(wrong) + " of " + std::to_string(a.size()) +
         " elements differ; the worst: " + describe(worst, a.data<double>()[worst], b.data<double>()[worst]);
}

}  // namespace presisi::conformance
