#pragma once

#include <cstdint>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// ONNX's protobuf messages at the level of fields: numbers, and a reader that checks wire types.
namespace presisi::onnx::wire {

namespace model {
enum Field : uint32_t {
  IrVersion = 1,
  ProducerName = 2,
  ProducerVersion = 3,
  Graph = 7,
  OpsetImport = 8,
  MetadataProps = 14,
  Functions = 25,
};
}
namespace opset {
enum Field : uint32_t { Domain = 1, Version = 2 };
}
namespace entry {
enum Field : uint32_t { Key = 1, Value = 2 };
}
namespace graph {
enum Field : uint32_t {
  Node = 1,
  Name = 2,
  Initializer = 5,
  Input = 11,
  Output = 12,
  ValueInfo = 13,
  SparseInitializer = 15,
};
}
namespace node {
enum Field : uint32_t { Input = 1, Output = 2, Name = 3, OpType = 4, Attribute = 5, Domain = 7 };
}
namespace attribute {
enum Field : uint32_t {
  Name = 1,
  Float = 2,
  Int = 3,
  String = 4,
  Tensor = 5,
  Graph = 6,
  Floats = 7,
  Ints = 8,
  Strings = 9,
  Tensors = 10,
  Graphs = 11,
  TypeProto = 14,
  TypeProtos = 15,
  Type = 20,
  Reference = 21,
  SparseTensor = 22,
  SparseTensors = 23,
};
}  // namespace attribute
/// Values of the field attribute::Type.
enum class AttributeType : int64_t {
  Undefined = 0,
  Float = 1,
  Int = 2,
  String = 3,
  Tensor = 4,
  Graph = 5,
  Floats = 6,
  Ints = 7,
  Strings = 8,
  Tensors = 9,
  Graphs = 10,
  SparseTensor = 11,
  SparseTensors = 12,
  TypeProto = 13,
  TypeProtos = 14,
};
namespace tensor {
enum Field : uint32_t {
  Dims = 1,
  DataType = 2,
  Segment = 3,
  FloatData = 4,
  Int32Data = 5,
  StringData = 6,
  Int64Data = 7,
  Name = 8,
  RawData = 9,
  DoubleData = 10,
  Uint64Data = 11,
  ExternalData = 13,
  DataLocation = 14,
};
inline constexpr int64_t kExternal = 1;  ///< value of DataLocation
}  // namespace tensor
namespace value_info {
enum Field : uint32_t { Name = 1, Type = 2 };
}
namespace type {
enum Field : uint32_t { Tensor = 1, Sequence = 4, Map = 5, Opaque = 7, SparseTensor = 8, Optional = 9 };
}
namespace tensor_type {
enum Field : uint32_t { ElementType = 1, Shape = 2 };
}
namespace shape {
enum Field : uint32_t { Dimension = 1 };
}
namespace dimension {
enum Field : uint32_t { Value = 1, Parameter = 2 };
}

/// Walks the fields of one message. protozero trusts its caller to ask for a field with the wire type that it has;
/// this checks first, and throws InvalidModel naming the message.
///
///   while (message.next()) {
///     switch (message.field()) { case …: message.integer(); break; default: message.skip(); }
///   }
class Message {
 public:
  /// `what` names the message in errors and must outlive this object.
  Message(std::string_view bytes, const char* what) : reader_(bytes.data(), bytes.size()), what_(what) {}

  bool next() { return reader_.next(); }
  uint32_t field() const { return reader_.tag(); }
  void skip() { reader_.skip(); }

  int64_t integer();
  float real();
  std::string_view bytes();
  std::string text() { return std::string(bytes()); }

  /// Where the payload of a repeated number lies: a whole packed run, or one element. `isPacked` fields and single
  /// elements may alternate; the bytes are the same. `scalar` is the wire type of one element.
  std::string_view run(protozero::pbf_wire_type scalar);
  /// Appends a repeated integer, packed or not. Throws InvalidModel beyond `most` elements.
  void integers(std::vector<int64_t>& out, size_t most);
  /// Appends a repeated float, packed or not.
  void reals(std::vector<float>& out);

 private:
  void expect(protozero::pbf_wire_type type) const;

  protozero::pbf_reader reader_;
  const char* what_;
};

/// A StringStringEntryProto.
std::pair<std::string, std::string> readEntry(std::string_view bytes);

}  // namespace presisi::onnx::wire
