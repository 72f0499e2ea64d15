#include <algorithm>
#include <cstring>

#include "backend/cpu/lowering.hpp"
#include "core/error.hpp"
#include "ops/operator.hpp"

namespace presisi::cpu {

/// Padding of the spatial axes as oneDNN wants it. The end is what the output needs, not what is declared: a stride may
/// leave the last declared padding unread, and ceil_mode may reach beyond it.
Lowering::Padding Lowering::paddingOf(const onnx::Node& n, const Dims& kernel, const Dims& dilations) const {
  const Dims& in = dimsOf(n.inputs[0]);
  const Dims& out = dimsOf(n.outputs[0]);
  const std::string mode = n.getString("auto_pad", "NOTSET");
  const Dims declared = n.getInts("pads", Dims(kernel.size() * 2, 0));
  const Dims strides = n.getInts("strides", Dims(kernel.size(), 1));
  Padding padding;
  for (size_t i = 0; i < kernel.size(); ++i) {
    const int64_t reach = (kernel[i] - 1) * dilations[i] + 1;
    const int64_t needed = (out[i + 2] - 1) * strides[i] + reach - in[i + 2];
    const int64_t total = std::max<int64_t>(needed, 0);
    int64_t begin = declared[i];
    if (mode == "VALID") begin = 0;
    if (mode == "SAME_UPPER") begin = total / 2;
    if (mode == "SAME_LOWER") begin = total - total / 2;
    padding.begin.push_back(begin);
    padding.end.push_back(needed - begin);
  }
  return padding;
}

void Lowering::emitPooling(const Group& group) {
  const onnx::Node& n = first(group);
  const Dims& in = dimsOf(n.inputs[0]);
  const Dims& out = dimsOf(n.outputs[0]);
  const bool maximum = n.is("MaxPool");
  PoolingSpec spec;
  spec.source = in;
  spec.destination = out;
  spec.kernel = n.getInts("kernel_shape", {});
  spec.strides = n.getInts("strides", {1, 1});
  const Dims dilations = n.getInts("dilations", {1, 1});
  const bool dense = std::all_of(dilations.begin(), dilations.end(), [](int64_t d) { return d == 1; });
  if (!dense || spec.kernel.size() != 2) return emitPlain(group);
  const Padding padding = paddingOf(n, spec.kernel, dilations);
  spec.padBegin = padding.begin;
  spec.padEnd = padding.end;
  spec.algorithm = dnnl::algorithm::pooling_max;
  if (!maximum) {
    const bool counted = n.getInt("count_include_pad", 0) != 0;
    // With padding counted, the divisor at a ragged end is a matter of convention: left to the plain operator.
    if (counted && (n.getInt("ceil_mode", 0) != 0 || n.getString("auto_pad", "NOTSET") != "NOTSET"))
      return emitPlain(group);
    spec.algorithm =
        counted ? dnnl::algorithm::pooling_avg_include_padding : dnnl::algorithm::pooling_avg_exclude_padding;
  }
  const int given = valueOf(n.inputs[0]);
  const Value source = program_.values[static_cast<size_t>(given)];
  // The largest of some integers is one of them: the scale passes through. An average is not.
  spec.dtype = maximum && source.quantized() ? source.dtype : DType::Float32;
  Primitive primitive;
  if (elementCount(out) == 0 || !createPooling(spec, primitive)) return emitPlain(group);
  const int input = convert(given, spec.dtype, Layout::Nhwc);
  Value target;
  target.name = n.outputs[0];
  target.dims = out;
  target.dtype = spec.dtype;
  target.layout = Layout::Nhwc;
  if (spec.dtype != DType::Float32) {
    target.scale = source.scale;
    target.low = source.low;
    target.high = source.high;
  }
  const int output = addValue(std::move(target));
  backend::LayerInfo layer = info(group, n.opType);
  layer.kernel = "onednn:" + primitive.kernel;
  if (spec.dtype != DType::Float32) layer.requested = layer.precision = "int8";
  Step& step = addStep(std::move(layer), {input}, {output});
  step.scratchBytes = static_cast<int64_t>(primitive.scratchpad.get_size());
  step.bind = [primitive, input, output](const Binding& b) -> Runner {
    Arguments arguments;
    arguments[DNNL_ARG_SRC] = dnnl::memory(primitive.source, cpuEngine(), b.pointer(input));
    arguments[DNNL_ARG_DST] = dnnl::memory(primitive.destination, cpuEngine(), b.pointer(output));
    return runnerOf(primitive, std::move(arguments), b);
  };
  bindResult(group, output);
}

void Lowering::emitGlobalAverage(const Group& group) {
  const onnx::Node& n = first(group);
  int input = valueOf(n.inputs[0]);
  if (program_.values[static_cast<size_t>(input)].layout != Layout::Nhwc)
    input = convert(input, DType::Float32, Layout::Nhwc);
  const auto summed = partialSums_.find(input);
  const Dims pixels = program_.values[static_cast<size_t>(input)].dims;
  const bool partly = summed != partialSums_.end();
  if (partly) input = summed->second;
  const Value& source = program_.values[static_cast<size_t>(input)];
  auto chain = std::make_shared<Chain>();
  if (partly) {
    chain->samples = source.dims[0];
    chain->rows = source.dims[1];
    chain->columns = pixels[1];
  } else {
    shapeChain(*chain, source.dims, Layout::Nhwc);
  }
  chain->input = chainTensor(source);
  const int64_t count = pixels[2] * pixels[3];
  const int output = addActivation(n.outputs[0], dimsOf(n.outputs[0]), DType::Float32, Layout::Nhwc);
  addStep(info(group, n.opType), {input}, {output}).bind = [chain, count, input, output](const Binding& b) -> Runner {
    const void* in = b.pointer(input);
    auto* out = static_cast<float*>(b.pointer(output));
    return [chain, count, in, out](const Team& team) { runGlobalAverage(team, *chain, count, in, out); };
  };
  bindResult(group, output);
}

/// Finds concatenations whose inputs begin with all the inputs of an earlier one, as dense blocks make them.
void Lowering::planConcats() {
  std::vector<int> concats;
  const int count = static_cast<int>(model_.graph.nodes.size());
  for (int i = 0; i < count; ++i) {
    const onnx::Node& n = node(i);
    if (!n.is("Concat") || constantOf(n.outputs[0]) != nullptr || typeOf(n.outputs[0]) != DType::Float32) continue;
    const int64_t axis = n.getInt("axis", 1);
    if (dimsOf(n.outputs[0]).size() == 4 && (axis == 1 || axis == -3)) concats.push_back(i);
  }
  // Two spellings: the whole list again plus one, or the earlier result plus one.
  const auto extendsList = [&](const onnx::Node& longer, const onnx::Node& shorter) {
    return longer.inputs.size() > shorter.inputs.size() &&
           std::equal(shorter.inputs.begin(), shorter.inputs.end(), longer.inputs.begin());
  };
  std::map<int, int> next;
  for (size_t j = 1; j < concats.size(); ++j) {
    for (size_t i = j; i-- > 0;) {
      const onnx::Node& earlier = node(concats[i]);
      const onnx::Node& later = node(concats[j]);
      if (next.count(concats[i]) > 0) continue;
      if (extendsList(later, earlier) || later.inputs[0] == earlier.outputs[0]) {
        next[concats[i]] = concats[j];
        growth_[concats[j]].previous = concats[i];
        growth_[concats[i]];
        break;
      }
    }
  }
  for (auto& [index, growth] : growth_) {
    int last = index;
    while (next.count(last) > 0) last = next[last];
    growth.channels = dimsOf(node(last).outputs[0])[1];
  }
}

void Lowering::emitConcat(const Group& group) {
  const int index = group.nodes.front();
  const onnx::Node& n = node(index);
  const Dims& dims = dimsOf(n.outputs[0]);
  const auto grown = growth_.find(index);

  Value whole;
  whole.name = result(group);
  whole.dims = dims;
  whole.layout = Layout::Nhwc;
  const onnx::Node& last = node(group.nodes.back());
  std::vector<int> sources;
  for (const std::string& input : n.inputs) sources.push_back(valueOf(input));
  if (group.nodes.size() > 1) {
    const bool nonNegative = std::all_of(sources.begin(), sources.end(), [&](int v) {
      const Value& source = program_.values[static_cast<size_t>(v)];
      return source.quantized() && source.low >= 0;
    });
    setQuantization(whole, last, nonNegative);
  }

  size_t skip = 0;      // inputs that are in place already
  int64_t channel = 0;  // where the next one goes
  int memory = -1;
  if (grown != growth_.end()) {
    whole.channelStride = grown->second.channels;
    if (grown->second.previous >= 0) {
      const onnx::Node& earlier = node(grown->second.previous);
      const int value = byName_.at(earlier.outputs[0]);
      memory = program_.values[static_cast<size_t>(value)].alias;
      channel = dimsOf(earlier.outputs[0])[1];
      skip = n.inputs[0] == earlier.outputs[0] ? 1 : earlier.inputs.size();
    } else {
      Value root = whole;
      root.dims[1] = grown->second.channels;
      memory = addValue(std::move(root));
    }
    whole.alias = memory;
  }
  const int output = addValue(whole);
  for (size_t i = skip; i < sources.size(); ++i) {
    int source = sources[i];
    const Value given = program_.values[static_cast<size_t>(source)];
    Value slice = whole;
    slice.name = n.inputs[i];
    slice.dims = given.dims;
    slice.channelStride = whole.channelStride > 0 ? whole.channelStride : dims[1];
    slice.alias = memory >= 0 ? memory : output;
    slice.aliasOffset = channel * static_cast<int64_t>(byteSize(whole.dtype));
    channel += given.dims[1];
    if (redirect(source, slice, output)) continue;
    if (given.layout != Layout::Nhwc) source = convert(source, DType::Float32, Layout::Nhwc);
    const int target = addValue(std::move(slice));
    addConversion(source, target);
    program_.steps.back().info.op = "Concat";
    // The whole is what later steps read: it lives from the first slice on.
    program_.steps.back().writes.push_back(output);
  }
  bindResult(group, output);
}

void Lowering::emitReshape(const Group& group) {
  const onnx::Node& n = first(group);
  const Dims& dims = dimsOf(n.outputs[0]);
  int input = valueOf(n.inputs[0]);
  const Value given = program_.values[static_cast<size_t>(input)];
  const bool pixel = given.dims.size() == 4 && given.dims[2] * given.dims[3] == 1;
  if (given.layout == Layout::Nhwc && !(pixel && given.dense()))
    input = convert(input, DType::Float32, Layout::RowMajor);
  Value out = program_.values[static_cast<size_t>(input)];
  if (out.feed >= 0 || !out.constant.empty()) return emitPlain(group);
  out.name = n.outputs[0];
  out.dims = dims;
  out.alias = input;
  out.aliasOffset = 0;
  out.layout = dims.size() == 4 && dims[2] * dims[3] == 1 ? Layout::Nhwc : Layout::RowMajor;
  out.channelStride = 0;
  bindResult(group, addValue(std::move(out)));
}

/// Any operator without a fast path: evaluated as the reference does, on row-major tensors.
void Lowering::emitPlain(const Group& group) {
  const onnx::Node& n = first(group);
  struct Plan {
    onnx::Node node;
    int64_t opset;
    std::vector<int> inputs, outputs;
    std::vector<Value> inputValues, outputValues;
  };
  auto plan = std::make_shared<Plan>();
  plan->node = n;
  plan->opset = model_.opset(n.domain);
  std::vector<int> reads, writes;
  for (const std::string& input : n.inputs) {
    int value = -1;
    if (!input.empty()) {
      value = valueOf(input);
      const Value& v = program_.values[static_cast<size_t>(value)];
      value = convert(value, v.quantized() ? DType::Float32 : v.dtype, Layout::RowMajor);
      reads.push_back(value);
    }
    plan->inputs.push_back(value);
    plan->inputValues.push_back(value < 0 ? Value() : program_.values[static_cast<size_t>(value)]);
  }
  for (const std::string& output : n.outputs) {
    int value = -1;
    if (!output.empty()) {
      value = addActivation(output, dimsOf(output), typeOf(output), Layout::RowMajor);
      writes.push_back(value);
    }
    plan->outputs.push_back(value);
    plan->outputValues.push_back(value < 0 ? Value() : program_.values[static_cast<size_t>(value)]);
  }
  backend::LayerInfo layer = info(group, n.opType);
  layer.kernel = "reference";
  addStep(std::move(layer), std::move(reads), writes).bind = [plan](const Binding& b) -> Runner {
    const auto view = [&](int value, const Value& v) {
      return value < 0 ? Tensor() : Tensor::view(v.dtype, v.dims, b.pointer(value));
    };
    auto context = std::make_shared<ops::RunContext>(ops::RunContext{plan->node, plan->opset, {}, {}});
    std::vector<Tensor> outputs;
    for (size_t i = 0; i < plan->inputs.size(); ++i)
      context->inputs.push_back(view(plan->inputs[i], plan->inputValues[i]));
    for (size_t i = 0; i < plan->outputs.size(); ++i) outputs.push_back(view(plan->outputs[i], plan->outputValues[i]));
    const ops::Operator& op = ops::get(plan->node, plan->opset);
    return [plan, context, outputs, &op]() mutable {
      for (Tensor& output : outputs) {
        if (!output.empty()) std::memset(output.data<void>(), 0, output.bytes());
      }
      std::vector<Tensor> results = outputs;
      op.run(*context, results);
      // An operator may have put a tensor of its own in place of the memory it was given.
      for (size_t i = 0; i < outputs.size(); ++i) {
        const void* made = results[i].data<void>();
        if (!outputs[i].empty() && made != outputs[i].data<void>())
          std::memcpy(outputs[i].data<void>(), made, outputs[i].bytes());
      }
    };
  };
  for (size_t i = 0; i < n.outputs.size(); ++i) {
    if (n.outputs[i].empty()) continue;
    bindName(n.outputs[i], plan->outputs[i]);
    emitOutputs(n.outputs[i]);
  }
}

/// Hands a tensor over when it is a graph output, in ONNX's own type and, unless any will do, order.
void Lowering::emitOutputs(const std::string& tensor) {
  for (size_t i = 0; i < model_.graph.outputs.size(); ++i) {
    if (model_.graph.outputs[i].name != tensor) continue;
    int value = valueOf(tensor);
    const Value& v = program_.values[static_cast<size_t>(value)];
    const Layout layout = anyOrder_ ? v.layout : Layout::RowMajor;
    value = convert(value, v.quantized() ? DType::Float32 : v.dtype, layout);
    backend::LayerInfo layer;
    layer.name = tensor;
    layer.op = "Output";
    layer.outputDims = program_.values[static_cast<size_t>(value)].dims;
    Step& step = addStep(std::move(layer), {value}, {});
    step.bind = [](const Binding&) -> Runner { return [] {}; };
    step.output = static_cast<int>(i);
  }
}

}  // namespace presisi::cpu
