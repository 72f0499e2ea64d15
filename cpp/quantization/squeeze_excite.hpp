#pragma once

#include <set>

#include "onnx/model.hpp"

namespace presisi::quantization {

/// Nodes of squeeze-excite branches: between a GlobalAveragePool and the Mul that gates another tensor with what was
/// made of it. A classifier head after a GlobalAveragePool gates nothing and is none. Indices into `graph.nodes`.
std::set<int> squeezeExciteNodes(const onnx::Graph& graph, const onnx::Links& links);

}  // namespace presisi::quantization
