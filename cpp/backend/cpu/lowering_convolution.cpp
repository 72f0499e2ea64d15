#include <omp.h>

#include <algorithm>
#include <optional>

#include "backend/cpu/lowering_own.hpp"
#include "backend/cpu/winograd.hpp"

namespace presisi::cpu {

namespace {

bool all(const Dims& values, int64_t wanted) {
  return std::all_of(values.begin(), values.end(), [wanted](int64_t v) { return v == wanted; });
}

}  // namespace

/// The value it makes.
int Lowering::emitOwn(const Group& group, const Own& own, const OwnKernel& kernel, const Destination& plan,
                      int64_t weightBytes, backend::LayerInfo layer) {
  const ConvolutionKernels& kernels = *convolutionKernels(own.source != Element::Float);
  layer.kernel = std::string(kernel.name) + ':' + (own.source == Element::Float ? kernels.isa : kernels.integerIsa);
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
  if (kernel.pointwise && own.skip < 0 && kernel.totals < 0) ownProducts_[output] = kernel.pointwise;
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

/// Has the step that makes this value write it into a slice instead, where it can, and nothing has read it yet.
bool Lowering::redirect(int value, const Value& slice, int whole) {
  const auto made = ownProducts_.find(value);
  Value& given = program_.values[static_cast<size_t>(value)];
  if (made == ownProducts_.end() || given.alias >= 0 || given.dtype != slice.dtype || given.quantized() ||
      slice.quantized() || given.layout != slice.layout) {
    return false;
  }
  Step* maker = nullptr;
  for (Step& step : program_.steps) {
    if (std::find(step.reads.begin(), step.reads.end(), value) != step.reads.end()) return false;
    if (std::find(step.writes.begin(), step.writes.end(), value) != step.writes.end()) maker = &step;
  }
  if (maker == nullptr) return false;
  given.alias = slice.alias;
  given.aliasOffset = slice.aliasOffset;
  given.channelStride = slice.channelStride;
  made->second->task.outStep = slice.channelStride;
  maker->writes.push_back(whole);
  return true;
}

/// Whether the last step makes this value, and nothing else.
bool Lowering::isLastStep(int value) const {
  return !program_.steps.empty() && program_.steps.back().writes == std::vector<int>{value};
}

/// The last chain, where it is the last step and makes this value, and only this group reads that: its step is taken
/// out, for the group to do what it did.
std::optional<Lowering::LastChain> Lowering::takeChain(const Group& group, int value, backend::LayerInfo& layer) {
  // What has no name was converted for this group a moment ago.
  const bool named = namesOf_.count(value) > 0;
  if (!lastChain_.chain || lastChain_.output != value || !isLastStep(value)) return std::nullopt;
  if (named && !isOnlyReader(group, value)) return std::nullopt;
  const backend::LayerInfo first = std::move(program_.steps.back().info);
  program_.steps.pop_back();
  for (auto it = converted_.begin(); it != converted_.end();) it = it->second == value ? converted_.erase(it) : ++it;
  if (named) {
    layer.fused.insert(layer.fused.begin(), first.fused.begin(), first.fused.end());
    layer.fused.insert(layer.fused.begin(), first.name);
  }
  return lastChain_;
}

/// Whether the last step is a chain that makes this value of pixels by no more than scaling.
bool Lowering::lastScales(int value, int64_t channels) const {
  const Chain* chain = lastChain_.chain.get();
  return chain != nullptr && chain->scaling && chain->input.order == ChainTensor::Order::Pixels &&
         chain->columns == channels && lastChain_.output == value && isLastStep(value);
}

/// A 1x1 convolution, with the chain in front of it where that does no more than scale, and only this reads it: inputs
/// are scaled as they are wanted, a few pixels at a time.
void Lowering::emitPointwise(const Group& group, const Own& own, OwnKernel kernel, const Destination& plan,
                             int64_t weightBytes, backend::LayerInfo layer) {
  const std::shared_ptr<const Chain> chain = lastChain_.chain;
  const bool scaled = kernel.grid.dense() && lastScales(kernel.input, kernel.pointwise->task.inputs);
  const std::optional<LastChain> front = scaled ? takeChain(group, kernel.input, layer) : std::nullopt;
  if (!front) {
    const int output = emitOwn(group, own, kernel, plan, weightBytes, std::move(layer));
    if (own.skip < 0 && kernel.grid.dense()) expansion_ = {kernel.pointwise, output, kernel.input};
    return;
  }
  kernel.name = "presisi_prepared";
  kernel.input = front->input;
  kernel.operands = front->operands;
  const PointwiseTask& task = kernel.pointwise->task;
  kernel.scratchBytes = scratchBytes(task, kernel.grid, true, omp_get_max_threads());
  kernel.run = [chain, made = kernel.pointwise, grid = kernel.grid](const Team& team, const OwnKernel::Places& at) {
    execute(team, made->task, grid, nullptr, at.out, at.skip, at.scratch, at.prepareBy(*chain));
  };
  emitOwn(group, own, kernel, plan, weightBytes, std::move(layer));
}

namespace {

/// Whether our own kernel is the faster one: oneDNN's wants many outputs, and of floats many inputs.
bool worthPatches(const Dims& weights, bool integers) {
  return weights[0] < 64 && (integers || (weights[1] <= 4 && weights[0] > kLanes));
}

}  // namespace

/// Which of our own kernels is to execute a convolution, as far as its shapes tell.
Lowering::OwnKind Lowering::ownKind(const Matrix& matrix, const ConvolutionSpec& spec, const Destination& plan,
                                    int input) const {
  const ConvolutionKernels* kernels = convolutionKernels(spec.quantization.integer);
  if (kernels == nullptr || elementCount(spec.destination) == 0 || !all(spec.dilations, 1)) return OwnKind::None;
  const Dims& shape = matrix.weights.dims();
  const bool integer = spec.quantization.integer, plain = integer || kernels->plainFloats;
  const bool grouped = spec.weights.size() == 5;
  if (!grouped && shape[2] * shape[3] == 1 && all(spec.padBegin, 0) && (!integer || shape[1] % 4 == 0)) {
    // Floats by integers are multiplied by one kernel alone. For a single pixel, oneDNN starts threads.
    const bool own = plain || spec.weightsType == DType::Int8 || lastScales(input, shape[1]) ||
                     spec.destination[2] * spec.destination[3] == 1;
    return own ? OwnKind::Pointwise : OwnKind::None;
  }
  if (!integer && spec.weightsType != DType::Float32) return OwnKind::None;
  if (grouped) {
    const bool depthwise = spec.weights[1] == 1 && spec.weights[2] == 1 && plan.skip < 0 &&
                           shape[2] <= kDepthwiseReach && shape[3] <= kDepthwiseReach;
    return depthwise && plain ? OwnKind::Depthwise : OwnKind::None;
  }
  const auto isFloat = [&](int value) {
    return value < 0 || program_.values[static_cast<size_t>(value)].dtype == DType::Float32;
  };
  if (!integer && spec.sourceType == DType::Float32 && plan.value.dtype == DType::Float32 && isFloat(plan.skip) &&
      all(spec.strides, 1) && worthWinograd(shape, spec.destination)) {
    return OwnKind::Winograd;
  }
  // Where oneDNN's sums of integers are short, it halves weights.
  return plain && ((integer && kernels->shortSums) || worthPatches(shape, integer)) ? OwnKind::Patches : OwnKind::None;
}

/// With our own kernels, where they do it; false, and nothing done, where they don't.
bool Lowering::emitOwnConvolution(const Group& group, const Matrix& matrix, const ConvolutionSpec& spec,
                                  const Destination& plan, int input, const backend::LayerInfo& layer) {
  const Dims& shape = matrix.weights.dims();
  const OwnKind kind = ownKind(matrix, spec, plan, input);
  if (kind == OwnKind::None) return false;
  const std::optional<Own> own = this->own(spec, matrix, plan);
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
  if (kind == OwnKind::Winograd) {
    emitOwn(group, *own, winograd(matrix, spec, *own, input, plan.value), plan, weightBytes, layer);
    return true;
  }
  if (kind == OwnKind::Patches) {
    backend::LayerInfo both = layer;
    const Chain* chain = lastChain_.chain.get();
    const bool pixels = chain != nullptr && own->skip != input && chain->columns == shape[1] &&
                        chain->output.order == ChainTensor::Order::Pixels && chain->output.stride == chain->columns;
    const std::optional<LastChain> front = pixels ? takeChain(group, input, both) : std::nullopt;
    const OwnKernel kernel = patches(matrix, spec, *own, input, front, plan.value);
    emitOwn(group, *own, kernel, plan, weightBytes, std::move(both));
    return true;
  }
  if (kind == OwnKind::Pointwise) {
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
  const std::optional<Own> own = this->own(spec, matrix, plan);
  if (!own) return false;
  PixelGrid grid;
  grid.samples = spec.rows;
  const OwnKernel kernel = pointwise(matrix, spec, grid, *own, input, plan.value);
  emitOwn(group, *own, kernel, plan, static_cast<int64_t>(matrix.weights.bytes()), layer);
  return true;
}

/// Has a product of integers be one of floats, with its weights as they are. The input in floats.
int Lowering::inFloats(int input, Layout layout, ProductSpec& spec, backend::LayerInfo& layer) {
  layer.precision = "fp32";
  layer.reason = "without VNNI, oneDNN halves weights so that sums of 16 bits don't overflow";
  spec.quantization.integer = false;
  spec.quantization.source = 1;
  spec.sourceType = DType::Float32;
  return convert(input, DType::Float32, layout);
}

bool Lowering::isAveraged(const std::string& tensor) const {
  const std::vector<int>& users = links_.consumers(tensor);
  return std::any_of(users.begin(), users.end(), [&](int user) { return node(user).is("GlobalAveragePool"); });
}

}  // namespace presisi::cpu
