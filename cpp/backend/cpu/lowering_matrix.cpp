#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/cpu/lowering.hpp"
#include "core/error.hpp"

namespace presisi::cpu {

using dnnl::algorithm;

namespace {

std::vector<PostOp> postOpsOf(const ChainStage& stage) {
  const auto one = [](algorithm name, float alpha, float beta) {
    return std::vector<PostOp>{PostOp::activation(name, alpha, beta)};
  };
  switch (stage.unary) {
    case Unary::Relu: return one(algorithm::eltwise_relu, 0, 0);
    case Unary::LeakyRelu: return one(algorithm::eltwise_relu, stage.alpha, 0);
    case Unary::Elu: return one(algorithm::eltwise_elu, stage.alpha, 0);
    case Unary::Clip: return one(algorithm::eltwise_clip, stage.alpha, stage.beta);
    case Unary::HardSigmoid:
      return {PostOp::activation(algorithm::eltwise_linear, stage.alpha, stage.beta),
              PostOp::activation(algorithm::eltwise_clip, 0, 1)};
    case Unary::Sigmoid: return one(algorithm::eltwise_logistic, 0, 0);
    case Unary::HardSwish: return one(algorithm::eltwise_hardswish, 0, 0);
    case Unary::Swish: return one(algorithm::eltwise_swish, 1, 0);
    case Unary::Tanh: return one(algorithm::eltwise_tanh, 0, 0);
    case Unary::Gelu: return one(algorithm::eltwise_gelu_erf, 0, 0);
    default: throw Error(ErrorCode::Internal, "no post-op for this activation");
  }
}

/// [rows, columns] -> [columns, rows]
Tensor transposed(const Tensor& matrix) {
  const int64_t rows = matrix.dim(0), columns = matrix.dim(1);
  Tensor out(matrix.dtype(), {columns, rows});
  const auto width = static_cast<int64_t>(byteSize(matrix.dtype()));
  const auto* from = matrix.data<uint8_t>();
  auto* to = out.data<uint8_t>();
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      std::memcpy(to + (c * rows + r) * width, from + (r * columns + c) * width, static_cast<size_t>(width));
    }
  }
  return out;
}

/// Output channels first: Conv as it is; Gemm and MatMul turned where needed.
std::optional<Tensor> outputsFirst(const onnx::Node& n, const Tensor& weights) {
  if (n.is("Conv")) return weights;
  if (weights.rank() != 2) return std::nullopt;
  return n.is("Gemm") && n.getInt("transB", 0) == 1 ? weights : transposed(weights);
}

}  // namespace

std::optional<Lowering::Matrix> Lowering::matrixOf(const onnx::Node& n) const {
  Matrix m;
  m.input = n.inputs[0];
  m.weightsName = n.inputs[1];
  if (typeOf(n.outputs[0]) != DType::Float32 || constantOf(m.input) != nullptr) return std::nullopt;
  const size_t rank = dimsOf(m.input).size();
  if (n.is("Conv") && rank != 4) return std::nullopt;
  if (n.is("Gemm") &&
      (n.getInt("transA", 0) != 0 || n.getFloat("alpha", 1) != 1.0f || n.getFloat("beta", 1) != 1.0f || rank != 2)) {
    return std::nullopt;
  }
  if (n.is("MatMul") && rank < 2) return std::nullopt;

  // Weights: a constant, or a constant int8 tensor behind DequantizeLinear with one scale, or one per output channel.
  const int producer = links_.producer(m.weightsName);
  bool integer = false;
  if (producer >= 0 && node(producer).is("DequantizeLinear")) {
    const onnx::Node& dq = node(producer);
    const Tensor* values = constantOf(dq.inputs[0]);
    const Tensor* scales = constantOf(dq.inputs[1]);
    const Tensor* zero = dq.hasInput(2) ? constantOf(dq.inputs[2]) : nullptr;
    if (values == nullptr || scales == nullptr || (dq.hasInput(2) && zero == nullptr)) return std::nullopt;
    const auto turned = outputsFirst(n, *values);
    if (!turned) return std::nullopt;
    bool symmetric = true;
    if (zero != nullptr) {
      const std::vector<int64_t> points = zero->toInt64s();
      symmetric = std::all_of(points.begin(), points.end(), [](int64_t p) { return p == 0; });
    }
    const int64_t outputs = turned->dim(0);
    // Per channel must mean per output channel: the axis of the weights as they stand in the graph.
    int64_t axis = dq.getInt("axis", 1);
    if (axis < 0) axis += static_cast<int64_t>(values->rank());
    const bool outputAxisFirst = n.is("Conv") || (n.is("Gemm") && n.getInt("transB", 0) == 1);
    const bool alongOutputs = scales->size() == 1 || (scales->size() == outputs && axis == (outputAxisFirst ? 0 : 1));
    if (values->dtype() == DType::Int8 && symmetric && alongOutputs) {
      m.weights = *turned;
      m.scales = scales->toFloats();
      if (m.scales.size() == 1) m.scales.assign(static_cast<size_t>(outputs), m.scales[0]);
      integer = true;
    }
  }
  if (!integer) {
    const Tensor values = constantOrDequantized(m.weightsName);
    if (values.empty()) return std::nullopt;
    const auto turned = outputsFirst(n, values);
    if (!turned || turned->dtype() != DType::Float32) return std::nullopt;
    m.weights = *turned;
  }

  if (n.hasInput(2)) {
    const Tensor bias = constantOrDequantized(n.inputs[2]);
    if (bias.dtype() != DType::Float32) return std::nullopt;
    const int64_t outputs = m.weights.dim(0);
    m.bias = bias.toFloats();
    if (bias.size() == 1) m.bias.assign(static_cast<size_t>(outputs), m.bias[0]);
    if (static_cast<int64_t>(m.bias.size()) != outputs) return std::nullopt;
  }
  return m;
}

Lowering::Tail Lowering::tailOf(const Group& group) {
  Tail tail;
  std::string through = first(group).outputs[0];
  for (size_t i = 1; i < group.nodes.size(); ++i) {
    const onnx::Node& n = node(group.nodes[i]);
    if (isSimpleQuantize(n)) {
      tail.quantize = group.nodes[i];
    } else if (n.is("Add")) {
      tail.skip = valueOf(n.inputs[0] == through ? n.inputs[1] : n.inputs[0]);
      tail.postOps.push_back(PostOp::sum(DType::Undefined, 1));  // type and scale depend on where the skip ends up
      tail.nonNegative = false;
    } else {
      const ChainStage stage = *stageFor(n, through);
      const std::vector<PostOp> postOps = postOpsOf(stage);
      tail.postOps.insert(tail.postOps.end(), postOps.begin(), postOps.end());
      tail.nonNegative = stage.nonNegative();
    }
    through = n.outputs[0];
  }
  return tail;
}

/// Whether the group may write its result over this value: the group is the only one that still reads its memory.
bool Lowering::mayOverwrite(int value, const Group& group) const {
  const auto root = [&](int v) {
    while (program_.values[static_cast<size_t>(v)].alias >= 0) v = program_.values[static_cast<size_t>(v)].alias;
    return v;
  };
  const int memory = root(value);
  const Value& v = program_.values[static_cast<size_t>(value)];
  const Value& whole = program_.values[static_cast<size_t>(memory)];
  if (whole.feed >= 0 || !whole.constant.empty() || !v.dense() || v.bytes() != whole.bytes()) return false;
  int uses = 0;
  for (const auto& [other, names] : namesOf_) {
    if (root(other) != memory) continue;
    for (const std::string& name : names) {
      for (const int consumer : links_.consumers(name)) {
        if (isSimpleDequantize(node(consumer))) continue;  // bound to the same value: its consumers are looked at too
        const int at = emittedAt_[static_cast<size_t>(consumer)];
        if (at > group.nodes.back()) return false;
        if (at == group.nodes.back()) ++uses;
      }
    }
  }
  return uses == 1;
}

/// What a convolution or product writes, before anything is committed: its type and quantization, and how the tensor to
/// be summed gets into its memory. Completes the post-ops and the quantization of `spec`.
Lowering::Destination Lowering::planDestination(const Group& group, const Tail& tail, const Dims& dims, Layout layout,
                                                ProductSpec& spec) const {
  Destination plan;
  Value& out = plan.value;
  out.name = result(group);
  out.dims = dims;
  out.layout = layout;
  spec.postOps = tail.postOps;
  std::vector<PostOp>& postOps = spec.postOps;
  if (tail.quantize >= 0) {
    setQuantization(out, node(tail.quantize), tail.nonNegative);
    spec.quantization.destination = out.scale;
    if (tail.nonNegative) {
      // uint8 saturates at 0 and 255 by itself, which makes a ReLU in front of it superfluous; int8's 127 is a clip.
      const float top = out.high * out.scale;
      PostOp& last = postOps.back();
      const bool relu = last.algorithm == algorithm::eltwise_relu && last.alpha == 0;
      if (relu) postOps.pop_back();
      if (!relu && last.algorithm == algorithm::eltwise_clip) {
        last.beta = std::min(last.beta, top);
      } else if (out.high < 255.0f) {
        postOps.push_back(PostOp::activation(algorithm::eltwise_clip, 0, top));
      }
    }
  }
  if (tail.skip >= 0) {
    const Value& skip = program_.values[static_cast<size_t>(tail.skip)];
    plan.skip = tail.skip;
    const bool convert = byteSize(skip.dtype) != byteSize(out.dtype) || skip.layout != layout || !skip.dense();
    plan.skipBy = convert ? SkipBy::Convert : mayOverwrite(tail.skip, group) ? SkipBy::Overwrite : SkipBy::Copy;
    for (PostOp& op : postOps) {
      if (op.kind != PostOp::Kind::Sum) continue;
      op.sumType = convert ? out.dtype : skip.dtype;
      const float scale = convert ? out.scale : skip.scale;
      op.sumScale = scale > 0 ? scale : 1.0f;
    }
  }
  spec.destinationType = out.dtype;
  return plan;
}

int Lowering::commit(const Destination& plan) {
  Value out = plan.value;
  if (plan.skip >= 0) {
    out.alias = plan.skip;
    if (plan.skipBy != SkipBy::Overwrite) {
      Value copy = plan.skipBy == SkipBy::Convert ? plan.value : program_.values[static_cast<size_t>(plan.skip)];
      copy.name = program_.values[static_cast<size_t>(plan.skip)].name;
      copy.alias = copy.feed = -1;
      copy.constant = Tensor();
      out.alias = addValue(std::move(copy));
      addConversion(plan.skip, out.alias);
    }
  }
  return addValue(std::move(out));
}

void Lowering::emitPrimitive(const Group& group, const Primitive& primitive, const Matrix& matrix,
                             const Dims& packedDims, int input, int output, backend::LayerInfo layer) {
  const auto weights = weights_.get(matrix.weightsName, matrix.weights, packedDims, primitive.weights);
  std::shared_ptr<dnnl::memory> bias;
  if (!matrix.bias.empty()) {
    bias = std::make_shared<dnnl::memory>(primitive.bias, cpuEngine());
    auto* to = static_cast<float*>(bias->get_data_handle());
    for (size_t c = 0; c < matrix.bias.size(); ++c) {
      to[c] = matrix.bias[c] * (primitive.biasFactor.empty() ? 1.0f : primitive.biasFactor[c]);
    }
  }
  layer.kernel = "onednn:" + primitive.kernel;
  layer.weightBytes = static_cast<int64_t>(primitive.weights.get_size());
  std::vector<int> reads{input};
  const int alias = program_.values[static_cast<size_t>(output)].alias;
  if (alias >= 0) reads.push_back(alias);
  Step& step = addStep(std::move(layer), std::move(reads), {output});
  step.scratchBytes = static_cast<int64_t>(primitive.scratchpad.get_size());
  step.bind = [primitive, weights, bias, input, output](const Binding& b) -> Runner {
    Arguments arguments = primitive.constants;
    arguments[DNNL_ARG_SRC] = dnnl::memory(primitive.source, cpuEngine(), b.pointer(input));
    arguments[DNNL_ARG_WEIGHTS] = *weights;
    if (bias) arguments[DNNL_ARG_BIAS] = *bias;
    arguments[DNNL_ARG_DST] = dnnl::memory(primitive.destination, cpuEngine(), b.pointer(output));
    return runnerOf(primitive, std::move(arguments), b);
  };
  bindResult(group, output);
}

/// Without fusion: the head alone, then what followed it as a chain.
void Lowering::emitUnfused(const Group& group) {
  const Group head{group.kind, {group.nodes.front()}};
  const Group rest{Kind::Chain, {group.nodes.begin() + 1, group.nodes.end()}};
  if (group.nodes.size() == 1) return emitPlain(group);
  head.kind == Kind::Convolution ? emitConvolution(head) : emitProduct(head);
  isSimpleQuantize(first(rest)) ? emitQuantize(rest) : emitChain(rest);
}

/// Decides between integers and floats, brings the input into place and fills in `spec` and `layer` accordingly.
/// Weights may stay integers where the input is float: see widenWeights().
int Lowering::prepareOperands(const Matrix& matrix, Layout layout, ProductSpec& spec, backend::LayerInfo& layer) {
  const int given = valueOf(matrix.input);
  const Value& value = program_.values[static_cast<size_t>(given)];
  spec.bias = !matrix.bias.empty();
  if (matrix.weights.dtype() != DType::Int8) return convert(given, DType::Float32, layout);
  spec.weightsType = DType::Int8;
  spec.quantization.weights = matrix.scales;
  if (value.quantized()) {
    layer.requested = layer.precision = "int8";
    spec.quantization.integer = true;
    spec.quantization.source = value.scale;
    spec.sourceType = value.dtype;
    return convert(given, value.dtype, layout);
  }
  const int producer = links_.producer(matrix.input);
  if (producer >= 0 && node(producer).is("DequantizeLinear")) {
    layer.requested = "int8";
    layer.reason = "its input is not quantized per tensor with zero point 0";
  }
  return convert(given, DType::Float32, layout);
}

/// Turns weights of integers to floats where the input is float: not every kernel multiplies the two. False where there
/// is nothing to turn.
bool Lowering::widenWeights(Matrix& matrix, ProductSpec& spec) {
  if (spec.weightsType == DType::Float32 || spec.quantization.integer) return false;
  Tensor real = weights_.plain(matrix.weights).cast(DType::Float32);
  const int64_t each = real.size() / real.dim(0);
  for (int64_t i = 0; i < real.size(); ++i) real.data<float>()[i] *= matrix.scales[static_cast<size_t>(i / each)];
  matrix.weights = real;
  matrix.weightsName += "\nfloat";
  spec.weightsType = DType::Float32;
  spec.quantization.weights.clear();
  return true;
}

void Lowering::emitConvolution(const Group& group) {
  const onnx::Node& n = first(group);
  Matrix matrix = *matrixOf(n);
  const Dims& in = dimsOf(n.inputs[0]);
  const Dims& out = dimsOf(n.outputs[0]);
  const int64_t groups = n.getInt("group", 1);

  ConvolutionSpec spec;
  spec.source = in;
  spec.destination = out;
  spec.weights = matrix.weights.dims();
  const int64_t kernel[2] = {spec.weights[2], spec.weights[3]};
  if (groups > 1) spec.weights = {groups, out[1] / groups, in[1] / groups, kernel[0], kernel[1]};
  spec.strides = n.getInts("strides", {1, 1});
  spec.dilations = n.getInts("dilations", {1, 1});
  const Padding padding = paddingOf(n, {kernel[0], kernel[1]}, spec.dilations);
  spec.padBegin = padding.begin;
  spec.padEnd = padding.end;

  backend::LayerInfo layer = info(group, n.opType);
  layer.macs = out[1] * out[2] * out[3] * (in[1] / groups) * kernel[0] * kernel[1];
  int input = prepareOperands(matrix, Layout::Nhwc, spec, layer);
  const Tail tail = tailOf(group);
  // Products of floats are floats: a Quantize behind them is a pass of its own.
  if (tail.quantize >= 0 && !spec.quantization.integer) return emitUnfused(group);
  const Destination plan = planDestination(group, tail, out, Layout::Nhwc, spec);
  if (emitOwnConvolution(group, matrix, spec, plan, input, layer)) return;
  if (spec.quantization.integer && int8Saturates()) {
    if (group.nodes.size() > 1) return emitUnfused(group);
    input = inFloats(input, Layout::Nhwc, spec, layer);
  }
  if (widenWeights(matrix, spec) && emitOwnConvolution(group, matrix, spec, plan, input, layer)) return;
  // A sum of integers in the destination's scale would round twice, and cut off what only the sum brings into range.
  const bool lossy = plan.skip >= 0 && plan.skipBy == SkipBy::Convert && plan.value.quantized();
  Primitive primitive;
  if (lossy || !createConvolution(spec, primitive)) return emitUnfused(group);
  emitPrimitive(group, primitive, matrix, spec.weights, input, commit(plan), std::move(layer));
}

void Lowering::emitProduct(const Group& group) {
  const onnx::Node& n = first(group);
  Matrix matrix = *matrixOf(n);
  const Dims& out = dimsOf(n.outputs[0]);
  MatrixSpec spec;
  spec.columns = matrix.weights.dim(0);
  spec.inner = matrix.weights.dim(1);
  spec.rows = elementCount(out) / spec.columns;

  backend::LayerInfo layer = info(group, n.opType);
  layer.macs = spec.rows * spec.columns * spec.inner;
  int input = prepareOperands(matrix, Layout::RowMajor, spec, layer);
  const Tail tail = tailOf(group);
  if (tail.quantize >= 0 && !spec.quantization.integer) return emitUnfused(group);
  const Destination plan = planDestination(group, tail, out, Layout::RowMajor, spec);
  if (emitOwnProduct(group, matrix, spec, plan, input, layer)) return;
  if (spec.quantization.integer && int8Saturates()) {
    if (group.nodes.size() > 1) return emitUnfused(group);
    input = inFloats(input, Layout::RowMajor, spec, layer);
  }
  if (widenWeights(matrix, spec) && emitOwnProduct(group, matrix, spec, plan, input, layer)) return;
  Primitive primitive;
  if (!createInnerProduct(spec, primitive)) return emitUnfused(group);
  emitPrimitive(group, primitive, matrix, {spec.columns, spec.inner}, input, commit(plan), std::move(layer));
}

void Lowering::emitMatMul(const Group& group) {
  const onnx::Node& n = first(group);
  Dims a = dimsOf(n.inputs[0]);
  Dims b = dimsOf(n.inputs[1]);
  const Dims out = dimsOf(n.outputs[0]);
  a.insert(a.begin(), out.size() - a.size(), 1);
  b.insert(b.begin(), out.size() - b.size(), 1);
  Primitive primitive;
  if (elementCount(out) == 0 || !createMatMul(a, b, out, primitive)) return emitPlain(group);
  const int left = convert(valueOf(n.inputs[0]), DType::Float32, Layout::RowMajor);
  const int right = convert(valueOf(n.inputs[1]), DType::Float32, Layout::RowMajor);
  const int output = addActivation(n.outputs[0], out, DType::Float32, Layout::RowMajor);
  backend::LayerInfo layer = info(group, n.opType);
  layer.kernel = "onednn:" + primitive.kernel;
  layer.macs = elementCount(out) * a.back();
  Step& step = addStep(std::move(layer), {left, right}, {output});
  step.scratchBytes = static_cast<int64_t>(primitive.scratchpad.get_size());
  step.bind = [primitive, left, right, output](const Binding& binding) -> Runner {
    Arguments arguments;
    arguments[DNNL_ARG_SRC] = dnnl::memory(primitive.source, cpuEngine(), binding.pointer(left));
    arguments[DNNL_ARG_WEIGHTS] = dnnl::memory(primitive.weights, cpuEngine(), binding.pointer(right));
    arguments[DNNL_ARG_DST] = dnnl::memory(primitive.destination, cpuEngine(), binding.pointer(output));
    return runnerOf(primitive, std::move(arguments), binding);
  };
  bindResult(group, output);
}

}  // namespace presisi::cpu
