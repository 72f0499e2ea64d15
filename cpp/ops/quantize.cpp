#include "ops/quantize.hpp"

#include "ops/common.hpp"
#include "ops/registry.hpp"

namespace presisi::ops {

namespace {

/// How scales lie over x, seen as [outer, axis, inner]: element (o, a, i) has scale a / block, and, where blocked, its
/// own for each o and i.
struct Granularity {
  int64_t outer = 1, axis = 1, inner = 1;
  int64_t block = 0;        ///< elements of the axis that share a scale; 0: one scale for all
  int64_t blocks = 1;       ///< scales along the axis
  bool perElement = false;  ///< blocked: outer and inner axes have scales of their own

  int64_t scaleIndex(int64_t o, int64_t a, int64_t i) const {
    if (block == 0) return 0;
    return perElement ? (o * blocks + a / block) * inner + i : a / block;
  }
};

/// Checks the scale's shape against x and the opset: one value; one for each index of `axis` (opset 13); blocks along
/// `axis` (opset 21).
Granularity readGranularity(const onnx::Node& node, int64_t opset, const Dims& x, const Dims& scale) {
  Granularity result;
  result.inner = elementCount(x);
  const bool single = scale.empty() || scale == Dims{1};
  const int64_t blockSize = node.getInt("block_size", 0);
  if (blockSize < 0) failModel(node, "block_size should not be negative but is " + std::to_string(blockSize));
  if (single && blockSize == 0) return result;
  if (opset < 13)
    failShape(node, "the scale should be a single value before opset 13 but has shape " + toString(scale));
  const auto axis = static_cast<size_t>(normalizeAxis(node, node.getInt("axis", 1), x.size()));
  result.outer = countBetween(x, 0, axis);
  result.axis = x[axis];
  result.inner = countBetween(x, axis + 1, x.size());
  if (blockSize == 0) {
    if (scale.size() != 1 || scale[0] != result.axis) {
      failShape(node, "the scale should have shape [" + std::to_string(result.axis) + "] for axis " +
                          std::to_string(axis) + " of " + toString(x) + " but has " + toString(scale));
    }
    result.block = 1;
    result.blocks = result.axis;
    return result;
  }
  Dims expected = x;
  expected[axis] = result.axis == 0 ? 0 : (result.axis - 1) / blockSize + 1;
  if (opset < 21) failModel(node, "block_size needs opset 21");
  if (scale != expected) {
    failShape(node, "blocks of " + std::to_string(blockSize) + " along axis " + std::to_string(axis) + " of " +
                        toString(x) + " need a scale of shape " + toString(expected) + ", not " + toString(scale));
  }
  result.block = blockSize;
  result.blocks = expected[axis];
  result.perElement = true;
  return result;
}

/// Scale and zero point, inputs 1 and 2.
void requireParameters(const InferContext& ctx) {
  requireInputs(ctx, 2, 3);
  requireFloating(ctx, 1);
  readGranularity(ctx.node, ctx.opset, ctx.inputs[0].dims, ctx.inputs[1].dims);
  if (!has(ctx, 2)) return;
  // A scalar and a list of one mean the same.
  if (ctx.inputs[2].dims != ctx.inputs[1].dims &&
      (elementCount(ctx.inputs[2].dims) != 1 || elementCount(ctx.inputs[1].dims) != 1)) {
    failShape(ctx.node, "the zero point has shape " + toString(ctx.inputs[2].dims) + " but the scale has " +
                            toString(ctx.inputs[1].dims));
  }
}

/// Calls f(element, scale) for each element of x with the index of its scale.
template <typename F>
void forEachQuantized(const Granularity& g, const StopToken& stop, F&& f) {
  int64_t element = 0;
  for (int64_t o = 0; o < g.outer; ++o) {
    for (int64_t a = 0; a < g.axis; ++a) {
      stop.check();
      for (int64_t i = 0; i < g.inner; ++i, ++element) f(element, g.scaleIndex(o, a, i));
    }
  }
}

// QuantizeLinear: y = saturate(round(x / scale) + zero point).

std::vector<TensorType> inferQuantize(const InferContext& ctx) {
  requireParameters(ctx);
  if (!isFloating(ctx.inputs[0].dtype)) requireType(ctx, 0, {DType::Int32});
  DType type = DType::Uint8;
  if (const int64_t asked = ctx.opset >= 21 ? ctx.node.getInt("output_dtype", 0) : 0; asked != 0) {
    type = static_cast<DType>(asked);
    if (has(ctx, 2) && ctx.inputs[2].dtype != type)
      failModel(ctx.node, "output_dtype contradicts the zero point's type");
  } else if (has(ctx, 2)) {
    type = ctx.inputs[2].dtype;
  }
  const bool wide = type == DType::Int16 || type == DType::Uint16;
  if (type != DType::Int8 && type != DType::Uint8 && !(wide && ctx.opset >= 21)) {
    failUnsupported(ctx.node, std::string("quantizing to ") + name(type) +
                                  " is not supported: only int8 and uint8, and from opset 21 int16 and uint16");
  }
  return {{type, ctx.inputs[0].dims}};
}

template <typename T>
void quantize(const RunContext& ctx, Tensor& out) {
  const std::vector<float> scales = ctx.inputs[1].toFloats();
  const std::vector<int64_t> zeroPoints = has(ctx, 2) ? ctx.inputs[2].toInt64s() : std::vector<int64_t>(scales.size());
  const Granularity g = readGranularity(ctx.node, ctx.opset, ctx.inputs[0].dims(), ctx.inputs[1].dims());
  const Tensor x = ctx.inputs[0].cast(DType::Float32);
  const float* from = x.data<float>();
  T* to = out.data<T>();
  if (out.size() == 0) return;
  forEachQuantized(g, ctx.stop, [&](int64_t i, int64_t s) {
    // The quotient is rounded to float32 first, as every implementation does: ties depend on it.
    const float quotient = from[i] / scales[static_cast<size_t>(s)];
    to[i] = saturate<T>(static_cast<double>(quotient), zeroPoints[static_cast<size_t>(s)]);
  });
}

void runQuantize(const RunContext& ctx, std::vector<Tensor>& outputs) {
  switch (outputs[0].dtype()) {
    case DType::Int8: return quantize<int8_t>(ctx, outputs[0]);
    case DType::Int16: return quantize<int16_t>(ctx, outputs[0]);
    case DType::Uint16: return quantize<uint16_t>(ctx, outputs[0]);
    default: return quantize<uint8_t>(ctx, outputs[0]);
  }
}

// DequantizeLinear: y = (x - zero point) * scale.

std::vector<TensorType> inferDequantize(const InferContext& ctx) {
  requireParameters(ctx);
  requireType(ctx, 0, {DType::Int8, DType::Uint8, DType::Int16, DType::Uint16, DType::Int32});
  if (has(ctx, 2)) requireSameType(ctx, 2, 0);
  return {{ctx.inputs[1].dtype, ctx.inputs[0].dims}};
}

void runDequantize(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const std::vector<float> scales = ctx.inputs[1].toFloats();
  const std::vector<int64_t> zeroPoints = has(ctx, 2) ? ctx.inputs[2].toInt64s() : std::vector<int64_t>(scales.size());
  const Granularity g = readGranularity(ctx.node, ctx.opset, ctx.inputs[0].dims(), ctx.inputs[1].dims());
  if (outputs[0].size() == 0) return;
  Tensor result(DType::Float32, outputs[0].dims());
  float* to = result.data<float>();
  dispatch(ctx.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = ctx.inputs[0].data<T>();
    forEachQuantized(g, ctx.stop, [&](int64_t i, int64_t s) {
      const int64_t difference = static_cast<int64_t>(from[i]) - zeroPoints[static_cast<size_t>(s)];
      to[i] = static_cast<float>(difference) * scales[static_cast<size_t>(s)];
    });
  });
  outputs[0] = result.cast(outputs[0].dtype());
}

// DynamicQuantizeLinear: uint8 over the range seen, zero always included.

std::vector<TensorType> inferDynamicQuantize(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  requireType(ctx, 0, {DType::Float32});
  return {{DType::Uint8, ctx.inputs[0].dims}, {DType::Float32, {}}, {DType::Uint8, {}}};
}

void runDynamicQuantize(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& x = ctx.inputs[0];
  float least = 0, most = 0;
  for (int64_t i = 0; i < x.size(); ++i) {
    least = std::min(least, x.data<float>()[i]);
    most = std::max(most, x.data<float>()[i]);
  }
  const float range = (most - least) / 255.0f;
  const float scale = range == 0 ? 1.0f : range;
  const auto zeroPoint = saturate<uint8_t>(static_cast<double>(-least / scale), 0);
  for (int64_t i = 0; i < x.size(); ++i) {
    outputs[0].data<uint8_t>()[i] = saturate<uint8_t>(static_cast<double>(x.data<float>()[i] / scale), zeroPoint);
  }
  if (outputs.size() > 1 && !outputs[1].empty()) *outputs[1].data<float>() = scale;
  if (outputs.size() > 2 && !outputs[2].empty()) *outputs[2].data<uint8_t>() = zeroPoint;
}

}  // namespace

const std::vector<Operator>& quantizeOperators() {
  static const std::vector<Operator> list = {
      {"", "QuantizeLinear", 10, kNewestOpset, inferQuantize, runQuantize},
      {"", "DequantizeLinear", 10, kNewestOpset, inferDequantize, runDequantize},
      {"", "DynamicQuantizeLinear", 11, kNewestOpset, inferDynamicQuantize, runDynamicQuantize},
  };
  return list;
}

}  // namespace presisi::ops
