#include "onnx/reader_tensor.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "core/error.hpp"
#include "onnx/wire.hpp"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ONNX's raw data is little-endian and is read in place");

namespace presisi::onnx {

using protozero::pbf_wire_type;

namespace {

/// Payloads of one repeated field, in order (see wire::Message::run). Nothing is decoded before the number of elements
/// is known to be right.
using Runs = std::vector<std::string_view>;

size_t totalBytes(const Runs& runs) {
  size_t total = 0;
  for (const std::string_view run : runs) total += run.size();
  return total;
}

/// A varint ends with the first byte whose top bit is clear.
size_t countVarints(const Runs& runs) {
  size_t count = 0;
  for (const std::string_view run : runs) {
    count += static_cast<size_t>(std::count_if(run.begin(), run.end(), [](char c) { return (c & 0x80) == 0; }));
  }
  return count;
}

struct Fields {
  Dims dims;
  std::string name;
  int64_t dataType = 0;
  int64_t location = 0;
  std::optional<std::string_view> raw;
  Runs floats, int32s, int64s, doubles, uint64s;
  bool hasStrings = false;
  bool hasSegment = false;
  std::vector<std::pair<std::string, std::string>> external;
};

Fields readFields(std::string_view bytes) {
  Fields fields;
  wire::Message message(bytes, "TensorProto");
  while (message.next()) {
    switch (message.field()) {
      case wire::tensor::Dims: message.integers(fields.dims, kMaxRank); break;
      case wire::tensor::DataType: fields.dataType = message.integer(); break;
      case wire::tensor::Segment:
        fields.hasSegment = true;
        message.skip();
        break;
      case wire::tensor::FloatData: fields.floats.push_back(message.run(pbf_wire_type::fixed32)); break;
      case wire::tensor::Int32Data: fields.int32s.push_back(message.run(pbf_wire_type::varint)); break;
      case wire::tensor::StringData:
        fields.hasStrings = true;
        message.skip();
        break;
      case wire::tensor::Int64Data: fields.int64s.push_back(message.run(pbf_wire_type::varint)); break;
      case wire::tensor::Name: fields.name = message.text(); break;
      case wire::tensor::RawData: fields.raw = message.bytes(); break;
      case wire::tensor::DoubleData: fields.doubles.push_back(message.run(pbf_wire_type::fixed64)); break;
      case wire::tensor::Uint64Data: fields.uint64s.push_back(message.run(pbf_wire_type::varint)); break;
      case wire::tensor::ExternalData: fields.external.push_back(wire::readEntry(message.bytes())); break;
      case wire::tensor::DataLocation: fields.location = message.integer(); break;
      default: message.skip();
    }
  }
  return fields;
}

[[noreturn]] void refuse(const std::string& label, const std::string& reason) {
  throw Error(ErrorCode::InvalidModel, label + ": " + reason);
}

int64_t checkedCount(const Dims& dims, DType dtype, const std::string& label) {
  int64_t count = 0;
  try {
    count = elementCount(dims);
  } catch (const Error& error) {
    refuse(label, error.what());
  }
  if (count > std::numeric_limits<int64_t>::max() / static_cast<int64_t>(byteSize(dtype))) {
    refuse(label, "shape " + toString(dims) + " has more bytes than 64 bits can count");
  }
  return count;
}

void requireCount(size_t found, int64_t expected, const Fields& fields, const std::string& label) {
  if (found == static_cast<size_t>(expected)) return;
  refuse(label, "expected " + std::to_string(expected) + " elements for shape " + toString(fields.dims) +
                    " but found " + std::to_string(found));
}

/// Numbers of fixed width: the runs are the elements' bytes already.
Tensor fromFixed(const Runs& runs, DType dtype, int64_t count, const Fields& fields, const Source& source,
                 const std::string& label) {
  const size_t bytes = totalBytes(runs);
  if (bytes % byteSize(dtype) != 0) refuse(label, "its data ends inside an element");
  requireCount(bytes / byteSize(dtype), count, fields, label);
  if (runs.size() == 1) return viewOrCopy(dtype, fields.dims, runs[0].data(), source.owner);
  Tensor tensor(dtype, fields.dims);
  auto* out = tensor.data<uint8_t>();
  for (const std::string_view run : runs) {
    if (!run.empty()) std::memcpy(out, run.data(), run.size());
    out += run.size();
  }
  return tensor;
}

/// Integers stored one varint each. `T` is the element as stored, `Wide` as the protobuf field declares it.
template <typename T, typename Wide>
Tensor fromVarints(const Runs& runs, DType dtype, int64_t count, const Fields& fields, const std::string& label) {
  requireCount(countVarints(runs), count, fields, label);
  Tensor tensor(dtype, fields.dims);
  T* out = tensor.data<T>();
  for (const std::string_view run : runs) {
    const char* at = run.data();
    const char* end = at + run.size();
    while (at < end) {
      const Wide wide = static_cast<Wide>(protozero::decode_varint(&at, end));
      if (wide < static_cast<Wide>(std::numeric_limits<T>::min()) ||
          wide > static_cast<Wide>(std::numeric_limits<T>::max())) {
        refuse(label, "value " + std::to_string(wide) + " does not fit in " + name(dtype));
      }
      *out++ = static_cast<T>(wide);
    }
  }
  return tensor;
}

Tensor fromTypedFields(const Fields& fields, DType dtype, int64_t count, const Source& source,
                       const std::string& label) {
  switch (dtype) {
    case DType::Float32: return fromFixed(fields.floats, dtype, count, fields, source, label);
    case DType::Float64: return fromFixed(fields.doubles, dtype, count, fields, source, label);
    case DType::Int64: return fromVarints<int64_t, int64_t>(fields.int64s, dtype, count, fields, label);
    case DType::Uint64: return fromVarints<uint64_t, uint64_t>(fields.uint64s, dtype, count, fields, label);
    case DType::Uint32: return fromVarints<uint32_t, uint64_t>(fields.uint64s, dtype, count, fields, label);
    case DType::Int32: return fromVarints<int32_t, int64_t>(fields.int32s, dtype, count, fields, label);
    case DType::Int16: return fromVarints<int16_t, int64_t>(fields.int32s, dtype, count, fields, label);
    case DType::Int8: return fromVarints<int8_t, int64_t>(fields.int32s, dtype, count, fields, label);
    case DType::Uint8:
    case DType::Bool: return fromVarints<uint8_t, int64_t>(fields.int32s, dtype, count, fields, label);
    case DType::Uint16:
    case DType::Float16:
    case DType::Bfloat16: return fromVarints<uint16_t, int64_t>(fields.int32s, dtype, count, fields, label);
    case DType::Undefined:
    case DType::String: break;
  }
  throw Error(ErrorCode::UnsupportedModel, label + ": elements of type " + name(dtype) + " are not supported");
}

/// Data in more than one place, or in the place of another type, contradicts itself.
void requireOnePlace(const Fields& fields, DType dtype, const std::string& label) {
  const bool external = fields.location == wire::tensor::kExternal;
  const Runs* own = nullptr;
  if (!external && !fields.raw) {
    own = dtype == DType::Float32                            ? &fields.floats
          : dtype == DType::Float64                          ? &fields.doubles
          : dtype == DType::Int64                            ? &fields.int64s
          : dtype == DType::Uint64 || dtype == DType::Uint32 ? &fields.uint64s
                                                             : &fields.int32s;
  }
  for (const Runs* runs : {&fields.floats, &fields.doubles, &fields.int64s, &fields.uint64s, &fields.int32s}) {
    if (runs != own && totalBytes(*runs) > 0) {
      refuse(label, std::string("has data in a field that is not the one for ") + name(dtype) + " or has it twice");
    }
  }
  if (external && fields.raw && !fields.raw->empty()) refuse(label, "has its data both inside the model and outside");
}

}  // namespace

DType readElementType(int64_t number, const std::string& label) {
  switch (static_cast<DType>(number)) {
    case DType::Float32:
    case DType::Uint8:
    case DType::Int8:
    case DType::Uint16:
    case DType::Int16:
    case DType::Int32:
    case DType::Int64:
    case DType::Bool:
    case DType::Float16:
    case DType::Float64:
    case DType::Uint32:
    case DType::Uint64:
    case DType::Bfloat16:
      // The enum is 32 bits wide, the field 64.
      if (static_cast<int64_t>(static_cast<DType>(number)) == number) return static_cast<DType>(number);
      break;
    case DType::String: throw Error(ErrorCode::UnsupportedModel, label + ": strings are not supported");
    case DType::Undefined:
      if (number == 0) throw Error(ErrorCode::InvalidModel, label + ": has no element type");
      break;
  }
  throw Error(ErrorCode::UnsupportedModel,
              label + ": elements of ONNX's type " + std::to_string(number) + " are not supported");
}

NamedTensor readTensorProto(std::string_view bytes, const Source& source, const std::string& where) {
  Fields fields = readFields(bytes);
  const std::string label = fields.name.empty() ? where : "tensor \"" + fields.name + "\"";
  const DType dtype = readElementType(fields.dataType, label);
  if (fields.hasStrings) refuse(label, std::string("has strings as data of type ") + name(dtype));
  if (fields.hasSegment)
    throw Error(ErrorCode::UnsupportedModel, label + ": stored in segments, which is not supported");
  const int64_t count = checkedCount(fields.dims, dtype, label);
  requireOnePlace(fields, dtype, label);

  NamedTensor result;
  if (fields.location == wire::tensor::kExternal) {
    result.tensor = source.external->load(fields.external, dtype, fields.dims, label);
  } else if (fields.raw) {
    result.tensor = fromFixed({*fields.raw}, dtype, count, fields, source, label);
  } else {
    result.tensor = fromTypedFields(fields, dtype, count, source, label);
  }
  result.name = std::move(fields.name);
  return result;
}

}  // namespace presisi::onnx
