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

/// f(0), f(1), … f(kCount - 1) with constants. A loop that is unrolled later would leave arrays of registers in memory.
template <int kCount, int kFrom = 0, typename F>
__attribute__((always_inline)) inline void unrolled(F&& f) {
  if constexpr (kFrom < kCount) {
    f(kFrom);
    unrolled<kCount, kFrom + 1>(f);
  }
}
#define PRESISI_INLINE __attribute__((always_inline))

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
  __m512 operator()(Sum sum) const {
    return bounded(_mm512_fmadd_ps(real(sum), scale, shift));
  }
  template <typename Sum>
  __m512 operator()(Sum sum, __m512 skip, __m512 skipScale) const {
    return bounded(_mm512_fmadd_ps(skip, skipScale, _mm512_fmadd_ps(real(sum), scale, shift)));
  }

  __m512 bounded(__m512 x) const {
    if constexpr (curve == Curve::HardSwish) {
      const __m512 ramp = _mm512_fmadd_ps(x, _mm512_set1_ps(1.0f / 6.0f), _mm512_set1_ps(0.5f));
      const __m512 gate = _mm512_min_ps(_mm512_max_ps(ramp, _mm512_setzero_ps()), _mm512_set1_ps(1.0f));
      x = _mm512_mul_ps(_mm512_mul_ps(x, factor), gate);
    }
    if constexpr (curve == Curve::Swish || curve == Curve::Sigmoid) {
      // exp(-x) = 2^n 2^r with n an integer and |r| <= 1/2; 2^r by the polynomial whose largest relative error is the
      // least (2.6e-6), far below what rounding to 8 bits sees. Held to 2^126, so that 1 / (1 + exp(-x)) stays a
      // number.
      const __m512 y = _mm512_min_ps(_mm512_mul_ps(x, _mm512_set1_ps(-1.44269504088896341f)), _mm512_set1_ps(126.0f));
      const __m512 n = _mm512_roundscale_ps(y, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
      const __m512 r = _mm512_sub_ps(y, n);
      __m512 p = _mm512_set1_ps(9.57010221e-3f);
      p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.59178591e-2f));
      p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(2.40247443e-1f));
      p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(6.93121791e-1f));
      p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(9.99999285e-1f));
      const __m512 d = _mm512_add_ps(_mm512_scalef_ps(p, n), _mm512_set1_ps(1.0f));
      x = _mm512_div_ps(curve == Curve::Swish ? _mm512_mul_ps(x, factor) : factor, d);
    }
    return _mm512_min_ps(high, _mm512_max_ps(low, x));  // in this order, what is not a number stays so
  }
};

// Whole registers are stored as such: masks make stores several times slower on some processors.
inline void store(uint8_t* out, __mmask16 mask, __m512 x) {
  const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x));
  if (mask == 0xffff) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
  } else {
    _mm_mask_storeu_epi8(out, mask, bytes);
  }
}
inline void store(float* out, __mmask16 mask, __m512 x) {
  if (mask == 0xffff) {
    _mm512_storeu_ps(out, x);
  } else {
    _mm512_mask_storeu_ps(out, mask, x);
  }
}

}  // namespace

}  // namespace presisi::cpu::avx512
