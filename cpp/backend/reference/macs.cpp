#include "backend/reference/macs.hpp"

#include "core/error.hpp"
#include "graph/passes.hpp"
#include "ops/common.hpp"

namespace presisi::backend::reference {

Types inferTypes(const onnx::Model& model) {
  try {
    return graph::specialize(model, graph::inputShapes(model, 1)).types;
  } catch (const Error&) {
    return {};
  }
}

int64_t countMacs(const onnx::Node& node, const Types& types) {
  if (node.inputs.size() < 2 || node.outputs.empty()) return 0;
  const auto x = types.find(node.inputs[0]), w = types.find(node.inputs[1]), y = types.find(node.outputs[0]);
  if (x == types.end() || w == types.end() || y == types.end()) return 0;
  const Dims& left = x->second.dims;
  const Dims& right = w->second.dims;
  const int64_t results = elementCount(y->second.dims);
  if (node.is("Conv") && right.size() > 1) return results * ops::countBetween(right, 1, right.size());
  if (node.is("ConvTranspose") && right.size() > 1)
    return elementCount(left) * ops::countBetween(right, 1, right.size());
  if (node.is("Gemm") && left.size() == 2) return results * (node.getInt("transA", 0) != 0 ? left[0] : left[1]);
  if (node.is("MatMul") && !left.empty()) return results * left.back();
  return 0;
}

}  // namespace presisi::backend::reference
