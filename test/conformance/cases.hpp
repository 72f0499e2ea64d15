#pragma once

#include <string>
#include <vector>

#include "core/tensor.hpp"

/// ONNX's own backend tests as files: <category>/<case>/model.onnx and test_data_set_<n>/{input,output}_<k>.pb.
namespace presisi::conformance {

struct Case {
  std::string category, name;
  std::string model;                  ///< path
  std::vector<std::string> dataSets;  ///< folders
};

/// Sorted. Throws FileSystem when the folder holds no case at all.
std::vector<Case> findCases(const std::string& folder);

/// How far a result may be from what is expected: |got - expected| <= absolute + relative * |expected|, as ONNX's own
/// runner has it. Integers and shapes must be equal.
struct Tolerance {
  double relative = 1e-3;
  double absolute = 1e-7;
};

/// Empty when they agree; else what differs, and by how much.
std::string compare(const Tensor& got, const Tensor& expected, const Tolerance& tolerance);

}  // namespace presisi::conformance
