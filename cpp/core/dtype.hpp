#pragma once

#include <cstddef>
#include <cstdint>

namespace presisi {

/// Element types. Values are ONNX's `TensorProto.DataType`, so no table translates between them.
enum class DType : int32_t {
  Undefined = 0,
  Float32 = 1,
  Uint8 = 2,
  Int8 = 3,
  Uint16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  String = 8,  // named in errors only; no tensor holds it
  Bool = 9,
  Float16 = 10,
  Float64 = 11,
  Uint32 = 12,
  Uint64 = 13,
  Bfloat16 = 16,
};

/// Bytes per element; 0 for types a tensor can't hold.
size_t byteSize(DType dtype);

/// `float32`, `int8`, … as JavaScript and messages spell it.
const char* name(DType dtype);

/// IEEE 754 binary16 <-> binary32, round half to even; NaN and infinities kept.
float halfToFloat(uint16_t bits);
uint16_t floatToHalf(float value);

/// bfloat16 <-> binary32, round half to even; NaN kept quiet.
float bfloat16ToFloat(uint16_t bits);
uint16_t floatToBfloat16(float value);

}  // namespace presisi
