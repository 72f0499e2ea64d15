#include <omp.h>

#include <algorithm>
#include <optional>

#include "backend/cpu/convolution.hpp"
#include "backend/cpu/curve_pieces.hpp"
#include "backend/cpu/lowering.hpp"

namespace presisi::cpu {

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
    task.finish.pieces = data.curve ? &data.curve->pieces : nullptr;
  }
};

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

/// A Finish, and what the sums are scaled and shifted by before it, beside what is there for each channel.
struct FinishPlan : Finish {
  float slope = 1, offset = 0;
  std::shared_ptr<const FittedCurve> fitted;  ///< with Curve::Pieces
};

/// What follows the sums; empty where the kernels don't do it.
std::optional<FinishPlan> finishOf(const std::vector<PostOp>& postOps, const Value& out) {
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
  if (finish.curve == Curve::Swish && out.quantized() && bounds.low == -128 && bounds.high == 127) {
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
  FinishData data(channels);
  data.curve = finish.fitted;
  const float factor = finish.fitted ? finish.fitted->unit : finish.curve == Curve::None ? finish.factor : 1.0f;
  const float offset = finish.fitted ? finish.fitted->offset : 0.0f;
  for (size_t c = 0; c < static_cast<size_t>(channels); ++c) {
    data.scale[c] = finish.slope * factor;
    data.shift[c] = ((bias.empty() ? 0.0f : bias[c]) * finish.slope + finish.offset) * factor + offset;
    if (source != Element::Float) data.scale[c] *= spec.quantization.source * spec.quantization.weights[c];
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

bool all(const Dims& values, int64_t wanted) {
  return std::all_of(values.begin(), values.end(), [wanted](int64_t v) { return v == wanted; });
}

}  // namespace

/// What there is to know before a kernel is chosen.
struct Lowering::Own {
  FinishPlan finish;
  Element source = Element::Float;
  int skip = -1;  ///< value to be summed, as it is to be read
};

struct Lowering::OwnKernel {
  struct Places {
    const void* in;
    void* out;
    const void* skip;
    float* totals;
    void* scratch;
    std::vector<const void*> operands;
  };
  const char* name = "";
  std::function<void(const Team&, const Places&)> run;
  int64_t scratchBytes = 0;
  int input = -1;             ///< value
  std::vector<int> operands;  ///< values of a chain in front
  int totals = -1;            ///< value
  // One of the two, unless it is both:
  std::shared_ptr<Owned<DepthwiseTask>> depthwise;
  std::shared_ptr<Owned<PointwiseTask>> pointwise;
  PixelGrid grid;         ///< of the latter
  bool expanded = false;  ///< mayExpand()
};

std::optional<Lowering::Own> Lowering::own(const ProductSpec& spec, const Destination& plan) {
  const std::optional<FinishPlan> finish = finishOf(spec.postOps, plan.value);
  const std::optional<Element> source = elementOf(spec.sourceType);
  if (convolutionKernels(spec.quantization.integer) == nullptr || !finish || !source) return std::nullopt;
  Own own{*finish, *source, plan.skip};
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

Lowering::OwnKernel Lowering::depthwise(const Group& group, const Matrix& matrix, const ConvolutionSpec& spec,
                                        const Own& own, int input, const Value& out) {
  auto task = begun<DepthwiseTask>(own, out);
  task.channels = matrix.weights.dim(0);
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
  task.outputs = matrix.weights.dim(0);
  task.inputs = matrix.weights.dim(1);
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

/// The value it makes.
int Lowering::emitOwn(const Group& group, const Own& own, const OwnKernel& kernel, const Destination& plan,
                      int64_t weightBytes, backend::LayerInfo layer) {
  layer.kernel = std::string(kernel.name) + (own.source == Element::Float ? ":avx512_core" : ":avx512_core_vnni");
  layer.weightBytes = weightBytes;
  const int output = addValue(plan.value);
  std::vector<int> reads{kernel.input}, writes{output};
  reads.insert(reads.end(), kernel.operands.begin(), kernel.operands.end());
  if (own.skip >= 0) reads.push_back(own.skip);
  if (kernel.totals >= 0) {
    writes.push_back(kernel.totals);
    partialSums_[output] = kernel.totals;
  }
  Step& step = addStep(std::move(layer), std::move(reads), std::move(writes));
  step.scratchBytes = kernel.scratchBytes;
  step.bind = [run = kernel.run, input = kernel.input, operands = kernel.operands, output, skip = own.skip,
               totals = kernel.totals](const Binding& b) -> Runner {
    const auto pointer = [&](int value) { return value < 0 ? nullptr : b.pointer(value); };
    OwnKernel::Places places{
        pointer(input), pointer(output), pointer(skip), static_cast<float*>(pointer(totals)), b.scratch(), {}};
    for (const int operand : operands) places.operands.push_back(b.pointer(operand));
    return [run, places](const Team& team) { run(team, places); };
  };
  bindResult(group, output);
  return output;
}

/// Whether the last step makes this value, and nothing else.
bool Lowering::isLastStep(int value) const {
  return !program_.steps.empty() && program_.steps.back().writes == std::vector<int>{value};
}

/// A 1x1 convolution, with the chain in front of it where that does no more than scale, and only this reads it: inputs
/// are scaled as they are wanted, a few pixels at a time.
void Lowering::emitPointwise(const Group& group, const Own& own, OwnKernel kernel, const Destination& plan,
                             int64_t weightBytes, backend::LayerInfo layer) {
  const std::shared_ptr<const Chain> chain = lastChain_.chain;
  const bool prepared = chain && chain->scaling && lastChain_.output == kernel.input && isLastStep(kernel.input) &&
                        chain->input.order == ChainTensor::Order::Pixels && kernel.grid.dense() &&
                        chain->columns == kernel.pointwise->task.inputs && isOnlyReader(group, kernel.input);
  if (!prepared) {
    const int output = emitOwn(group, own, kernel, plan, weightBytes, std::move(layer));
    if (own.skip < 0 && kernel.grid.dense()) expansion_ = {kernel.pointwise, output, kernel.input};
    return;
  }
  const backend::LayerInfo first = std::move(program_.steps.back().info);
  program_.steps.pop_back();
  layer.fused.insert(layer.fused.begin(), first.fused.begin(), first.fused.end());
  layer.fused.insert(layer.fused.begin(), first.name);
  kernel.name = "presisi_prepared";
  kernel.input = lastChain_.input;
  kernel.operands = lastChain_.operands;
  const PointwiseTask& task = kernel.pointwise->task;
  kernel.scratchBytes = scratchBytes(task, kernel.grid, true, omp_get_max_threads());
  kernel.run = [chain, made = kernel.pointwise, grid = kernel.grid](const Team& team, const OwnKernel::Places& at) {
    const Prepare prepare = [&](int64_t from, int64_t to, void* out) {
      runChainRows(*chain, at.in, at.operands, out, from, to);
    };
    execute(team, made->task, grid, nullptr, at.out, at.skip, at.scratch, prepare);
  };
  emitOwn(group, own, kernel, plan, weightBytes, std::move(layer));
}

/// With our own kernels, where they do it; false, and nothing done, where they don't.
bool Lowering::emitOwnConvolution(const Group& group, const Matrix& matrix, const ConvolutionSpec& spec,
                                  const Destination& plan, int input, const backend::LayerInfo& layer) {
  const Dims& shape = matrix.weights.dims();
  const bool grouped = spec.weights.size() == 5;
  const bool isDepthwise = grouped && spec.weights[1] == 1 && spec.weights[2] == 1 && plan.skip < 0 &&
                           shape[2] <= kDepthwiseReach && shape[3] <= kDepthwiseReach;
  const bool isPointwise = !grouped && shape[2] * shape[3] == 1 && all(spec.padBegin, 0) &&
                           (!spec.quantization.integer || shape[1] % 4 == 0);
  if (elementCount(spec.destination) == 0 || !all(spec.dilations, 1) || !(isDepthwise || isPointwise)) return false;
  const std::optional<Own> own = this->own(spec, plan);
  if (!own) return false;
  PixelGrid grid;
  grid.samples = spec.destination[0];
  grid.height = spec.destination[2];
  grid.width = spec.destination[3];
  grid.inHeight = spec.source[2];
  grid.inWidth = spec.source[3];
  grid.strideHeight = spec.strides[0];
  grid.strideWidth = spec.strides[1];
  const auto weightBytes = static_cast<int64_t>(matrix.weights.bytes());
  if (!isDepthwise) {
    emitPointwise(group, *own, pointwise(matrix, spec, grid, *own, input, plan.value), plan, weightBytes, layer);
    return true;
  }
  const OwnKernel kernel = depthwise(group, matrix, spec, *own, input, plan.value);
  if (kernel.expanded) {
    emitExpanded(group, *own, kernel, plan, spec.source[0], weightBytes, layer);
  } else {
    emitOwn(group, *own, kernel, plan, weightBytes, layer);
  }
  return true;
}

/// Whether nothing but the first node of this group reads the value.
bool Lowering::isOnlyReader(const Group& group, int value) const {
  const auto names = namesOf_.find(value);
  if (names == namesOf_.end()) return false;
  for (const std::string& name : names->second) {
    if (links_.isOutput(name)) return false;
    for (const int consumer : links_.consumers(name)) {
      if (!isSimpleDequantize(node(consumer)) && consumer != group.nodes.front()) return false;
    }
  }
  return true;
}

/// Whether a depthwise convolution goes together with the 1x1 convolution that is the last step: where only it reads
/// that.
bool Lowering::mayExpand(const Group& group, const DepthwiseTask& task, int input) const {
  return expansion_.task && expansion_.output == input && isLastStep(input) && isOnlyReader(group, input) &&
         expansion_.task->task.integer() == task.integer() && worthExpanding({expansion_.task->task, task});
}

void Lowering::emitExpanded(const Group& group, const Own& own, const OwnKernel& kernel, const Destination& plan,
                            int64_t samples, int64_t weightBytes, const backend::LayerInfo& layer) {
  const auto expand = expansion_.task;
  const ExpandedTask task{expand->task, kernel.depthwise->task};
  backend::LayerInfo both = std::move(program_.steps.back().info);
  program_.steps.pop_back();
  both.fused.push_back(layer.name);
  both.fused.insert(both.fused.end(), layer.fused.begin(), layer.fused.end());
  both.macs += layer.macs;
  both.outputDims = layer.outputDims;
  both.activationBytes = 0;
  OwnKernel fused;
  fused.name = "presisi_expanded";
  fused.input = expansion_.input;
  fused.totals = kernel.totals;
  fused.scratchBytes = scratchBytes(task, omp_get_max_threads());
  fused.run = [task, expand, depthwise = kernel.depthwise, samples](const Team& team, const OwnKernel::Places& at) {
    execute(team, task, samples, at.in, at.out, at.totals, at.scratch);
  };
  const int64_t bytes = both.weightBytes + weightBytes;
  emitOwn(group, own, fused, plan, bytes, std::move(both));
}

/// The same for matrix products.
bool Lowering::emitOwnProduct(const Group& group, const Matrix& matrix, const MatrixSpec& spec, const Destination& plan,
                              int input, const backend::LayerInfo& layer) {
  if (spec.rows * spec.inner * spec.columns == 0 || (spec.quantization.integer && spec.inner % 4 != 0)) return false;
  const std::optional<Own> own = this->own(spec, plan);
  if (!own) return false;
  PixelGrid grid;
  grid.samples = spec.rows;
  const OwnKernel kernel = pointwise(matrix, spec, grid, *own, input, plan.value);
  emitOwn(group, *own, kernel, plan, static_cast<int64_t>(matrix.weights.bytes()), layer);
  return true;
}

bool Lowering::isAveraged(const std::string& tensor) const {
  const std::vector<int>& users = links_.consumers(tensor);
  return std::any_of(users.begin(), users.end(), [&](int user) { return node(user).is("GlobalAveragePool"); });
}

}  // namespace presisi::cpu
