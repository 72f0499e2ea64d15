#pragma once

#include <set>
#include <string>

#include "onnx/model.hpp"

namespace presisi::quantization {

/// Makes names that neither a tensor nor a node of the model has. The same model and the same wishes give the same
/// names.
class NameMaker {
 public:
  explicit NameMaker(const onnx::Graph& graph);
  /// `wish` itself, or else `wish_1`, `wish_2`, …
  std::string make(const std::string& wish);

 private:
  std::set<std::string> taken_;
};

}  // namespace presisi::quantization
