#pragma once

#include "onnx/model.hpp"

namespace presisi::onnx {

/// Checks that every name is made once and before it is used, and brings the nodes into topological order; nodes that
/// are in order already stay where they are. Throws InvalidModel naming what is wrong: a name made twice, one that
/// nothing makes, a cycle, an output that doesn't exist, no outputs at all.
void validateAndSort(Graph& graph);

}  // namespace presisi::onnx
