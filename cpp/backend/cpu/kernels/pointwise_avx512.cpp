// Compiled for AVX-512; VNNI is used for integers only. Includes no header that defines inline functions with external
// linkage (kernels.inc says why), and gives everything of its own internal linkage.
#include "backend/cpu/kernels/convolution_avx512.hpp"

namespace presisi::cpu::avx512 {

namespace {

// Sums of some pixels by some blocks of outputs stay in registers while all inputs pass by. Then they are finished, by
// way of a buffer, or, for what most products want, in place: a version of the one for each of the other would be a
// great many.

/// What is multiplied: four bytes or one float of a pixel, with as many of each of the outputs.
struct Bytes {
  using In = uint8_t;
  using Sum = __m512i;
  using Sums = Bytes;  ///< that does what there is to do with sums
  static constexpr int64_t kInputs = 4;
  static constexpr int64_t kWeightBytes = 64;
  static __m512i start(const Finish& finish, int64_t block) {
    return _mm512_loadu_si512(finish.start + block * kLanes);
  }
  static __m512i broadcast(const uint8_t* in) {
    int32_t quad;
    __builtin_memcpy(&quad, in, sizeof quad);
    return _mm512_set1_epi32(quad);
  }
  static __m512i weights(const void* packed, int64_t at) {
    return _mm512_loadu_si512(static_cast<const char*>(packed) + at * kWeightBytes);
  }
  static void keep(void* buffer, int64_t at, __m512i sums) {
    _mm512_store_si512(static_cast<__m512i*>(buffer) + at, sums);
  }
  static __m512i kept(const void* buffer, int64_t at) {
    return _mm512_load_si512(static_cast<const __m512i*>(buffer) + at);
  }
};

struct Floats {
  using In = float;
  using Sum = __m512;
  using Sums = Floats;
  static constexpr int64_t kInputs = 1;
  static constexpr int64_t kWeightBytes = 64;
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

/// Floats by weights of int8.
struct FloatsByBytes : Floats {
  static constexpr int64_t kWeightBytes = 16;
  static __m512 weights(const void* packed, int64_t at) {
    const __m128i bytes = _mm_loadu_si128(static_cast<const __m128i*>(packed) + at);
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
  }
};

/// Where the inputs of some pixels are.
template <int kCount, typename In>
struct Pixels {
  const In* at[kCount];

  PRESISI_INLINE Pixels(const PointwiseTask& task, const In* in, int64_t first, int64_t p) {
    const Patches& patches = task.patches;
    if (patches.width == 0) {
      unrolled<kCount>([&](int i) PRESISI_INLINE { at[i] = in + (p + i) * task.inputs; });
      return;
    }
    const auto pixel = static_cast<uint32_t>(first + p), width = static_cast<uint32_t>(patches.width);
    int64_t x = pixel % width;
    const In* line = in + pixel / width * patches.lineStep;
    unrolled<kCount>([&](int i) PRESISI_INLINE {
      at[i] = line + x * patches.step;
      if (++x == patches.width) {
        x = 0;
        line += patches.lineStep;
      }
    });
  }
};

/// `ahead`, with kAhead: packed weights that will be wanted next, as many as these.
/// `end` gets the sums.
template <int kCount, int kWide, bool kAhead, typename M, typename End>
PRESISI_INLINE inline void multiplyTo(const PointwiseTask& task, const Pixels<kCount, typename M::In> pixels,
                                      int64_t block, const void* ahead, End&& end) {
  const int64_t steps = task.depth() / M::kInputs;
  typename M::Sum sums[kCount * kWide];
  unrolled<kWide>([&](int b) PRESISI_INLINE {
    unrolled<kCount>([&](int p) PRESISI_INLINE { sums[p * kWide + b] = M::start(task.finish, block + b); });
  });
  const void* weights = task.weights;
  [[maybe_unused]] const auto* lines = static_cast<const char*>(ahead);
  const int64_t inputs = task.inputs, rows = task.patches.rows, rowStep = task.patches.rowStep;
  int64_t at = block * steps;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t begin = row * rowStep;
    for (int64_t i = begin; i < begin + inputs; i += M::kInputs, ++at, lines += kWide * M::kWeightBytes) {
      typename M::Sum w[kWide];
      unrolled<kWide>([&](int b) PRESISI_INLINE {
        w[b] = M::weights(weights, at + b * steps);
        if constexpr (kAhead) _mm_prefetch(lines + b * M::kWeightBytes, _MM_HINT_T1);
      });
      unrolled<kCount>([&](int p) PRESISI_INLINE {
        const auto x = M::broadcast(pixels.at[p] + i);
        unrolled<kWide>([&](int b) PRESISI_INLINE { multiplyAdd(sums[p * kWide + b], x, w[b]); });
      });
    }
  }
  end(sums);
}

template <int kCount, int kWide, bool kAhead, typename M>
inline void multiply(const PointwiseTask& task, const Pixels<kCount, typename M::In> pixels, int64_t block,
                     const void* ahead, void* buffer) {
  multiplyTo<kCount, kWide, kAhead, M>(
      task, pixels, block, ahead, [&](const typename M::Sum(&sums)[kCount * kWide]) PRESISI_INLINE {
        unrolled<kCount * kWide>([&](int i) PRESISI_INLINE { M::keep(buffer, i, sums[i]); });
      });
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

/// The sum, scaled, and with what is added.
template <Curve curve, typename Sum, typename Skip>
inline __m512 scaled(const Finisher<curve>& finish, Sum sum, const Skip* skip, int64_t at, __mmask16 mask,
                     __m512 skipScale) {
  __m512 x = finish.scaled(sum);
  if constexpr (kThere<Skip>) x = _mm512_fmadd_ps(loadSkip(skip + at, mask), skipScale, x);
  return x;
}

/// `skip` lies as `out` does; both begin at the tile's first pixel.
template <Curve curve, typename M, typename Skip, typename Out>
void finishTile(const PointwiseTask& task, const void* buffer, const Skip* skip, Out* out, int64_t pixels,
                int64_t block, int64_t blocks) {
  const int64_t outputs = task.outputs, step = task.outStep;
  [[maybe_unused]] const __m512 skipScale = _mm512_set1_ps(task.finish.skipScale);
  for (int64_t b = 0; b < blocks; ++b) {
    const Finisher<curve> finish(task.finish, block + b);
    const __mmask16 mask = maskOf(outputs, block + b);
    for (int64_t p = 0; p < pixels; ++p) {
      const int64_t at = p * step + (block + b) * kLanes;
      const auto sum = M::kept(buffer, p * blocks + b);
      if constexpr (sizeof(Out) == 1) {
        store(out + at, mask, finish.integer(scaled(finish, sum, skip, at, mask, skipScale)));
      } else if constexpr (kThere<Skip>) {
        store(out + at, mask, finish.bounded(scaled(finish, sum, skip, at, mask, skipScale)));
      } else {
        store(out + at, mask, finish.number(sum));
      }
    }
  }
}

/// The same to bytes where packs(): four whole blocks of a pixel leave as one register.
template <Curve curve, typename Skip>
void packWide(const PointwiseTask& task, const void* buffer, const Skip* skip, uint8_t* out, int64_t pixels,
              int64_t block) {
  const __m512 skipScale = _mm512_set1_ps(task.finish.skipScale);
  const Packer<curve> packer(task.finish, block);
  const Finisher<curve> finish[4] = {packer.finish, Finisher<curve>(task.finish, block + 1),
                                     Finisher<curve>(task.finish, block + 2), Finisher<curve>(task.finish, block + 3)};
  for (int64_t p = 0; p < pixels; ++p) {
    const int64_t at = p * task.outStep + block * kLanes;
    __m512 x[4];
    unrolled<4>([&](int b) PRESISI_INLINE {
      x[b] = scaled(finish[b], Bytes::kept(buffer, p * 4 + b), skip, at + b * kLanes, 0xffff, skipScale);
    });
    _mm512_storeu_si512(out + at, packer(x));
  }
}

/// To pixels a, b, c and d, `step` apart.
PRESISI_INLINE inline void storeFour(uint8_t* out, int64_t step, int64_t a, int64_t b, int64_t c, int64_t d,
                                     __mmask16 mask, __m512i bytes) {
  store(out + a * step, mask, quarter<0>(bytes));
  store(out + b * step, mask, quarter<1>(bytes));
  store(out + c * step, mask, quarter<2>(bytes));
  store(out + d * step, mask, quarter<3>(bytes));
}

/// Four pixels of a block at a time. Where there are fewer, the last one stands in.
template <Curve curve, typename Skip>
void packTall(const PointwiseTask& task, const void* buffer, const Skip* skip, uint8_t* out, int64_t pixels,
              int64_t block, int64_t blocks) {
  const __m512 skipScale = _mm512_set1_ps(task.finish.skipScale);
  for (int64_t b = 0; b < blocks; ++b) {
    const Packer<curve> packer(task.finish, block + b);
    const __mmask16 mask = maskOf(task.outputs, block + b);
    for (int64_t first = 0; first < pixels; first += 4) {
      const auto pixel = [&](int64_t i) { return first + i < pixels ? first + i : pixels - 1; };
      __m512 x[4];
      unrolled<4>([&](int i) PRESISI_INLINE {
        x[i] = scaled(packer.finish, Bytes::kept(buffer, pixel(i) * blocks + b), skip,
                      pixel(i) * task.outStep + (block + b) * kLanes, mask, skipScale);
      });
      storeFour(out + (block + b) * kLanes, task.outStep, pixel(0), pixel(1), pixel(2), pixel(3), mask, packer(x));
    }
  }
}

template <int kWide, Curve curve, typename M, typename Skip, typename Out>
void finishTile(const PointwiseTask& task, const void* buffer, const Skip* skip, Out* out, int64_t pixels,
                int64_t block) {
  if constexpr (sizeof(Out) == 1) {
    if (packs(task.finish)) {
      if (kWide == 4 && (block + 4) * kLanes <= task.outputs) {
        return packWide<curve>(task, buffer, skip, out, pixels, block);
      }
      return packTall<curve>(task, buffer, skip, out, pixels, block, kWide);
    }
  }
  finishTile<curve, M>(task, buffer, skip, out, pixels, block, kWide);
}

template <int kWide, typename M, typename Out>
void finishTile(const PointwiseTask& task, const void* buffer, const void* skip, int64_t from, Out* out, int64_t pixels,
                int64_t block) {
  const Finish& finish = task.finish;
  const int64_t begin = from * task.outStep;
  out += begin;
  if (skip != nullptr) {
    const auto with = [&](const auto* typed) {
      finishTile<kWide, Curve::None, M>(task, buffer, typed + begin, out, pixels, block);
    };
    switch (finish.skip) {
      case Element::Float: return with(static_cast<const float*>(skip));
      case Element::Uint8: return with(static_cast<const uint8_t*>(skip));
      case Element::Int8: return with(static_cast<const int8_t*>(skip));
    }
  }
  withCurve(finish.curve, [&](auto curve) {
    finishTile<kWide, decltype(curve)::value, M>(task, buffer, static_cast<const Nothing*>(nullptr), out, pixels,
                                                 block);
  });
}

/// Tiles to bytes where packs(), without a buffer between: what most products are. Returns the first pixel left.
template <int kCount, int kWide, Curve curve, typename Skip>
__attribute__((noinline)) int64_t directTiles(const PointwiseTask& task, const uint8_t* in, uint8_t* out,
                                              const Skip* skip, int64_t first, int64_t pixels, int64_t block) {
  const __m512 skipScale = _mm512_set1_ps(task.finish.skipScale);
  const Packer<curve> packer(task.finish, block);
  const int64_t step = task.outStep;
  int64_t p = 0;
  for (; p + kCount < pixels; p += kCount) {
    const auto finish = [&](const __m512i(&sums)[kCount * kWide]) PRESISI_INLINE {
      const int64_t begin = p * step + block * kLanes;
      __m512 x[kCount][kWide];
      unrolled<kWide>([&](int b) PRESISI_INLINE {
        const Finisher<curve> finisher(task.finish, block + b);
        const __mmask16 mask = maskOf(task.outputs, block + b);
        unrolled<kCount>([&](int i) PRESISI_INLINE {
          x[i][b] = scaled(finisher, sums[i * kWide + b], skip, begin + i * step + b * kLanes, mask, skipScale);
        });
      });
      if constexpr (kWide == 4) {  // of a pixel, which leave as one register
        unrolled<kCount>([&](int i) PRESISI_INLINE { _mm512_storeu_si512(out + begin + i * step, packer(x[i])); });
      } else {
        unrolled<kWide>([&](int b) PRESISI_INLINE {
          const __mmask16 mask = maskOf(task.outputs, block + b);
          unrolled<(kCount + 3) / 4>([&](int four) PRESISI_INLINE {
            const auto pixel = [four](int i) { return four * 4 + i < kCount ? four * 4 + i : kCount - 1; };
            const __m512 here[4] = {x[pixel(0)][b], x[pixel(1)][b], x[pixel(2)][b], x[pixel(3)][b]};
            storeFour(out + begin + b * kLanes, step, pixel(0), pixel(1), pixel(2), pixel(3), mask, packer(here));
          });
        });
      }
    };
    multiplyTo<kCount, kWide, false, Bytes>(task, {task, in, first, p}, block, nullptr, finish);
  }
  return p;
}

template <int kCount, int kWide>
int64_t directTiles(const PointwiseTask& task, const uint8_t* in, uint8_t* out, const void* skip, int64_t first,
                    int64_t pixels, int64_t block) {
  if (!packs(task.finish) || (kWide == 4 && (block + 4) * kLanes > task.outputs)) return 0;
  const auto with = [&](auto curve, const auto* typed) {
    return directTiles<kCount, kWide, decltype(curve)::value>(task, in, out, typed, first, pixels, block);
  };
  if (skip != nullptr) {
    switch (task.finish.skip) {
      case Element::Float: return 0;
      case Element::Uint8: return with(CurveIs<Curve::None>(), static_cast<const uint8_t*>(skip));
      case Element::Int8: return with(CurveIs<Curve::None>(), static_cast<const int8_t*>(skip));
    }
  }
  constexpr const Nothing* kNone = nullptr;
  switch (task.finish.curve) {
    case Curve::None: return with(CurveIs<Curve::None>(), kNone);
    case Curve::HardSwish: return with(CurveIs<Curve::HardSwish>(), kNone);
    case Curve::Pieces: return with(CurveIs<Curve::Pieces>(), kNone);
    default: return 0;
  }
}

template <int kCount, int kWide, typename M, typename Out>
void tiles(const PointwiseTask& task, const typename M::In* in, Out* out, const void* skip, int64_t first,
           int64_t pixels, int64_t block) {
  alignas(64) uint8_t buffer[kCount * kWide * 64];
  if (pixels < kCount) {
    for (int64_t p = 0; p < pixels; ++p) {
      multiply<1, kWide, false, M>(task, {task, in, first, p}, block, nullptr, buffer);
      finishTile<kWide, typename M::Sums>(task, buffer, skip, p, out, 1, block);
    }
    return;
  }
  // The last pixels may be computed twice: their number is not always a multiple. During them, the weights of the next
  // blocks are fetched.
  int64_t p = 0;
  // Seven by three leave too few registers.
  if constexpr (sizeof(Out) == 1 && kWide != 3) {
    p = directTiles<kCount, kWide>(task, in, out, skip, first, pixels, block);
  }
  for (; p + kCount < pixels; p += kCount) {
    multiply<kCount, kWide, false, M>(task, {task, in, first, p}, block, nullptr, buffer);
    finishTile<kWide, typename M::Sums>(task, buffer, skip, p, out, kCount, block);
  }
  p = pixels - kCount;
  const int64_t bytes = task.depth() / M::kInputs * M::kWeightBytes;
  const auto* ahead = static_cast<const uint8_t*>(task.weights) + (block + kWide) * bytes;
  multiply<kCount, kWide, true, M>(task, {task, in, first, p}, block, ahead, buffer);
  finishTile<kWide, typename M::Sums>(task, buffer, skip, p, out, kCount, block);
}

template <typename M, typename Out>
void pointwiseFrom(const PointwiseTask& task, const typename M::In* in, Out* out, const void* skip, int64_t first,
                   int64_t pixels, int64_t firstBlock, int64_t lastBlock) {
  // Tiles of about 24 sums, at any width.
  int64_t block = firstBlock;
  if (task.tilePixels(pixels) == 6) {
    for (; lastBlock - block >= 4; block += 4) tiles<6, 4, M>(task, in, out, skip, first, pixels, block);
  }
  // Four are better two and two than three and one.
  for (; lastBlock - block >= 3 && lastBlock - block != 4; block += 3) {
    tiles<7, 3, M>(task, in, out, skip, first, pixels, block);
  }
  for (; lastBlock - block >= 2; block += 2) tiles<7, 2, M>(task, in, out, skip, first, pixels, block);
  for (; lastBlock - block >= 1; block += 1) tiles<14, 1, M>(task, in, out, skip, first, pixels, block);
}

}  // namespace

void pointwise(const PointwiseTask& task, const void* in, void* out, const void* skip, int64_t first, int64_t pixels,
               int64_t firstBlock, int64_t lastBlock, void* scratch) {
  auto* floats = static_cast<float*>(out);
  if (!task.integer()) {
    const auto* numbers = static_cast<const float*>(in);
    const auto run = task.byteWeights ? pointwiseFrom<FloatsByBytes, float> : pointwiseFrom<Floats, float>;
    return run(task, numbers, floats, skip, first, pixels, firstBlock, lastBlock);
  }
  const auto* bytes = static_cast<const uint8_t*>(in);
  if (task.source == Element::Int8) {
    auto* flipped = static_cast<uint8_t*>(scratch);
    flip(bytes, pixels * task.inputs, static_cast<char>(0x80), flipped);
    bytes = flipped;
  }
  if (task.toFloat) return pointwiseFrom<Bytes>(task, bytes, floats, skip, first, pixels, firstBlock, lastBlock);
  pointwiseFrom<Bytes>(task, bytes, static_cast<uint8_t*>(out), skip, first, pixels, firstBlock, lastBlock);
}

extern const ConvolutionKernels kConvolutions = {depthwise, pointwise, pad};

}  // namespace presisi::cpu::avx512
