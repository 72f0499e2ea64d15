#include "ops/shape.hpp"

namespace presisi::ops {

namespace {

/// ONNX's TensorProto.DataType, for messages about those that no tensor of ours holds.
const char* unsupportedName(int64_t type) {
  switch (type) {
    case 8: return "string";
    case 14: return "complex64";
    case 15: return "complex128";
    case 17: return "float8e4m3fn";
    case 18: return "float8e4m3fnuz";
    case 19: return "float8e5m2";
    case 20: return "float8e5m2fnuz";
    case 21: return "uint4";
    case 22: return "int4";
    case 23: return "float4e2m1";
    case 24: return "float8e8m0";
    case 25: return "uint2";
    case 26: return "int2";
    default: return nullptr;
  }
}

DType castTarget(const onnx::Node& node) {
  if (node.find("to") == nullptr) failModel(node, "the attribute to is required but absent");
  const int64_t to = node.getInt("to", 0);
  if (const char* unsupported = unsupportedName(to)) {
    failUnsupported(node, std::string("elements can't be converted to ") + unsupported);
  }
  if (to < 1 || to > 16) failModel(node, "to is " + std::to_string(to) + ", which is no element type");
  return static_cast<DType>(to);
}

std::vector<TensorType> inferCast(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  return {{castTarget(ctx.node), ctx.inputs[0].dims}};
}

std::vector<TensorType> inferCastLike(const InferContext& ctx) {
  requireInputs(ctx, 2, 2);
  return {{ctx.inputs[1].dtype, ctx.inputs[0].dims}};
}

void runCast(const RunContext& ctx, std::vector<Tensor>& outputs) {
  copyBytes(ctx.inputs[0].cast(outputs[0].dtype()), outputs[0]);
}

}  // namespace

const std::vector<Operator>& castOperators() {
  static const std::vector<Operator> list = {
      {"", "Cast", 7, kNewestOpset, inferCast, runCast},
      {"", "CastLike", 15, kNewestOpset, inferCastLike, runCast},
  };
  return list;
}

}  // namespace presisi::ops
