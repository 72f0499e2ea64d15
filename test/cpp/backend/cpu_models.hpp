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

// Parts of these:
std::vector<NamedModel> winogradModels();
std::vector<NamedModel> largestProducts();
/// The same with weights of 7 bits.
std::vector<NamedModel> withShortWeights(std::vector<NamedModel> models);

}  // namespace presisi::test
