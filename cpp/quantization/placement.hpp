#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "onnx/model.hpp"
#include "quantization/quantize.hpp"

namespace presisi::quantization {

/// The input of a node: index into `graph.nodes`, and which input.
using Edge = std::pair<int, int>;

/// Tensors that must share one scale.
struct ScaleGroup {
  /// Tensors whose thresholds decide: the scale comes from the largest. In graph order.
  std::vector<std::string> sources;
};

/// Where Q/DQ pairs go. Every decision about that is in here; inserting them is bookkeeping.
struct Placement {
  std::map<std::string, std::set<Edge>> activations;  ///< quantized tensor -> the inputs that read its DQ
  std::map<std::string, size_t> groupOf;              ///< quantized tensor -> index into groups
  std::vector<ScaleGroup> groups;
  std::map<Edge, int64_t> weights;  ///< weight input -> channel axis, or kPerTensor
  std::set<Edge> alone;             ///< those of `weights` that meet activations in FP32
  std::vector<Decision> decisions;  ///< one for each Conv, ConvTranspose, Gemm and MatMul, in graph order
};

/// Throws InvalidArgument for a name in `keepFloat` that no node has, and UnsupportedModel for a model that already
/// carries Q/DQ.
Placement place(const onnx::Model& model, const Options& options);

}  // namespace presisi::quantization
