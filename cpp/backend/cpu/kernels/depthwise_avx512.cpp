// Compiled for AVX-512; VNNI is used for integers only. Includes no header that defines inline functions with external
// linkage (kernels.inc says why), and gives everything of its own internal linkage.
#include "backend/cpu/kernels/convolution_avx512.hpp"

namespace presisi::cpu::avx512 {

namespace {

// Four rows of the input are woven into quads, the four values of a channel beside each other, which one instruction
// multiplies with four weights. A row of the output begins somewhere in a quad: there, the weights move by as many
// bytes and zeros take their place, so that they reach over one quad more at most.
constexpr int kOffsets = 4;
constexpr int64_t kQuadsReached = kDepthwiseReach / 4 + 1;

/// What a row that begins at one of the four rows of a quad is multiplied with: [quad][column of the kernel].
struct Shifted {
  int64_t quads;
  __m512i weights[kQuadsReached * kDepthwiseReach];
};

inline void shift(const DepthwiseTask& task, const __m512i* packed, int offset, Shifted& out) {
  const int64_t quads = task.quads(), width = task.kernelWidth;
  out.quads = (offset + task.kernelHeight + 3) / 4;
  const auto up = static_cast<unsigned>(8 * offset), down = 32 - up;  // by 32, everything moves out
  for (int64_t x = 0; x < width; ++x) {
    __m512i before = _mm512_setzero_si512();
    for (int64_t q = 0; q < out.quads; ++q) {
      const __m512i here = q < quads ? _mm512_loadu_si512(packed + x * quads + q) : _mm512_setzero_si512();
      out.weights[q * width + x] = _mm512_or_si512(_mm512_slli_epi32(here, up), _mm512_srli_epi32(before, down));
      before = here;
    }
  }
}

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

/// Adds the numbers from `fresh` on: first to one another, so that `total` is waited for once.
template <int kColumns>
PRESISI_INLINE inline void addTo(__m512& total, const __m512 (&x)[kColumns], int64_t fresh) {
  __m512 sum = x[kColumns - 1];
  if (fresh == 0) {
    unrolled<kColumns - 1>([&](int i) PRESISI_INLINE { sum = _mm512_add_ps(sum, x[i]); });
  } else {
    unrolled<kColumns - 1>([&](int i) PRESISI_INLINE {
      if (i >= fresh) sum = _mm512_add_ps(sum, x[i]);
    });
  }
  total = _mm512_add_ps(total, sum);
}

template <int kColumns, typename Out>
PRESISI_INLINE inline void storeAll(Out* out, int64_t step, __mmask16 mask, const __m512 (&x)[kColumns]) {
  if (mask == 0xffff) {
    unrolled<kColumns>([&](int i) PRESISI_INLINE { store(out + i * step, 0xffff, x[i]); });
  } else {
    unrolled<kColumns>([&](int i) PRESISI_INLINE { store(out + i * step, mask, x[i]); });
  }
}

/// `kColumns` pixels of a row, side by side. The sum of those that are new, from `fresh` on, is added to `total`.
template <int kColumns, Curve curve, typename Out>
inline void columnsOf(const DepthwiseTask& task, const Packer<curve>& packer, const __m512i* quads,
                      const Shifted& shifted, __m512i start, __mmask16 mask, Out* out, int64_t fresh, __m512& total) {
  __m512i sums[kColumns];
  unrolled<kColumns>([&](int i) PRESISI_INLINE { sums[i] = start; });
  const int64_t step = task.strideWidth, kernelWidth = task.kernelWidth, columns = task.columnsRead();
  const int64_t channels = task.channels;
  const __m512i* weights = shifted.weights;
  for (int64_t q = 0; q < shifted.quads; ++q, quads += columns) {
    for (int64_t x = 0; x < kernelWidth; ++x) {
      const __m512i w = _mm512_load_si512(weights++);
      unrolled<kColumns>([&](int i) PRESISI_INLINE { multiplyAdd(sums[i], quads[x + i * step], w); });
    }
  }
  if constexpr (sizeof(Out) == 1) {
    if (packs(task.finish)) {
      // Where the last ones are fewer than four, the last one stands in.
      unrolled<(kColumns + 3) / 4>([&](int four) PRESISI_INLINE {
        const auto column = [four](int i) { return four * 4 + i < kColumns ? four * 4 + i : kColumns - 1; };
        __m512 x[4];
        unrolled<4>([&](int i) PRESISI_INLINE { x[i] = packer.finish.scaled(sums[column(i)]); });
        const __m512i bytes = packer(x);
        store(out + column(0) * channels, mask, quarter<0>(bytes));
        if (four * 4 + 1 < kColumns) store(out + column(1) * channels, mask, quarter<1>(bytes));
        if (four * 4 + 2 < kColumns) store(out + column(2) * channels, mask, quarter<2>(bytes));
        if (four * 4 + 3 < kColumns) store(out + column(3) * channels, mask, quarter<3>(bytes));
      });
      return;
    }
  }
  __m512 x[kColumns];
  if constexpr (sizeof(Out) == 1) {
    unrolled<kColumns>([&](int i) PRESISI_INLINE { x[i] = packer.finish.integer(packer.finish.scaled(sums[i])); });
  } else {
    unrolled<kColumns>([&](int i) PRESISI_INLINE { x[i] = packer.finish.number(sums[i]); });
    addTo(total, x, fresh);
  }
  storeAll(out, channels, mask, x);
}

template <int kColumns, Curve curve, typename Out>
inline void rowOf(const DepthwiseTask& task, const Packer<curve>& packer, const __m512i* quads, const Shifted& shifted,
                  __m512i start, __mmask16 mask, Out* out, __m512& total) {
  // The last pixels may be computed twice: their number is rarely a multiple.
  for (int64_t x = 0; x < task.outWidth; x += kColumns) {
    const int64_t at = x + kColumns <= task.outWidth ? x : task.outWidth - kColumns;
    columnsOf<kColumns>(task, packer, quads + at * task.strideWidth, shifted, start, mask, out + at * task.channels,
                        x - at, total);
  }
}

template <Curve curve, typename Out>
__attribute__((noinline)) void depthwiseWith(const DepthwiseTask& task, const uint8_t* in, Out* out, float* totals,
                                             int64_t row, int64_t block, void* scratch) {
  const __mmask16 mask = maskOf(task.channels, block);
  const int64_t rowsHere = task.outHeight - row < task.rowsAtOnce ? task.outHeight - row : task.rowsAtOnce;
  const int64_t quads = ((rowsHere - 1) * task.strideHeight + task.kernelHeight + 3) / 4;
  const int64_t columns = task.columnsRead();
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

  const Packer<curve> packer(task.finish, block);
  const __m512i start = _mm512_loadu_si512(task.finish.start + block * kLanes);
  const auto* packed = reinterpret_cast<const __m512i*>(task.weights) + block * task.kernelWidth * task.quads();
  Shifted shifted[kOffsets];
  const int64_t offsets = rowsHere < kOffsets ? rowsHere : kOffsets;
  for (int64_t r = 0; r < offsets; ++r) {
    const auto offset = static_cast<int>(r * task.strideHeight % 4);
    shift(task, packed, offset, shifted[offset]);
  }
  __m512 total = _mm512_setzero_ps();
  for (int64_t r = 0; r < rowsHere; ++r) {
    const int64_t first = r * task.strideHeight;
    const __m512i* from = woven + first / 4 * columns;
    const Shifted& weights = shifted[first % 4];
    Out* line = out + (row + r) * task.outWidth * task.channels + block * kLanes;
    if (task.outWidth >= 7) {
      rowOf<7>(task, packer, from, weights, start, mask, line, total);
    } else if (task.outWidth >= 4) {
      rowOf<4>(task, packer, from, weights, start, mask, line, total);
    } else {
      rowOf<1>(task, packer, from, weights, start, mask, line, total);
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
  __m512 x[kColumns];
  unrolled<kColumns>([&](int i) PRESISI_INLINE { x[i] = finish.number(sums[i]); });
  addTo(total, x, fresh);
  storeAll(out, channels, mask, x);
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
__attribute__((noinline)) void depthwiseWith(const DepthwiseTask& task, const float* in, float* out, float* totals,
                                             int64_t row, int64_t block, void* scratch) {
  const __mmask16 mask = maskOf(task.channels, block);
  const int64_t columns = task.columnsRead();
  const int64_t rowsHere = task.outHeight - row < task.rowsAtOnce ? task.outHeight - row : task.rowsAtOnce;
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
  withCurve(task.finish.curve,
            [&](auto curve) { depthwiseWith<decltype(curve)::value>(task, in, out, totals, row, block, scratch); });
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
