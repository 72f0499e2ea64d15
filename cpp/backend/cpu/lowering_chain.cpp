#include <algorithm>

#include "backend/cpu/lowering.hpp"
#include "core/error.hpp"

namespace presisi::cpu {

ChainTensor Lowering::chainTensor(const Value& value) const {
  ChainTensor t;
  t.dtype = value.dtype;
  t.scale = value.quantized() ? value.scale : 1.0f;
  t.low = value.low;
  t.high = value.high;
  if (value.layout == Layout::Nhwc) {
    t.stride = value.channelStride;
  } else {
    t.stride = value.dims.empty() ? 1 : value.dims.back();
  }
  return t;
}

/// How a tensor falls into samples, rows and columns: pixels by channels for images, else by the last axis.
void Lowering::shapeChain(Chain& chain, const Dims& dims, Layout layout) {
  if (layout == Layout::Nhwc) {
    chain.samples = dims[0];
    chain.rows = dims[2] * dims[3];
    chain.columns = dims[1];
    return;
  }
  chain.columns = dims.empty() ? 1 : dims.back();
  chain.rows = chain.columns == 0 ? 0 : elementCount(dims) / chain.columns;
}

void Lowering::addChainStep(Chain chain, int input, std::vector<int> operands, int output, backend::LayerInfo layer) {
  std::vector<int> reads{input};
  reads.insert(reads.end(), operands.begin(), operands.end());
  recogniseScaling(chain);
  const auto shared = std::make_shared<const Chain>(std::move(chain));
  lastChain_ = {shared, input, operands, output};
  addStep(std::move(layer), std::move(reads), {output}).bind = [shared, input, operands,
                                                                output](const Binding& b) -> Runner {
    std::vector<const void*> pointers;
    for (const int operand : operands) pointers.push_back(b.pointer(operand));
    const void* in = b.pointer(input);
    void* out = b.pointer(output);
    return [shared, in, pointers, out](const Team& team) { runChain(team, *shared, in, pointers, out); };
  };
}

void Lowering::addConversion(int from, int to) {
  const Value& source = program_.values[static_cast<size_t>(from)];
  const Value& target = program_.values[static_cast<size_t>(to)];
  Chain chain;
  chain.input = chainTensor(source);
  chain.output = chainTensor(target);
  if (source.layout == target.layout) {
    shapeChain(chain, source.dims, source.layout);
  } else {
    shapeChain(chain, source.dims, Layout::Nhwc);
    (source.layout == Layout::RowMajor ? chain.input : chain.output).order = ChainTensor::Order::Planes;
  }
  backend::LayerInfo layer;
  layer.name = source.name;
  layer.op = "Convert";
  layer.requested = layer.precision = target.quantized() ? "int8" : "fp32";
  layer.kernel = "presisi:" + std::string(kernels().isa);
  layer.outputDims = target.dims;
  addChainStep(std::move(chain), from, {}, to, std::move(layer));
}

/// The value as dense memory of that type and layout; itself when it is so already. Quantized stays quantized when
/// `dtype` is the type it has. Integers that aren't quantized can't change type.
int Lowering::convert(int id, DType dtype, Layout layout) {
  const Value value = program_.values[static_cast<size_t>(id)];
  const bool image = value.dims.size() == 4;
  if (!image) layout = Layout::RowMajor;
  // One pixel, or one channel, lies the same in both orders.
  const bool sameOrder = image && value.dense() && (value.dims[2] * value.dims[3] == 1 || value.dims[1] == 1);
  if (value.dtype == dtype && (value.layout == layout || sameOrder) && value.dense()) {
    if (value.layout == layout) return id;
    Value alias = value;
    alias.layout = layout;
    alias.channelStride = value.dims[1];
    alias.alias = id;
    alias.aliasOffset = 0;
    alias.constant = Tensor();
    alias.feed = -1;
    if (value.feed < 0 && value.constant.empty()) return addValue(std::move(alias));
  }
  const auto key = std::make_tuple(id, dtype, layout);
  const auto known = converted_.find(key);
  if (known != converted_.end()) return known->second;
  const bool numbers = value.quantized() || value.dtype == DType::Float32;
  if (!numbers || (dtype != DType::Float32 && dtype != value.dtype)) {
    throw Error(ErrorCode::Internal,
                "tensor \"" + value.name + "\" of type " + name(value.dtype) + " is wanted as " + name(dtype));
  }
  // Planes are read and written as floats only: 8-bit planes go by way of them.
  const bool integerPlanes = value.layout == Layout::RowMajor ? value.dtype != DType::Float32 : dtype != DType::Float32;
  if (value.layout != layout && integerPlanes) {
    const int real = convert(id, DType::Float32, value.layout);
    const int ordered = convert(real, DType::Float32, layout);
    if (dtype == DType::Float32) return converted_[key] = ordered;
    Value back = value;
    back.layout = layout;
    back.alias = back.feed = -1;
    back.channelStride = 0;
    back.constant = Tensor();
    const int target = addValue(std::move(back));
    addConversion(ordered, target);
    return converted_[key] = target;
  }
  Value out;
  out.name = value.name;
  out.dims = value.dims;
  out.layout = layout;
  out.dtype = dtype;
  if (dtype == value.dtype) {
    out.scale = value.scale;
    out.low = value.low;
    out.high = value.high;
  }
  const int target = addValue(std::move(out));
  addConversion(id, target);
  return converted_[key] = target;
}

void Lowering::emitQuantize(const Group& group) {
  const onnx::Node& q = first(group);
  const int input = valueOf(q.inputs[0]);
  const Value source = program_.values[static_cast<size_t>(input)];
  Value target;
  target.name = q.outputs[0];
  target.dims = source.dims;
  setQuantization(target, q, false);
  // Already these integers: a pooling or reshape between two pairs of the same scale.
  if (source.quantized() && source.scale == target.scale && source.low >= target.low && source.high <= target.high) {
    return bindResult(group, input);
  }
  emitChain(group);
}

void Lowering::emitChain(const Group& group) {
  std::string through = isSimpleQuantize(first(group)) ? first(group).inputs[0] : mainInput(first(group));
  int main = valueOf(through);
  const Dims dims = dimsOf(through);
  std::vector<ChainStage> stages;
  std::vector<std::string> operandNames;
  const onnx::Node* quantize = nullptr;
  for (const int member : group.nodes) {
    const onnx::Node& n = node(member);
    if (isSimpleQuantize(n)) {
      quantize = &n;
      break;
    }
    ChainStage stage = *stageFor(n, through);
    if (stage.kind == ChainStage::Kind::Tensor || stage.kind == ChainStage::Kind::PerSample) {
      stage.operand = static_cast<int>(operandNames.size());
      operandNames.push_back(n.inputs[0] == through ? n.inputs[1] : n.inputs[0]);
    }
    stages.push_back(std::move(stage));
    through = n.outputs[0];
  }

  const bool image = dims.size() == 4;
  const bool byChannel = std::any_of(stages.begin(), stages.end(), [](const ChainStage& s) {
    return s.kind == ChainStage::Kind::Affine || s.kind == ChainStage::Kind::Row ||
           s.kind == ChainStage::Kind::PerSample;
  });
  Value source = program_.values[static_cast<size_t>(main)];
  // Images go on as NHWC; a row-major rank-4 tensor that no channel-wise stage touches stays as it is (attention).
  const bool nhwc = image && (source.layout == Layout::Nhwc || byChannel || quantize != nullptr);
  const Layout layout = nhwc ? Layout::Nhwc : Layout::RowMajor;

  if (nhwc && source.layout == Layout::RowMajor && source.quantized()) {
    main = convert(main, DType::Float32, Layout::RowMajor);
    source = program_.values[static_cast<size_t>(main)];
  }

  Chain chain;
  shapeChain(chain, dims, layout);
  chain.input = chainTensor(source);
  if (nhwc && source.layout == Layout::RowMajor) chain.input.order = ChainTensor::Order::Planes;
  std::vector<int> operands;
  for (size_t i = 0, next = 0; i < stages.size(); ++i) {
    if (stages[i].operand < 0) continue;
    const int raw = valueOf(operandNames[next++]);
    const Value& given = program_.values[static_cast<size_t>(raw)];
    // A slice or an 8-bit tensor is read as it lies; only another order is converted first.
    const bool readable = given.layout == layout && (given.quantized() || given.dtype == DType::Float32);
    operands.push_back(readable ? raw : convert(raw, DType::Float32, layout));
    chain.operands.push_back(chainTensor(program_.values[static_cast<size_t>(operands.back())]));
  }
  const bool nonNegative = !stages.empty() ? stages.back().nonNegative() : source.quantized() && source.low >= 0;
  chain.stages = std::move(stages);

  Value out;
  out.name = result(group);
  out.dims = dims;
  out.layout = layout;
  if (quantize != nullptr) setQuantization(out, *quantize, nonNegative);
  const int output = addValue(out);
  chain.output = chainTensor(program_.values[static_cast<size_t>(output)]);
  backend::LayerInfo layer = info(group, first(group).opType);
  if (quantize != nullptr) layer.requested = layer.precision = "int8";
  addChainStep(std::move(chain), main, std::move(operands), output, std::move(layer));
  bindResult(group, output);
}

}  // namespace presisi::cpu
