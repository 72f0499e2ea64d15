#pragma once

#include <string>
#include <vector>

#include "support/model_builder.hpp"

namespace presisi::test {

/// Models that reach every path of the CPU backend, by name; inputs are called `x`, with a dynamic batch.
struct NamedModel {
  std::string name;
  onnx::Model model;
  float step = 0;  ///< > 0: the outputs are multiples of this quantization step
};

std::vector<NamedModel> floatModels();
std::vector<NamedModel> integerModels();

}  // namespace presisi::test
