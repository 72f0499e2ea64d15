#pragma once

// Sixteen numbers at a time, in two registers: what vectors_avx512.hpp has, for AVX2. Everything here has internal
// linkage, too.
#include <immintrin.h>
#include <stdint.h>

#include "backend/cpu/kernels/convolution.hpp"

namespace presisi::cpu::avx2 {

namespace {

#define PRESISI_INLINE __attribute__((always_inline))
#define PRESISI_VECTOR PRESISI_INLINE inline

constexpr const char* kIsa = "avx2";
constexpr const char* kIntegerIsa = "avx2";
constexpr int kRegisters = 16;
constexpr bool kShortSums = true;
constexpr bool kPieces = false;
struct FloatVector {
  __m256 low, high;
};
struct IntVector {
  __m256i low, high;
};
using Mask = uint16_t;
struct ByteVectors {
  __m256i low, high;
};

/// The lower eight of a mask, as masked moves want them.
PRESISI_VECTOR __m256i lanesOf(unsigned mask) {
  const __m256i bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int32_t>(mask)), bits), bits);
}

PRESISI_VECTOR FloatVector zeros() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
PRESISI_VECTOR FloatVector splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
PRESISI_VECTOR FloatVector load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
PRESISI_VECTOR FloatVector load(const float* from, Mask mask) {
  if (mask == 0xffff) return load(from);
  return {_mm256_maskload_ps(from, lanesOf(mask)), _mm256_maskload_ps(from + 8, lanesOf(mask >> 8))};
}
PRESISI_VECTOR FloatVector loadAligned(const float* from) { return {_mm256_load_ps(from), _mm256_load_ps(from + 8)}; }
PRESISI_VECTOR void store(float* to, FloatVector x) {
  _mm256_storeu_ps(to, x.low);
  _mm256_storeu_ps(to + 8, x.high);
}
PRESISI_VECTOR void storeAligned(float* to, FloatVector x) {
  _mm256_store_ps(to, x.low);
  _mm256_store_ps(to + 8, x.high);
}
PRESISI_VECTOR void store(float* to, Mask mask, FloatVector x) {
  if (mask == 0xffff) return store(to, x);
  if (mask == 0xff) return _mm256_storeu_ps(to, x.low);
  _mm256_maskstore_ps(to, lanesOf(mask), x.low);
  _mm256_maskstore_ps(to + 8, lanesOf(mask >> 8), x.high);
}
PRESISI_VECTOR FloatVector add(FloatVector a, FloatVector b) {
  return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
PRESISI_VECTOR FloatVector subtract(FloatVector a, FloatVector b) {
  return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
PRESISI_VECTOR FloatVector multiply(FloatVector a, FloatVector b) {
  return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
PRESISI_VECTOR FloatVector divide(FloatVector a, FloatVector b) {
  return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
PRESISI_VECTOR FloatVector minimum(FloatVector a, FloatVector b) {
  return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)};
}
PRESISI_VECTOR FloatVector maximum(FloatVector a, FloatVector b) {
  return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}
PRESISI_VECTOR FloatVector fma(FloatVector a, FloatVector b, FloatVector c) {
  return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
PRESISI_VECTOR FloatVector fnma(FloatVector a, FloatVector b, FloatVector c) {
  return {_mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high)};
}
PRESISI_VECTOR FloatVector fraction(FloatVector x) {
  return {_mm256_sub_ps(x.low, _mm256_floor_ps(x.low)), _mm256_sub_ps(x.high, _mm256_floor_ps(x.high))};
}
/// Powers of two beyond those of normal numbers are taken as the nearest of these.
PRESISI_VECTOR __m256 scaleBy(__m256 x, __m256 y) {
  const __m256 least = _mm256_set1_ps(-126), most = _mm256_set1_ps(127);
  const __m256 power = _mm256_min_ps(most, _mm256_max_ps(least, _mm256_floor_ps(y)));
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(power), _mm256_set1_epi32(127));
  return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}
PRESISI_VECTOR FloatVector scaleBy(FloatVector x, FloatVector y) {
  return {scaleBy(x.low, y.low), scaleBy(x.high, y.high)};
}

PRESISI_VECTOR IntVector noInts() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
PRESISI_VECTOR IntVector splatInts(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
PRESISI_VECTOR IntVector loadInts(const void* from) {
  const auto* at = static_cast<const __m256i*>(from);
  return {_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1)};
}
PRESISI_VECTOR IntVector loadIntsAligned(const void* from) {
  const auto* at = static_cast<const __m256i*>(from);
  return {_mm256_load_si256(at), _mm256_load_si256(at + 1)};
}
PRESISI_VECTOR void storeIntsAligned(void* to, IntVector x) {
  auto* at = static_cast<__m256i*>(to);
  _mm256_store_si256(at, x.low);
  _mm256_store_si256(at + 1, x.high);
}
PRESISI_VECTOR IntVector either(IntVector a, IntVector b) {
  return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)};
}
PRESISI_VECTOR IntVector shiftUp(IntVector x, unsigned bits) {
  const __m128i count = _mm_cvtsi32_si128(static_cast<int>(bits));
  return {_mm256_sll_epi32(x.low, count), _mm256_sll_epi32(x.high, count)};
}
PRESISI_VECTOR IntVector shiftDown(IntVector x, unsigned bits) {
  const __m128i count = _mm_cvtsi32_si128(static_cast<int>(bits));
  return {_mm256_srl_epi32(x.low, count), _mm256_srl_epi32(x.high, count)};
}
PRESISI_VECTOR FloatVector toFloats(IntVector x) { return {_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)}; }
PRESISI_VECTOR IntVector rounded(FloatVector x) { return {_mm256_cvtps_epi32(x.low), _mm256_cvtps_epi32(x.high)}; }

/// Sums of two products have 16 bits: they are right where weights lie in [-kMostShort, kMostShort].
PRESISI_VECTOR void multiplyAdd(__m256i& sums, __m256i u, __m256i s) {
  sums = _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_maddubs_epi16(u, s), _mm256_set1_epi16(1)));
}
PRESISI_VECTOR void multiplyAdd(IntVector& sums, IntVector u, IntVector s) {
  multiplyAdd(sums.low, u.low, s.low);
  multiplyAdd(sums.high, u.high, s.high);
}
/// The same of any weights: evens and odds of both as 16 bits.
PRESISI_VECTOR void multiplyAddFull(__m256i& sums, __m256i u, __m256i s) {
  const __m256i even =
      _mm256_madd_epi16(_mm256_and_si256(u, _mm256_set1_epi16(0xff)), _mm256_srai_epi16(_mm256_slli_epi16(s, 8), 8));
  const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(u, 8), _mm256_srai_epi16(s, 8));
  sums = _mm256_add_epi32(sums, _mm256_add_epi32(even, odd));
}
PRESISI_VECTOR void multiplyAddFull(IntVector& sums, IntVector u, IntVector s) {
  multiplyAddFull(sums.low, u.low, s.low);
  multiplyAddFull(sums.high, u.high, s.high);
}
/// The same twice, where numbers of u lie in [0, 127]: four products fit into 16 bits.
PRESISI_VECTOR void multiplyAddTwo(__m256i& sums, __m256i u, __m256i s, __m256i u2, __m256i s2) {
  const __m256i four = _mm256_add_epi16(_mm256_maddubs_epi16(u, s), _mm256_maddubs_epi16(u2, s2));
  sums = _mm256_add_epi32(sums, _mm256_madd_epi16(four, _mm256_set1_epi16(1)));
}
PRESISI_VECTOR void multiplyAddTwo(IntVector& sums, IntVector u, IntVector s, IntVector u2, IntVector s2) {
  multiplyAddTwo(sums.low, u.low, s.low, u2.low, s2.low);
  multiplyAddTwo(sums.high, u.high, s.high, u2.high, s2.high);
}
PRESISI_VECTOR void multiplyAdd(FloatVector& sums, FloatVector a, FloatVector b) { sums = fma(a, b, sums); }

PRESISI_VECTOR __m128i loadBytes(const void* from, Mask mask) {
  if (mask == 0xffff) return _mm_loadu_si128(static_cast<const __m128i*>(from));
  if (mask == 0xff) return _mm_loadl_epi64(static_cast<const __m128i*>(from));
  alignas(16) uint8_t bytes[16] = {};
  for (int i = 0; i < 16 && (mask >> i & 1) != 0; ++i) bytes[i] = static_cast<const uint8_t*>(from)[i];
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
}
PRESISI_VECTOR void store(uint8_t* to, Mask mask, __m128i x) {
  if (mask == 0xffff) return _mm_storeu_si128(reinterpret_cast<__m128i*>(to), x);
  if (mask == 0xff) return _mm_storel_epi64(reinterpret_cast<__m128i*>(to), x);
  alignas(16) uint8_t bytes[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(bytes), x);
  for (int i = 0; i < 16 && (mask >> i & 1) != 0; ++i) to[i] = bytes[i];
}
PRESISI_VECTOR FloatVector ofSigned(__m128i bytes) {
  return toFloats(IntVector{_mm256_cvtepi8_epi32(bytes), _mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8))});
}
PRESISI_VECTOR FloatVector ofUnsigned(__m128i bytes) {
  return toFloats(IntVector{_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8))});
}
PRESISI_VECTOR void store(uint8_t* to, Mask mask, FloatVector x) {
  const IntVector numbers = rounded(x);
  // Only the lowest byte of each counts.
  const __m256i byte = _mm256_set1_epi32(0xff);
  const __m256i words = _mm256_packus_epi32(_mm256_and_si256(numbers.low, byte), _mm256_and_si256(numbers.high, byte));
  const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
  store(to, mask, _mm_packus_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1)));
}

template <int i>
PRESISI_VECTOR __m128i quarter(ByteVectors bytes) {
  return _mm256_extracti128_si256(i < 2 ? bytes.low : bytes.high, i % 2);
}
PRESISI_VECTOR void store(uint8_t* to, ByteVectors bytes) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bytes.low);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32), bytes.high);
}

/// Two vectors' numbers to bytes.
template <typename F>
PRESISI_VECTOR __m256i packedTwo(IntVector a, IntVector b, bool isSigned, F&& each) {
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i first = each(_mm256_packs_epi32(a.low, a.high)), second = each(_mm256_packs_epi32(b.low, b.high));
  const __m256i bytes = isSigned ? _mm256_packs_epi16(first, second) : _mm256_packus_epi16(first, second);
  return _mm256_permutevar8x32_epi32(bytes, order);
}
template <typename F>
PRESISI_VECTOR ByteVectors packed(const IntVector (&x)[4], bool isSigned, F&& each) {
  return {packedTwo(x[0], x[1], isSigned, each), packedTwo(x[2], x[3], isSigned, each)};
}

/// There is no fast way to look up 64 numbers: curves are computed.
struct PieceReader;

PRESISI_VECTOR void flip(const uint8_t* in, int64_t bytes, char by, uint8_t* out) {
  const __m256i all = _mm256_set1_epi8(by);
  int64_t i = 0;
  for (; i + 32 <= bytes; i += 32) {
    const __m256i here = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm256_xor_si256(here, all));
  }
  for (; i < bytes; ++i) out[i] = in[i] ^ static_cast<uint8_t>(by);
}

PRESISI_VECTOR void widen3(const uint8_t* in, int64_t pixels, char by, uint8_t* out) {
  const __m128i order = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
  int64_t p = 0;
  // Sixteen bytes are read for the twelve of four pixels.
  for (; p + 6 <= pixels; p += 4) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + 3 * p));
    const __m128i wide = _mm_shuffle_epi8(_mm_xor_si128(bytes, _mm_set1_epi8(by)), order);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 4 * p), wide);
  }
  for (; p < pixels; ++p) {
    for (int64_t c = 0; c < 3; ++c) out[4 * p + c] = in[3 * p + c] ^ static_cast<uint8_t>(by);
    out[4 * p + 3] = 0;
  }
}

}  // namespace

}  // namespace presisi::cpu::avx2
