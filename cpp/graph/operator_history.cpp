#include "graph/operator_history.hpp"

#include <set>
#include <sstream>
#include <string>

namespace presisi::graph {

bool isUnchanged(const onnx::Node& node) {
  static const std::set<std::string> names = [] {
    std::istringstream list(
        "Abs Add And ArgMax ArgMin AveragePool Cast CastLike Ceil Celu Concat Constant ConstantOfShape Conv "
        "ConvInteger ConvTranspose Cos DepthToSpace DequantizeLinear Div DynamicQuantizeLinear Elu Equal Erf "
        "Exp Expand Flatten Floor Gather GatherElements Gelu Gemm GlobalAveragePool GlobalLpPool "
        "GlobalMaxPool Greater GreaterOrEqual HardSigmoid HardSwish Identity InstanceNormalization IsInf "
        "IsNaN LRN LayerNormalization LeakyRelu Less LessOrEqual Log LpPool MatMul MatMulInteger Max MaxPool "
        "Mean Min Mish Mod Mul Neg Not Or PRelu Pow QLinearConv QLinearMatMul QuantizeLinear Range "
        "Reciprocal Relu Reshape Round Selu Shape Sigmoid Sign Sin Size Softplus Softsign SpaceToDepth Sqrt "
        "Sub Sum Tanh ThresholdedRelu Tile Transpose Where Xor ");
    std::set<std::string> set;
    for (std::string name; list >> name;) set.insert(name);
    return set;
  }();
  return names.count(node.opType) > 0;
}

void removeFutureAttributes(onnx::Node& node, int64_t opset) {
  struct Entry {
    const char* op;
    const char* attribute;
    int64_t since;
  };
  // Not here: what presisi reads in every opset, like a pooling's dilations.
  static constexpr Entry kEntries[] = {{"QuantizeLinear", "output_dtype", 21},
                                       {"Reshape", "allowzero", 14},
                                       {"Resize", "antialias", 18},
                                       {"Resize", "axes", 18},
                                       {"Resize", "keep_aspect_ratio_policy", 18},
                                       {"Shape", "start", 15},
                                       {"Shape", "end", 15},
                                       {"Split", "num_outputs", 18}};
  for (const Entry& entry : kEntries) {
    if (opset < entry.since && node.opType == entry.op) node.remove(entry.attribute);
  }
  const bool isSum = node.opType == "ReduceSum";
  if (node.opType.rfind("Reduce", 0) == 0 && opset < (isSum ? 13 : 18)) node.remove("noop_with_empty_axes");
}

}  // namespace presisi::graph
