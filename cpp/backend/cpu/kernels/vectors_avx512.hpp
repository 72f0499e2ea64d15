#pragma once

// Sixteen numbers at a time, in one register. For the convolution kernels' source alone, as vectors_avx2.hpp is, which
// has the same names: everything here has internal linkage, so that no code for wider registers becomes the copy that
// the linker keeps for everybody.
#include <immintrin.h>
#include <stdint.h>

#include "backend/cpu/kernels/convolution.hpp"

namespace presisi::cpu::avx512 {

namespace {

#define PRESISI_INLINE __attribute__((always_inline))
#define PRESISI_VECTOR PRESISI_INLINE inline

constexpr const char* kIsa = "avx512_core";
constexpr const char* kIntegerIsa = "avx512_core_vnni";
constexpr int kRegisters = 32;      ///< that hold one vector each
constexpr bool kShortSums = false;  ///< whether multiplyAdd() sums up in 16 bits first
constexpr bool kPieces = true;      ///< whether tables of 64 numbers are looked up fast
using FloatVector = __m512;
using IntVector = __m512i;  ///< of 32 bits, or four bytes in each
using Mask = __mmask16;     ///< of a vector's numbers, the first in the lowest bit
struct ByteVectors {
  __m512i all;
};  ///< four times sixteen

PRESISI_VECTOR FloatVector zeros() { return _mm512_setzero_ps(); }
PRESISI_VECTOR FloatVector splat(float x) { return _mm512_set1_ps(x); }
PRESISI_VECTOR FloatVector load(const float* from) { return _mm512_loadu_ps(from); }
PRESISI_VECTOR FloatVector load(const float* from, Mask mask) { return _mm512_maskz_loadu_ps(mask, from); }
PRESISI_VECTOR FloatVector loadAligned(const float* from) { return _mm512_load_ps(from); }
PRESISI_VECTOR void storeAligned(float* to, FloatVector x) { _mm512_store_ps(to, x); }
PRESISI_VECTOR void store(float* to, FloatVector x) { _mm512_storeu_ps(to, x); }
// Whole registers are stored as such: masks make stores several times slower on some processors.
PRESISI_VECTOR void store(float* to, Mask mask, FloatVector x) {
  if (mask == 0xffff) {
    _mm512_storeu_ps(to, x);
  } else {
    _mm512_mask_storeu_ps(to, mask, x);
  }
}
PRESISI_VECTOR FloatVector add(FloatVector a, FloatVector b) { return _mm512_add_ps(a, b); }
PRESISI_VECTOR FloatVector subtract(FloatVector a, FloatVector b) { return _mm512_sub_ps(a, b); }
PRESISI_VECTOR FloatVector multiply(FloatVector a, FloatVector b) { return _mm512_mul_ps(a, b); }
PRESISI_VECTOR FloatVector divide(FloatVector a, FloatVector b) { return _mm512_div_ps(a, b); }
/// The second where one of the two is not a number, as the next.
PRESISI_VECTOR FloatVector minimum(FloatVector a, FloatVector b) { return _mm512_min_ps(a, b); }
PRESISI_VECTOR FloatVector maximum(FloatVector a, FloatVector b) { return _mm512_max_ps(a, b); }
/// a b + c
PRESISI_VECTOR FloatVector fma(FloatVector a, FloatVector b, FloatVector c) { return _mm512_fmadd_ps(a, b, c); }
/// c - a b
PRESISI_VECTOR FloatVector fnma(FloatVector a, FloatVector b, FloatVector c) { return _mm512_fnmadd_ps(a, b, c); }
/// x less x rounded down.
PRESISI_VECTOR FloatVector fraction(FloatVector x) {
  return _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
/// x by 2 to the power of y rounded down.
PRESISI_VECTOR FloatVector scaleBy(FloatVector x, FloatVector y) { return _mm512_scalef_ps(x, y); }

PRESISI_VECTOR IntVector noInts() { return _mm512_setzero_si512(); }
PRESISI_VECTOR IntVector splatInts(int32_t x) { return _mm512_set1_epi32(x); }
PRESISI_VECTOR IntVector loadInts(const void* from) { return _mm512_loadu_si512(from); }
PRESISI_VECTOR IntVector loadIntsAligned(const void* from) { return _mm512_load_si512(from); }
PRESISI_VECTOR void storeIntsAligned(void* to, IntVector x) { _mm512_store_si512(to, x); }
PRESISI_VECTOR IntVector either(IntVector a, IntVector b) { return _mm512_or_si512(a, b); }
PRESISI_VECTOR IntVector shiftUp(IntVector x, unsigned bits) { return _mm512_slli_epi32(x, bits); }
PRESISI_VECTOR IntVector shiftDown(IntVector x, unsigned bits) { return _mm512_srli_epi32(x, bits); }
PRESISI_VECTOR FloatVector toFloats(IntVector x) { return _mm512_cvtepi32_ps(x); }
/// Half to even.
PRESISI_VECTOR IntVector rounded(FloatVector x) { return _mm512_cvtps_epi32(x); }

/// sums += u (unsigned) * s (signed), four neighbours each. gcc 12 moves sums from register to register around its
/// intrinsic, which halves the speed.
PRESISI_VECTOR void multiplyAdd(IntVector& sums, IntVector u, IntVector s) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(u), "v"(s));
}
/// What is the same here: for any weights, and twice for numbers of u below 128.
PRESISI_VECTOR void multiplyAddFull(IntVector& sums, IntVector u, IntVector s) { multiplyAdd(sums, u, s); }
PRESISI_VECTOR void multiplyAddTwo(IntVector& sums, IntVector u, IntVector s, IntVector u2, IntVector s2) {
  multiplyAdd(sums, u, s);
  multiplyAdd(sums, u2, s2);
}
PRESISI_VECTOR void multiplyAdd(FloatVector& sums, FloatVector a, FloatVector b) { sums = _mm512_fmadd_ps(a, b, sums); }

PRESISI_VECTOR __m128i loadBytes(const void* from, Mask mask) { return _mm_maskz_loadu_epi8(mask, from); }
PRESISI_VECTOR void store(uint8_t* to, Mask mask, __m128i bytes) {
  if (mask == 0xffff) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
  } else {
    _mm_mask_storeu_epi8(to, mask, bytes);
  }
}
PRESISI_VECTOR FloatVector ofSigned(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)); }
PRESISI_VECTOR FloatVector ofUnsigned(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)); }
/// Rounded, of numbers that lie in the range of a byte.
PRESISI_VECTOR void store(uint8_t* to, Mask mask, FloatVector x) {
  store(to, mask, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}

/// One of the four.
template <int i>
PRESISI_VECTOR __m128i quarter(ByteVectors bytes) {
  return _mm512_extracti32x4_epi32(bytes.all, i);
}
PRESISI_VECTOR void store(uint8_t* to, ByteVectors bytes) { _mm512_storeu_si512(to, bytes.all); }

/// Words of 16 bits by what `each` does to a register of them, and these packed to bytes with saturation.
template <typename F>
PRESISI_VECTOR ByteVectors packed(const IntVector (&x)[4], bool isSigned, F&& each) {
  // Packing goes by lanes of 128 bits: the pieces of a register come from each of them.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i first = each(_mm512_packs_epi32(x[0], x[1])), second = each(_mm512_packs_epi32(x[2], x[3]));
  const __m512i bytes = isSigned ? _mm512_packs_epi16(first, second) : _mm512_packus_epi16(first, second);
  return {_mm512_permutexvar_epi32(order, bytes)};
}

/// Tables of 64 numbers of 16 bits, in two registers each.
struct Table {
  __m512i low, high;
  explicit Table(const int16_t* numbers) : low(_mm512_loadu_si512(numbers)), high(_mm512_loadu_si512(numbers + 32)) {}
  PRESISI_INLINE __m512i operator[](__m512i index) const { return _mm512_permutex2var_epi16(low, index, high); }
};

/// A CurvePieces, read off for words of 16 bits.
struct PieceReader {
  Table value, slope, bend;
  explicit PieceReader(const CurvePieces* pieces) : value(pieces->value), slope(pieces->slope), bend(pieces->bend) {}
  PRESISI_INLINE __m512i operator()(__m512i x) const {
    const __m512i piece = _mm512_srli_epi16(x, 10);
    const __m512i f = _mm512_xor_si512(_mm512_slli_epi16(x, 6), _mm512_set1_epi16(static_cast<int16_t>(0x8000)));
    __m512i y = bend[piece];
    y = _mm512_adds_epi16(_mm512_mulhrs_epi16(y, f), slope[piece]);
    y = _mm512_adds_epi16(_mm512_mulhrs_epi16(y, f), value[piece]);
    return _mm512_srai_epi16(y, 8);
  }
};

/// Bytes, each XOR `by`: with 0x80 int8 becomes x + 128.
PRESISI_VECTOR void flip(const uint8_t* in, int64_t bytes, char by, uint8_t* out) {
  const __m512i all = _mm512_set1_epi8(by);
  for (int64_t i = 0; i < bytes; i += 64) {
    const __mmask64 mask = bytes - i >= 64 ? ~0ull : (1ull << (bytes - i)) - 1;
    _mm512_mask_storeu_epi8(out + i, mask, _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, in + i), all));
  }
}

/// Pixels of three bytes as such of four, the last one being 0; the others XOR `by`.
PRESISI_VECTOR void widen3(const uint8_t* in, int64_t pixels, char by, uint8_t* out) {
  const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1));
  // Twelve bytes into each lane of sixteen.
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 9, 10, 11, 0);
  const __m512i all = _mm512_set1_epi8(by);
  for (int64_t p = 0; p < pixels; p += 16) {
    const int64_t count = pixels - p >= 16 ? 16 : pixels - p;
    const __m512i bytes = _mm512_maskz_loadu_epi8((1ull << (3 * count)) - 1, in + 3 * p);
    const __m512i wide = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(lanes, _mm512_xor_si512(bytes, all)), order);
    _mm512_mask_storeu_epi32(out + 4 * p, static_cast<__mmask16>((1u << count) - 1), wide);
  }
}

}  // namespace

}  // namespace presisi::cpu::avx512
