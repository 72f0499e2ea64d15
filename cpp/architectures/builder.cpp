#include "architectures/builder.hpp"

#include <utility>

#include "core/error.hpp"

namespace presisi::architectures {

namespace {

using onnx::Attribute;

constexpr int64_t kOldestOpset = 13;
constexpr int64_t kNewestOpset = 21;
constexpr int64_t kHardSwishOpset = 14;  // the first that has the operator
constexpr int64_t kLargestInput = 4096;
constexpr int64_t kLargestBatch = 65536;

/// The IR version that came with an opset: readers of that time accept no newer one.
int64_t irVersionOf(int64_t opset) {
  if (opset <= 14) return 7;
  if (opset <= 18) return 8;
  return opset <= 20 ? 9 : 10;
}

void requireBetween(const char* option, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorCode::InvalidArgument, "Expected integer between " + std::to_string(least) + " and " +
                                              std::to_string(most) + " for " + option + " but received " +
                                              std::to_string(value));
}

onnx::ValueInfo valueInfo(const std::string& name, Dims dims) {
  onnx::ValueInfo info;
  info.name = name;
  info.dtype = DType::Float32;
  info.symbols.resize(dims.size());
  if (dims[0] < 0) info.symbols[0] = "batch";
  info.dims = std::move(dims);
  return info;
}

}  // namespace

GraphBuilder::GraphBuilder(const Choices& choices, int64_t inputSize)
    : opset_(choices.opset), batch_(choices.batch.value_or(-1)), input_{"input", 3, inputSize} {
  requireBetween("opset", opset_, kOldestOpset, kNewestOpset);
  requireBetween("inputSize", inputSize, 1, kLargestInput);
  if (choices.batch) requireBetween("batch", batch_, 1, kLargestBatch);
  network_.inputSize = inputSize;
  network_.model.irVersion = irVersionOf(opset_);
  network_.model.opsets[""] = opset_;
  network_.model.graph.inputs.push_back(valueInfo(input_.name, {batch_, input_.channels, inputSize, inputSize}));
}

GraphBuilder::Scope::Scope(GraphBuilder& builder, const std::string& module)
    : builder_(builder), length_(builder.path_.size()) {
  builder_.path_ += module + ".";
}

const std::string& GraphBuilder::parameter(const std::string& name, Dims dims, Init init) {
  network_.parameters.push_back({name, std::move(dims), init});
  return network_.parameters.back().name;
}

const std::string& GraphBuilder::constant(const std::string& name, float value) {
  return network_.model.graph.initializers.emplace(name, Tensor::scalar(value)).first->first;
}

onnx::Node& GraphBuilder::node(const std::string& name, const char* opType, std::vector<std::string> inputs) {
  onnx::Node node;
  node.name = name;
  node.opType = opType;
  node.inputs = std::move(inputs);
  node.outputs = {name};
  network_.model.graph.nodes.push_back(std::move(node));
  return network_.model.graph.nodes.back();
}

Value GraphBuilder::conv(const std::string& module, const Value& x, const ConvShape& shape) {
  const std::string name = named(module);
  const int64_t pad = shape.kernel / 2;
  std::vector<std::string> inputs{x.name};
  inputs.push_back(parameter(name + ".weight", {shape.channels, x.channels / shape.groups, shape.kernel, shape.kernel},
                             Init::ConvWeight));
  if (shape.hasBias) inputs.push_back(parameter(name + ".bias", {shape.channels}, Init::Bias));
  onnx::Node& made = node(name, "Conv", std::move(inputs));
  made.attributes = {Attribute::ofInts("dilations", {1, 1}), Attribute::ofInt("group", shape.groups),
                     Attribute::ofInts("kernel_shape", {shape.kernel, shape.kernel}),
                     Attribute::ofInts("pads", {pad, pad, pad, pad}),
                     Attribute::ofInts("strides", {shape.stride, shape.stride})};
  return {name, shape.channels, (x.side + 2 * pad - shape.kernel) / shape.stride + 1};
}

Value GraphBuilder::batchNorm(const std::string& module, const Value& x, double epsilon) {
  const std::string name = named(module);
  const Dims dims{x.channels};
  std::vector<std::string> inputs{x.name};
  inputs.push_back(parameter(name + ".weight", dims, Init::NormScale));
  inputs.push_back(parameter(name + ".bias", dims, Init::NormShift));
  inputs.push_back(parameter(name + ".running_mean", dims, Init::NormMean));
  inputs.push_back(parameter(name + ".running_var", dims, Init::NormVariance));
  node(name, "BatchNormalization", std::move(inputs)).attributes = {
      Attribute::ofFloat("epsilon", static_cast<float>(epsilon))};
  return {name, x.channels, x.side};
}

Value GraphBuilder::activation(const std::string& module, const Value& x, Activation kind) {
  const std::string name = named(module);
  switch (kind) {
    case Activation::None: return x;
    case Activation::Relu: node(name, "Relu", {x.name}); break;
    case Activation::Relu6: node(name, "Clip", {x.name, constant("relu6.min", 0), constant("relu6.max", 6)}); break;
    case Activation::Silu: return multiply(module, x, gate(module + ".sigmoid", x, Gate::Sigmoid));
    case Activation::HardSwish:
      if (opset_ < kHardSwishOpset) return multiply(module, x, gate(module + ".hardsigmoid", x, Gate::HardSigmoid));
      node(name, "HardSwish", {x.name});
      break;
  }
  return {name, x.channels, x.side};
}

Value GraphBuilder::gate(const std::string& module, const Value& x, Gate kind) {
  const std::string name = named(module);
  if (kind == Gate::Sigmoid) {
    node(name, "Sigmoid", {x.name});
  } else {
    // PyTorch's hard sigmoid is relu6(x + 3) / 6; ONNX's default slope is another.
    node(name, "HardSigmoid", {x.name}).attributes = {Attribute::ofFloat("alpha", 1.0f / 6),
                                                      Attribute::ofFloat("beta", 0.5f)};
  }
  return {name, x.channels, x.side};
}

Value GraphBuilder::maxPool(const std::string& module, const Value& x) {
  const std::string name = named(module);
  node(name, "MaxPool", {x.name}).attributes = {Attribute::ofInts("kernel_shape", {3, 3}),
                                                Attribute::ofInts("pads", {1, 1, 1, 1}),
                                                Attribute::ofInts("strides", {2, 2})};
  return {name, x.channels, (x.side - 1) / 2 + 1};
}

Value GraphBuilder::averagePool(const std::string& module, const Value& x) {
  const std::string name = named(module);
  if (x.side < 2) {
    throw Error(ErrorCode::InvalidArgument,
                "an input of " + std::to_string(input_.side) + " pixels is too small: nothing is left of it at " + name,
                "choose a larger inputSize");
  }
  node(name, "AveragePool", {x.name}).attributes = {Attribute::ofInts("kernel_shape", {2, 2}),
                                                    Attribute::ofInts("strides", {2, 2})};
  return {name, x.channels, x.side / 2};
}

Value GraphBuilder::globalAveragePool(const std::string& module, const Value& x) {
  const std::string name = named(module);
  node(name, "GlobalAveragePool", {x.name});
  return {name, x.channels, 1};
}

Value GraphBuilder::add(const std::string& step, const Value& a, const Value& b) {
  const std::string name = named(step);
  node(name, "Add", {a.name, b.name});
  return {name, a.channels, a.side};
}

Value GraphBuilder::multiply(const std::string& step, const Value& a, const Value& b) {
  const std::string name = named(step);
  node(name, "Mul", {a.name, b.name});
  return {name, a.channels, a.side};
}

Value GraphBuilder::concat(const std::string& step, const std::vector<Value>& parts) {
  const std::string name = named(step);
  std::vector<std::string> inputs;
  int64_t channels = 0;
  for (const Value& part : parts) {
    inputs.push_back(part.name);
    channels += part.channels;
  }
  node(name, "Concat", std::move(inputs)).attributes = {Attribute::ofInt("axis", 1)};
  return {name, channels, parts.front().side};
}

Value GraphBuilder::flatten(const std::string& step, const Value& x) {
  const std::string name = named(step);
  node(name, "Flatten", {x.name}).attributes = {Attribute::ofInt("axis", 1)};
  return {name, x.channels, 1};
}

void GraphBuilder::linearNode(const std::string& module, const Value& x, int64_t features, const std::string& output) {
  const std::string name = named(module);
  std::vector<std::string> inputs{x.name};
  inputs.push_back(parameter(name + ".weight", {features, x.channels}, Init::LinearWeight));
  inputs.push_back(parameter(name + ".bias", {features}, Init::Bias));
  onnx::Node& made = node(name, "Gemm", std::move(inputs));
  made.outputs = {output};
  made.attributes = {Attribute::ofInt("transB", 1)};
}

Value GraphBuilder::linear(const std::string& module, const Value& x, int64_t features) {
  linearNode(module, x, features, named(module));
  return {named(module), features, 1};
}

void GraphBuilder::logits(const std::string& module, const Value& x, int64_t classes) {
  linearNode(module, x, classes, "logits");
  network_.classes = classes;
  network_.model.graph.outputs.push_back(valueInfo("logits", {batch_, classes}));
}

Network GraphBuilder::finish() { return std::move(network_); }

Value convNormActivation(GraphBuilder& builder, const std::string& module, const Value& x, const ConvShape& shape,
                         double epsilon, Activation activation) {
  const GraphBuilder::Scope scope(builder, module);
  const Value normal = builder.batchNorm("1", builder.conv("0", x, shape), epsilon);
  return builder.activation("2", normal, activation);
}

}  // namespace presisi::architectures
