// Compiled for AVX-512; VNNI is used for integers only. Includes no header that defines inline functions with external
// linkage (kernels.inc says why), and gives everything of its own internal linkage.
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
  const int32_t flip = task.source == Element::Int8 ? static_cast<int32_t>(0x80808080) : 0;

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

// --- depthwise, floats
// ------------------------------------------------------------------------------------------------

/// Copies columns of a picture's row, with zeros where there are none, so that a block's channels lie together.
inline void gather(const float* in, int64_t channels, int64_t left, int64_t inside, int64_t columns, __mmask16 mask,
                   __m512* out) {
  int64_t x = 0;
  for (; x < left; ++x) _mm512_store_ps(out + x, _mm512_setzero_ps());
  for (; x < left + inside; ++x, in += channels) _mm512_store_ps(out + x, _mm512_maskz_loadu_ps(mask, in));
  for (; x < columns; ++x) _mm512_store_ps(out + x, _mm512_setzero_ps());
}

/// `kColumns` pixels of a row, side by side. The sum of those that are new, from `fresh` on, is added to `total`.
template <int kColumns, Curve curve>
inline void floatColumns(const DepthwiseTask& task, const Finisher<curve>& finish, const __m512* rows,
                         const float* weights, __mmask16 mask, float* out, int64_t fresh, __m512& total) {
  __m512 sums[kColumns];
  unrolled<kColumns>([&](int i) PRESISI_INLINE { sums[i] = _mm512_setzero_ps(); });
  const int64_t step = task.strideWidth, kernelWidth = task.kernelWidth, columns = task.columnsRead();
  const int64_t channels = task.channels, kernelHeight = task.kernelHeight;
  for (int64_t y = 0; y < kernelHeight; ++y, rows += columns) {
    for (int64_t x = 0; x < kernelWidth; ++x, weights += kLanes) {
      const __m512 w = _mm512_loadu_ps(weights);
      unrolled<kColumns>([&](int i) PRESISI_INLINE { multiplyAdd(sums[i], rows[x + i * step], w); });
    }
  }
  unrolled<kColumns>([&](int i) PRESISI_INLINE {
    const __m512 x = finish(sums[i]);
    store(out + i * channels, mask, x);
    if (i >= fresh) total = _mm512_add_ps(total, x);
  });
}

template <int kColumns, Curve curve>
inline void floatRow(const DepthwiseTask& task, const Finisher<curve>& finish, const __m512* rows, const float* weights,
                     __mmask16 mask, float* out, __m512& total) {
  for (int64_t x = 0; x < task.outWidth; x += kColumns) {
    const int64_t at = x + kColumns <= task.outWidth ? x : task.outWidth - kColumns;
    floatColumns<kColumns>(task, finish, rows + at * task.strideWidth, weights, mask, out + at * task.channels, x - at,
                           total);
  }
}

template <Curve curve>
void depthwiseWith(const DepthwiseTask& task, const float* in, float* out, float* totals, int64_t row, int64_t block,
                   void* scratch) {
  const __mmask16 mask = maskOf(task.channels, block);
  const int64_t columns = task.columnsRead();
  const int64_t rowsHere = task.outHeight - row < task.rowsAtOnce() ? task.outHeight - row : task.rowsAtOnce();
  const int64_t rowsRead = (rowsHere - 1) * task.strideHeight + task.kernelHeight;
  auto* gathered = static_cast<__m512*>(scratch);
  const int64_t left = task.padLeft < columns ? task.padLeft : columns;
  const int64_t room = columns - left;
  const int64_t inside = room < task.inWidth ? room : task.inWidth;
  for (int64_t i = 0; i < rowsRead; ++i) {
    const int64_t y = row * task.strideHeight - task.padTop + i;
    const bool there = y >= 0 && y < task.inHeight;
    const float* from = in + (there ? y : 0) * task.inWidth * task.channels + block * kLanes;
    gather(from, task.channels, there ? left : 0, there ? inside : 0, columns, mask, gathered + i * columns);
  }
  const Finisher<curve> finish(task.finish, block);
  const float* weights =
      static_cast<const float*>(task.weights) + block * task.kernelHeight * task.kernelWidth * kLanes;
  __m512 total = _mm512_setzero_ps();
  for (int64_t r = 0; r < rowsHere; ++r) {
    const __m512* rows = gathered + r * task.strideHeight * columns;
    float* line = out + (row + r) * task.outWidth * task.channels + block * kLanes;
    if (task.outWidth >= 7) {
      floatRow<7>(task, finish, rows, weights, mask, line, total);
    } else if (task.outWidth >= 4) {
      floatRow<4>(task, finish, rows, weights, mask, line, total);
    } else {
      floatRow<1>(task, finish, rows, weights, mask, line, total);
    }
  }
  if (totals != nullptr) _mm512_storeu_ps(totals, total);
}

template <typename In, typename Out>
void depthwiseFrom(const DepthwiseTask& task, const In* in, Out* out, float* totals, int64_t row, int64_t block,
                   void* scratch) {
  switch (task.finish.curve) {
    case Curve::None: return depthwiseWith<Curve::None>(task, in, out, totals, row, block, scratch);
    case Curve::HardSwish: return depthwiseWith<Curve::HardSwish>(task, in, out, totals, row, block, scratch);
    case Curve::Swish: return depthwiseWith<Curve::Swish>(task, in, out, totals, row, block, scratch);
    case Curve::Sigmoid: return depthwiseWith<Curve::Sigmoid>(task, in, out, totals, row, block, scratch);
  }
}

void depthwise(const DepthwiseTask& task, const void* in, void* out, float* totals, int64_t row, int64_t block,
               void* scratch) {
  auto* floats = static_cast<float*>(out);
  const auto* bytes = static_cast<const uint8_t*>(in);
  if (!task.integer()) {
    depthwiseFrom(task, static_cast<const float*>(in), floats, totals, row, block, scratch);
  } else if (task.toFloat) {
    depthwiseFrom(task, bytes, floats, totals, row, block, scratch);
  } else {
    depthwiseFrom(task, bytes, static_cast<uint8_t*>(out), totals, row, block, scratch);
  }
}

// --- pointwise
// --------------------------------------------------------------------------------------------------------

// Sums of some pixels by some blocks of outputs stay in registers while all inputs pass by. Then they are finished, by
// way of a buffer: a version of the one for each of the other would be a great many.

/// What is multiplied: four bytes or one float of a pixel, with as many of each of the outputs.
template <typename In>
struct Multiplied;

template <>
struct Multiplied<uint8_t> {
  using Sum = __m512i;
  static constexpr int64_t kInputs = 4;
  static __m512i start(const Finish& finish, int64_t block) {
    return _mm512_loadu_si512(finish.start + block * kLanes);
  }
  static __m512i broadcast(const uint8_t* in) {
    int32_t quad;
    __builtin_memcpy(&quad, in, sizeof quad);
    return _mm512_set1_epi32(quad);
  }
  static __m512i weights(const void* packed, int64_t at) {
    return _mm512_loadu_si512(static_cast<const uint8_t*>(packed) + at * 64);
  }
  static void keep(void* buffer, int64_t at, __m512i sums) {
    _mm512_store_si512(static_cast<__m512i*>(buffer) + at, sums);
  }
  static __m512i kept(const void* buffer, int64_t at) {
    return _mm512_load_si512(static_cast<const __m512i*>(buffer) + at);
  }
};

template <>
struct Multiplied<float> {
  using Sum = __m512;
  static constexpr int64_t kInputs = 1;
  static __m512 start(const Finish&, int64_t) { return _mm512_setzero_ps(); }
  static __m512 broadcast(const float* in) { return _mm512_set1_ps(*in); }
  static __m512 weights(const void* packed, int64_t at) {
    return _mm512_loadu_ps(static_cast<const float*>(packed) + at * kLanes);
  }
  static void keep(void* buffer, int64_t at, __m512 sums) {
    _mm512_store_ps(static_cast<float*>(buffer) + at * kLanes, sums);
  }
  static __m512 kept(const void* buffer, int64_t at) {
    return _mm512_load_ps(static_cast<const float*>(buffer) + at * kLanes);
  }
};

/// `ahead`, with kAhead: packed weights that will be wanted next, as many as these.
template <int kCount, int kWide, bool kAhead, typename In>
inline void multiply(const PointwiseTask& task, const In* in, int64_t block, const void* ahead, void* buffer) {
  using M = Multiplied<In>;
  const int64_t inputs = task.inputs, steps = inputs / M::kInputs;
  typename M::Sum sums[kCount * kWide];
  unrolled<kWide>([&](int b) PRESISI_INLINE {
    unrolled<kCount>([&](int p) PRESISI_INLINE { sums[p * kWide + b] = M::start(task.finish, block + b); });
  });
  const void* weights = task.weights;
  const int64_t first = block * steps;
  [[maybe_unused]] const auto* lines = static_cast<const char*>(ahead);
  for (int64_t s = 0; s < steps; ++s, lines += kWide * 64) {
    typename M::Sum w[kWide];
    unrolled<kWide>([&](int b) PRESISI_INLINE {
      w[b] = M::weights(weights, first + b * steps + s);
      if constexpr (kAhead) _mm_prefetch(lines + b * 64, _MM_HINT_T1);
    });
    unrolled<kCount>([&](int p) PRESISI_INLINE {
      const auto x = M::broadcast(in + p * inputs + s * M::kInputs);
      unrolled<kWide>([&](int b) PRESISI_INLINE { multiplyAdd(sums[p * kWide + b], x, w[b]); });
    });
  }
  unrolled<kCount * kWide>([&](int i) PRESISI_INLINE { M::keep(buffer, i, sums[i]); });
}

struct Nothing {};
template <typename Skip>
constexpr bool kThere = true;
template <>
constexpr bool kThere<Nothing> = false;

inline __m512 loadSkip(const float* skip, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, skip); }
inline __m512 loadSkip(const uint8_t* skip, __mmask16 mask) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, skip)));
}
inline __m512 loadSkip(const int8_t* skip, __mmask16 mask) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(mask, skip)));
}

/// `skip` lies as `out` does; both begin at the tile's first pixel.
template <Curve curve, typename In, typename Skip, typename Out>
void finishTile(const PointwiseTask& task, const void* buffer, const Skip* skip, Out* out, int64_t pixels,
                int64_t block, int64_t blocks) {
  const int64_t outputs = task.outputs;
  [[maybe_unused]] const __m512 skipScale = _mm512_set1_ps(task.finish.skipScale);
  for (int64_t b = 0; b < blocks; ++b) {
    const Finisher<curve> finish(task.finish, block + b);
    const __mmask16 mask = maskOf(outputs, block + b);
    for (int64_t p = 0; p < pixels; ++p) {
      const int64_t at = p * outputs + (block + b) * kLanes;
      const auto sum = Multiplied<In>::kept(buffer, p * blocks + b);
      if constexpr (kThere<Skip>) {
        store(out + at, mask, finish(sum, loadSkip(skip + at, mask), skipScale));
      } else {
        store(out + at, mask, finish(sum));
      }
    }
  }
}

/// The same for four whole blocks of bytes without a curve, as most products have it, which leave as one register.
template <typename Skip>
void finishFour(const PointwiseTask& task, const void* buffer, const Skip* skip, uint8_t* out, int64_t pixels,
                int64_t block) {
  const Finish& finish = task.finish;
  const __m512 skipScale = _mm512_set1_ps(finish.skipScale), high = _mm512_set1_ps(finish.high);
  const bool isSigned = finish.low < 0;
  // Packing goes by lanes of 128 bits: the pieces of a block come from each of them.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512 scale[4], shift[4];
  unrolled<4>([&](int b) PRESISI_INLINE {
    scale[b] = _mm512_loadu_ps(finish.scale + (block + b) * kLanes);
    shift[b] = _mm512_loadu_ps(finish.shift + (block + b) * kLanes);
  });
  for (int64_t p = 0; p < pixels; ++p) {
    const int64_t at = p * task.outputs + block * kLanes;
    __m512i rounded[4];
    unrolled<4>([&](int b) PRESISI_INLINE {
      const __m512i sum = _mm512_load_si512(static_cast<const __m512i*>(buffer) + p * 4 + b);
      __m512 x = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale[b], shift[b]);
      if constexpr (kThere<Skip>) x = _mm512_fmadd_ps(loadSkip(skip + at + b * kLanes, 0xffff), skipScale, x);
      rounded[b] = _mm512_cvtps_epi32(_mm512_min_ps(high, x));
    });
    const __m512i first = _mm512_packs_epi32(rounded[0], rounded[1]);
    const __m512i second = _mm512_packs_epi32(rounded[2], rounded[3]);
    const __m512i bytes = isSigned ? _mm512_packs_epi16(first, second) : _mm512_packus_epi16(first, second);
    _mm512_storeu_si512(out + at, _mm512_permutexvar_epi32(order, bytes));
  }
}

template <int kWide, typename In, typename Out>
void finishTile(const PointwiseTask& task, const void* buffer, const void* skip, int64_t from, Out* out, int64_t pixels,
                int64_t block) {
  const Finish& finish = task.finish;
  out += from * task.outputs;
  const auto with = [&](const auto* typed) {
    if constexpr (kWide == 4 && sizeof(In) == 1 && sizeof(Out) == 1) {
      const bool whole = (block + 4) * kLanes <= task.outputs;
      if (whole && finish.curve == Curve::None && (finish.low == 0 || finish.low == -128)) {
        return finishFour(task, buffer, typed, out, pixels, block);
      }
    }
    finishTile<Curve::None, In>(task, buffer, typed, out, pixels, block, kWide);
  };
  constexpr const Nothing* kNone = nullptr;
  const int64_t begin = from * task.outputs;
  if (skip != nullptr) {
    switch (finish.skip) {
      case Element::Float: return with(static_cast<const float*>(skip) + begin);
      case Element::Uint8: return with(static_cast<const uint8_t*>(skip) + begin);
      case Element::Int8: return with(static_cast<const int8_t*>(skip) + begin);
    }
  }
  switch (finish.curve) {
    case Curve::None: return with(kNone);
    case Curve::HardSwish: return finishTile<Curve::HardSwish, In>(task, buffer, kNone, out, pixels, block, kWide);
    case Curve::Swish: return finishTile<Curve::Swish, In>(task, buffer, kNone, out, pixels, block, kWide);
    case Curve::Sigmoid: return finishTile<Curve::Sigmoid, In>(task, buffer, kNone, out, pixels, block, kWide);
  }
}

template <int kCount, int kWide, typename In, typename Out>
void tiles(const PointwiseTask& task, const In* in, Out* out, const void* skip, int64_t pixels, int64_t block) {
  alignas(64) uint8_t buffer[kCount * kWide * 64];
  if (pixels < kCount) {
    for (int64_t p = 0; p < pixels; ++p) {
      multiply<1, kWide, false>(task, in + p * task.inputs, block, nullptr, buffer);
      finishTile<kWide, In>(task, buffer, skip, p, out, 1, block);
    }
    return;
  }
  // The last pixels may be computed twice: their number is not always a multiple. During them, the weights of the next
  // blocks are fetched.
  int64_t p = 0;
  for (; p + kCount < pixels; p += kCount) {
    multiply<kCount, kWide, false>(task, in + p * task.inputs, block, nullptr, buffer);
    finishTile<kWide, In>(task, buffer, skip, p, out, kCount, block);
  }
  p = pixels - kCount;
  const int64_t bytes = task.inputs / Multiplied<In>::kInputs * 64;
  const auto* ahead = static_cast<const uint8_t*>(task.weights) + (block + kWide) * bytes;
  multiply<kCount, kWide, true>(task, in + p * task.inputs, block, ahead, buffer);
  finishTile<kWide, In>(task, buffer, skip, p, out, kCount, block);
}

template <typename In, typename Out>
void pointwiseFrom(const PointwiseTask& task, const In* in, Out* out, const void* skip, int64_t pixels,
                   int64_t firstBlock, int64_t lastBlock) {
  // Tiles of about 24 sums, at any width.
  int64_t block = firstBlock;
  if (task.tilePixels(pixels) == 6) {
    for (; lastBlock - block >= 4; block += 4) tiles<6, 4>(task, in, out, skip, pixels, block);
  }
  // Four are better two and two than three and one.
  for (; lastBlock - block >= 3 && lastBlock - block != 4; block += 3) tiles<7, 3>(task, in, out, skip, pixels, block);
  for (; lastBlock - block >= 2; block += 2) tiles<7, 2>(task, in, out, skip, pixels, block);
  for (; lastBlock - block >= 1; block += 1) tiles<14, 1>(task, in, out, skip, pixels, block);
}

const uint8_t* flipped(const uint8_t* in, int64_t bytes, void* scratch) {
  auto* out = static_cast<uint8_t*>(scratch);
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
  for (int64_t i = 0; i < bytes; i += 64) {
    const __mmask64 mask = bytes - i >= 64 ? ~0ull : (1ull << (bytes - i)) - 1;
    _mm512_mask_storeu_epi8(out + i, mask, _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, in + i), flip));
  }
  return out;
}

void pointwise(const PointwiseTask& task, const void* in, void* out, const void* skip, int64_t pixels,
               int64_t firstBlock, int64_t lastBlock, void* scratch) {
  auto* floats = static_cast<float*>(out);
  if (!task.integer()) {
    return pointwiseFrom(task, static_cast<const float*>(in), floats, skip, pixels, firstBlock, lastBlock);
  }
  const auto* bytes = static_cast<const uint8_t*>(in);
  if (task.source == Element::Int8) bytes = flipped(bytes, pixels * task.inputs, scratch);
  if (task.toFloat) return pointwiseFrom(task, bytes, floats, skip, pixels, firstBlock, lastBlock);
  pointwiseFrom(task, bytes, static_cast<uint8_t*>(out), skip, pixels, firstBlock, lastBlock);
}

}  // namespace

extern const ConvolutionKernels kConvolutions = {depthwise, pointwise};

}  // namespace presisi::cpu::avx512
