// Compiled for AVX-512. Includes no header that defines inline functions with external linkage (kernels.inc says why),
// and gives everything of its own internal linkage.
#include "backend/cpu/kernels/convolution_avx512.hpp"

namespace presisi::cpu::avx512 {

namespace {

/// Pixels of three channels as such of four, the last one being 0.
inline void widen3(const uint8_t* in, int64_t pixels, char by, uint8_t* out) {
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

void pad(const uint8_t* in, bool isSigned, int64_t channels, int64_t left, int64_t width, int64_t right, int64_t step,
         uint8_t* out) {
  const char by = isSigned ? static_cast<char>(0x80) : 0;
  if (in == nullptr) {
    left += width;
    width = 0;
  }
  __builtin_memset(out, by, static_cast<uint64_t>(left * step));
  out += left * step;
  if (channels == step) {
    flip(in, width * channels, by, out);
  } else if (channels == 3 && step == 4) {
    widen3(in, width, by, out);
  } else {
    for (int64_t p = 0; p < width; ++p) {
      __builtin_memset(out + p * step, 0, static_cast<uint64_t>(step));
      flip(in + p * channels, channels, by, out + p * step);
    }
  }
  __builtin_memset(out + width * step, by, static_cast<uint64_t>(right * step));
}

}  // namespace presisi::cpu::avx512
