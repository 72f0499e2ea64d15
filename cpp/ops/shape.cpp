#include "ops/shape.hpp"

#include "ops/broadcast.hpp"
#include "ops/registry.hpp"

namespace presisi::ops {

namespace {

/// Input 0's elements, in their order, under another shape.
void runCopy(const RunContext& ctx, std::vector<Tensor>& outputs) { copyBytes(ctx.inputs[0], outputs[0]); }

std::vector<TensorType> inferIdentity(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  return sameAsFirst(ctx);
}

// Dropout, as inference sees it: the identity, and a mask that keeps everything.

void refuseTraining(const onnx::Node& node, const Tensor& trainingMode) {
  if (trainingMode.size() != 1) failShape(node, "training_mode should be a scalar");
  if (trainingMode.data<uint8_t>()[0] == 0) return;
  failUnsupported(node, "training_mode is true, and presisi only runs inference",
                  "export the model in evaluation mode");
}

std::vector<TensorType> inferDropout(const InferContext& ctx) {
  requireInputs(ctx, 1, ctx.opset < 12 ? 1 : 3);
  requireOutputs(ctx, 1, 2);
  requireFloating(ctx, 0);
  if (has(ctx, 2)) {
    requireType(ctx, 2, {DType::Bool});
    if (ctx.constants.size() > 2 && ctx.constants[2] != nullptr) refuseTraining(ctx.node, *ctx.constants[2]);
  }
  std::vector<TensorType> types = {ctx.inputs[0]};
  // The mask was of the data's type before opset 10.
  if (ctx.node.outputs.size() > 1) {
    types.push_back({ctx.opset < 10 ? ctx.inputs[0].dtype : DType::Bool, ctx.inputs[0].dims});
  }
  return types;
}

void runDropout(const RunContext& ctx, std::vector<Tensor>& outputs) {
  if (has(ctx, 2)) refuseTraining(ctx.node, ctx.inputs[2]);
  copyBytes(ctx.inputs[0], outputs[0]);
  if (outputs.size() < 2 || outputs[1].empty()) return;
  const Tensor ones = Tensor::of<uint8_t>(DType::Bool, {1}, {1}).cast(outputs[1].dtype());
  const size_t width = byteSize(ones.dtype());
  for (size_t at = 0; at < outputs[1].bytes(); at += width) {
    std::memcpy(outputs[1].data<uint8_t>() + at, ones.data<uint8_t>(), width);
  }
}

// Flatten and Reshape.

std::vector<TensorType> inferFlatten(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  const Dims& in = ctx.inputs[0].dims;
  const auto rank = static_cast<int64_t>(in.size());
  int64_t axis = ctx.node.getInt("axis", 1);
  // Unlike other axes this one may be the rank itself: everything goes left of it.
  if (axis != rank) axis = normalizeAxis(ctx.node, axis, in.size());
  const auto middle = static_cast<size_t>(axis);
  return {sizedType(ctx.node, ctx.inputs[0].dtype, {countBetween(in, 0, middle), countBetween(in, middle, in.size())})};
}

std::vector<TensorType> inferReshape(const InferContext& ctx) {
  requireInputs(ctx, 2, 2);
  const Dims& in = ctx.inputs[0].dims;
  const Dims wanted = requireConstantInts(ctx, 1);
  const bool allowZero = ctx.opset >= 14 && ctx.node.getInt("allowzero", 0) != 0;
  Dims out = wanted;
  int64_t known = 1;  // elements in all axes but the one that is -1
  size_t unknown = wanted.size();
  for (size_t axis = 0; axis < out.size(); ++axis) {
    if (wanted[axis] == 0 && !allowZero) {
      if (axis >= in.size()) {
        failShape(ctx.node, "the shape " + toString(wanted) + " copies axis " + std::to_string(axis) +
                                ", which an input of shape " + toString(in) + " doesn't have");
      }
      out[axis] = in[axis];
    }
    if (wanted[axis] < -1) {
      failModel(ctx.node, "the shape to reshape to has a negative dimension, " + std::to_string(wanted[axis]));
    }
    if (wanted[axis] == -1) {
      if (unknown != wanted.size()) failModel(ctx.node, "the shape to reshape to has more than one -1");
      unknown = axis;
    } else {
      known = multiply(ctx.node, known, out[axis]);
    }
  }
  const int64_t total = elementCount(in);
  const bool fits = unknown == wanted.size() ? known == total : known != 0 && total % known == 0;
  if (!fits) {
    failShape(ctx.node, "an input of shape " + toString(in) + " does not reshape to " + toString(wanted) +
                            (unknown == wanted.size() ? "" : ", where ? is the axis to be computed"));
  }
  if (unknown != wanted.size()) out[unknown] = total / known;
  return {sizedType(ctx.node, ctx.inputs[0].dtype, std::move(out))};
}

// Squeeze and Unsqueeze: axes are an attribute before opset 13, then an input.

std::vector<int64_t> givenAxes(const InferContext& ctx) {
  if (ctx.opset < 13) return ctx.node.getInts("axes", {});
  return has(ctx, 1) ? requireConstantInts(ctx, 1) : std::vector<int64_t>{};
}

std::vector<TensorType> inferSqueeze(const InferContext& ctx) {
  requireInputs(ctx, 1, ctx.opset < 13 ? 1 : 2);
  const Dims& in = ctx.inputs[0].dims;
  const bool all = ctx.opset < 13 ? ctx.node.find("axes") == nullptr : !has(ctx, 1);
  const std::vector<bool> named = axisMask(normalizeAxes(ctx.node, givenAxes(ctx), in.size()), in.size());
  Dims out;
  for (size_t axis = 0; axis < in.size(); ++axis) {
    if (named[axis] && in[axis] != 1) {
      failShape(ctx.node, "axis " + std::to_string(axis) + " of " + toString(in) + " is not 1 and can't be removed");
    }
    if (!named[axis] && !(all && in[axis] == 1)) out.push_back(in[axis]);
  }
  return {{ctx.inputs[0].dtype, std::move(out)}};
}

std::vector<TensorType> inferUnsqueeze(const InferContext& ctx) {
  const size_t inputs = ctx.opset < 13 ? 1 : 2;
  requireInputs(ctx, inputs, inputs);
  if (inputs == 1 && ctx.node.find("axes") == nullptr) failModel(ctx.node, "the attribute axes is required but absent");
  const Dims& in = ctx.inputs[0].dims;
  const std::vector<int64_t> given = givenAxes(ctx);
  const size_t rank = in.size() + given.size();
  const std::vector<bool> added = axisMask(normalizeAxes(ctx.node, given, rank), rank);
  Dims out;
  for (size_t axis = 0, from = 0; axis < rank; ++axis) out.push_back(added[axis] ? 1 : in[from++]);
  return {{ctx.inputs[0].dtype, std::move(out)}};
}

}  // namespace

const std::vector<Operator>& shapeOperators() {
  static const std::vector<Operator> list = [] {
    std::vector<Operator> joined = {
        {"", "Identity", 7, kNewestOpset, inferIdentity, runCopy},
        {"", "Dropout", 7, kNewestOpset, inferDropout, runDropout},
        {"", "Flatten", 7, kNewestOpset, inferFlatten, runCopy},
        {"", "Reshape", 7, kNewestOpset, inferReshape, runCopy},
        {"", "Squeeze", 7, kNewestOpset, inferSqueeze, runCopy},
        {"", "Unsqueeze", 7, kNewestOpset, inferUnsqueeze, runCopy},
    };
    for (const auto* part : {&castOperators(), &constantOperators()}) {
      joined.insert(joined.end(), part->begin(), part->end());
    }
    return joined;
  }();
  return list;
}

}  // namespace presisi::ops
