#include "onnx/writer.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "core/file.hpp"
#include "onnx/encoder.hpp"
#include "onnx/wire.hpp"

namespace presisi::onnx {

using wire::Encoder;

namespace {

constexpr size_t kProtobufLimit = size_t{1} << 31;

/// Before this IR version an initializer had to be an input of the graph too, and the reader leaves those inputs out.
constexpr int64_t kIrWithoutInitializerInputs = 4;

Encoder encodeTensor(const std::string& name, const Tensor& tensor) {
  Encoder out;
  out.packedIntegers(wire::tensor::Dims, tensor.dims());
  out.integer(wire::tensor::DataType, static_cast<int32_t>(tensor.dtype()));
  if (!name.empty()) out.text(wire::tensor::Name, name);
  out.payload(wire::tensor::RawData, tensor.data<char>(), tensor.bytes());
  return out;
}

Encoder encodeAttribute(const Attribute& attribute, const Node& node) {
  using Type = wire::AttributeType;
  Encoder out;
  out.text(wire::attribute::Name, attribute.name);
  const auto finish = [&](Type type) {
    out.integer(wire::attribute::Type, static_cast<int64_t>(type));
    return std::move(out);
  };
  switch (attribute.kind) {
    case Attribute::Kind::Float: out.real(wire::attribute::Float, attribute.f); return finish(Type::Float);
    case Attribute::Kind::Int: out.integer(wire::attribute::Int, attribute.i); return finish(Type::Int);
    case Attribute::Kind::String: out.text(wire::attribute::String, attribute.s); return finish(Type::String);
    case Attribute::Kind::Tensor:
      if (attribute.t.empty()) {
        throw Error(ErrorCode::InvalidArgument,
                    node.label() + ": attribute \"" + attribute.name + "\" is a tensor without a value");
      }
      out.message(wire::attribute::Tensor, encodeTensor({}, attribute.t));
      return finish(Type::Tensor);
    // Lists of numbers are unpacked: their fields are of proto2, whose readers need not know packing.
    case Attribute::Kind::Floats:
      for (const float value : attribute.floats) out.real(wire::attribute::Floats, value);
      return finish(Type::Floats);
    case Attribute::Kind::Ints:
      for (const int64_t value : attribute.ints) out.integer(wire::attribute::Ints, value);
      return finish(Type::Ints);
    case Attribute::Kind::Strings:
      for (const std::string& value : attribute.strings) out.text(wire::attribute::Strings, value);
      return finish(Type::Strings);
  }
  return out;
}

Encoder encodeNode(const Node& node) {
  Encoder out;
  for (const std::string& input : node.inputs) out.text(wire::node::Input, input);
  for (const std::string& output : node.outputs) out.text(wire::node::Output, output);
  if (!node.name.empty()) out.text(wire::node::Name, node.name);
  out.text(wire::node::OpType, node.opType);
  for (const Attribute& attribute : node.attributes) {
    out.message(wire::node::Attribute, encodeAttribute(attribute, node));
  }
  if (!node.domain.empty()) out.text(wire::node::Domain, node.domain);
  return out;
}

Encoder encodeShape(const ValueInfo& info) {
  Encoder out;
  for (size_t i = 0; i < info.dims.size(); ++i) {
    Encoder dimension;  // stays empty where it is dynamic and has no name
    if (info.dims[i] >= 0) {
      dimension.integer(wire::dimension::Value, info.dims[i]);
    } else if (i < info.symbols.size() && !info.symbols[i].empty()) {
      dimension.text(wire::dimension::Parameter, info.symbols[i]);
    }
    out.message(wire::shape::Dimension, std::move(dimension));
  }
  return out;
}

Encoder encodeValueInfo(const ValueInfo& info) {
  Encoder out;
  out.text(wire::value_info::Name, info.name);
  if (info.dtype == DType::Undefined && !info.hasShape) return out;
  Encoder tensor;
  if (info.dtype != DType::Undefined) {
    tensor.integer(wire::tensor_type::ElementType, static_cast<int32_t>(info.dtype));
  }
  if (info.hasShape) tensor.message(wire::tensor_type::Shape, encodeShape(info));
  Encoder type;
  type.message(wire::type::Tensor, std::move(tensor));
  out.message(wire::value_info::Type, std::move(type));
  return out;
}

Encoder encodeGraph(const Graph& graph) {
  Encoder out;
  for (const Node& node : graph.nodes) out.message(wire::graph::Node, encodeNode(node));
  if (!graph.name.empty()) out.text(wire::graph::Name, graph.name);
  for (const auto& [name, tensor] : graph.initializers) {
    out.message(wire::graph::Initializer, encodeTensor(name, tensor));
  }
  for (const ValueInfo& input : graph.inputs) out.message(wire::graph::Input, encodeValueInfo(input));
  for (const ValueInfo& output : graph.outputs) out.message(wire::graph::Output, encodeValueInfo(output));
  for (const auto& [name, value] : graph.values) {
    static_cast<void>(name);
    out.message(wire::graph::ValueInfo, encodeValueInfo(value));
  }
  return out;
}

void refuseInternal(const Model& model) {
  for (const Node& node : model.graph.nodes) {
    if (node.domain != kPresisiDomain) continue;
    throw Error(ErrorCode::InvalidArgument, node.label() +
                                                " is an operator of presisi's own, which no other "
                                                "program can run: write the model before simplifying");
  }
}

/// The message looks into the model's tensors.
Encoder encodeModel(const Model& model, bool allowInternal) {
  if (!allowInternal) refuseInternal(model);
  Encoder out;
  const bool hasInitializers = !model.graph.initializers.empty();
  out.integer(wire::model::IrVersion,
              hasInitializers ? std::max(model.irVersion, kIrWithoutInitializerInputs) : model.irVersion);
  if (!model.producerName.empty()) out.text(wire::model::ProducerName, model.producerName);
  if (!model.producerVersion.empty()) out.text(wire::model::ProducerVersion, model.producerVersion);
  out.message(wire::model::Graph, encodeGraph(model.graph));
  for (const auto& [domain, version] : model.opsets) {
    if (!allowInternal && domain == kPresisiDomain) continue;
    Encoder opset;
    opset.text(wire::opset::Domain, domain);
    opset.integer(wire::opset::Version, version);
    out.message(wire::model::OpsetImport, std::move(opset));
  }
  for (const auto& [key, value] : model.metadata) {
    Encoder entry;
    entry.text(wire::entry::Key, key);
    entry.text(wire::entry::Value, value);
    out.message(wire::model::MetadataProps, std::move(entry));
  }
  if (out.size() < kProtobufLimit) return out;
  throw Error(ErrorCode::InvalidArgument,
              "the model would have " + std::to_string(out.size()) + " bytes where protobuf can hold 2 GiB at most");
}

}  // namespace

std::string writeModel(const Model& model, bool allowInternal) {
  const Encoder encoded = encodeModel(model, allowInternal);
  std::string bytes;
  bytes.reserve(encoded.size());
  for (const ByteSpan& part : encoded.spans()) bytes.append(static_cast<const char*>(part.data), part.size);
  return bytes;
}

void writeModelFile(const Model& model, const std::string& path) {
  const Encoder encoded = encodeModel(model, false);
  writeFileAtomically(path, encoded.spans());
}

size_t writtenSize(const Model& model) { return encodeModel(model, false).size(); }

}  // namespace presisi::onnx
