/// What rows_base.cpp and rows_avx2.cpp compile, each with its own instruction set: no header to include elsewhere.
#include <algorithm>
#include <cstdint>
#include <cstring>

#if defined(__SSE4_1__)
#include <smmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "picture/rows.hpp"

namespace presisi::picture {

namespace {

constexpr int kShift = 22;
constexpr int32_t kHalf = 1 << (kShift - 1);

uint8_t toByte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kShift, 0, 255)); }

/// A pixel's sums, and a fourth for nothing: compilers don't find the instructions for it by themselves.
#if defined(__SSE4_1__)
struct PixelSums {
  __m128i sums = _mm_set1_epi32(kHalf);

  void add(const uint8_t* pixel, int32_t weight) {
    int32_t bytes;
    std::memcpy(&bytes, pixel, sizeof bytes);
    const __m128i wide = _mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes));
    sums = _mm_add_epi32(sums, _mm_mullo_epi32(wide, _mm_set1_epi32(weight)));
  }
  uint32_t bytes() const {
    const __m128i words = _mm_packus_epi32(_mm_srai_epi32(sums, kShift), _mm_setzero_si128());
    return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_packus_epi16(words, words)));
  }
};
#elif defined(__ARM_NEON)
struct PixelSums {
  int32x4_t sums = vdupq_n_s32(kHalf);

  void add(const uint8_t* pixel, int32_t weight) {
    uint32_t bytes;
    std::memcpy(&bytes, pixel, sizeof bytes);
    const uint16x4_t words = vget_low_u16(vmovl_u8(vcreate_u8(bytes)));
    sums = vmlaq_n_s32(sums, vreinterpretq_s32_u32(vmovl_u16(words)), weight);
  }
  uint32_t bytes() const {
    const uint16x4_t words = vqmovun_s32(vshrq_n_s32(sums, kShift));
    return vget_lane_u32(vreinterpret_u32_u8(vqmovn_u16(vcombine_u16(words, words))), 0);
  }
};
#else
struct PixelSums {
  int32_t sums[3] = {kHalf, kHalf, kHalf};

  void add(const uint8_t* pixel, int32_t weight) {
    for (int c = 0; c < 3; ++c) sums[c] += pixel[c] * weight;
  }
  uint32_t bytes() const {
    const uint8_t bytes[4] = {toByte(sums[0]), toByte(sums[1]), toByte(sums[2]), 0};
    uint32_t all;
    std::memcpy(&all, bytes, sizeof all);
    return all;
  }
};
#endif

void alongRow(const uint8_t* row, const int32_t* starts, const int32_t* weights, int64_t width, int64_t made,
              uint8_t* out) {
  for (int64_t x = 0; x < made; ++x, weights += width, out += 3) {
    const uint8_t* from = row + int64_t{starts[x]} * 3;
    PixelSums sums;
    for (int64_t k = 0; k < width; ++k, from += 3) sums.add(from, weights[k]);
    const uint32_t bytes = sums.bytes();
    std::memcpy(out, &bytes, 3);
  }
}

void alongColumns(const uint8_t* rows, int64_t bytes, const int32_t* weights, int64_t width, uint8_t* out) {
  constexpr int64_t kBlock = 64;  // sums that stay in registers
  int64_t at = 0;
  for (; at + kBlock <= bytes; at += kBlock) {
    int32_t sums[kBlock];
    for (int64_t i = 0; i < kBlock; ++i) sums[i] = kHalf;
    for (int64_t k = 0; k < width; ++k) {
      const uint8_t* row = rows + k * bytes + at;
      const int32_t weight = weights[k];
      for (int64_t i = 0; i < kBlock; ++i) sums[i] += weight * row[i];
    }
    for (int64_t i = 0; i < kBlock; ++i) out[at + i] = toByte(sums[i]);
  }
  for (; at < bytes; ++at) {
    int32_t sum = kHalf;
    for (int64_t k = 0; k < width; ++k) sum += weights[k] * rows[k * bytes + at];
    out[at] = toByte(sum);
  }
}

}  // namespace

}  // namespace presisi::picture
