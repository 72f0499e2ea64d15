#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "backend/cpu/convolution.hpp"
#include "backend/cpu/lowering.hpp"

namespace presisi::cpu {

namespace {

using dnnl::algorithm;

std::optional<Element> elementOf(DType dtype) {
  switch (dtype) {
    case DType::Float32: return Element::Float;
    case DType::Uint8: return Element::Uint8;
    case DType::Int8: return Element::Int8;
    default: return std::nullopt;
  }
}

/// What follows the sums; empty where the kernels don't do it.
std::optional<Finish> finishOf(const std::vector<PostOp>& postOps, const Value& out) {
  Finish finish;
  const bool integer = out.quantized();
  finish.low = integer ? out.low : -std::numeric_limits<float>::infinity();
  finish.high = integer ? out.high : std::numeric_limits<float>::infinity();
  finish.factor = integer ? 1.0f / out.scale : 1.0f;
  // Rounding keeps order: a bound of the numbers is, rounded, one of the integers.
  const auto bound = [&](float value) { return integer ? std::nearbyint(value * finish.factor) : value; };
  for (size_t i = 0; i < postOps.size(); ++i) {
    const PostOp& op = postOps[i];
    if (op.kind == PostOp::Kind::Sum) {
      if (i > 0) return std::nullopt;
      continue;
    }
    if (finish.curve != Curve::None) return std::nullopt;
    switch (op.algorithm) {
      case algorithm::eltwise_relu:
        if (op.alpha != 0) return std::nullopt;
        finish.low = std::max(finish.low, 0.0f);
        break;
      case algorithm::eltwise_clip:
        finish.low = std::max(finish.low, bound(op.alpha));
        finish.high = std::min(finish.high, bound(op.beta));
        break;
      case algorithm::eltwise_hardswish:
      case algorithm::eltwise_swish:
        if (i > 0) return std::nullopt;
        finish.curve = op.algorithm == algorithm::eltwise_swish ? Curve::Swish : Curve::HardSwish;
        break;
      default: return std::nullopt;
    }
  }
  return finish;
}

/// Fills in what is there for each channel. `weights` are OIHW.
FinishData dataOf(const ProductSpec& spec, const Tensor& weights, const std::vector<float>& bias, const Finish& finish,
                  Element source) {
  const int64_t channels = weights.dim(0);
  const int64_t each = weights.size() / channels;
  FinishData data(channels);
  const float factor = finish.curve == Curve::None ? finish.factor : 1.0f;
  for (size_t c = 0; c < static_cast<size_t>(channels); ++c) {
    data.scale[c] = factor;
    data.shift[c] = bias.empty() ? 0.0f : bias[c] * factor;
    if (source == Element::Float) continue;
    data.scale[c] *= spec.quantization.source * spec.quantization.weights[c];
    if (source == Element::Uint8) continue;
    const auto* w = weights.data<int8_t>() + static_cast<int64_t>(c) * each;
    for (int64_t i = 0; i < each; ++i) data.start[c] -= 128 * w[i];
  }
  return data;
}

bool all(const Dims& values, int64_t wanted) {
  return std::all_of(values.begin(), values.end(), [wanted](int64_t v) { return v == wanted; });
}

/// A task and the memory it looks at.
template <typename Task>
struct Owned {
  Task task;
  FinishData data;
  Tensor weights;

  Owned(Task t, FinishData d, Tensor w) : task(std::move(t)), data(std::move(d)), weights(std::move(w)) {
    task.weights = weights.template data<void>();
    task.finish.scale = data.scale.data();
    task.finish.shift = data.shift.data();
    task.finish.start = data.start.data();
  }
};

}  // namespace

/// With our own kernels, where they do it; false, and nothing done, where they don't.
bool Lowering::emitOwnConvolution(const Group& group, const Matrix& matrix, const ConvolutionSpec& spec,
                                  const Destination& plan, int input, backend::LayerInfo layer) {
  const bool integer = spec.quantization.integer;
  if (convolutionKernels(integer) == nullptr || elementCount(spec.destination) == 0) return false;
  std::optional<Finish> finish = finishOf(spec.postOps, plan.value);
  const std::optional<Element> source = elementOf(spec.sourceType);
  if (!finish || !source || !all(spec.dilations, 1)) return false;
  const Dims& shape = matrix.weights.dims();
  const bool depthwise = spec.weights.size() == 5 && spec.weights[1] == 1 && spec.weights[2] == 1 && plan.skip < 0 &&
                         shape[2] <= kDepthwiseReach && shape[3] <= kDepthwiseReach;
  const bool pointwise =
      spec.weights.size() == 4 && shape[2] * shape[3] == 1 && (!integer || shape[1] % 4 == 0) && all(spec.padBegin, 0);
  if (!depthwise && !pointwise) return false;
  int skip = -1;
  if (plan.skip >= 0) {
    // Any tensor is read as it lies, but for its order.
    skip = plan.skip;
    const Value* value = &program_.values[static_cast<size_t>(skip)];
    if (value->layout != Layout::Nhwc || !value->dense()) {
      skip = convert(skip, value->dtype, Layout::Nhwc);
      value = &program_.values[static_cast<size_t>(skip)];
    }
    const std::optional<Element> element = elementOf(value->dtype);
    if (!element || (*element != Element::Float && !value->quantized())) return false;
    finish->skip = *element;
    finish->skipScale = (value->quantized() ? value->scale : 1.0f) * finish->factor;
  }
  FinishData data = dataOf(spec, weights_.plain(matrix.weights), matrix.bias, *finish, *source);
  const int threads = omp_get_max_threads();
  const auto packed = [&](const BlockedLayout& layout, const char* key) {
    const Tensor weights = weights_.get(matrix.weightsName, matrix.weights, layout, key);
    layer.weightBytes = static_cast<int64_t>(weights.bytes());
    return weights;
  };
  const auto common = [&](auto& task) {
    task.source = *source;
    task.toFloat = !plan.value.quantized();
    task.finish = *finish;
  };
  int64_t scratch = 0;
  int totals = -1;
  struct Places {
    const void* in;
    void* out;
    const void* skip;
    float* totals;
    void* scratch;
  };
  std::function<void(const Places&)> kernel;
  if (depthwise) {
    DepthwiseTask task;
    common(task);
    task.channels = shape[0];
    task.inHeight = spec.source[2];
    task.inWidth = spec.source[3];
    task.outHeight = spec.destination[2];
    task.outWidth = spec.destination[3];
    task.kernelHeight = shape[2];
    task.kernelWidth = shape[3];
    task.strideHeight = spec.strides[0];
    task.strideWidth = spec.strides[1];
    task.padTop = spec.padBegin[0];
    task.padLeft = spec.padBegin[1];
    if (task.toFloat && isAveraged(plan.value.name)) {
      totals = addActivation(plan.value.name, {spec.source[0], partsOf(task), blocksOf(task.channels) * kLanes},
                             DType::Float32, Layout::RowMajor);
    }
    scratch = scratchBytes(task, threads);
    const Tensor weights = packed(depthwiseLayout(task), integer ? "presisi:C16kh4" : "presisi:C16");
    const auto owned = std::make_shared<Owned<DepthwiseTask>>(task, std::move(data), weights);
    kernel = [owned, samples = spec.source[0]](const Places& at) {
      execute(owned->task, samples, at.in, at.out, at.totals, at.scratch);
    };
    layer.kernel = "presisi_depthwise:";
  } else {
    PointwiseTask task;
    common(task);
    task.inputs = shape[1];
    task.outputs = shape[0];
    PixelGrid grid;
    grid.samples = spec.destination[0];
    grid.height = spec.destination[2];
    grid.width = spec.destination[3];
    grid.inHeight = spec.source[2];
    grid.inWidth = spec.source[3];
    grid.strideHeight = spec.strides[0];
    grid.strideWidth = spec.strides[1];
    scratch = scratchBytes(task, grid, threads);
    const Tensor weights = packed(pointwiseLayout(task), integer ? "presisi:O16I4" : "presisi:O16");
    const auto owned = std::make_shared<Owned<PointwiseTask>>(task, std::move(data), weights);
    kernel = [owned, grid](const Places& at) { execute(owned->task, grid, at.in, at.out, at.skip, at.scratch); };
    layer.kernel = "presisi_pointwise:";
  }
  layer.kernel += integer ? "avx512_core_vnni" : "avx512_core";
  const int output = addValue(plan.value);
  std::vector<int> reads{input}, writes{output};
  if (skip >= 0) reads.push_back(skip);
  if (totals >= 0) {
    writes.push_back(totals);
    partialSums_[output] = totals;
  }
  Step& step = addStep(std::move(layer), std::move(reads), std::move(writes));
  step.scratchBytes = scratch;
  step.bind = [kernel, input, output, skip, totals](const Binding& b) -> Runner {
    const auto pointer = [&](int value) { return value < 0 ? nullptr : b.pointer(value); };
    const Places places{b.pointer(input), b.pointer(output), pointer(skip), static_cast<float*>(pointer(totals)),
                        b.scratch()};
    return [kernel, places] { kernel(places); };
  };
  bindResult(group, output);
  return true;
}

bool Lowering::isAveraged(const std::string& tensor) const {
  const std::vector<int>& users = links_.consumers(tensor);
  return std::any_of(users.begin(), users.end(), [&](int user) { return node(user).is("GlobalAveragePool"); });
}

}  // namespace presisi::cpu
