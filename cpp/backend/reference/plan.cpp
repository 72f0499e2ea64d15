#include <algorithm>
#include <set>

#include "backend/reference/network.hpp"
#include "ops/common.hpp"

namespace presisi::backend::reference {

namespace {

/// What is known of the graph before it runs.
class Known {
 public:
  explicit Known(const onnx::Graph& graph) : graph_(graph), links_(graph) {
    for (const onnx::ValueInfo& input : graph.inputs) types_[input.name] = input.dtype;
  }

  const onnx::Node* producer(const std::string& tensor) const {
    const int index = links_.producer(tensor);
    return index < 0 ? nullptr : &graph_.nodes[static_cast<size_t>(index)];
  }

  /// Value of an initializer or a Constant node; null otherwise.
  const Tensor* value(const std::string& tensor) const {
    if (const Tensor* initializer = graph_.initializer(tensor)) return initializer;
    const onnx::Node* node = producer(tensor);
    if (node == nullptr || !node->is("Constant")) return nullptr;
    const onnx::Attribute* attribute = node->find("value");
    return attribute != nullptr && attribute->kind == onnx::Attribute::Kind::Tensor ? &attribute->t : nullptr;
  }

  /// Element type of a quantized tensor; Undefined where only running tells.
  DType type(const std::string& tensor) const {
    if (const Tensor* known = value(tensor)) return known->dtype();
    if (const auto it = types_.find(tensor); it != types_.end()) return it->second;
    const onnx::Node* node = producer(tensor);
    if (node == nullptr || !node->is("QuantizeLinear")) return DType::Undefined;
    if (node->hasInput(2)) return value(node->inputs[2]) ? value(node->inputs[2])->dtype() : DType::Undefined;
    return node->find("output_dtype") ? static_cast<DType>(node->getInt("output_dtype", 0)) : DType::Uint8;
  }

  const std::vector<int>& consumers(const std::string& tensor) const { return links_.consumers(tensor); }
  bool isOutput(const std::string& tensor) const { return links_.isOutput(tensor); }

 private:
  const onnx::Graph& graph_;
  onnx::Links links_;
  std::map<std::string, DType> types_;
};

bool isByte(DType dtype) { return dtype == DType::Int8 || dtype == DType::Uint8; }

bool isZero(const Tensor& tensor) {
  const std::vector<int64_t> values = tensor.toInt64s();
  return std::all_of(values.begin(), values.end(), [](int64_t v) { return v == 0; });
}

/// The axis of the weights along which each output channel has its own scale.
int64_t channelAxis(const onnx::Node& node, size_t rank) {
  if (node.is("Conv")) return 0;
  if (node.is("Gemm")) return node.getInt("transB", 0) != 0 ? 0 : 1;
  return static_cast<int64_t>(rank) - 1;
}

/// Fills `step` for a node between two DequantizeLinear nodes; returns why not, where integers can't compute it.
std::string quantize(const Known& known, const onnx::Node& node, const onnx::Node& input, const onnx::Node& weight,
                     Step& step) {
  if (!isByte(known.type(input.inputs[0]))) return "its input is not known to be int8 or uint8";
  if (!isByte(known.type(weight.inputs[0]))) return "its weights are not known to be int8 or uint8";
  if (input.getInt("block_size", 0) != 0 || weight.getInt("block_size", 0) != 0) return "its scales come in blocks";
  const Tensor* inputScale = known.value(input.inputs[1]);
  const Tensor* weightScale = known.value(weight.inputs[1]);
  if (inputScale == nullptr || weightScale == nullptr) return "its scales are known only as the network runs";
  if (inputScale->dtype() != DType::Float32 || weightScale->dtype() != DType::Float32)
    return "its scales are not float32";
  if (inputScale->size() != 1) return "its input has more than one scale";
  if (weight.hasInput(2)) {
    const Tensor* zeroPoint = known.value(weight.inputs[2]);
    if (zeroPoint == nullptr || !zeroPoint->size() || !isZero(*zeroPoint))
      return "its weights have a zero point other than 0";
  }
  if (weightScale->size() != 1) {
    // The rank is that of the weights: those of a Conv are never a vector, the others are matrices here.
    const Tensor* value = known.value(weight.inputs[0]);
    const onnx::Node* quantizer = known.producer(weight.inputs[0]);
    if (value == nullptr && quantizer != nullptr && quantizer->hasInput(0)) value = known.value(quantizer->inputs[0]);
    if (value == nullptr || value->rank() < 2)
      return "it has a scale for each channel of weights that are not constant";
    const auto rank = static_cast<int64_t>(value->rank());
    int64_t axis = weight.getInt("axis", 1);
    if (axis < 0) axis += rank;
    if (axis != channelAxis(node, value->rank()) || (node.is("MatMul") && rank != 2)) {
      return "its weights' scales don't lie along the output channels";
    }
  }
  if (node.is("Gemm") && (node.getFloat("alpha", 1.0f) != 1.0f || node.getFloat("beta", 1.0f) != 1.0f)) {
    return "its alpha or beta is not 1";
  }
  const auto optional = [](const onnx::Node& from, size_t index) {
    return from.hasInput(index) ? from.inputs[index] : std::string();
  };
  step.quantized = true;
  step.integers = {input.inputs[0],  input.inputs[1],  optional(input, 2),
                   weight.inputs[0], weight.inputs[1], optional(node, 2)};
  return {};
}

void consider(const Known& known, Step& step) {
  const onnx::Node& node = step.node;
  if (!(node.is("Conv") || node.is("Gemm") || node.is("MatMul")) || !node.hasInput(0) || !node.hasInput(1)) return;
  const onnx::Node* input = known.producer(node.inputs[0]);
  const onnx::Node* weight = known.producer(node.inputs[1]);
  for (const onnx::Node* source : {input, weight}) {
    if (source == nullptr || !source->is("DequantizeLinear") || !source->hasInput(0) || !source->hasInput(1)) return;
  }
  step.asksInt8 = true;
  step.reason = quantize(known, node, *input, *weight, step);
}

std::vector<std::string> readBy(const Step& step) {
  const IntegerStep& i = step.integers;
  const std::vector<std::string> names =
      step.quantized
          ? std::vector<std::string>{i.input, i.inputScale, i.inputZeroPoint, i.weight, i.weightScale, i.bias}
          : step.node.inputs;
  std::vector<std::string> inputs;
  for (const std::string& name : names) {
    if (!name.empty()) inputs.push_back(name);
  }
  return inputs;
}

void requireOrdered(const onnx::Graph& graph) {
  std::set<std::string> made;
  for (const auto& [name, tensor] : graph.initializers) made.insert(name);
  for (const onnx::ValueInfo& input : graph.inputs) made.insert(input.name);
  for (const onnx::Node& node : graph.nodes) {
    for (const std::string& input : node.inputs) {
      if (!input.empty() && made.count(input) == 0) {
        throw Error(ErrorCode::InvalidModel, node.label() + ": input \"" + input + "\" is made by no node before it");
      }
    }
    for (const std::string& output : node.outputs) {
      if (!output.empty() && !made.insert(output).second) {
        throw Error(ErrorCode::InvalidModel, node.label() + ": tensor \"" + output + "\" is made twice");
      }
    }
  }
  for (const onnx::ValueInfo& output : graph.outputs) {
    if (made.count(output.name) == 0) {
      throw Error(ErrorCode::InvalidModel, "output \"" + output.name + "\" of the graph is made by no node");
    }
  }
}

}  // namespace

std::vector<Step> planSteps(const onnx::Model& model) {
  const onnx::Graph& graph = model.graph;
  requireOrdered(graph);
  const Known known(graph);
  std::vector<Step> steps;
  for (const onnx::Node& node : graph.nodes) {
    Step step;
    step.node = node;
    step.opset = model.opset(node.domain);
    consider(known, step);
    step.inputs = readBy(step);
    steps.push_back(std::move(step));
  }

  // A DequantizeLinear is not run where only integer steps read it: those take its input instead.
  std::set<std::string> read;
  for (const Step& step : steps) read.insert(step.inputs.begin(), step.inputs.end());
  const auto replaced = [&](const onnx::Node& node) {
    return node.is("DequantizeLinear") && read.count(node.outputs[0]) == 0 && !known.isOutput(node.outputs[0]) &&
           !known.consumers(node.outputs[0]).empty();
  };
  for (Step& step : steps) {
    if (!step.quantized) continue;
    for (size_t i = 0; i < 2; ++i) {
      const onnx::Node* source = known.producer(step.node.inputs[i]);
      if (replaced(*source)) step.fused.push_back(source->name.empty() ? source->outputs[0] : source->name);
    }
  }
  steps.erase(std::remove_if(steps.begin(), steps.end(), [&](const Step& step) { return replaced(step.node); }),
              steps.end());

  // Each tensor is let go by the last step that reads or makes it.
  std::set<std::string> seen;
  for (size_t i = steps.size(); i-- > 0;) {
    Step& step = steps[i];
    for (const std::vector<std::string>* names : {&step.inputs, &step.node.outputs}) {
      for (const std::string& name : *names) {
        if (!name.empty() && seen.insert(name).second) step.release.push_back(name);
      }
    }
  }
  return steps;
}

}  // namespace presisi::backend::reference
