#include <algorithm>
#include <cmath>

#include "ops/broadcast.hpp"
#include "ops/shape.hpp"

namespace presisi::ops {

namespace {

// Constant: the value in one of seven attributes.

Tensor constantOf(const onnx::Node& node) {
  Tensor value;
  int found = 0;
  for (const onnx::Attribute& a : node.attributes) {
    if (a.name == "value_string" || a.name == "value_strings" || a.name == "sparse_value") {
      failUnsupported(node, "the attribute " + a.name + " is outside the supported set",
                      "tensors of strings and sparse tensors can't be used");
    }
    const bool known = a.name == "value" || a.name == "value_float" || a.name == "value_floats" ||
                       a.name == "value_int" || a.name == "value_ints";
    if (!known) continue;
    ++found;
    if (a.name == "value") {
      if (a.kind != onnx::Attribute::Kind::Tensor || a.t.empty()) {
        failModel(node, "attribute \"value\" should be of type tensor");
      }
      value = a.t;
    } else if (a.name == "value_float") {
      value = Tensor::scalar(node.getFloat(a.name, 0));
    } else if (a.name == "value_floats") {
      const std::vector<float> list = node.getFloats(a.name, {});
      value = Tensor::of(DType::Float32, {static_cast<int64_t>(list.size())}, list);
    } else if (a.name == "value_int") {
      value = Tensor::of<int64_t>(DType::Int64, {}, {node.getInt(a.name, 0)});
    } else {
      value = Tensor::fromInt64(node.getInts(a.name, {}));
    }
  }
  if (found != 1) {
    failModel(node, "expected one attribute that holds the value but found " + std::to_string(found));
  }
  return value;
}

std::vector<TensorType> inferConstant(const InferContext& ctx) {
  requireInputs(ctx, 0, 0);
  const Tensor value = constantOf(ctx.node);
  return {{value.dtype(), value.dims()}};
}

void runConstant(const RunContext& ctx, std::vector<Tensor>& outputs) { copyBytes(constantOf(ctx.node), outputs[0]); }

// ConstantOfShape.

Tensor fillValue(const onnx::Node& node) {
  const onnx::Attribute* a = node.find("value");
  if (a == nullptr) return Tensor::scalar(0);
  if (a->kind != onnx::Attribute::Kind::Tensor || a->t.size() != 1 || a->t.empty()) {
    failModel(node, "attribute \"value\" should be a tensor of one element");
  }
  return a->t;
}

std::vector<TensorType> inferConstantOfShape(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  return {sizedType(ctx.node, fillValue(ctx.node).dtype(), requireConstantInts(ctx, 0))};
}

void runConstantOfShape(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor value = fillValue(ctx.node);
  dispatchWidth(value.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::fill_n(outputs[0].data<T>(), outputs[0].size(), value.data<T>()[0]);
  });
}

// Shape and Size.

/// Shape's [start, end) from opset 15 on; both count from the back when negative, and are clamped.
std::vector<int64_t> shapeOf(const onnx::Node& node, int64_t opset, const Dims& dims) {
  if (opset < 15) return dims;
  const auto rank = static_cast<int64_t>(dims.size());
  const auto clamped = [rank](int64_t axis) { return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
  const int64_t start = clamped(node.getInt("start", 0));
  const int64_t end = clamped(node.getInt("end", rank));
  if (start >= end) return {};
  return {dims.begin() + start, dims.begin() + end};
}

std::vector<TensorType> inferShape(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  const auto count = static_cast<int64_t>(shapeOf(ctx.node, ctx.opset, ctx.inputs[0].dims).size());
  return {{DType::Int64, {count}}};
}

void runShape(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const std::vector<int64_t> shape = shapeOf(ctx.node, ctx.opset, ctx.inputs[0].dims());
  std::copy(shape.begin(), shape.end(), outputs[0].data<int64_t>());
}

std::vector<TensorType> inferSize(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  return {{DType::Int64, {}}};
}

void runSize(const RunContext& ctx, std::vector<Tensor>& outputs) {
  outputs[0].data<int64_t>()[0] = ctx.inputs[0].size();
}

// Range.

/// ceil((limit - start) / delta), and never less than 0.
int64_t rangeCount(const onnx::Node& node, const Tensor& start, const Tensor& limit, const Tensor& delta) {
  if (isFloating(start.dtype())) {
    const auto value = [](const Tensor& t) { return t.cast(DType::Float64).data<double>()[0]; };
    const double count = std::ceil((value(limit) - value(start)) / value(delta));
    if (value(delta) == 0 || !std::isfinite(count)) failModel(node, "start, limit and delta give no finite range");
    constexpr double kTooMany = 1e15;  // beyond what sizedType lets pass, and exact in a double
    return static_cast<int64_t>(std::clamp(count, 0.0, kTooMany));
  }
  const int64_t from = start.toInt64s()[0];
  const int64_t to = limit.toInt64s()[0];
  const int64_t step = delta.toInt64s()[0];
  if (step == 0) failModel(node, "delta is 0");
  if (step > 0 ? from >= to : from <= to) return 0;
  // Differences of 64-bit numbers need the 65th bit, which unsigned arithmetic has once the sign is known.
  const uint64_t distance = step > 0 ? static_cast<uint64_t>(to) - static_cast<uint64_t>(from)
                                     : static_cast<uint64_t>(from) - static_cast<uint64_t>(to);
  const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : uint64_t{0} - static_cast<uint64_t>(step);
  const uint64_t count = (distance - 1) / stride + 1;
  return static_cast<int64_t>(std::min<uint64_t>(count, uint64_t{1} << 62));
}

std::vector<TensorType> inferRange(const InferContext& ctx) {
  requireInputs(ctx, 3, 3);
  requireNumeric(ctx, 0);
  for (size_t i = 0; i < 3; ++i) {
    requireSameType(ctx, i);
    if (requireConstant(ctx, i).size() != 1) {
      failShape(ctx.node, inputName(ctx.node, i) + " should be a scalar but has shape " + toString(ctx.inputs[i].dims));
    }
  }
  const int64_t count = rangeCount(ctx.node, *ctx.constants[0], *ctx.constants[1], *ctx.constants[2]);
  return {sizedType(ctx.node, ctx.inputs[0].dtype, {count})};
}

void runRangeWide(const RunContext& ctx, std::vector<Tensor>& outputs) {
  dispatch(outputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T start = ctx.inputs[0].data<T>()[0];
    const T delta = ctx.inputs[2].data<T>()[0];
    T* out = outputs[0].data<T>();
    for (int64_t i = 0; i < outputs[0].size(); ++i) {
      if constexpr (std::is_floating_point_v<T>) {
        out[i] = start + static_cast<T>(i) * delta;
      } else {
        out[i] = static_cast<T>(static_cast<uint64_t>(start) + static_cast<uint64_t>(i) * static_cast<uint64_t>(delta));
      }
    }
  });
}

void runRange(const RunContext& ctx, std::vector<Tensor>& outputs) { runWidened(ctx, outputs, runRangeWide); }

}  // namespace

const std::vector<Operator>& constantOperators() {
  static const std::vector<Operator> list = {
      {"", "Constant", 7, kNewestOpset, inferConstant, runConstant},
      {"", "ConstantOfShape", 9, kNewestOpset, inferConstantOfShape, runConstantOfShape},
      {"", "Range", 11, kNewestOpset, inferRange, runRange},
      {"", "Shape", 7, kNewestOpset, inferShape, runShape},
      {"", "Size", 7, kNewestOpset, inferSize, runSize},
  };
  return list;
}

}  // namespace presisi::ops
