#include <algorithm>

#include "core/error.hpp"
#include "graph/passes.hpp"
#include "graph/rewrite.hpp"

namespace presisi::graph {

namespace {

constexpr size_t kSmallBytes = size_t{1} << 20;     ///< of a floating-point value worth evaluating
constexpr size_t kIntegerBytes = size_t{64} << 20;  ///< of any value: integers are shapes, indices, masks
constexpr size_t kTotalBytes = size_t{256} << 20;   ///< of all values together: a graph can ask for any number

bool isFloatingPoint(DType dtype) { return dtype == DType::Float32 || dtype == DType::Float64 || isHalf(dtype); }

class Specializer {
 public:
  explicit Specializer(const onnx::Model& model) : model_(model), graph_(model.graph) {}

  Specialization run(const std::map<std::string, Dims>& shapes) {
    for (const auto& [name, tensor] : graph_.initializers) {
      result_.types[name] = {tensor.dtype(), tensor.dims()};
      result_.constants[name] = tensor;
    }
    bindInputs(shapes);
    for (const onnx::Node& node : graph_.nodes) visit(node);
    checkOutputs();
    return std::move(result_);
  }

 private:
  void bindInputs(const std::map<std::string, Dims>& shapes) {
    for (const onnx::ValueInfo& input : graph_.inputs) {
      const auto given = shapes.find(input.name);
      if (given == shapes.end()) {
        throw Error(ErrorCode::ShapeMismatch, "no shape was given for input \"" + input.name + "\"");
      }
      const Dims& dims = given->second;
      bool fits = !input.hasShape || dims.size() == input.dims.size();
      for (size_t i = 0; fits && i < dims.size(); ++i) {
        fits = dims[i] >= 0 && (!input.hasShape || input.dims[i] < 0 || input.dims[i] == dims[i]);
      }
      if (!fits) {
        throw Error(ErrorCode::ShapeMismatch, "input \"" + input.name + "\": expected shape " + toString(input.dims) +
                                                  " but received " + toString(dims));
      }
      elementCount(dims);
      result_.types[input.name] = {input.dtype, dims};
    }
    for (const auto& [name, dims] : shapes) {
      if (result_.types.count(name) > 0 && graph_.initializer(name) == nullptr) continue;
      throw Error(ErrorCode::ShapeMismatch,
                  "shape " + toString(dims) + " was given for \"" + name + "\", which is no input of the model");
    }
  }

  void visit(const onnx::Node& node) {
    const int64_t opset = model_.opset(node.domain);
    const ops::Operator& op = ops::get(node, opset);
    ops::InferContext context{node, opset, {}, {}};
    for (const std::string& input : node.inputs) {
      const auto type = result_.types.find(input);
      if (!input.empty() && type == result_.types.end()) {
        throw Error(ErrorCode::InvalidModel, node.label() + ": input \"" + input + "\" is not made before it is used");
      }
      const auto constant = result_.constants.find(input);
      const bool isKnown = !input.empty() && constant != result_.constants.end();
      context.inputs.push_back(input.empty() ? ops::TensorType{} : type->second);
      context.constants.push_back(isKnown ? &constant->second : nullptr);
    }
    const std::vector<ops::TensorType> types = op.infer(context);
    if (types.size() < node.outputs.size()) {
      throw Error(ErrorCode::InvalidModel, node.label() + ": has " + std::to_string(node.outputs.size()) +
                                               " outputs where the operator gives " + std::to_string(types.size()));
    }
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i].empty()) continue;
      try {
        elementCount(types[i].dims);
      } catch (const Error& error) {
        throw Error(error.code(), node.label() + ": output " + std::to_string(i) + ": " + error.what());
      }
      result_.types[node.outputs[i]] = types[i];
    }
    if (node.is("Shape") || node.is("Size")) {
      measure(node, context.inputs);
    } else {
      evaluate(node, opset, context, types);
    }
  }

  /// Shape and Size need the input's type only.
  void measure(const onnx::Node& node, const std::vector<ops::TensorType>& inputs) {
    if (inputs.empty()) return;
    const Dims& dims = inputs[0].dims;
    if (node.is("Size")) {
      result_.constants[node.outputs[0]] = Tensor::of<int64_t>(DType::Int64, {}, {elementCount(dims)});
      return;
    }
    const auto rank = static_cast<int64_t>(dims.size());
    const auto bound = [&](int64_t axis) { return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank); };
    const int64_t start = bound(node.getInt("start", 0));
    const int64_t end = std::max(start, bound(node.getInt("end", rank)));
    result_.constants[node.outputs[0]] =
        Tensor::fromInt64(std::vector<int64_t>(dims.begin() + start, dims.begin() + end));
  }

  void evaluate(const onnx::Node& node, int64_t opset, const ops::InferContext& context,
                const std::vector<ops::TensorType>& types) {
    // The value of a quantized weight would hide from backends that it is one. Products are no shape arithmetic.
    if (node.is("DequantizeLinear") || node.is("QuantizeLinear") || isProduct(node)) return;
    if (const Tensor* held = heldConstant(node)) {
      result_.constants[node.outputs[0]] = *held;
      return;
    }
    std::vector<Tensor> inputs;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (context.constants[i] == nullptr && !node.inputs[i].empty()) return;
      inputs.push_back(context.constants[i] == nullptr ? Tensor() : *context.constants[i]);
      if (inputs.back().bytes() > kIntegerBytes) return;
    }
    size_t bytes = 0;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const size_t limit = isFloatingPoint(types[i].dtype) ? kSmallBytes : kIntegerBytes;
      const auto count = static_cast<size_t>(elementCount(types[i].dims));
      if (count > limit || count * byteSize(types[i].dtype) > limit) return;
      bytes += count * byteSize(types[i].dtype);
    }
    if (bytes > kTotalBytes - spent_) return;
    spent_ += bytes;
    std::vector<Tensor> outputs = ops::evaluate(node, opset, std::move(inputs));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (!node.outputs[i].empty()) result_.constants[node.outputs[i]] = std::move(outputs[i]);
    }
  }

  void checkOutputs() const {
    for (const onnx::ValueInfo& output : graph_.outputs) {
      const auto type = result_.types.find(output.name);
      if (type == result_.types.end()) {
        throw Error(ErrorCode::InvalidModel, "output \"" + output.name + "\" is made by no node");
      }
      if (output.dtype == DType::Undefined || output.dtype == type->second.dtype) continue;
      throw Error(ErrorCode::InvalidModel, "output \"" + output.name + "\" is declared as " + name(output.dtype) +
                                               " but the graph makes " + name(type->second.dtype));
    }
  }

  const onnx::Model& model_;
  const onnx::Graph& graph_;
  Specialization result_;
  size_t spent_ = 0;
};

}  // namespace

Specialization specialize(const onnx::Model& model, const std::map<std::string, Dims>& inputShapes) {
  return Specializer(model).run(inputShapes);
}

std::map<std::string, Dims> inputShapes(const onnx::Model& model, int64_t batch) {
  if (batch < 1) {
    throw Error(ErrorCode::InvalidArgument, "expected a batch of at least 1 but received " + std::to_string(batch));
  }
  std::map<std::string, Dims> shapes;
  std::string assumed;  // the first axis whose size is a guess
  for (const onnx::ValueInfo& input : model.graph.inputs) {
    if (!input.hasShape) {
      throw Error(ErrorCode::ShapeMismatch, "input \"" + input.name + "\" has no shape in the model",
                  "export the model with the shapes of its inputs");
    }
    Dims dims = input.dims;
    for (size_t axis = 0; axis < dims.size(); ++axis) {
      if (dims[axis] >= 0) continue;
      dims[axis] = axis == 0 ? batch : 1;
      if (axis == 0 || !assumed.empty()) continue;
      assumed = "axis " + std::to_string(axis) + " of input \"" + input.name + "\"";
      if (axis < input.symbols.size() && !input.symbols[axis].empty()) assumed += " (" + input.symbols[axis] + ")";
    }
    shapes[input.name] = std::move(dims);
  }
  if (assumed.empty()) return shapes;
  try {
    specialize(model, shapes);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::InvalidModel && error.code() != ErrorCode::ShapeMismatch) throw;
    throw Error(ErrorCode::ShapeMismatch, assumed + " is dynamic, and the model can't have 1 there: " + error.what(),
                "export the model with a fixed size there; only the first axis, the batch, may be left open");
  }
  return shapes;
}

}  // namespace presisi::graph
