// Compiled for AVX-512; VNNI is used for integers only. Includes no header that defines inline functions with external
// linkage (kernels.inc says why), and gives everything of its own internal linkage.
#include "backend/cpu/kernels/convolution_avx512.hpp"

namespace presisi::cpu::avx512 {

namespace {

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

// Floats.

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

}  // namespace

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

}  // namespace presisi::cpu::avx512
