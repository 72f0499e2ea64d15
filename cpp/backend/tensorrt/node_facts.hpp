#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "onnx/model.hpp"

namespace presisi::tensorrt {

/// What the model says of one of its nodes, and the engine no longer does.
struct NodeFacts {
  std::string op;
  std::string
      requested;     ///< `int8` where its operands are dequantized or calibrated for it, else the build's precision
  int64_t macs = 0;  ///< at batch 1
};

/// By node name. `implicitInt8`: scales are not in the graph, and whatever has weights is asked to be INT8.
std::map<std::string, NodeFacts> nodeFacts(const onnx::Model& model, const std::string& precision, bool implicitInt8);

/// Whether the graph itself says what is INT8.
bool hasScales(const onnx::Model& model);

/// Gives nodes without a name that of their first output: TensorRT names its layers after them.
void nameNodes(onnx::Model& model);

}  // namespace presisi::tensorrt
