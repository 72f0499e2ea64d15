#pragma once

// What the convolution kernels for AVX-512 share. For their sources alone: everything here has internal linkage, so
// that no code for wider registers becomes the copy that the linker keeps for everybody.
#include <immintrin.h>

#include "backend/cpu/kernels/convolution.hpp"

namespace presisi::cpu::avx512 {

namespace {

inline __mmask16 maskOf(int64_t channels, int64_t block) {
  const int64_t left = channels - block * kLanes;
  return left >= kLanes ? 0xffff : static_cast<__mmask16>((1u << left) - 1);
}

/// sums += u (unsigned) * s (signed), four neighbours each. gcc 12 moves sums from register to register around its
/// intrinsic, which halves the speed.
inline void multiplyAdd(__m512i& sums, __m512i u, __m512i s) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(u), "v"(s));
}
inline void multiplyAdd(__m512& sums, __m512 a, __m512 b) { sums = _mm512_fmadd_ps(a, b, sums); }

#define PRESISI_INLINE __attribute__((always_inline))

/// f(0), f(1), … f(kCount - 1) with constants. A loop that is unrolled later would leave arrays of registers in memory.
template <int kCount, int kFrom = 0, typename F>
PRESISI_INLINE inline void unrolled(F&& f) {
  if constexpr (kFrom < kCount) {
    f(kFrom);
    unrolled<kCount, kFrom + 1>(f);
  }
}

template <Curve kValue>
struct CurveIs {
  static constexpr Curve value = kValue;
};
/// f(CurveIs<curve>()).
template <typename F>
void withCurve(Curve curve, F&& f) {
  switch (curve) {
    case Curve::None: return f(CurveIs<Curve::None>());
    case Curve::HardSwish: return f(CurveIs<Curve::HardSwish>());
    case Curve::Swish: return f(CurveIs<Curve::Swish>());
    case Curve::Sigmoid: return f(CurveIs<Curve::Sigmoid>());
    case Curve::Pieces: return f(CurveIs<Curve::Pieces>());
  }
}

inline __m512 real(__m512i sum) { return _mm512_cvtepi32_ps(sum); }
inline __m512 real(__m512 sum) { return sum; }

/// What the channels of a block share, in registers.
template <Curve curve>
struct Finisher {
  __m512 scale, shift, factor, low, high;

  Finisher(const Finish& finish, int64_t block)
      : scale(_mm512_loadu_ps(finish.scale + block * kLanes)),
        shift(_mm512_loadu_ps(finish.shift + block * kLanes)),
        factor(_mm512_set1_ps(finish.factor)),
        low(_mm512_set1_ps(finish.low)),
        high(_mm512_set1_ps(finish.high)) {}

  template <typename Sum>
  PRESISI_INLINE __m512 scaled(Sum sum) const {
    return _mm512_fmadd_ps(real(sum), scale, shift);
  }
  /// What a destination of floats gets.
  PRESISI_INLINE __m512 number(__m512 sum) const { return unrounded<true>(scaled(sum)); }
  /// Behind sums of integers numbers are rounded to 8 bits sooner or later.
  PRESISI_INLINE __m512 number(__m512i sum) const { return unrounded<false>(scaled(sum)); }
  /// In this order, what is not a number stays so.
  PRESISI_INLINE __m512 bounded(__m512 x) const { return _mm512_min_ps(high, _mm512_max_ps(low, x)); }

  // What a destination of integers gets, before it is rounded.
  PRESISI_INLINE __m512 integer(__m512 x) const { return bounded(steps(x)); }
  PRESISI_INLINE __m512 integerBelowHigh(__m512 x) const { return _mm512_min_ps(high, steps(x)); }

 private:
  template <bool kExact>
  PRESISI_INLINE __m512 unrounded(__m512 x) const {
    return curve == Curve::None ? bounded(x) : curved<kExact>(x, x, _mm512_set1_ps(1.0f));
  }
  PRESISI_INLINE __m512 steps(__m512 x) const {
    if constexpr (curve == Curve::None || curve == Curve::Pieces) return x;
    return curved<true>(x, _mm512_mul_ps(x, factor), factor);
  }

  /// With 1 and x multiplied by the same.
  template <bool kExact>
  PRESISI_INLINE static __m512 curved(__m512 x, __m512 times, __m512 one) {
    if constexpr (curve == Curve::HardSwish) {
      const __m512 ramp = _mm512_fmadd_ps(x, _mm512_set1_ps(1.0f / 6.0f), _mm512_set1_ps(0.5f));
      return _mm512_mul_ps(times, _mm512_min_ps(_mm512_max_ps(ramp, _mm512_setzero_ps()), _mm512_set1_ps(1.0f)));
    } else {
      return _mm512_div_ps(curve == Curve::Swish ? times : one,
                           _mm512_add_ps(exponential<kExact>(x), _mm512_set1_ps(1.0f)));
    }
  }

  /// exp(-x) = 2^n 2^r with n an integer and 0 <= r < 1; 2^r by the polynomial whose largest relative error is the
  /// least: 2.7e-6, or 7.5e-5.
  template <bool kExact>
  PRESISI_INLINE static __m512 exponential(__m512 x) {
    const __m512 y = _mm512_mul_ps(x, _mm512_set1_ps(-1.44269504088896341f));
    const __m512 r = _mm512_reduce_ps(y, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 p;
    if constexpr (kExact) {
      p = _mm512_set1_ps(0.0135341679f);
      p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.0520114606f));
      p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.241442757f));
      p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.693003834f));
      p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.00000259f));
    } else {
      p = _mm512_set1_ps(0.0780245226f);
      p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.226067155f));
      p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.69583354f));
      p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.999925219f));
    }
    return _mm512_scalef_ps(p, y);  // by 2 to the power of y rounded down
  }
};

/// Whether packing to bytes, which bounds them, is all the bounding they want from below.
inline bool packs(const Finish& finish) { return finish.low == 0 || finish.low == -128; }

/// Four registers of numbers, scaled and shifted, to one of bytes: sixteen of each in turn. Where packs().
template <Curve curve>
struct Packer {
  Finisher<curve> finish;
  bool isSigned;
  __m512i value[2], slope[2], bend[2];

  Packer(const Finish& all, int64_t block) : finish(all, block), isSigned(all.low < 0) {
    if constexpr (curve == Curve::Pieces) {
      unrolled<2>([&](int i) PRESISI_INLINE {
        value[i] = _mm512_loadu_si512(all.pieces->value + i * 32);
        slope[i] = _mm512_loadu_si512(all.pieces->slope + i * 32);
        bend[i] = _mm512_loadu_si512(all.pieces->bend + i * 32);
      });
    }
  }

  PRESISI_INLINE __m512i operator()(const __m512 (&x)[4]) const {
    // Packing goes by lanes of 128 bits: the pieces of a register come from each of them.
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i rounded[4];
    unrolled<4>([&](int i) PRESISI_INLINE { rounded[i] = _mm512_cvtps_epi32(finish.integerBelowHigh(x[i])); });
    __m512i first = _mm512_packs_epi32(rounded[0], rounded[1]);
    __m512i second = _mm512_packs_epi32(rounded[2], rounded[3]);
    if constexpr (curve == Curve::Pieces) {
      first = ofPieces(first);
      second = ofPieces(second);
    }
    const __m512i bytes = isSigned ? _mm512_packs_epi16(first, second) : _mm512_packus_epi16(first, second);
    return _mm512_permutexvar_epi32(order, bytes);
  }

 private:
  PRESISI_INLINE __m512i ofPieces(__m512i x) const {
    const __m512i piece = _mm512_srli_epi16(x, 10);
    const __m512i f = _mm512_xor_si512(_mm512_slli_epi16(x, 6), _mm512_set1_epi16(static_cast<int16_t>(0x8000)));
    __m512i y = _mm512_permutex2var_epi16(bend[0], piece, bend[1]);
    y = _mm512_adds_epi16(_mm512_mulhrs_epi16(y, f), _mm512_permutex2var_epi16(slope[0], piece, slope[1]));
    y = _mm512_adds_epi16(_mm512_mulhrs_epi16(y, f), _mm512_permutex2var_epi16(value[0], piece, value[1]));
    return _mm512_srai_epi16(y, 8);
  }
};

/// One of the four, as a register of its own.
template <int i>
inline __m128i quarter(__m512i bytes) {
  return _mm512_extracti32x4_epi32(bytes, i);
}

// Whole registers are stored as such: masks make stores several times slower on some processors.
PRESISI_INLINE inline void store(uint8_t* out, __mmask16 mask, __m128i bytes) {
  if (mask == 0xffff) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
  } else {
    _mm_mask_storeu_epi8(out, mask, bytes);
  }
}
PRESISI_INLINE inline void store(uint8_t* out, __mmask16 mask, __m512 x) {
  store(out, mask, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}
PRESISI_INLINE inline void store(float* out, __mmask16 mask, __m512 x) {
  if (mask == 0xffff) {
    _mm512_storeu_ps(out, x);
  } else {
    _mm512_mask_storeu_ps(out, mask, x);
  }
}

/// Bytes, each XOR `by`: with 0x80 int8 becomes x + 128.
inline void flip(const uint8_t* in, int64_t bytes, char by, uint8_t* out) {
  const __m512i all = _mm512_set1_epi8(by);
  for (int64_t i = 0; i < bytes; i += 64) {
    const __mmask64 mask = bytes - i >= 64 ? ~0ull : (1ull << (bytes - i)) - 1;
    _mm512_mask_storeu_epi8(out + i, mask, _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, in + i), all));
  }
}

}  // namespace

}  // namespace presisi::cpu::avx512
