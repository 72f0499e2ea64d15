#include "network.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "graph/passes.hpp"

namespace presisi::doubles::tensorrt {

namespace {

nvinfer1::LayerType layerType(const onnx::Node& node) {
  using nvinfer1::LayerType;
  static const std::map<std::string, LayerType> types {
    {"Conv", LayerType::kCONVOLUTION}, {"ConvTranspose", LayerType::kDECONVOLUTION},
        {"Gemm", LayerType::kMATRIX_MULTIPLY}, {"MatMul", LayerType::kMATRIX_MULTIPLY},
        {"Relu", LayerType::kACTIVATION}, {"LeakyRelu", LayerType::kACTIVATION}, {"Sigmoid", LayerType::kACTIVATION},
        {"Tanh", LayerType::kACTIVATION}, {"Clip", LayerType::kACTIVATION}, {"Elu", LayerType::kACTIVATION},
        {"HardSigmoid", LayerType::kACTIVATION}, {"PRelu", LayerType::kPARAMETRIC_RELU},
        {"MaxPool", LayerType::kPOOLING}, {"AveragePool", LayerType::kPOOLING},
        {"GlobalAveragePool", LayerType::kREDUCE}, {"GlobalMaxPool", LayerType::kREDUCE},
        {"Softmax", LayerType::kSOFTMAX}, {"LogSoftmax", LayerType::kSOFTMAX}, {"Concat", LayerType::kCONCATENATION},
        {"Reshape", LayerType::kSHUFFLE}, {"Flatten", LayerType::kSHUFFLE}, {"Transpose", LayerType::kSHUFFLE},
        {"Squeeze", LayerType::kSHUFFLE}, {"Unsqueeze", LayerType::kSHUFFLE}, {"Gather", LayerType::kGATHER},
        {"Slice", LayerType::kSLICE}, {"Split", LayerType::kSLICE}, {"Pad", LayerType::kSLICE},
        {"Resize", LayerType::kRESIZE}, {"Upsample", LayerType::kRESIZE}, {"Shape", LayerType::kSHAPE},
        {"Where", LayerType::kSELECT}, {"TopK", LayerType::kTOPK}, {"Constant", LayerType::kCONSTANT},
        {"ConstantOfShape", LayerType::kFILL}, {"Identity", LayerType::kIDENTITY},
        {"QuantizeLinear", LayerType::kQUANTIZE}, {"DequantizeLinear", LayerType::kDEQUANTIZE},
        {"BatchNormalization", LayerType::kSCALE},
#if PRESISI_DOUBLE_SINCE_8_6
        {"Cast", LayerType::kCAST}, {"LayerNormalization", LayerType::kNORMALIZATION},
        {"InstanceNormalization", LayerType::kNORMALIZATION},
#else
        {"Cast", LayerType::kIDENTITY},
#endif
  };
  const auto it = types.find(node.opType);
  if (it != types.end()) return it->second;
  if (node.opType.rfind("Reduce", 0) == 0) return LayerType::kREDUCE;
  return node.inputs.size() == 1 ? LayerType::kUNARY : LayerType::kELEMENTWISE;
}

bool isDynamic(const Dims& dims) {
  return std::any_of(dims.begin(), dims.end(), [](int64_t dim) { return dim < 0; });
}

}  // namespace

void TensorNode::setName(char const* name) noexcept {
  const std::string to = name ? name : "";
  network_.rename(name_, to);
  name_ = to;
}

#if NV_TENSORRT_MAJOR <= 10
bool TensorNode::setDynamicRange(float min, float max) noexcept {
  if (!(min <= max)) return false;
  min_ = min;
  max_ = max;
  ranged_ = true;
  return true;
}
#endif

bool TensorNode::isNetworkInput() const noexcept {
  const auto& inputs = network_.model().graph.inputs;
  return std::any_of(inputs.begin(), inputs.end(), [&](const onnx::ValueInfo& info) { return info.name == name_; });
}

bool TensorNode::isNetworkOutput() const noexcept {
  const auto& outputs = network_.model().graph.outputs;
  return std::any_of(outputs.begin(), outputs.end(), [&](const onnx::ValueInfo& info) { return info.name == name_; });
}

LayerNode::LayerNode(Network& network, std::string name, size_t node)
    : network_(network), name_(std::move(name)), node_(node), type_(layerType(network.model().graph.nodes[node])) {
  metadata_ = "[ONNX Layer: " + name_ + "]";
}

int32_t LayerNode::getNbInputs() const noexcept {
  return static_cast<int32_t>(network_.model().graph.nodes[node_].inputs.size());
}

nvinfer1::ITensor* LayerNode::getInput(int32_t index) const noexcept {
  const auto& names = network_.model().graph.nodes[node_].inputs;
  if (index < 0 || static_cast<size_t>(index) >= names.size()) return nullptr;
  return network_.tensor(names[static_cast<size_t>(index)]);
}

int32_t LayerNode::getNbOutputs() const noexcept {
  return static_cast<int32_t>(network_.model().graph.nodes[node_].outputs.size());
}

nvinfer1::ITensor* LayerNode::getOutput(int32_t index) const noexcept {
  const auto& names = network_.model().graph.nodes[node_].outputs;
  if (index < 0 || static_cast<size_t>(index) >= names.size()) return nullptr;
  return network_.tensor(names[static_cast<size_t>(index)]);
}

nvinfer1::DataType LayerNode::getOutputType(int32_t index) const noexcept {
  const auto it = outputTypes_.find(index);
  if (it != outputTypes_.end()) return it->second;
  const nvinfer1::ITensor* output = getOutput(index);
  return output ? output->getType() : nvinfer1::DataType::kFLOAT;
}

bool Network::explicitBatch() const {
#if NV_TENSORRT_MAJOR >= 10
  return true;
#else
  return has(nvinfer1::NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);
#endif
}

bool Network::stronglyTyped() const {
#if NV_TENSORRT_MAJOR >= 11
  return true;
#elif NV_TENSORRT_MAJOR >= 10
  return has(nvinfer1::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED);
#else
  return false;
#endif
}

TensorNode* Network::tensor(const std::string& name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : it->second.get();
}

void Network::markOutput(nvinfer1::ITensor& tensor) noexcept {
  if (tensor.isNetworkOutput()) return;
  onnx::ValueInfo info;
  info.name = tensor.getName();
  info.dtype = toDType(tensor.getType());
  info.dims = toDims(tensor.getDimensions());
  info.symbols.resize(info.dims.size());
  model_.graph.outputs.push_back(std::move(info));
}

void Network::unmarkOutput(nvinfer1::ITensor& tensor) noexcept {
  auto& outputs = model_.graph.outputs;
  outputs.erase(std::remove_if(outputs.begin(), outputs.end(),
                               [&](const onnx::ValueInfo& info) { return info.name == tensor.getName(); }),
                outputs.end());
}

nvinfer1::ILayer* Network::getLayer(int32_t index) const noexcept {
  return index >= 0 && index < getNbLayers() ? layers_[static_cast<size_t>(index)].get() : nullptr;
}

nvinfer1::ITensor* Network::getInput(int32_t index) const noexcept {
  if (index < 0 || index >= getNbInputs()) return nullptr;
  return tensor(model_.graph.inputs[static_cast<size_t>(index)].name);
}

nvinfer1::ITensor* Network::getOutput(int32_t index) const noexcept {
  if (index < 0 || index >= getNbOutputs()) return nullptr;
  return tensor(model_.graph.outputs[static_cast<size_t>(index)].name);
}

void Network::rename(const std::string& from, const std::string& to) {
  const auto it = tensors_.find(from);
  if (it == tensors_.end() || tensors_.count(to)) return;
  const auto change = [&](std::string& name) {
    if (name == from) name = to;
  };
  for (onnx::Node& node : model_.graph.nodes) {
    for (std::string& name : node.inputs) change(name);
    for (std::string& name : node.outputs) change(name);
  }
  for (onnx::ValueInfo& info : model_.graph.inputs) change(info.name);
  for (onnx::ValueInfo& info : model_.graph.outputs) change(info.name);
  tensors_[to] = std::move(it->second);
  tensors_.erase(from);
}

void Network::adopt(onnx::Model model) {
  model_ = std::move(model);
  // Shapes at batch 1; what follows a dynamic batch is shown as dynamic. A model whose shapes can't be inferred without
  // more knowledge is still a network.
  std::map<std::string, ops::TensorType> types;
  bool dynamic = false;
  for (const onnx::ValueInfo& info : model_.graph.inputs) dynamic |= isDynamic(info.dims);
  try {
    types = graph::specialize(model_, graph::inputShapes(model_, 1)).types;
  } catch (const Error&) {
  }
  for (const onnx::ValueInfo& info : model_.graph.inputs) {
    tensors_[info.name] = std::make_unique<TensorNode>(*this, info.name, info.dtype, fromDims(info.dims));
  }
  for (size_t i = 0; i < model_.graph.nodes.size(); ++i) {
    const onnx::Node& node = model_.graph.nodes[i];
    for (const std::string& name : node.outputs) {
      if (name.empty()) continue;
      nvinfer1::Dims dims = noDims();
      DType type = DType::Float32;
      if (const auto it = types.find(name); it != types.end()) {
        dims = fromDims(it->second.dims);
        type = it->second.dtype;
        if (dynamic && dims.nbDims > 0) dims.d[0] = -1;
      }
      tensors_[name] = std::make_unique<TensorNode>(*this, name, type, dims);
    }
    const std::string label =
        node.name.empty() ? "(Unnamed Layer* " + std::to_string(i) + ") [" + node.opType + "]" : node.name;
    layers_.push_back(std::make_unique<LayerNode>(*this, label, i));
  }
}

onnx::Model Network::changedModel() const {
  onnx::Model model = model_;
  onnx::Graph& graph = model.graph;
  const auto cast = [&](const std::string& from, const std::string& to, DType type) {
    onnx::Node node;
    node.name = "cast " + from;
    node.opType = "Cast";
    node.inputs = {from};
    node.outputs = {to};
    node.set(onnx::Attribute::ofInt("to", static_cast<int64_t>(type)));
    return node;
  };
  std::vector<onnx::Node> before, after;
  for (onnx::ValueInfo& info : graph.inputs) {
    const TensorNode& wanted = *tensors_.at(info.name);
    info.dims = toDims(wanted.getDimensions());
    info.symbols.resize(info.dims.size());
    if (toDType(wanted.getType()) == info.dtype) continue;
    const std::string inner = info.name + " (as in the model)";
    for (onnx::Node& node : graph.nodes) std::replace(node.inputs.begin(), node.inputs.end(), info.name, inner);
    before.push_back(cast(info.name, inner, info.dtype));
    info.dtype = toDType(wanted.getType());
  }
  for (onnx::ValueInfo& info : graph.outputs) {
    const auto it = tensors_.find(info.name);
    if (it == tensors_.end() || toDType(it->second->getType()) == info.dtype) continue;
    const std::string inner = info.name + " (as in the model)";
    for (onnx::Node& node : graph.nodes) {
      std::replace(node.inputs.begin(), node.inputs.end(), info.name, inner);
      std::replace(node.outputs.begin(), node.outputs.end(), info.name, inner);
    }
    info.dtype = toDType(it->second->getType());
    after.push_back(cast(inner, info.name, info.dtype));
  }
  graph.nodes.insert(graph.nodes.begin(), before.begin(), before.end());
  graph.nodes.insert(graph.nodes.end(), after.begin(), after.end());
  return model;
}

}  // namespace presisi::doubles::tensorrt
