#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "graph/half_placement.hpp"
#include "graph/passes.hpp"
#include "graph/rewrite.hpp"

namespace presisi::graph {

namespace {

using onnx::Node;

constexpr int64_t kHalfQdqOpset = 19;  // QuantizeLinear and DequantizeLinear know FP16 from here on

bool isFloatOrHalf(DType dtype) { return dtype == DType::Float32 || dtype == DType::Float16; }

bool usesQdq(const onnx::Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [](const Node& node) { return node.is("QuantizeLinear") || node.is("DequantizeLinear"); });
}

/// Constant nodes become initializers, and so do the INT32 biases of networks that quantize them too: their scale is
/// the product of two scales, smaller than any normal FP16 number, while the bias itself is of an ordinary size.
onnx::Model holdConstants(const onnx::Model& model, const Specialization& types) {
  onnx::Model out = model;
  onnx::Graph& graph = out.graph;
  std::vector<bool> dead(graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const auto isKnown = [&](const std::string& input) { return input.empty() || graph.initializer(input) != nullptr; };
    Tensor value;
    if (node.is("Constant")) {
      const auto it = types.constants.find(node.outputs[0]);
      if (it == types.constants.end() || it->second.dtype() != DType::Float32) continue;
      value = it->second;
    } else if (node.is("DequantizeLinear") && std::all_of(node.inputs.begin(), node.inputs.end(), isKnown) &&
               types.types.at(node.inputs[0]).dtype == DType::Int32) {
      std::vector<Tensor> inputs;
      for (const std::string& input : node.inputs) {
        inputs.push_back(input.empty() ? Tensor() : *graph.initializer(input));
      }
      value = ops::evaluate(node, out.opset(), std::move(inputs))[0];
    } else {
      continue;
    }
    graph.initializers[node.outputs[0]] = std::move(value);
    dead[i] = true;
  }
  eraseNodes(graph, dead);
  const onnx::Links links(graph);
  for (size_t i = 0; i < dead.size(); ++i) {
    if (!dead[i]) continue;
    for (const std::string& input : model.graph.nodes[i].inputs) {
      if (links.consumers(input).empty() && !links.isOutput(input)) graph.initializers.erase(input);
    }
  }
  return out;
}

class Halver {
 public:
  Halver(const onnx::Model& model, const Specialization& types, const HalfPlacement& placement)
      : graph_(model.graph),
        types_(types),
        placement_(placement),
        out_(model),
        links_(model.graph),
        names_(model.graph) {}

  onnx::Model run() {
    out_.graph.nodes.clear();
    for (const auto& [name, tensor] : graph_.initializers) {
      if (isFloatOrHalf(tensor.dtype())) addNative(name, name, tensor.dtype());
    }
    for (const onnx::ValueInfo& input : graph_.inputs) {
      if (isFloatOrHalf(input.dtype)) addNative(input.name, input.name, input.dtype);
    }
    for (size_t i = 0; i < graph_.nodes.size(); ++i) visit(i);
    for (const onnx::ValueInfo& output : graph_.outputs) makeOutput(output.name);
    tidyInitializers();
    tidyValues();
    return std::move(out_);
  }

 private:
  /// A number under all the types it is wanted in. The tensors of a chain of Casts are one value.
  struct Value {
    std::string base;                        ///< names of forms that the model didn't have begin with it
    DType native = DType::Undefined;         ///< the type it is computed in; Undefined: in either, by `maker`
    int maker = -1;                          ///< a DQ, or a Cast of integers
    std::map<DType, std::string> forms;      ///< type -> tensor, of those that exist
    std::map<DType, std::string> reserved;   ///< the name that a form takes when it is made
    std::map<DType, std::string> castNames;  ///< and the name of the node that makes it
  };

  size_t addNative(const std::string& tensor, const std::string& form, DType dtype) {
    Value value;
    value.base = tensor;
    value.native = dtype;
    value.forms[dtype] = form;
    values_.push_back(std::move(value));
    valueOf_[tensor] = values_.size() - 1;
    return values_.size() - 1;
  }

  DType typeOf(const std::string& tensor) const {
    const auto it = types_.types.find(tensor);
    return it == types_.types.end() ? DType::Undefined : it->second.dtype;
  }

  void visit(size_t index) {
    const Node& node = graph_.nodes[index];
    if (node.is("Cast") && isFloatOrHalf(typeOf(node.inputs[0])) && isFloatOrHalf(typeOf(node.outputs[0]))) {
      return alias(node);
    }
    const bool fromIntegers = node.is("DequantizeLinear") || node.is("Cast");
    if (fromIntegers && typeOf(node.outputs[0]) == DType::Float32) return defer(index);
    if (node.is("QuantizeLinear") && typeOf(node.inputs[1]) == DType::Float32) return quantize(node);
    const bool keeps = placement_.keepsFloat[index];
    const DType dtype = keeps ? DType::Float32 : DType::Float16;
    Node copy = node;
    for (size_t i = 0; i < copy.inputs.size(); ++i) {
      std::string& input = copy.inputs[i];
      const DType given = typeOf(input);
      if (input.empty() || !isFloatOrHalf(given)) continue;
      // These read whatever type there is.
      const bool takesAny = node.is("Cast") || node.is("Shape") || node.is("Size");
      if (takesAny) {
        input = anyForm(input);
      } else {
        input = form(input, given == DType::Float16 || isFloatInput(node, i) ? given : dtype);
      }
    }
    if (!keeps) narrowAttributes(copy);
    for (size_t i = 0; i < copy.outputs.size(); ++i) {
      const std::string& output = node.outputs[i];
      const DType made = typeOf(output);
      if (output.empty() || !isFloatOrHalf(made)) continue;
      copy.outputs[i] = makeNative(output, made == DType::Float16 ? made : dtype);
    }
    out_.graph.nodes.push_back(std::move(copy));
  }

  /// The tensor that a node writes: where a graph output was of another type, that name is its Cast's.
  std::string makeNative(const std::string& output, DType dtype) {
    const bool moves = links_.isOutput(output) && dtype != typeOf(output);
    const std::string tensor = moves ? names_.fresh(output + suffix(dtype)) : output;
    const size_t value = addNative(output, tensor, dtype);
    if (moves) values_[value].reserved[typeOf(output)] = output;
    return tensor;
  }

  void narrowAttributes(Node& node) const {
    if (node.outputs.empty() || typeOf(node.outputs[0]) != DType::Float32) return;
    if (node.is("ConstantOfShape") && node.find("value") == nullptr) {
      node.set(onnx::Attribute::ofTensor("value", Tensor(DType::Float16, {1})));  // 0, which by default is FP32
    }
    for (onnx::Attribute& attribute : node.attributes) {
      const bool isTensor = attribute.kind == onnx::Attribute::Kind::Tensor;
      if (isTensor && attribute.t.dtype() == DType::Float32) {
        attribute.t = attribute.t.cast(DType::Float16);
      }
    }
  }

  void alias(const Node& node) {
    const std::string& output = node.outputs[0];
    const size_t index = valueOf_.at(node.inputs[0]);
    valueOf_[output] = index;
    Value& value = values_[index];
    const DType dtype = typeOf(output);
    if (value.reserved.count(dtype) > 0 && !links_.isOutput(output)) return;
    value.reserved[dtype] = output;
    value.castNames[dtype] = node.name;
  }

  void defer(size_t index) {
    const Node& node = graph_.nodes[index];
    Value value;
    value.base = node.outputs[0];
    value.maker = static_cast<int>(index);
    if (links_.isOutput(value.base)) value.reserved[DType::Float32] = value.base;
    values_.push_back(std::move(value));
    valueOf_[node.outputs[0]] = values_.size() - 1;
  }

  /// Rounded first to FP16 and then to INT8, a number would end one level off now and then; so what is there in FP32
  /// is quantized from it.
  void quantize(const Node& node) {
    const Value& value = values_[valueOf_.at(node.inputs[0])];
    const DType dtype = hasHalfScale(node) ? defaultType(value) : DType::Float32;
    Node copy = node;
    copy.inputs[0] = form(node.inputs[0], dtype);
    copy.inputs[1] = scaleForm(node, dtype);
    out_.graph.nodes.push_back(std::move(copy));
  }

  bool canBeHalf(const Node& maker) const { return maker.is("Cast") || hasHalfScale(maker); }

  bool hasHalfScale(const Node& node) const {
    const Tensor* scale = graph_.initializer(node.inputs[1]);
    return scale != nullptr && isHalfScale(*scale);
  }

  /// The two ends of a quantized tensor mean the same scale, so what is FP16 at one end is rounded at both.
  std::string scaleForm(const Node& node, DType dtype) {
    const std::string& name = node.inputs[1];
    if (dtype == DType::Float16) return form(name, dtype);
    const Tensor* scale = graph_.initializer(name);
    if (scale == nullptr || !hasHalfScale(node)) return form(name, dtype);
    const Tensor rounded = scale->cast(DType::Float16).cast(DType::Float32);
    if (rounded.toFloats() == scale->toFloats()) return form(name, dtype);
    std::string& tensor = roundedScales_[name];
    if (tensor.empty()) {
      tensor = names_.fresh(name + "_rounded");
      out_.graph.initializers[tensor] = rounded;
    }
    return tensor;
  }

  static const char* suffix(DType dtype) { return dtype == DType::Float16 ? "_fp16" : "_fp32"; }

  std::string anyForm(const std::string& tensor) {
    const Value& value = values_[valueOf_.at(tensor)];
    return value.forms.empty() ? form(tensor, defaultType(value)) : value.forms.begin()->second;
  }

  DType defaultType(const Value& value) const {
    if (value.native != DType::Undefined) return value.native;
    return canBeHalf(graph_.nodes[static_cast<size_t>(value.maker)]) ? DType::Float16 : DType::Float32;
  }

  /// The tensor that holds the value in this type, made now if nobody asked for it before.
  std::string form(const std::string& tensor, DType dtype) {
    Value& value = values_[valueOf_.at(tensor)];
    const auto existing = value.forms.find(dtype);
    if (existing != value.forms.end()) return existing->second;
    const Tensor* constant = graph_.initializer(value.base);
    if (constant != nullptr) {
      const auto reserved = value.reserved.find(dtype);
      const bool isFree = reserved != value.reserved.end() && !links_.isOutput(reserved->second);
      const std::string name = isFree ? reserved->second : names_.fresh(value.base + suffix(dtype));
      out_.graph.initializers[name] = constant->cast(dtype);
      return value.forms[dtype] = name;
    }
    if (value.maker >= 0) {
      const Node& node = graph_.nodes[static_cast<size_t>(value.maker)];
      // What asks for FP16 of a DQ that hasn't it is no layer: placement kept those in FP32.
      const DType made = canBeHalf(node) ? dtype : DType::Float32;
      if (value.forms.count(made) == 0) value.forms[made] = make(node, value, made);
      if (made == dtype) return value.forms[made];
    }
    const std::string source = value.forms.begin()->second;
    const std::string name = nameOf(value, dtype);
    Node cast = castNode(source, name, dtype);
    const auto named = value.castNames.find(dtype);
    if (named != value.castNames.end() && !named->second.empty() && value.reserved[dtype] == name) {
      cast.name = named->second;
    }
    out_.graph.nodes.push_back(std::move(cast));
    return value.forms[dtype] = name;
  }

  std::string nameOf(const Value& value, DType dtype) {
    const auto reserved = value.reserved.find(dtype);
    return reserved != value.reserved.end() ? reserved->second : names_.fresh(value.base + suffix(dtype));
  }

  /// A DQ, or Cast of integers, in one of the two types, next to what asks for it first. The first keeps the name.
  std::string make(const Node& node, const Value& value, DType dtype) {
    Node copy = node;
    if (node.is("Cast")) {
      copy.set(onnx::Attribute::ofInt("to", static_cast<int64_t>(dtype)));
    } else {
      copy.inputs[1] = scaleForm(node, dtype);
    }
    const bool takesName = value.forms.empty() && (!links_.isOutput(value.base) || dtype == DType::Float32);
    copy.outputs[0] = takesName ? value.base : nameOf(value, dtype);
    if (!takesName) copy.name += suffix(dtype);
    out_.graph.nodes.push_back(copy);
    return copy.outputs[0];
  }

  void makeOutput(const std::string& name) {
    if (valueOf_.count(name) == 0) return;
    const DType dtype = typeOf(name);
    const std::string made = form(name, dtype);
    // Two outputs can be one value.
    if (made != name) out_.graph.nodes.push_back(castNode(made, name, dtype));
  }

  /// Drops what nothing uses in FP32 any more, and gives its name to the FP16 form.
  void tidyInitializers() {
    std::set<std::string> used;
    for (const Node& node : out_.graph.nodes) used.insert(node.inputs.begin(), node.inputs.end());
    std::map<std::string, std::string> renamed;
    const auto replace = [&](const std::string& name, const std::string& form) {
      out_.graph.initializers[name] = std::move(out_.graph.initializers[form]);
      out_.graph.initializers.erase(form);
      renamed[form] = name;
    };
    for (const auto& [name, tensor] : graph_.initializers) {
      if (tensor.dtype() != DType::Float32 || used.count(name) > 0 || links_.isOutput(name)) continue;
      if (links_.consumers(name).empty()) continue;
      out_.graph.initializers.erase(name);
      const Value& value = values_[valueOf_.at(name)];
      const auto half = value.forms.find(DType::Float16);
      const auto rounded = roundedScales_.find(name);
      if (half != value.forms.end() && rounded == roundedScales_.end()) {
        replace(name, half->second);
      } else if (rounded != roundedScales_.end()) {
        replace(name, rounded->second);
      }
    }
    renameInputs(out_.graph, renamed);
  }

  /// Declarations of tensors between follow the types, and those of tensors that are gone go.
  void tidyValues() {
    std::map<std::string, DType> types;
    for (const auto& [name, tensor] : out_.graph.initializers) types[name] = tensor.dtype();
    for (const Value& value : values_) {
      for (const auto& [dtype, tensor] : value.forms) types.try_emplace(tensor, dtype);
    }
    auto& declared = out_.graph.values;
    for (auto it = declared.begin(); it != declared.end();) {
      const auto type = types.find(it->first);
      const bool isGone = isFloatOrHalf(typeOf(it->first)) && type == types.end();
      if (type != types.end()) it->second.dtype = type->second;
      it = isGone ? declared.erase(it) : std::next(it);
    }
  }

  const onnx::Graph& graph_;
  const Specialization& types_;
  const HalfPlacement& placement_;
  onnx::Model out_;
  onnx::Links links_;
  Names names_;
  std::vector<Value> values_;
  std::map<std::string, size_t> valueOf_;             ///< tensor of the model -> its value
  std::map<std::string, std::string> roundedScales_;  ///< scale -> its rounded FP32 form
};

}  // namespace

onnx::Model computeInHalf(const onnx::Model& model, HalfReport& report) {
  const bool mustRaise = usesQdq(model.graph) && model.opset() < kHalfQdqOpset;
  const onnx::Model raised = mustRaise ? upgradeOpset(model, kHalfQdqOpset) : model;
  const Specialization types = specialize(raised, inputShapes(raised, 1));
  const onnx::Model held = holdConstants(raised, types);
  const HalfPlacement placement = placeHalf(held, types, report);
  return Halver(held, types, placement).run();
}

}  // namespace presisi::graph
