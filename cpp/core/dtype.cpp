#include "core/dtype.hpp"

#include <cstring>

namespace presisi {

size_t byteSize(DType dtype) {
  switch (dtype) {
    case DType::Uint8:
    case DType::Int8:
    case DType::Bool: return 1;
    case DType::Uint16:
    case DType::Int16:
    case DType::Float16:
    case DType::Bfloat16: return 2;
    case DType::Float32:
    case DType::Int32:
    case DType::Uint32: return 4;
    case DType::Int64:
    case DType::Float64:
    case DType::Uint64: return 8;
    case DType::Undefined:
    case DType::String: return 0;
  }
  return 0;
}

const char* name(DType dtype) {
  switch (dtype) {
    case DType::Undefined: return "undefined";
    case DType::Float32: return "float32";
    case DType::Uint8: return "uint8";
    case DType::Int8: return "int8";
    case DType::Uint16: return "uint16";
    case DType::Int16: return "int16";
    case DType::Int32: return "int32";
    case DType::Int64: return "int64";
    case DType::String: return "string";
    case DType::Bool: return "bool";
    case DType::Float16: return "float16";
    case DType::Float64: return "float64";
    case DType::Uint32: return "uint32";
    case DType::Uint64: return "uint64";
    case DType::Bfloat16: return "bfloat16";
  }
  return "unknown";
}

namespace {

uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

float floatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace

float halfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  uint32_t exponent = (half >> 10) & 0x1Fu;
  uint32_t mantissa = half & 0x3FFu;
  if (exponent == 0x1F) return floatOf(sign | 0x7F800000u | (mantissa << 13));
  if (exponent == 0) {
    if (mantissa == 0) return floatOf(sign);
    exponent = 113;  // 127 - 15 + 1: the value of a subnormal's exponent before it is normalised
    while ((mantissa & 0x400u) == 0) {
      mantissa <<= 1;
      --exponent;
    }
    return floatOf(sign | (exponent << 23) | ((mantissa & 0x3FFu) << 13));
  }
  return floatOf(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t floatToHalf(float value) {
  const uint32_t bits = bitsOf(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return sign | 0x7E00u;
  if (magnitude >= 0x477FF000u) return sign | 0x7C00u;  // 65520 and more round to infinity
  if (magnitude < 0x33000001u) return sign;             // 2^-25 and less round to zero
  const int exponent = static_cast<int>(magnitude >> 23) - 127;
  uint32_t mantissa = (magnitude & 0x7FFFFFu) | 0x800000u;
  const int shift = exponent < -14 ? 13 + (-14 - exponent) : 13;
  const uint32_t rest = mantissa & ((1u << shift) - 1);
  const uint32_t halfway = 1u << (shift - 1);
  mantissa >>= shift;
  if (rest > halfway || (rest == halfway && (mantissa & 1u))) ++mantissa;
  // A carry out of the mantissa moves into the exponent by plain addition.
  if (exponent < -14) return static_cast<uint16_t>(sign | mantissa);
  return static_cast<uint16_t>(sign | (((static_cast<uint32_t>(exponent + 15) << 10) + mantissa - 0x400u)));
}

float bfloat16ToFloat(uint16_t bits) { return floatOf(static_cast<uint32_t>(bits) << 16); }

uint16_t floatToBfloat16(float value) {
  const uint32_t bits = bitsOf(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace presisi
