#include "ops/resize.hpp"

#include <algorithm>
#include <cmath>

#include "ops/registry.hpp"

namespace presisi::ops {

namespace {

constexpr double kLargestAxis = 4503599627370496.0;  // 2^52: sizes up to it are exact in double

ResizeMode readMode(const onnx::Node& node, bool cubicAllowed) {
  const std::string mode = node.getString("mode", "nearest");
  if (mode == "nearest") return ResizeMode::Nearest;
  if (mode == "linear" || mode == "bilinear") return ResizeMode::Linear;
  if (mode == "cubic" && cubicAllowed) return ResizeMode::Cubic;
  failModel(node, std::string("mode should be nearest, linear") + (cubicAllowed ? " or cubic" : "") + " but is \"" +
                      mode + "\"");
}

void requireOneOf(const onnx::Node& node, const char* attribute, const std::string& value,
                  std::initializer_list<const char*> allowed) {
  std::string list;
  for (const char* option : allowed) {
    if (value == option) return;
    list += (list.empty() ? "" : ", ") + std::string(option);
  }
  failModel(node, std::string(attribute) + " should be one of " + list + " but is \"" + value + "\"");
}

void applyScale(const onnx::Node& node, ResizeAxis& axis, float scale) {
  if (!(scale > 0) || !std::isfinite(scale)) {
    failModel(node, "scales should be positive but one is " + std::to_string(scale));
  }
  axis.scale = static_cast<double>(scale);
  axis.length = axis.scale * static_cast<double>(axis.in);
  const double out = std::floor(axis.length);
  if (out > kLargestAxis) failModel(node, "a scale of " + std::to_string(scale) + " makes an axis too long to count");
  axis.out = static_cast<int64_t>(out);
}

void applySize(const onnx::Node& node, ResizeAxis& axis, int64_t size) {
  if (size < 0 || static_cast<double>(size) > kLargestAxis) {
    failModel(node, "sizes should be positive but one is " + std::to_string(size));
  }
  axis.out = size;
  axis.length = static_cast<double>(size);
  if (axis.in > 0 && size > 0) axis.scale = static_cast<double>(size) / static_cast<double>(axis.in);
}

std::vector<ResizeAxis> axesOf(const Dims& x) {
  std::vector<ResizeAxis> axes(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    axes[i].in = axes[i].out = x[i];
    axes[i].length = static_cast<double>(x[i]);
  }
  return axes;
}

void applyScales(const onnx::Node& node, ResizePlan& plan, const std::vector<float>& scales, const Dims& axes) {
  if (scales.size() != axes.size()) {
    failShape(node, "scales should have " + std::to_string(axes.size()) + " values, one for each axis, but has " +
                        std::to_string(scales.size()));
  }
  for (size_t i = 0; i < axes.size(); ++i) applyScale(node, plan.axes[static_cast<size_t>(axes[i])], scales[i]);
}

/// opset 18: sizes as bounds of a resize by one common scale.
void applyAspectRatio(const onnx::Node& node, ResizePlan& plan, const Dims& axes, bool larger) {
  double scale = larger ? 0 : INFINITY;
  for (const int64_t i : axes) {
    const ResizeAxis& axis = plan.axes[static_cast<size_t>(i)];
    scale = larger ? std::max(scale, axis.scale) : std::min(scale, axis.scale);
  }
  for (const int64_t i : axes) {
    ResizeAxis& axis = plan.axes[static_cast<size_t>(i)];
    axis.scale = scale;
    axis.length = scale * static_cast<double>(axis.in);
    if (axis.length > kLargestAxis) failModel(node, "sizes make an axis too long to count");
    axis.out = static_cast<int64_t>(std::floor(axis.length + 0.5));
  }
}

void checkPlan(const onnx::Node& node, const ResizePlan& plan) {
  for (const ResizeAxis& axis : plan.axes) {
    if (axis.in == 0 && axis.out > 0) failShape(node, "an empty axis can't be resized to " + std::to_string(axis.out));
  }
}

Dims allAxes(size_t rank) {
  Dims axes(rank);
  for (size_t i = 0; i < rank; ++i) axes[i] = static_cast<int64_t>(i);
  return axes;
}

bool given(const Tensor* tensor) { return tensor != nullptr && !tensor->empty() && tensor->size() > 0; }

/// Resize from opset 11 on; `roi`, `scales` and `sizes` are null or empty where absent.
ResizePlan readResize(const onnx::Node& node, int64_t opset, const Dims& x, const Tensor* roi, const Tensor* scales,
                      const Tensor* sizes) {
  ResizePlan plan;
  plan.axes = axesOf(x);
  plan.mode = readMode(node, true);
  plan.coordinates = node.getString("coordinate_transformation_mode", "half_pixel");
  requireOneOf(node, "coordinate_transformation_mode", plan.coordinates,
               {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
                "tf_half_pixel_for_nn", "tf_crop_and_resize"});
  plan.nearest = node.getString("nearest_mode", "round_prefer_floor");
  requireOneOf(node, "nearest_mode", plan.nearest, {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"});
  plan.cubicA = static_cast<double>(node.getFloat("cubic_coeff_a", -0.75f));
  plan.excludeOutside = node.getInt("exclude_outside", 0) != 0;
  plan.antialias = opset >= 18 && node.getInt("antialias", 0) != 0;
  plan.extrapolation = static_cast<double>(node.getFloat("extrapolation_value", 0.0f));
  Dims axes = allAxes(x.size());
  if (opset >= 18 && node.find("axes") != nullptr) axes = normalizeAxes(node, node.getInts("axes", {}), x.size());
  if (given(scales) == given(sizes) && !x.empty()) {
    failModel(node, given(scales) ? "scales and sizes should not both be given" : "neither scales nor sizes are given");
  }
  if (given(scales)) {
    applyScales(node, plan, scales->toFloats(), axes);
  } else if (given(sizes)) {
    const Dims values = sizes->toInt64s();
    if (values.size() != axes.size()) {
      failShape(node, "sizes should have " + std::to_string(axes.size()) + " values, one for each axis, but has " +
                          std::to_string(values.size()));
    }
    for (size_t i = 0; i < axes.size(); ++i) applySize(node, plan.axes[static_cast<size_t>(axes[i])], values[i]);
    const std::string policy = opset >= 18 ? node.getString("keep_aspect_ratio_policy", "stretch") : "stretch";
    requireOneOf(node, "keep_aspect_ratio_policy", policy, {"stretch", "not_larger", "not_smaller"});
    if (policy != "stretch") applyAspectRatio(node, plan, axes, policy == "not_smaller");
  }
  if (plan.coordinates == "tf_crop_and_resize") {
    const std::vector<float> box = given(roi) ? roi->toFloats() : std::vector<float>{};
    if (box.size() != 2 * axes.size()) {
      failShape(node, "tf_crop_and_resize needs a roi of " + std::to_string(2 * axes.size()) + " values but it has " +
                          std::to_string(box.size()));
    }
    for (size_t i = 0; i < axes.size(); ++i) {
      ResizeAxis& axis = plan.axes[static_cast<size_t>(axes[i])];
      axis.roiBegin = static_cast<double>(box[i]);
      axis.roiEnd = static_cast<double>(box[axes.size() + i]);
      if (!std::isfinite(box[i]) || !std::isfinite(box[axes.size() + i])) failModel(node, "roi should be finite");
    }
  }
  checkPlan(node, plan);
  return plan;
}

/// Upsample, and Resize of opset 10: coordinates are x / scale, and the nearest element is the one before.
ResizePlan readUpsample(const onnx::Node& node, const Dims& x, const std::vector<float>& scales) {
  ResizePlan plan;
  plan.axes = axesOf(x);
  plan.mode = readMode(node, false);
  plan.coordinates = "asymmetric";
  plan.nearest = "floor";
  applyScales(node, plan, scales, allAxes(x.size()));
  checkPlan(node, plan);
  return plan;
}

/// Interpolates along one axis at a time; the weights of several axes multiply, so the order doesn't matter.
Tensor interpolate(const ResizePlan& plan, Tensor x, const StopToken& stop) {
  x = x.cast(DType::Float64);
  std::vector<std::vector<ResizeTaps>> taps(plan.axes.size());
  for (size_t axis = 0; axis < plan.axes.size(); ++axis) {
    taps[axis] = resizeTaps(plan, plan.axes[axis]);
    const bool identity = std::all_of(taps[axis].begin(), taps[axis].end(), [&](const ResizeTaps& t) {
      return plan.axes[axis].in == plan.axes[axis].out && t.indices.size() == 1 && t.weights[0] == 1 &&
             t.indices[0] == &t - taps[axis].data();
    });
    if (identity) continue;
    Dims dims = x.dims();
    dims[axis] = plan.axes[axis].out;
    Tensor next(DType::Float64, dims);
    const int64_t outer = countBetween(dims, 0, axis);
    const int64_t inner = countBetween(dims, axis + 1, dims.size());
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t i = 0; i < plan.axes[axis].out; ++i) {
        stop.check();
        const ResizeTaps& t = taps[axis][static_cast<size_t>(i)];
        double* to = next.data<double>() + (o * plan.axes[axis].out + i) * inner;
        for (size_t k = 0; k < t.indices.size(); ++k) {
          const double* from = x.data<double>() + (o * plan.axes[axis].in + t.indices[k]) * inner;
          for (int64_t j = 0; j < inner; ++j) to[j] += t.weights[k] * from[j];
        }
      }
    }
    x = next;
  }
  // Where any axis lies outside the region that has values, the result does.
  for (size_t axis = 0; axis < plan.axes.size(); ++axis) {
    const int64_t inner = countBetween(x.dims(), axis + 1, x.rank());
    const int64_t outer = countBetween(x.dims(), 0, axis);
    for (int64_t i = 0; i < plan.axes[axis].out; ++i) {
      if (!taps[axis][static_cast<size_t>(i)].outside) continue;
      for (int64_t o = 0; o < outer; ++o) {
        double* to = x.data<double>() + (o * plan.axes[axis].out + i) * inner;
        std::fill(to, to + inner, plan.extrapolation);
      }
    }
  }
  return x;
}

/// Nearest: elements move, whatever their type.
void gather(const ResizePlan& plan, const Tensor& x, const StopToken& stop, Tensor& out) {
  const size_t rank = plan.axes.size();
  const Dims strides = stridesOf(x.dims());
  std::vector<std::vector<int64_t>> sources(rank);
  for (size_t axis = 0; axis < rank; ++axis) {
    sources[axis] = nearestIndices(plan, plan.axes[axis]);
    for (int64_t& source : sources[axis]) source = source < 0 ? -1 : source * strides[axis];
  }
  const Tensor outside = Tensor::of<double>(DType::Float64, {}, {plan.extrapolation}).cast(x.dtype());
  dispatchWidth(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = x.data<T>();
    T* to = out.data<T>();
    Dims index(rank, 0);
    for (int64_t i = 0; i < out.size(); ++i) {
      if (i % 65536 == 0) stop.check();
      int64_t offset = 0;
      for (size_t axis = 0; axis < rank && offset >= 0; ++axis) {
        const int64_t part = sources[axis][static_cast<size_t>(index[axis])];
        offset = part < 0 ? -1 : offset + part;
      }
      to[i] = offset < 0 ? *outside.data<T>() : from[offset];
      for (size_t axis = rank; axis-- > 0;) {
        if (++index[axis] < out.dim(axis)) break;
        index[axis] = 0;
      }
    }
  });
}

Dims dimsOf(const ResizePlan& plan) {
  Dims dims;
  for (const ResizeAxis& axis : plan.axes) dims.push_back(axis.out);
  return dims;
}

void execute(const ResizePlan& plan, const RunContext& ctx, std::vector<Tensor>& outputs) {
  if (outputs[0].size() == 0) return;
  if (plan.mode == ResizeMode::Nearest) return gather(plan, ctx.inputs[0], ctx.stop, outputs[0]);
  outputs[0] = interpolate(plan, ctx.inputs[0], ctx.stop).cast(outputs[0].dtype());
}

// Resize, opset 11 on: X, roi, scales, sizes.

const Tensor* valueOf(const InferContext& ctx, size_t index) {
  return has(ctx, index) && elementCount(ctx.inputs[index].dims) > 0 ? &requireConstant(ctx, index) : nullptr;
}

std::vector<TensorType> inferResize(const InferContext& ctx) {
  requireInputs(ctx, 1, 4);
  requireNumeric(ctx, 0);
  for (size_t i = 1; i < 3; ++i) {
    if (!has(ctx, i)) continue;
    requireFloating(ctx, i);
    requireRank(ctx, i, 0, 1);
  }
  if (has(ctx, 3)) requireType(ctx, 3, {DType::Int64});
  const bool crops = ctx.node.getString("coordinate_transformation_mode", "") == "tf_crop_and_resize";
  const ResizePlan plan = readResize(ctx.node, ctx.opset, ctx.inputs[0].dims, crops ? valueOf(ctx, 1) : nullptr,
                                     valueOf(ctx, 2), valueOf(ctx, 3));
  return {{ctx.inputs[0].dtype, dimsOf(plan)}};
}

void runResize(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const auto input = [&](size_t i) { return has(ctx, i) ? &ctx.inputs[i] : nullptr; };
  execute(readResize(ctx.node, ctx.opset, ctx.inputs[0].dims(), input(1), input(2), input(3)), ctx, outputs);
}

// Upsample from opset 9 on and Resize of opset 10: X, scales.

std::vector<TensorType> inferScaled(const InferContext& ctx) {
  requireInputs(ctx, 2, 2);
  requireNumeric(ctx, 0);
  requireType(ctx, 1, {DType::Float32});
  requireRank(ctx, 1, 1, 1);
  return {
      {ctx.inputs[0].dtype, dimsOf(readUpsample(ctx.node, ctx.inputs[0].dims, requireConstant(ctx, 1).toFloats()))}};
}

void runScaled(const RunContext& ctx, std::vector<Tensor>& outputs) {
  execute(readUpsample(ctx.node, ctx.inputs[0].dims(), ctx.inputs[1].toFloats()), ctx, outputs);
}

// Upsample of opset 7: scales are an attribute.

std::vector<TensorType> inferUpsampleOld(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  requireNumeric(ctx, 0);
  const std::vector<float> scales = ctx.node.getFloats("scales", {});
  return {{ctx.inputs[0].dtype, dimsOf(readUpsample(ctx.node, ctx.inputs[0].dims, scales))}};
}

void runUpsampleOld(const RunContext& ctx, std::vector<Tensor>& outputs) {
  execute(readUpsample(ctx.node, ctx.inputs[0].dims(), ctx.node.getFloats("scales", {})), ctx, outputs);
}

}  // namespace

const std::vector<Operator>& resizeOperators() {
  static const std::vector<Operator> list = {
      {"", "Upsample", 7, 8, inferUpsampleOld, runUpsampleOld},
      {"", "Upsample", 9, 9, inferScaled, runScaled},
      {"", "Resize", 10, 10, inferScaled, runScaled},
      {"", "Resize", 11, kNewestOpset, inferResize, runResize},
  };
  return list;
}

}  // namespace presisi::ops
