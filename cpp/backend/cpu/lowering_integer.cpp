#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "backend/cpu/integer_convolution.hpp"
#include "backend/cpu/lowering.hpp"

namespace presisi::cpu {

namespace {

using dnnl::algorithm;

/// What follows the sums; empty where the kernels don't do it.
std::optional<Finish> finishOf(const std::vector<PostOp>& postOps, const Value& out) {
  Finish finish;
  const bool integer = out.quantized();
  finish.low = integer ? out.low : -std::numeric_limits<float>::infinity();
  finish.high = integer ? out.high : std::numeric_limits<float>::infinity();
  finish.factor = integer ? 1.0f / out.scale : 1.0f;
  // Rounding keeps order: a bound of the numbers is, rounded, one of the integers.
  const auto bound = [&](float value) { return integer ? std::nearbyint(value * finish.factor) : value; };
  for (const PostOp& op : postOps) {
    if (op.kind != PostOp::Kind::Activation || finish.curve != Curve::None) return std::nullopt;
    switch (op.algorithm) {
      case algorithm::eltwise_relu:
        if (op.alpha != 0) return std::nullopt;
        finish.low = std::max(finish.low, 0.0f);
        break;
      case algorithm::eltwise_clip:
        finish.low = std::max(finish.low, bound(op.alpha));
        finish.high = std::min(finish.high, bound(op.beta));
        break;
      case algorithm::eltwise_hardswish: finish.curve = Curve::HardSwish; break;
      case algorithm::eltwise_swish: finish.curve = Curve::Swish; break;
      default: return std::nullopt;
    }
  }
  return finish;
}

/// Fills in what is there for each channel. `weights` are OIHW.
FinishData dataOf(const ProductSpec& spec, const Tensor& weights, const std::vector<float>& bias, const Finish& finish,
                  bool signedInput) {
  const int64_t channels = weights.dim(0);
  const int64_t each = weights.size() / channels;
  FinishData data(channels);
  const auto* w = weights.data<int8_t>();
  for (size_t c = 0; c < static_cast<size_t>(channels); ++c, w += each) {
    const float factor = finish.curve == Curve::None ? finish.factor : 1.0f;
    data.scale[c] = spec.quantization.source * spec.quantization.weights[c] * factor;
    data.shift[c] = bias.empty() ? 0.0f : bias[c] * factor;
    int32_t sum = 0;
    for (int64_t i = 0; i < each; ++i) sum += w[i];
    data.start[c] = signedInput ? -128 * sum : 0;
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
    task.weights = weights.template data<int8_t>();
    task.finish.scale = data.scale.data();
    task.finish.shift = data.shift.data();
    task.finish.start = data.start.data();
  }
};

}  // namespace

bool Lowering::emitInteger(const Group& group, const Matrix& matrix, const ConvolutionSpec& spec,
                           const Destination& plan, int input, backend::LayerInfo layer) {
  if (integerKernels() == nullptr || !spec.quantization.integer || plan.skip >= 0) return false;
  const std::optional<Finish> finish = finishOf(spec.postOps, plan.value);
  const Dims& shape = matrix.weights.dims();
  const bool depthwise = spec.weights.size() == 5 && spec.weights[1] == 1 && spec.weights[2] == 1;
  // Without a curve behind it, oneDNN's product is as fast as they come.
  const bool pointwise = spec.weights.size() == 4 && shape[2] * shape[3] == 1 && shape[1] % 4 == 0 &&
                         all(spec.strides, 1) && all(spec.padBegin, 0) && all(spec.padEnd, 0) && finish &&
                         finish->curve != Curve::None && plan.value.quantized();
  if (!finish || !(depthwise || pointwise) || !all(spec.dilations, 1) || shape[2] > kDepthwiseReach ||
      shape[3] > kDepthwiseReach) {
    return false;
  }
  const bool signedInput = spec.sourceType == DType::Int8;
  FinishData data = dataOf(spec, weights_.plain(matrix.weights), matrix.bias, *finish, signedInput);
  const int threads = omp_get_max_threads();
  const auto weightsAs = [&](const BlockedLayout& layout, const char* key) {
    const Tensor packed = weights_.get(matrix.weightsName, matrix.weights, layout, key);
    layer.weightBytes = static_cast<int64_t>(packed.bytes());
    return packed;
  };
  int64_t scratch = 0;
  int totals = -1;
  std::function<void(const uint8_t*, void*, float*, uint8_t*)> kernel;
  if (depthwise) {
    DepthwiseTask task;
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
    task.signedInput = signedInput;
    task.finish = *finish;
    task.toFloat = !plan.value.quantized();
    if (task.toFloat && isAveraged(plan.value.name)) {
      totals = addActivation(plan.value.name, {spec.source[0], partsOf(task), blocksOf(task.channels) * kLanes},
                             DType::Float32, Layout::RowMajor);
    }
    scratch = scratchBytes(task, threads);
    const auto owned = std::make_shared<Owned<DepthwiseTask>>(
        task, std::move(data), weightsAs(depthwiseLayout(shape[0], shape[2], shape[3]), "presisi:C16kh4"));
    kernel = [owned, samples = spec.source[0]](const uint8_t* in, void* out, float* sums, uint8_t* memory) {
      execute(owned->task, samples, in, out, sums, memory);
    };
  } else {
    PointwiseTask task;
    task.inputs = shape[1];
    task.outputs = shape[0];
    task.signedInput = signedInput;
    task.finish = *finish;
    const int64_t pixels = spec.source[0] * spec.source[2] * spec.source[3];
    scratch = scratchBytes(task, pixels, threads);
    const auto owned = std::make_shared<Owned<PointwiseTask>>(
        task, std::move(data), weightsAs(pointwiseLayout(shape[0], shape[1]), "presisi:O16I4"));
    kernel = [owned, pixels](const uint8_t* in, void* out, float*, uint8_t* memory) {
      execute(owned->task, pixels, in, static_cast<uint8_t*>(out), memory);
    };
  }
  layer.kernel = depthwise ? "presisi_depthwise:avx512_core_vnni" : "presisi_pointwise:avx512_core_vnni";
  const int output = commit(plan);
  std::vector<int> writes{output};
  if (totals >= 0) {
    writes.push_back(totals);
    partialSums_[output] = totals;
  }
  Step& step = addStep(std::move(layer), {input}, std::move(writes));
  step.scratchBytes = scratch;
  step.bind = [kernel, input, output, totals](const Binding& b) -> Runner {
    const auto* in = static_cast<const uint8_t*>(b.pointer(input));
    void* out = b.pointer(output);
    auto* sums = totals < 0 ? nullptr : static_cast<float*>(b.pointer(totals));
    auto* memory = static_cast<uint8_t*>(b.scratch());
    return [kernel, in, out, sums, memory] { kernel(in, out, sums, memory); };
  };
  bindResult(group, output);
  return true;
}

bool Lowering::isAveraged(const std::string& tensor) const {
  const std::vector<int>& users = links_.consumers(tensor);
  return std::any_of(users.begin(), users.end(), [&](int user) { return node(user).is("GlobalAveragePool"); });
}

}  // namespace presisi::cpu
