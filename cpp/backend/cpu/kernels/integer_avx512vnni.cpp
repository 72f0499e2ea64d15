// Compiled for AVX-512 with VNNI; includes no header that defines inline functions with external linkage (kernels.inc
// says why), and gives everything of its own internal linkage.
#include <immintrin.h>

#include "backend/cpu/kernels/integer.hpp"

namespace presisi::cpu::avx512vnni {

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

/// f(0), f(1), … f(kCount - 1) with constants. A loop that is unrolled later would leave arrays of registers in memory.
template <int kCount, int kFrom = 0, typename F>
__attribute__((always_inline)) inline void unrolled(F&& f) {
  if constexpr (kFrom < kCount) {
    f(kFrom);
    unrolled<kCount, kFrom + 1>(f);
  }
}
#define PRESISI_INLINE __attribute__((always_inline))

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

  __m512 operator()(__m512i sum) const {
    __m512 x = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, shift);
    if constexpr (curve == Curve::HardSwish) {
      const __m512 ramp = _mm512_fmadd_ps(x, _mm512_set1_ps(1.0f / 6.0f), _mm512_set1_ps(0.5f));
      const __m512 gate = _mm512_min_ps(_mm512_max_ps(ramp, _mm512_setzero_ps()), _mm512_set1_ps(1.0f));
      x = _mm512_mul_ps(_mm512_mul_ps(x, factor), gate);
    }
    if constexpr (curve == Curve::Swish) {
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
      // The estimate has 14 bits, one step of Newton's makes it 23.
      const __m512 e = _mm512_rcp14_ps(d);
      const __m512 inverse = _mm512_mul_ps(e, _mm512_fnmadd_ps(d, e, _mm512_set1_ps(2.0f)));
      x = _mm512_mul_ps(_mm512_mul_ps(x, factor), inverse);
    }
    return _mm512_min_ps(_mm512_max_ps(x, low), high);
  }
};

inline void store(uint8_t* out, __mmask16 mask, __m512 x) {
  _mm_mask_storeu_epi8(out, mask, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}
inline void store(float* out, __mmask16 mask, __m512 x) { _mm512_mask_storeu_ps(out, mask, x); }

// --- depthwise
// --------------------------------------------------------------------------------------------------------

// Four rows of the input are woven into quads, the four values of a channel beside each other, which one instruction
// multiplies with four weights. The same quads serve several rows of the output: for those, the weights move by some
// bytes and zeros take their place.

struct Rows {
  const uint8_t* pixel[4];
  int64_t step[4];  ///< bytes from pixel to pixel; 0 in rows of padding, which are one pixel of zeros
};

alignas(64) const uint8_t kZeros[64] = {};

inline void weave(Rows rows, int64_t columns, __mmask16 mask, __m128i flip, __m128i* quads) {
  for (int64_t x = 0; x < columns; ++x, quads += 4) {
    __m128i row[4];
    for (int i = 0; i < 4; ++i) {
      row[i] = _mm_xor_si128(_mm_maskz_loadu_epi8(mask, rows.pixel[i]), flip);
      rows.pixel[i] += rows.step[i];
    }
    const __m128i low01 = _mm_unpacklo_epi8(row[0], row[1]), high01 = _mm_unpackhi_epi8(row[0], row[1]);
    const __m128i low23 = _mm_unpacklo_epi8(row[2], row[3]), high23 = _mm_unpackhi_epi8(row[2], row[3]);
    _mm_store_si128(quads, _mm_unpacklo_epi16(low01, low23));
    _mm_store_si128(quads + 1, _mm_unpackhi_epi16(low01, low23));
    _mm_store_si128(quads + 2, _mm_unpacklo_epi16(high01, high23));
    _mm_store_si128(quads + 3, _mm_unpackhi_epi16(high01, high23));
  }
}

inline void fill(__m512i value, int64_t columns, __m512i* quads) {
  for (int64_t x = 0; x < columns; ++x) _mm512_store_si512(quads + x, value);
}

/// `kColumns` pixels of a row, side by side. The sum of those that are new, from `fresh` on, is added to `total`.
template <int kColumns, Curve curve, typename Out>
inline void columnsOf(const DepthwiseTask& task, const Finisher<curve>& finish, const __m512i* quads,
                      const __m512i* weights, __m512i start, __mmask16 mask, Out* out, int64_t fresh, __m512& total) {
  __m512i sums[kColumns];
  unrolled<kColumns>([&](int i) PRESISI_INLINE { sums[i] = start; });
  const int64_t step = task.strideWidth, kernelWidth = task.kernelWidth, columns = task.columnsRead();
  const int64_t channels = task.channels, count = task.quads();
  for (int64_t q = 0; q < count; ++q, quads += columns) {
    for (int64_t x = 0; x < kernelWidth; ++x) {
      const __m512i w = _mm512_load_si512(weights++);
      unrolled<kColumns>([&](int i) PRESISI_INLINE { multiplyAdd(sums[i], quads[x + i * step], w); });
    }
  }
  unrolled<kColumns>([&](int i) PRESISI_INLINE {
    const __m512 x = finish(sums[i]);
    store(out + i * channels, mask, x);
    if constexpr (sizeof(Out) == sizeof(float)) {
      if (i >= fresh) total = _mm512_add_ps(total, x);
    }
  });
}

template <int kColumns, Curve curve, typename Out>
inline void rowOf(const DepthwiseTask& task, const Finisher<curve>& finish, const __m512i* quads,
                  const __m512i* weights, __m512i start, __mmask16 mask, Out* out, __m512& total) {
  // The last pixels may be computed twice: their number is rarely a multiple.
  for (int64_t x = 0; x < task.outWidth; x += kColumns) {
    const int64_t at = x + kColumns <= task.outWidth ? x : task.outWidth - kColumns;
    columnsOf<kColumns>(task, finish, quads + at * task.strideWidth, weights, start, mask, out + at * task.channels,
                        x - at, total);
  }
}

template <Curve curve, typename Out>
void depthwiseWith(const DepthwiseTask& task, const uint8_t* in, Out* out, float* totals, int64_t row, int64_t block,
                   void* scratch) {
  const __mmask16 mask = maskOf(task.channels, block);
  const int64_t quads = task.quads(), width = task.kernelWidth, columns = task.columnsRead();
  auto* woven = static_cast<__m512i*>(scratch);
  const int32_t flip = task.signedInput ? static_cast<int32_t>(0x80808080) : 0;

  // Columns of the input that lie inside, as the woven rows count them.
  const int64_t left = task.padLeft < columns ? task.padLeft : columns;
  const int64_t right = columns < task.padLeft + task.inWidth ? columns : task.padLeft + task.inWidth;
  for (int64_t q = 0; q < quads; ++q) {
    Rows rows;
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t y = row * task.strideHeight - task.padTop + q * 4 + i;
      const bool inside = y >= 0 && y < task.inHeight;
      rows.pixel[i] = inside ? in + y * task.inWidth * task.channels + block * kLanes : kZeros;
      rows.step[i] = inside ? task.channels : 0;
    }
    __m512i* at = woven + q * columns;
    fill(_mm512_set1_epi32(flip), left, at);
    if (right > left) weave(rows, right - left, mask, _mm_set1_epi32(flip), reinterpret_cast<__m128i*>(at + left));
    fill(_mm512_set1_epi32(flip), columns - (right > left ? right : left), at + (right > left ? right : left));
  }

  const Finisher<curve> finish(task.finish, block);
  const __m512i start = _mm512_loadu_si512(task.finish.start + block * kLanes);
  const auto* packed = reinterpret_cast<const __m512i*>(task.weights) + block * width * quads;
  __m512i weights[2 * kDepthwiseReach];
  __m512 total = _mm512_setzero_ps();
  const int64_t rowsHere = task.outHeight - row < task.rowsAtOnce() ? task.outHeight - row : task.rowsAtOnce();
  for (int64_t r = 0; r < rowsHere; ++r) {
    const auto bits = static_cast<unsigned>(8 * r * task.strideHeight);
    for (int64_t x = 0; x < width; ++x) {
      const __m512i first = _mm512_loadu_si512(packed + x * quads);
      weights[x] = _mm512_slli_epi32(first, bits);
      if (quads == 1) continue;
      const __m512i second = _mm512_loadu_si512(packed + x * quads + 1);
      weights[width + x] = _mm512_or_si512(_mm512_slli_epi32(second, bits), _mm512_srli_epi32(first, 32 - bits));
    }
    Out* line = out + (row + r) * task.outWidth * task.channels + block * kLanes;
    if (task.outWidth >= 7) {
      rowOf<7>(task, finish, woven, weights, start, mask, line, total);
    } else if (task.outWidth >= 4) {
      rowOf<4>(task, finish, woven, weights, start, mask, line, total);
    } else {
      rowOf<1>(task, finish, woven, weights, start, mask, line, total);
    }
  }
  if (totals != nullptr) _mm512_storeu_ps(totals, total);
}

template <typename Out>
void depthwiseTo(const DepthwiseTask& task, const uint8_t* in, Out* out, float* totals, int64_t row, int64_t block,
                 void* scratch) {
  switch (task.finish.curve) {
    case Curve::None: return depthwiseWith<Curve::None>(task, in, out, totals, row, block, scratch);
    case Curve::HardSwish: return depthwiseWith<Curve::HardSwish>(task, in, out, totals, row, block, scratch);
    case Curve::Swish: return depthwiseWith<Curve::Swish>(task, in, out, totals, row, block, scratch);
  }
}

void depthwise(const DepthwiseTask& task, const uint8_t* in, void* out, float* totals, int64_t row, int64_t block,
               void* scratch) {
  if (task.toFloat) return depthwiseTo(task, in, static_cast<float*>(out), totals, row, block, scratch);
  depthwiseTo(task, in, static_cast<uint8_t*>(out), totals, row, block, scratch);
}

// --- pointwise
// --------------------------------------------------------------------------------------------------------

/// `kPixels` pixels times `kBlocks` blocks of outputs: all sums stay in registers.
template <int kPixels, int kBlocks, Curve curve>
inline void tile(const PointwiseTask& task, const uint8_t* in, uint8_t* out, int64_t block) {
  // Copied, because bytes written might be anything's.
  const int64_t inputs = task.inputs, outputs = task.outputs;
  const int64_t quads = inputs / 4;
  __m512i sums[kPixels * kBlocks];
  unrolled<kBlocks>([&](int b) PRESISI_INLINE {
    const __m512i start = _mm512_loadu_si512(task.finish.start + (block + b) * kLanes);
    unrolled<kPixels>([&](int p) PRESISI_INLINE { sums[p * kBlocks + b] = start; });
  });
  const auto* weights = reinterpret_cast<const __m512i*>(task.weights) + block * quads;
  for (int64_t q = 0; q < quads; ++q) {
    __m512i w[kBlocks];
    unrolled<kBlocks>([&](int b) PRESISI_INLINE { w[b] = _mm512_loadu_si512(weights + b * quads + q); });
    unrolled<kPixels>([&](int p) PRESISI_INLINE {
      int32_t quad;
      __builtin_memcpy(&quad, in + p * inputs + q * 4, sizeof quad);
      const __m512i x = _mm512_set1_epi32(quad);
      unrolled<kBlocks>([&](int b) PRESISI_INLINE { multiplyAdd(sums[p * kBlocks + b], x, w[b]); });
    });
  }
  unrolled<kBlocks>([&](int b) PRESISI_INLINE {
    const Finisher<curve> finish(task.finish, block + b);
    const __mmask16 mask = maskOf(outputs, block + b);
    unrolled<kPixels>([&](int p) PRESISI_INLINE {
      store(out + p * outputs + (block + b) * kLanes, mask, finish(sums[p * kBlocks + b]));
    });
  });
}

template <int kPixels, int kBlocks, Curve curve>
inline void tiles(const PointwiseTask& task, const uint8_t* in, uint8_t* out, int64_t pixels, int64_t block) {
  if (pixels < kPixels) {
    for (int64_t p = 0; p < pixels; ++p)
      tile<1, kBlocks, curve>(task, in + p * task.inputs, out + p * task.outputs, block);
    return;
  }
  // The last pixels may be computed twice: their number is rarely a multiple.
  for (int64_t p = 0; p < pixels; p += kPixels) {
    const int64_t at = p + kPixels <= pixels ? p : pixels - kPixels;
    tile<kPixels, kBlocks, curve>(task, in + at * task.inputs, out + at * task.outputs, block);
  }
}

template <Curve curve>
void pointwiseWith(const PointwiseTask& task, const uint8_t* in, uint8_t* out, int64_t pixels, int64_t firstBlock,
                   int64_t lastBlock, void* scratch) {
  if (task.signedInput) {
    auto* flipped = static_cast<uint8_t*>(scratch);
    const int64_t bytes = pixels * task.inputs;
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
    for (int64_t i = 0; i < bytes; i += 64) {
      const __mmask64 mask = bytes - i >= 64 ? ~0ull : (1ull << (bytes - i)) - 1;
      _mm512_mask_storeu_epi8(flipped + i, mask, _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, in + i), flip));
    }
    in = flipped;
  }
  for (int64_t block = firstBlock; block < lastBlock;) {
    const int64_t left = lastBlock - block;
    // As many sums as there are registers for, at any width; five blocks are better three and two than four and one.
    if (left % 3 == 0 || left == 5) {
      tiles<8, 3, curve>(task, in, out, pixels, block);
      block += 3;
    } else if (left >= 4) {
      tiles<6, 4, curve>(task, in, out, pixels, block);
      block += 4;
    } else if (left == 2) {
      tiles<12, 2, curve>(task, in, out, pixels, block);
      block += 2;
    } else {
      tiles<16, 1, curve>(task, in, out, pixels, block);
      block += 1;
    }
  }
}

void pointwise(const PointwiseTask& task, const uint8_t* in, uint8_t* out, int64_t pixels, int64_t firstBlock,
               int64_t lastBlock, void* scratch) {
  switch (task.finish.curve) {
    case Curve::None: return pointwiseWith<Curve::None>(task, in, out, pixels, firstBlock, lastBlock, scratch);
    case Curve::HardSwish:
      return pointwiseWith<Curve::HardSwish>(task, in, out, pixels, firstBlock, lastBlock, scratch);
    case Curve::Swish: return pointwiseWith<Curve::Swish>(task, in, out, pixels, firstBlock, lastBlock, scratch);
  }
}

}  // namespace

extern const IntegerKernels kTable = {depthwise, pointwise};

}  // namespace presisi::cpu::avx512vnni
