#include "backend/cpu/lowering.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace presisi::cpu {

Lowering::Lowering(const onnx::Model& model, const std::map<std::string, Dims>& inputShapes, WeightStore& weights,
                   bool anyOrder, const ProgressFn& progress, const StopToken& stop)
    : model_(model),
      types_(graph::specialize(model, inputShapes)),
      links_(model.graph),
      weights_(weights),
      anyOrder_(anyOrder),
      progress_(progress),
      stop_(stop) {}

Program Lowering::run() {
  for (const onnx::ValueInfo& input : model_.graph.inputs) {
    Value value;
    value.name = input.name;
    value.dtype = typeOf(input.name);
    value.dims = dimsOf(input.name);
    value.feed = static_cast<int>(program_.feeds.size());
    program_.feeds.push_back(input.name);
    bindName(input.name, addValue(std::move(value)));
  }
  planConcats();
  formGroups();
  // An output may be an input, or a constant.
  for (const onnx::ValueInfo& output : model_.graph.outputs) {
    if (links_.producer(output.name) < 0 || !constantOrDequantized(output.name).empty()) emitOutputs(output.name);
  }
  for (size_t i = 0; i < groups_.size(); ++i) {
    // Creating a primitive compiles its kernel and packs its weights: the slow part of a build.
    stop_.check();
    if (progress_) progress_({"build", static_cast<double>(i), static_cast<double>(groups_.size())});
    const Group& group = groups_[i];
    switch (group.kind) {
      case Kind::Convolution: emitConvolution(group); break;
      case Kind::Product: emitProduct(group); break;
      case Kind::MatMul: emitMatMul(group); break;
      case Kind::Chain: emitChain(group); break;
      case Kind::Pooling: emitPooling(group); break;
      case Kind::GlobalAverage: emitGlobalAverage(group); break;
      case Kind::Concat: emitConcat(group); break;
      case Kind::Reshape: emitReshape(group); break;
      case Kind::Quantize: emitQuantize(group); break;
      case Kind::Alias: break;  // a DequantizeLinear bound along with its QuantizeLinear
      case Kind::Plain: emitPlain(group); break;
    }
  }
  planMemory(program_);
  return std::move(program_);
}

const Dims& Lowering::dimsOf(const std::string& tensor) const {
  const auto it = types_.types.find(tensor);
  if (it == types_.types.end()) throw Error(ErrorCode::Internal, "no shape known for tensor \"" + tensor + "\"");
  return it->second.dims;
}

DType Lowering::typeOf(const std::string& tensor) const {
  const auto it = types_.types.find(tensor);
  if (it == types_.types.end()) throw Error(ErrorCode::Internal, "no type known for tensor \"" + tensor + "\"");
  return it->second.dtype;
}

const Tensor* Lowering::constantOf(const std::string& tensor) const {
  const auto it = types_.constants.find(tensor);
  return it == types_.constants.end() ? nullptr : &it->second;
}

Tensor Lowering::constantOrDequantized(const std::string& tensor) const {
  if (const Tensor* constant = constantOf(tensor)) return *constant;
  const int producer = links_.producer(tensor);
  if (producer < 0 || !isConstantDequantize(node(producer))) return {};
  std::vector<Tensor> inputs;
  for (const std::string& input : node(producer).inputs)
    inputs.push_back(input.empty() ? Tensor() : *constantOf(input));
  return ops::evaluate(node(producer), model_.opset(), inputs)[0];
}

int Lowering::addValue(Value value) {
  if (value.layout == Layout::Nhwc && value.channelStride == 0) value.channelStride = value.dims[1];
  program_.values.push_back(std::move(value));
  return static_cast<int>(program_.values.size()) - 1;
}

int Lowering::addActivation(const std::string& name, const Dims& dims, DType dtype, Layout layout) {
  Value value;
  value.name = name;
  value.dims = dims;
  value.dtype = dtype;
  value.layout = layout;
  return addValue(std::move(value));
}

void Lowering::bindName(const std::string& tensor, int value) {
  byName_[tensor] = value;
  namesOf_[value].push_back(tensor);
}

int Lowering::valueOf(const std::string& tensor) {
  const auto it = byName_.find(tensor);
  if (it != byName_.end()) return it->second;
  const Tensor constant = constantOrDequantized(tensor);
  if (constant.empty()) throw Error(ErrorCode::Internal, "tensor \"" + tensor + "\" is used before it is made");
  Value value;
  value.name = tensor;
  value.dtype = constant.dtype();
  value.dims = constant.dims();
  value.constant = constant;
  const int id = addValue(std::move(value));
  bindName(tensor, id);
  return id;
}

void Lowering::setQuantization(Value& value, const onnx::Node& quantize, bool nonNegative) const {
  value.scale = constantOf(quantize.inputs[1])->toFloats()[0];
  const bool asUnsigned = typeOf(quantize.outputs[0]) == DType::Uint8;
  value.low = asUnsigned || nonNegative ? 0.0f : -128.0f;
  value.high = asUnsigned ? 255.0f : 127.0f;
  // A tensor that is never negative fills only 0..127 of int8: the same numbers as uint8 take the faster kernels.
  value.dtype = asUnsigned || nonNegative ? DType::Uint8 : DType::Int8;
}

void Lowering::bindResult(const Group& group, int value) {
  const onnx::Node& last = node(group.nodes.back());
  bindName(last.outputs[0], value);
  if (isSimpleQuantize(last)) {
    // The integers are never seen as such: whoever dequantizes them sees the value itself.
    for (const int consumer : links_.consumers(last.outputs[0])) {
      const std::string& real = node(consumer).outputs[0];
      bindName(real, value);
      emitOutputs(real);
    }
  } else {
    emitOutputs(last.outputs[0]);
  }
}

backend::LayerInfo Lowering::info(const Group& group, const std::string& op) const {
  backend::LayerInfo layer;
  const onnx::Node& head = first(group);
  layer.name = head.name.empty() ? head.outputs[0] : head.name;
  layer.op = op;
  for (size_t i = 1; i < group.nodes.size(); ++i) {
    const onnx::Node& n = node(group.nodes[i]);
    layer.fused.push_back(n.name.empty() ? n.opType : n.name);
  }
  layer.requested = layer.precision = "fp32";
  layer.kernel = "presisi:" + std::string(kernels().isa);
  layer.outputDims = dimsOf(result(group));
  return layer;
}

Step& Lowering::addStep(backend::LayerInfo info, std::vector<int> reads, std::vector<int> writes) {
  Step step;
  for (const int v : reads) {
    if (program_.values[static_cast<size_t>(v)].feed >= 0) step.readsFeed = true;
    info.activationBytes += program_.values[static_cast<size_t>(v)].bytes();
  }
  for (const int v : writes) info.activationBytes += program_.values[static_cast<size_t>(v)].bytes();
  step.info = std::move(info);
  step.reads = std::move(reads);
  step.writes = std::move(writes);
  program_.steps.push_back(std::move(step));
  return program_.steps.back();
}

Runner Lowering::runnerOf(const Primitive& primitive, Arguments arguments, const Binding& binding) {
  arguments[DNNL_ARG_SCRATCHPAD] = dnnl::memory(primitive.scratchpad, cpuEngine(), binding.scratch());
  return [primitive = primitive.primitive, arguments = std::move(arguments),
          stream = dnnl::stream(cpuEngine())]() mutable {
    primitive.execute(stream, arguments);
    stream.wait();
  };
}

}  // namespace presisi::cpu
