#include "onnx/writer.hpp"

#include <protozero/pbf_writer.hpp>

#include "core/error.hpp"
#include "onnx/wire.hpp"

namespace presisi::onnx {

using protozero::pbf_writer;

namespace {

constexpr size_t kProtobufLimit = size_t{1} << 31;

/// Bytes of everything big. The rest (names, shapes) is bounded by the check of the finished text.
size_t tensorBytes(const Model& model) {
  size_t total = 0;
  for (const auto& [name, tensor] : model.graph.initializers) {
    static_cast<void>(name);
    total += tensor.bytes();
  }
  for (const Node& node : model.graph.nodes) {
    for (const Attribute& attribute : node.attributes) total += attribute.t.bytes();
  }
  return total;
}

void requireFits(size_t bytes) {
  if (bytes < kProtobufLimit) return;
  throw Error(ErrorCode::InvalidArgument,
              "the model would have " + std::to_string(bytes) + " bytes where protobuf can hold 2 GiB at most");
}

void writeTensor(pbf_writer writer, const std::string& name, const Tensor& tensor) {
  writer.add_packed_int64(wire::tensor::Dims, tensor.dims().begin(), tensor.dims().end());
  writer.add_int32(wire::tensor::DataType, static_cast<int32_t>(tensor.dtype()));
  if (!name.empty()) writer.add_string(wire::tensor::Name, name);
  writer.add_bytes(wire::tensor::RawData, tensor.data<char>(), tensor.bytes());
}

void writeAttribute(pbf_writer writer, const Attribute& attribute, const Node& node) {
  using Type = wire::AttributeType;
  const auto writeType = [&](Type type) { writer.add_int32(wire::attribute::Type, static_cast<int32_t>(type)); };
  writer.add_string(wire::attribute::Name, attribute.name);
  switch (attribute.kind) {
    case Attribute::Kind::Float: writer.add_float(wire::attribute::Float, attribute.f); return writeType(Type::Float);
    case Attribute::Kind::Int: writer.add_int64(wire::attribute::Int, attribute.i); return writeType(Type::Int);
    case Attribute::Kind::String:
      writer.add_bytes(wire::attribute::String, attribute.s);
      return writeType(Type::String);
    case Attribute::Kind::Tensor:
      if (attribute.t.empty()) {
        throw Error(ErrorCode::InvalidArgument,
                    node.label() + ": attribute \"" + attribute.name + "\" is a tensor without a value");
      }
      writeTensor(pbf_writer(writer, wire::attribute::Tensor), {}, attribute.t);
      return writeType(Type::Tensor);
    // Lists of numbers are unpacked: their fields are of proto2, whose readers need not know packing.
    case Attribute::Kind::Floats:
      for (const float value : attribute.floats) writer.add_float(wire::attribute::Floats, value);
      return writeType(Type::Floats);
    case Attribute::Kind::Ints:
      for (const int64_t value : attribute.ints) writer.add_int64(wire::attribute::Ints, value);
      return writeType(Type::Ints);
    case Attribute::Kind::Strings:
      for (const std::string& value : attribute.strings) writer.add_bytes(wire::attribute::Strings, value);
      return writeType(Type::Strings);
  }
}

void writeNode(pbf_writer writer, const Node& node) {
  for (const std::string& input : node.inputs) writer.add_string(wire::node::Input, input);
  for (const std::string& output : node.outputs) writer.add_string(wire::node::Output, output);
  if (!node.name.empty()) writer.add_string(wire::node::Name, node.name);
  writer.add_string(wire::node::OpType, node.opType);
  for (const Attribute& attribute : node.attributes) {
    writeAttribute(pbf_writer(writer, wire::node::Attribute), attribute, node);
  }
  if (!node.domain.empty()) writer.add_string(wire::node::Domain, node.domain);
}

// protozero leaves out a nested message that stays empty; a scalar's shape and a dimension without a name are such.
const std::string kEmptyMessage;

void writeShape(pbf_writer& parent, const ValueInfo& info) {
  if (info.dims.empty()) return parent.add_message(wire::tensor_type::Shape, kEmptyMessage);
  pbf_writer shape(parent, wire::tensor_type::Shape);
  for (size_t i = 0; i < info.dims.size(); ++i) {
    const bool isNamed = i < info.symbols.size() && !info.symbols[i].empty();
    if (info.dims[i] < 0 && !isNamed) {
      shape.add_message(wire::shape::Dimension, kEmptyMessage);
      continue;
    }
    pbf_writer dimension(shape, wire::shape::Dimension);
    if (info.dims[i] >= 0) {
      dimension.add_int64(wire::dimension::Value, info.dims[i]);
    } else {
      dimension.add_string(wire::dimension::Parameter, info.symbols[i]);
    }
  }
}

void writeValueInfo(pbf_writer writer, const ValueInfo& info) {
  writer.add_string(wire::value_info::Name, info.name);
  if (info.dtype == DType::Undefined && !info.hasShape) return;
  pbf_writer type(writer, wire::value_info::Type);
  pbf_writer tensor(type, wire::type::Tensor);
  if (info.dtype != DType::Undefined) {
    tensor.add_int32(wire::tensor_type::ElementType, static_cast<int32_t>(info.dtype));
  }
  if (info.hasShape) writeShape(tensor, info);
}

void writeGraph(pbf_writer writer, const Graph& graph) {
  for (const Node& node : graph.nodes) writeNode(pbf_writer(writer, wire::graph::Node), node);
  if (!graph.name.empty()) writer.add_string(wire::graph::Name, graph.name);
  for (const auto& [name, tensor] : graph.initializers) {
    writeTensor(pbf_writer(writer, wire::graph::Initializer), name, tensor);
  }
  for (const ValueInfo& input : graph.inputs) writeValueInfo(pbf_writer(writer, wire::graph::Input), input);
  for (const ValueInfo& output : graph.outputs) writeValueInfo(pbf_writer(writer, wire::graph::Output), output);
  for (const auto& [name, value] : graph.values) {
    static_cast<void>(name);
    writeValueInfo(pbf_writer(writer, wire::graph::ValueInfo), value);
  }
}

}  // namespace

std::string writeModel(const Model& model, bool allowInternal) {
  if (!allowInternal) {
    for (const Node& node : model.graph.nodes) {
      if (node.domain == kPresisiDomain) {
        throw Error(ErrorCode::InvalidArgument, node.label() +
                                                    " is an operator of presisi's own, which no other "
                                                    "program can run: write the model before simplifying");
      }
    }
  }
  const size_t big = tensorBytes(model);
  requireFits(big);
  std::string bytes;
  bytes.reserve(big + (64u << 10));
  pbf_writer writer(bytes);
  writer.add_int64(wire::model::IrVersion, model.irVersion);
  if (!model.producerName.empty()) writer.add_string(wire::model::ProducerName, model.producerName);
  if (!model.producerVersion.empty()) writer.add_string(wire::model::ProducerVersion, model.producerVersion);
  writeGraph(pbf_writer(writer, wire::model::Graph), model.graph);
  for (const auto& [domain, version] : model.opsets) {
    if (!allowInternal && domain == kPresisiDomain) continue;
    pbf_writer opset(writer, wire::model::OpsetImport);
    opset.add_string(wire::opset::Domain, domain);
    opset.add_int64(wire::opset::Version, version);
  }
  for (const auto& [key, value] : model.metadata) {
    pbf_writer entry(writer, wire::model::MetadataProps);
    entry.add_string(wire::entry::Key, key);
    entry.add_string(wire::entry::Value, value);
  }
  requireFits(bytes.size());
  return bytes;
}

}  // namespace presisi::onnx
