#include <omp.h>

#include <optional>

#include "backend/cpu/lowering_own.hpp"
#include "backend/cpu/winograd.hpp"

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
std::optional<FinishPlan> finishOf(const std::vector<PostOp>& postOps, const Value& out, bool pieces) {
  FinishPlan finish;
  Bounds bounds = out.quantized() ? Bounds::ofIntegers(out.scale, out.low, out.high) : Bounds::ofFloats();
  finish.factor = bounds.unit;
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
        bounds.relu();
        break;
      case algorithm::eltwise_clip: bounds.clip(op.alpha, op.beta); break;
      case algorithm::eltwise_linear:
        if (i > 0) return std::nullopt;
        finish.slope = op.alpha;
        finish.offset = op.beta;
        break;
      case algorithm::eltwise_hardswish:
      case algorithm::eltwise_swish:
      case algorithm::eltwise_logistic:
        if (i > 0) return std::nullopt;
        finish.curve = op.algorithm == algorithm::eltwise_swish      ? Curve::Swish
                       : op.algorithm == algorithm::eltwise_logistic ? Curve::Sigmoid
                                                                     : Curve::HardSwish;
        break;
      default: return std::nullopt;
    }
  }
  finish.low = bounds.low;
  finish.high = bounds.high;
  // The kernels bound no floats behind a curve.
  const Bounds all = Bounds::ofFloats();
  if (finish.curve != Curve::None && !out.quantized() && (bounds.low != all.low || bounds.high != all.high)) {
    return std::nullopt;
  }
  if (pieces && finish.curve == Curve::Swish && out.quantized() && bounds.low == -128 && bounds.high == 127) {
    if (const auto fitted = fittedSwish(out.scale)) {
      finish.curve = Curve::Pieces;
      finish.fitted = std::make_shared<FittedCurve>(*fitted);
      finish.high = 32767;
    }
  }
  return finish;
}

/// Fills in what is there for each channel. `packed` are the weights; those of integers end in [kLanes][4].
FinishData dataOf(const ProductSpec& spec, int64_t channels, const Tensor& packed, const std::vector<float>& bias,
                  const FinishPlan& finish, Element source) {
  FinishData data(channels, source != Element::Float);
  data.curve = finish.fitted;
  const float factor = finish.fitted ? finish.fitted->unit : finish.curve == Curve::None ? finish.factor : 1.0f;
  const float offset = finish.fitted ? finish.fitted->offset : 0.0f;
  for (size_t c = 0; c < static_cast<size_t>(channels); ++c) {
    data.scale[c] = finish.slope * factor;
    data.shift[c] = ((bias.empty() ? 0.0f : bias[c]) * finish.slope + finish.offset) * factor + offset;
    // The source's is 1 where only weights are integers.
    if (spec.weightsType == DType::Int8) data.scale[c] *= spec.quantization.source * spec.quantization.weights[c];
  }
  if (source != Element::Int8) return data;
  // Sixty-four bytes at a time: four of each channel of a block.
  const auto* weights = packed.data<int8_t>();
  const int64_t each = packed.size() / blocksOf(channels);
  for (int32_t* start = data.start.data(); start != data.start.data() + data.start.size(); start += kLanes) {
    for (int64_t i = 0; i < each; i += kLanes * 4, weights += kLanes * 4) {
      for (int64_t c = 0; c < kLanes; ++c) {
        const int8_t* four = weights + 4 * c;
        start[c] -= 128 * (four[0] + four[1] + four[2] + four[3]);
      }
    }
  }
  return data;
}

}  // namespace

std::optional<Lowering::Own> Lowering::own(const ProductSpec& spec, const Matrix& matrix, const Destination& plan) {
  const bool integer = spec.quantization.integer;
  const ConvolutionKernels* kernels = convolutionKernels(integer);
  if (kernels == nullptr) return std::nullopt;
  const std::optional<FinishPlan> finish = finishOf(spec.postOps, plan.value, kernels->pieces);
  const std::optional<Element> source = elementOf(spec.sourceType);
  if (!finish || !source) return std::nullopt;
  Own own{*finish, *source, plan.skip, integer && kernels->shortSums && !weights_.within(matrix.weights, kMostShort)};
  if (plan.skip < 0) return own;
  // Any tensor is read as it lies, but for its order.
  const auto value = [&]() -> const Value& { return program_.values[static_cast<size_t>(own.skip)]; };
  const std::optional<Element> element = elementOf(value().dtype);
  if (!element || (*element != Element::Float && !value().quantized())) return std::nullopt;
  if (value().layout != plan.value.layout || !value().dense()) {
    own.skip = convert(own.skip, value().dtype, plan.value.layout);
  }
  own.finish.skip = *element;
  own.finish.skipScale = (value().quantized() ? value().scale : 1.0f) * own.finish.factor;
  return own;
}

namespace {

/// A task as far as all begin.
template <typename Task, typename Own>
Task begun(const Own& own, const Value& out) {
  Task task;
  task.source = own.source;
  task.finish = own.finish;
  task.toFloat = !out.quantized();
  return task;
}

/// A task with its weights where they are wanted, and what is there for each channel.
template <typename Task>
std::shared_ptr<Owned<Task>> completed(Task task, int64_t channels, const Tensor& weights, const ProductSpec& spec,
                                       const std::vector<float>& bias, const FinishPlan& finish) {
  FinishData data = dataOf(spec, channels, weights, bias, finish, task.source);
  return std::make_shared<Owned<Task>>(std::move(task), std::move(data), weights);
}

}  // namespace

/// Whether a value is of bytes of which none is above 127.
bool Lowering::isLow(int value) const {
  const Value& v = program_.values[static_cast<size_t>(value)];
  return v.dtype == DType::Uint8 && v.quantized() && v.high <= 127;
}

Lowering::OwnKernel Lowering::depthwise(const Group& group, const Matrix& matrix, const ConvolutionSpec& spec,
                                        const Own& own, int input, const Value& out) {
  auto task = begun<DepthwiseTask>(own, out);
  task.channels = matrix.weights.dim(0);
  task.fullWeights = own.fullWeights;
  task.inHeight = spec.source[2];
  task.inWidth = spec.source[3];
  task.outHeight = spec.destination[2];
  task.outWidth = spec.destination[3];
  task.kernelHeight = matrix.weights.dim(2);
  task.kernelWidth = matrix.weights.dim(3);
  task.strideHeight = spec.strides[0];
  task.strideWidth = spec.strides[1];
  task.padTop = spec.padBegin[0];
  task.padLeft = spec.padBegin[1];
  const bool expands = mayExpand(group, task, input);
  task.rowsAtOnce = rowsAtOnce(task, expands);
  OwnKernel kernel;
  kernel.name = "presisi_depthwise";
  kernel.expanded = expands;
  kernel.input = input;
  const int64_t samples = spec.source[0];
  if (task.toFloat && isAveraged(out.name)) {
    kernel.totals = addActivation(out.name, {samples, partsOf(task), blocksOf(task.channels) * kLanes}, DType::Float32,
                                  Layout::RowMajor);
  }
  kernel.scratchBytes = scratchBytes(task, omp_get_max_threads());
  const Tensor weights = weights_.get(matrix.weightsName, matrix.weights, depthwiseLayout(task),
                                      task.integer() ? "presisi:C16kh4" : "presisi:C16");
  kernel.depthwise = completed(task, task.channels, weights, spec, matrix.bias, own.finish);
  kernel.run = [made = kernel.depthwise, samples](const Team& team, const OwnKernel::Places& at) {
    execute(team, made->task, samples, at.in, at.out, at.totals, at.scratch);
  };
  return kernel;
}

Lowering::OwnKernel Lowering::pointwise(const Matrix& matrix, const ProductSpec& spec, const PixelGrid& grid,
                                        const Own& own, int input, const Value& out) {
  auto task = begun<PointwiseTask>(own, out);
  task.outputs = task.outStep = matrix.weights.dim(0);
  task.inputs = matrix.weights.dim(1);
  task.fullWeights = own.fullWeights;
  task.lowSource = isLow(input);
  task.byteWeights = !task.integer() && spec.weightsType == DType::Int8;
  OwnKernel kernel;
  kernel.name = "presisi_pointwise";
  kernel.input = input;
  kernel.grid = grid;
  kernel.scratchBytes = scratchBytes(task, grid, false, omp_get_max_threads());
  const Tensor weights = weights_.get(matrix.weightsName, matrix.weights, pointwiseLayout(task),
                                      task.integer() ? "presisi:O16I4" : "presisi:O16");
  kernel.pointwise = completed(task, task.outputs, weights, spec, matrix.bias, own.finish);
  kernel.run = [made = kernel.pointwise, grid](const Team& team, const OwnKernel::Places& at) {
    execute(team, made->task, grid, at.in, at.out, at.skip, at.scratch, {});
  };
  return kernel;
}

/// A larger kernel. Where `front` makes the input, it does so line by line, while these are padded.
Lowering::OwnKernel Lowering::patches(const Matrix& matrix, const ConvolutionSpec& spec, const Own& own, int input,
                                      const std::optional<LastChain>& front, const Value& out) {
  PatchTask task;
  task.channels = matrix.weights.dim(1);
  task.inHeight = spec.source[2];
  task.inWidth = spec.source[3];
  task.outHeight = spec.destination[2];
  task.padTop = spec.padBegin[0];
  task.padLeft = spec.padBegin[1];
  task.isSigned = own.source == Element::Int8;
  task.product = begun<PointwiseTask>(own, out);
  PointwiseTask& product = task.product;
  const int64_t width = matrix.weights.dim(3);
  product.inputs = width * task.step();
  product.outputs = product.outStep = matrix.weights.dim(0);
  product.fullWeights = own.fullWeights;
  product.lowSource = isLow(input);
  product.patches.rows = matrix.weights.dim(2);
  product.patches.width = spec.destination[3];
  product.patches.step = spec.strides[1] * task.step();
  product.patches.rowStep = ((product.patches.width - 1) * spec.strides[1] + width) * task.step();
  product.patches.lineStep = spec.strides[0] * product.patches.rowStep;
  OwnKernel kernel;
  kernel.name = "presisi_patches";
  kernel.input = front ? front->input : input;
  if (front) kernel.operands = front->operands;
  const int64_t samples = spec.source[0];
  kernel.scratchBytes = scratchBytes(task, samples, front.has_value(), omp_get_max_threads());
  const Tensor weights = weights_.get(matrix.weightsName, matrix.weights, patchLayout(task),
                                      product.integer() ? "presisi:O16I4" : "presisi:O16");
  kernel.pointwise = completed(product, product.outputs, weights, spec, matrix.bias, own.finish);
  if (product.integer()) kernel.pointwise->task.source = Element::Uint8;  // as it is copied
  kernel.run = [task, made = kernel.pointwise, samples, chain = front ? front->chain : nullptr](
                   const Team& team, const OwnKernel::Places& at) {
    PatchTask copied = task;
    copied.product = made->task;
    execute(team, copied, samples, at.in, at.out, at.skip, at.scratch, chain ? at.prepareBy(*chain) : Prepare());
  };
  return kernel;
}

Lowering::OwnKernel Lowering::winograd(const Matrix& matrix, const ConvolutionSpec& spec, const Own& own, int input,
                                       const Value& out) {
  WinogradTask task;
  task.inHeight = spec.source[2];
  task.inWidth = spec.source[3];
  task.outHeight = spec.destination[2];
  task.outWidth = spec.destination[3];
  task.padTop = spec.padBegin[0];
  task.padLeft = spec.padBegin[1];
  task.product = begun<PointwiseTask>(own, out);
  task.product.outputs = task.product.outStep = matrix.weights.dim(0);
  task.product.inputs = matrix.weights.dim(1);
  OwnKernel kernel;
  kernel.name = "presisi_winograd";
  kernel.input = input;
  const int64_t samples = spec.source[0];
  kernel.scratchBytes = scratchBytes(task, samples, omp_get_max_threads());
  const Tensor weights = weights_.get(matrix.weightsName, matrix.weights, "presisi:winograd", winogradWeights);
  kernel.pointwise = completed(task.product, task.product.outputs, weights, spec, matrix.bias, own.finish);
  kernel.run = [task, made = kernel.pointwise, samples](const Team& team, const OwnKernel::Places& at) {
    WinogradTask now = task;
    now.product = made->task;
    execute(team, now, samples, at.in, at.out, at.skip, at.scratch);
  };
  return kernel;
}

}  // namespace presisi::cpu
