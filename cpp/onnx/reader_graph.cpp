#include "onnx/reader_graph.hpp"

#include <limits>
#include <optional>
#include <set>

#include "core/error.hpp"
#include "onnx/wire.hpp"

namespace presisi::onnx {

namespace {

using wire::AttributeType;

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::InvalidModel, message); }

/// The kind of an attribute that we don't hold, in words; null for those that we do.
const char* unsupportedKind(AttributeType type) {
  switch (type) {
    case AttributeType::Graph:
    case AttributeType::Graphs: return "a subgraph";
    case AttributeType::Tensors: return "a list of tensors";
    case AttributeType::SparseTensor:
    case AttributeType::SparseTensors: return "a sparse tensor";
    case AttributeType::TypeProto:
    case AttributeType::TypeProtos: return "a type";
    default: return nullptr;
  }
}

Attribute::Kind kindOf(AttributeType type, const std::string& label) {
  switch (type) {
    case AttributeType::Float: return Attribute::Kind::Float;
    case AttributeType::Int: return Attribute::Kind::Int;
    case AttributeType::String: return Attribute::Kind::String;
    case AttributeType::Tensor: return Attribute::Kind::Tensor;
    case AttributeType::Floats: return Attribute::Kind::Floats;
    case AttributeType::Ints: return Attribute::Kind::Ints;
    case AttributeType::Strings: return Attribute::Kind::Strings;
    default: break;
  }
  refuse(label + " has unknown type " + std::to_string(static_cast<int64_t>(type)));
}

/// The values of an AttributeProto; `type` is what it says it is, `found` what its fields suggest.
struct AttributeFields {
  Attribute values;
  AttributeType type = AttributeType::Undefined;
  AttributeType found = AttributeType::Undefined;
  std::optional<std::string_view> tensor;
  std::string reference;
};

AttributeFields readAttributeFields(std::string_view bytes) {
  AttributeFields fields;
  Attribute& a = fields.values;
  wire::Message message(bytes, "AttributeProto");
  const auto skipAs = [&](AttributeType type) {
    fields.found = type;
    message.skip();
  };
  while (message.next()) {
    switch (message.field()) {
      case wire::attribute::Name: a.name = message.text(); break;
      case wire::attribute::Float:
        a.f = message.real();
        fields.found = AttributeType::Float;
        break;
      case wire::attribute::Int:
        a.i = message.integer();
        fields.found = AttributeType::Int;
        break;
      case wire::attribute::String:
        a.s = message.text();
        fields.found = AttributeType::String;
        break;
      case wire::attribute::Tensor:
        fields.tensor = message.bytes();
        fields.found = AttributeType::Tensor;
        break;
      case wire::attribute::Floats:
        message.reals(a.floats);
        fields.found = AttributeType::Floats;
        break;
      case wire::attribute::Ints:
        message.integers(a.ints, std::numeric_limits<size_t>::max());
        fields.found = AttributeType::Ints;
        break;
      case wire::attribute::Strings:
        a.strings.push_back(message.text());
        fields.found = AttributeType::Strings;
        break;
      case wire::attribute::Graph: skipAs(AttributeType::Graph); break;
      case wire::attribute::Graphs: skipAs(AttributeType::Graphs); break;
      case wire::attribute::Tensors: skipAs(AttributeType::Tensors); break;
      case wire::attribute::TypeProto: skipAs(AttributeType::TypeProto); break;
      case wire::attribute::TypeProtos: skipAs(AttributeType::TypeProtos); break;
      case wire::attribute::SparseTensor: skipAs(AttributeType::SparseTensor); break;
      case wire::attribute::SparseTensors: skipAs(AttributeType::SparseTensors); break;
      case wire::attribute::Type: fields.type = static_cast<AttributeType>(message.integer()); break;
      case wire::attribute::Reference: fields.reference = message.text(); break;
      default: message.skip();
    }
  }
  return fields;
}

Attribute readAttribute(std::string_view bytes, const Node& node, const Source& source) {
  AttributeFields fields = readAttributeFields(bytes);
  if (fields.values.name.empty()) refuse(node.label() + ": an attribute has no name");
  const std::string label = node.label() + ": attribute \"" + fields.values.name + "\"";
  if (!fields.reference.empty()) {
    throw Error(ErrorCode::UnsupportedModel, label + " refers to an attribute of a function, which is not supported");
  }
  // Writers of before IR version 2 leave the type out.
  const AttributeType type = fields.type == AttributeType::Undefined ? fields.found : fields.type;
  for (const AttributeType candidate : {type, fields.found}) {
    if (const char* kind = unsupportedKind(candidate)) {
      throw Error(ErrorCode::UnsupportedModel, label + " holds " + kind + ", which is not supported");
    }
  }
  if (type == AttributeType::Undefined) refuse(label + " has neither type nor value");

  Attribute attribute;
  attribute.kind = kindOf(type, label);
  // A value of another type than the declared one would be lost on the way; an absent value is the zero of its type.
  if (fields.found != AttributeType::Undefined && fields.found != type) {
    refuse(label + " declares another type than its value has");
  }
  attribute.f = fields.values.f;
  attribute.i = fields.values.i;
  attribute.s = std::move(fields.values.s);
  attribute.floats = std::move(fields.values.floats);
  attribute.ints = std::move(fields.values.ints);
  attribute.strings = std::move(fields.values.strings);
  if (attribute.kind == Attribute::Kind::Tensor) {
    if (!fields.tensor) refuse(label + " has no value");
    attribute.t = readTensorProto(*fields.tensor, source, label).tensor;
  }
  attribute.name = std::move(fields.values.name);
  return attribute;
}

Node readNode(std::string_view bytes, const Source& source) {
  Node node;
  std::vector<std::string_view> attributes;  // read last: their errors name the node
  wire::Message message(bytes, "NodeProto");
  while (message.next()) {
    switch (message.field()) {
      case wire::node::Input: node.inputs.push_back(message.text()); break;
      case wire::node::Output: node.outputs.push_back(message.text()); break;
      case wire::node::Name: node.name = message.text(); break;
      case wire::node::OpType: node.opType = message.text(); break;
      case wire::node::Attribute: attributes.push_back(message.bytes()); break;
      case wire::node::Domain: node.domain = normalDomain(message.text()); break;
      default: message.skip();
    }
  }
  if (node.opType.empty()) refuse("node \"" + node.name + "\" has no operator");
  bool hasOutput = false;
  for (const std::string& output : node.outputs) hasOutput = hasOutput || !output.empty();
  if (!hasOutput) refuse(node.label() + ": has no outputs");

  std::set<std::string> names;
  for (const std::string_view attribute : attributes) {
    node.attributes.push_back(readAttribute(attribute, node, source));
    if (!names.insert(node.attributes.back().name).second) {
      refuse(node.label() + ": attribute \"" + node.attributes.back().name + "\" is given twice");
    }
  }
  return node;
}

void readDimension(std::string_view bytes, ValueInfo& info, const std::string& label) {
  int64_t dim = -1;
  std::string symbol;
  wire::Message message(bytes, "Dimension");
  while (message.next()) {
    switch (message.field()) {
      case wire::dimension::Value: dim = message.integer(); break;
      case wire::dimension::Parameter: symbol = message.text(); break;
      default: message.skip();
    }
  }
  if (dim < -1) refuse(label + ": dimension " + std::to_string(info.dims.size()) + " is " + std::to_string(dim));
  if (info.dims.size() == kMaxRank) {
    refuse(label + ": has more than " + std::to_string(kMaxRank) + " dimensions");
  }
  info.dims.push_back(dim);
  info.symbols.push_back(dim < 0 ? std::move(symbol) : std::string());
}

void readTensorType(std::string_view bytes, ValueInfo& info, const std::string& label) {
  int64_t elementType = 0;
  wire::Message message(bytes, "TypeProto.Tensor");
  while (message.next()) {
    switch (message.field()) {
      case wire::tensor_type::ElementType: elementType = message.integer(); break;
      case wire::tensor_type::Shape: {
        info.hasShape = true;
        wire::Message shape(message.bytes(), "TensorShapeProto");
        while (shape.next()) {
          if (shape.field() == wire::shape::Dimension) {
            readDimension(shape.bytes(), info, label);
          } else {
            shape.skip();
          }
        }
        break;
      }
      default: message.skip();
    }
  }
  if (elementType != 0) info.dtype = readElementType(elementType, label);
}

ValueInfo readValueInfo(std::string_view bytes, const char* role) {
  ValueInfo info;
  info.hasShape = false;
  std::optional<std::string_view> type;
  wire::Message message(bytes, "ValueInfoProto");
  while (message.next()) {
    switch (message.field()) {
      case wire::value_info::Name: info.name = message.text(); break;
      case wire::value_info::Type: type = message.bytes(); break;
      default: message.skip();
    }
  }
  if (info.name.empty()) refuse(std::string(role) + " without a name");
  if (!type) return info;
  const std::string label = std::string(role) + " \"" + info.name + "\"";
  wire::Message typeMessage(*type, "TypeProto");
  while (typeMessage.next()) {
    switch (typeMessage.field()) {
      case wire::type::Tensor: readTensorType(typeMessage.bytes(), info, label); break;
      case wire::type::Sequence:
      case wire::type::Map:
      case wire::type::Opaque:
      case wire::type::SparseTensor:
      case wire::type::Optional:
        throw Error(ErrorCode::UnsupportedModel, label + ": is not a tensor (a sequence, map, …), which is all we run");
      default: typeMessage.skip();
    }
  }
  return info;
}

void addInitializer(Graph& graph, NamedTensor read) {
  if (read.name.empty()) refuse("an initializer has no name");
  const auto [it, isNew] = graph.initializers.emplace(std::move(read.name), std::move(read.tensor));
  if (!isNew) refuse("initializer \"" + it->first + "\" is given twice");
}

/// Hints: one about something that we can't hold (a sequence) is no reason to refuse; the node that makes it is.
void addHint(Graph& graph, std::string_view bytes) {
  try {
    ValueInfo hint = readValueInfo(bytes, "value");
    graph.values[hint.name] = std::move(hint);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::UnsupportedModel) throw;
  }
}

}  // namespace

std::string normalDomain(std::string domain) { return domain == "ai.onnx" ? std::string() : domain; }

Graph readGraph(std::string_view bytes, const Source& source) {
  Graph graph;
  std::vector<std::string_view> inputs;  // read last: those that have an initializer are none
  wire::Message message(bytes, "GraphProto");
  while (message.next()) {
    switch (message.field()) {
      case wire::graph::Node: graph.nodes.push_back(readNode(message.bytes(), source)); break;
      case wire::graph::Name: graph.name = message.text(); break;
      case wire::graph::Initializer:
        addInitializer(graph, readTensorProto(message.bytes(), source, "an initializer without a name"));
        break;
      case wire::graph::Input: inputs.push_back(message.bytes()); break;
      case wire::graph::Output: graph.outputs.push_back(readValueInfo(message.bytes(), "output")); break;
      case wire::graph::ValueInfo: addHint(graph, message.bytes()); break;
      case wire::graph::SparseInitializer:
        throw Error(ErrorCode::UnsupportedModel, "the model has sparse initializers, which are not supported");
      default: message.skip();
    }
  }
  for (const std::string_view input : inputs) {
    ValueInfo info = readValueInfo(input, "input");
    if (graph.initializers.count(info.name) > 0) continue;
    if (info.dtype == DType::Undefined) refuse("input \"" + info.name + "\" has no element type");
    graph.inputs.push_back(std::move(info));
  }
  return graph;
}

}  // namespace presisi::onnx
