#include <algorithm>
#include <limits>
#include <numeric>

#include "ops/broadcast.hpp"
#include "ops/movement.hpp"
#include "ops/movement_copy.hpp"

namespace presisi::ops {

namespace {

/// What Slice was given, as attributes (before opset 10) or inputs. Empty axes and steps mean 0, 1, … and 1.
struct SliceArguments {
  std::vector<int64_t> starts;
  std::vector<int64_t> ends;
  std::vector<int64_t> axes;
  std::vector<int64_t> steps;
};

SliceArguments fromAttributes(const onnx::Node& node) {
  for (const char* name : {"starts", "ends"}) {
    if (node.find(name) == nullptr) failModel(node, std::string("the attribute ") + name + " is required but absent");
  }
  return {node.getInts("starts", {}), node.getInts("ends", {}), node.getInts("axes", {}), {}};
}

/// For every axis of the input: the first index, the step, and how many are taken.
struct SlicePlan {
  Dims begin;
  Dims step;
  Dims count;
};

SlicePlan planOf(const onnx::Node& node, const Dims& dims, SliceArguments given) {
  const size_t n = given.starts.size();
  if (given.axes.empty() && n <= dims.size()) {
    given.axes.resize(n);
    std::iota(given.axes.begin(), given.axes.end(), 0);
  }
  if (given.steps.empty()) given.steps.assign(n, 1);
  if (given.ends.size() != n || given.axes.size() != n || given.steps.size() != n) {
    failModel(node, "starts, ends, axes and steps should be of one length but there are " + std::to_string(n) + ", " +
                        std::to_string(given.ends.size()) + ", " + std::to_string(given.axes.size()) + " and " +
                        std::to_string(given.steps.size()) + " for an input of shape " + toString(dims));
  }
  const std::vector<int64_t> axes = normalizeAxes(node, given.axes, dims.size());
  SlicePlan plan{Dims(dims.size(), 0), Dims(dims.size(), 1), dims};
  for (size_t i = 0; i < n; ++i) {
    const auto axis = static_cast<size_t>(axes[i]);
    const int64_t length = dims[axis];
    if (given.steps[i] == 0) failModel(node, "the step along axis " + std::to_string(axis) + " is 0");
    // A longer step than the axis takes one element all the same, and can't overflow.
    const int64_t step = std::clamp(given.steps[i], -std::max<int64_t>(length, 1), std::max<int64_t>(length, 1));
    int64_t start = given.starts[i] < 0 ? given.starts[i] + length : given.starts[i];
    int64_t end = given.ends[i] < 0 ? given.ends[i] + length : given.ends[i];
    if (length == 0) {
      plan.count[axis] = 0;
    } else if (step > 0) {
      start = std::clamp<int64_t>(start, 0, length);
      end = std::clamp<int64_t>(end, 0, length);
      plan.count[axis] = end > start ? (end - start - 1) / step + 1 : 0;
    } else {  // `end` is excluded, so -1 is what lets index 0 in
      start = std::clamp<int64_t>(start, 0, length - 1);
      end = std::clamp<int64_t>(end, -1, length - 1);
      plan.count[axis] = start > end ? (start - end - 1) / -step + 1 : 0;
    }
    plan.begin[axis] = plan.count[axis] > 0 ? start : 0;
    plan.step[axis] = step;
  }
  return plan;
}

std::vector<TensorType> inferSlice(const InferContext& ctx) {
  const bool attributes = ctx.opset < 10;
  requireInputs(ctx, attributes ? 1 : 3, attributes ? 1 : 5);
  SliceArguments given;
  if (attributes) {
    given = fromAttributes(ctx.node);
  } else {
    given.starts = requireConstantInts(ctx, 1);
    given.ends = requireConstantInts(ctx, 2);
    if (has(ctx, 3)) given.axes = requireConstantInts(ctx, 3);
    if (has(ctx, 4)) given.steps = requireConstantInts(ctx, 4);
  }
  return {{ctx.inputs[0].dtype, planOf(ctx.node, ctx.inputs[0].dims, std::move(given)).count}};
}

void runSlice(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& in = ctx.inputs[0];
  SliceArguments given;
  if (ctx.opset < 10) {
    given = fromAttributes(ctx.node);
  } else {
    given.starts = ctx.inputs[1].toInt64s();
    given.ends = ctx.inputs[2].toInt64s();
    if (has(ctx, 3)) given.axes = ctx.inputs[3].toInt64s();
    if (has(ctx, 4)) given.steps = ctx.inputs[4].toInt64s();
  }
  const SlicePlan plan = planOf(ctx.node, in.dims(), std::move(given));
  Dims strides = stridesOf(in.dims());
  int64_t offset = 0;
  for (size_t axis = 0; axis < in.rank(); ++axis) {
    offset += plan.begin[axis] * strides[axis];
    strides[axis] *= plan.step[axis];
  }
  const size_t width = byteSize(in.dtype());
  copyStrided(in.data<uint8_t>() + static_cast<size_t>(offset) * width, plan.count, strides, outputs[0].data<uint8_t>(),
              width);
}

}  // namespace

const std::vector<Operator>& sliceOperators() {
  static const std::vector<Operator> list = {{"", "Slice", 7, kNewestOpset, inferSlice, runSlice}};
  return list;
}

}  // namespace presisi::ops
