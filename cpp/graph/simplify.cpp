#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "graph/passes.hpp"
#include "ops/operator.hpp"

namespace presisi::graph {

namespace {

/// Every pass but the last in a round removes nodes or makes them of kinds that no other pass takes apart, so a fixed
/// point is reached within a few rounds. The bound is for a defect of ours, not for models.
constexpr int kMostRounds = 100;

/// The biggest constant worth making: an attention mask of 2,048 tokens. More would make engine files of tiny models
/// big, and hostile models slow.
constexpr size_t kMostConstantBytes = size_t{16} << 20;

/// What a round may change, without the tensors' values.
bool isSameGraph(const onnx::Graph& a, const onnx::Graph& b) {
  if (a.nodes.size() != b.nodes.size() || a.initializers.size() != b.initializers.size()) return false;
  for (size_t i = 0; i < a.nodes.size(); ++i) {
    const onnx::Node& x = a.nodes[i];
    const onnx::Node& y = b.nodes[i];
    if (x.opType != y.opType || x.domain != y.domain || x.inputs != y.inputs || x.outputs != y.outputs) return false;
  }
  return true;
}

template <typename Round>
onnx::Model toFixedPoint(onnx::Model model, const Round& round) {
  for (int i = 0; i < kMostRounds; ++i) {
    onnx::Model next = round(model);
    const bool isDone = isSameGraph(model.graph, next.graph);
    model = std::move(next);
    if (isDone) break;
  }
  return model;
}

}  // namespace

onnx::Model simplify(const onnx::Model& model) {
  ops::requireSupported(model);
  onnx::Model out = toFixedPoint(widenToFloat32(model), [](const onnx::Model& before) {
    const onnx::Model folded = removeDeadCode(foldConstants(before, kMostConstantBytes));
    // Patterns first: a constant of theirs that stands behind a convolution would be folded into its bias.
    return removeDeadCode(foldBatchNorm(recognise(folded)));
  });
  specialize(out, inputShapes(out, 1));
  return out;
}

onnx::Model tidy(const onnx::Model& model) {
  onnx::Model out = toFixedPoint(model, [](const onnx::Model& before) {
    return removeDeadCode(foldBatchNorm(removeDeadCode(foldConstants(before, kMostConstantBytes, true))));
  });
  out.irVersion = std::max(out.irVersion, onnx::irVersionFor(out.opset()));
  return out;
}

}  // namespace presisi::graph
