#if defined(PRESISI_TEST_KERNELS)

#include "backend/cpu/kernels/kernels.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "backend/cpu/curve_pieces.hpp"

using namespace presisi;

namespace {

/// Those that this processor can execute. A backend takes the widest only, so the others would go unseen.
std::vector<const cpu::Kernels*> tables() {
  std::vector<const cpu::Kernels*> tables{&cpu::base::kTable};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) tables.push_back(&cpu::avx2::kTable);
  if (&cpu::kernels() == &cpu::avx512::kTable) tables.push_back(&cpu::avx512::kTable);
#endif
  return tables;
}

template <typename T>
std::vector<T> random(size_t count, float low, float high) {
  std::mt19937 engine(7);
  std::uniform_real_distribution<float> distribution(low, high);
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(distribution(engine));
  return values;
}

/// Rows of a wider tensor to rows of another: what lies between isn't touched.
template <typename From, typename To, typename Kernel>
void checkRows(Kernel kernel, float low, float high, bool rounded) {
  for (const int64_t columns : {1, 3, 8, 16, 21, 64, 77}) {
    CAPTURE(columns);
    const int64_t rows = 3, inStride = columns + 5, outStride = columns + 2;
    const bool isFloat = sizeof(From) == sizeof(float);
    const auto in = random<From>(static_cast<size_t>(rows * inStride), isFloat ? -9 : 0, isFloat ? 9 : 120);
    const auto scale = random<float>(static_cast<size_t>(columns), -20, 20);
    const auto shift = random<float>(static_cast<size_t>(columns), -50, 50);
    std::vector<To> out(static_cast<size_t>(rows * outStride), To(99));
    kernel(in.data(), inStride, scale.data(), shift.data(), low, high, rows, columns, out.data(), outStride);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < outStride; ++c) {
        const To actual = out[static_cast<size_t>(r * outStride + c)];
        if (c >= columns) {
          CHECK(actual == To(99));
          continue;
        }
        const auto i = static_cast<size_t>(c);
        const float x = static_cast<float>(in[static_cast<size_t>(r * inStride + c)]) * scale[i] + shift[i];
        const float bounded = std::min(std::max(x, low), high);
        const float expected = rounded ? std::nearbyint(bounded) : bounded;
        // int8 is written as the byte it is.
        const float got =
            low < 0 && rounded ? static_cast<float>(static_cast<int8_t>(actual)) : static_cast<float>(actual);
        CHECK(got == doctest::Approx(expected).epsilon(1e-5));
      }
    }
  }
}

}  // namespace

TEST_CASE("scaling and quantizing by channel is the same with every instruction set") {
  for (const cpu::Kernels* k : tables()) {
    CAPTURE(k->isa);
    for (const float low : {-128.0f, 0.0f, -7.0f}) {
      const float high = low == 0 ? 255.0f : 127.0f;
      checkRows<float, uint8_t>(k->quantizeFloat, low, high, true);
      checkRows<uint8_t, uint8_t>(k->quantizeUint8, low, high, true);
      checkRows<int8_t, uint8_t>(k->quantizeInt8, low, high, true);
      checkRows<float, float>(k->scaleFloat, low, high, false);
    }
  }
}

TEST_CASE("planes become pixels with every instruction set") {
  for (const cpu::Kernels* k : tables()) {
    CAPTURE(k->isa);
    for (const int64_t channels : {1, 3, 4}) {
      for (const int64_t pixels : {1, 7, 16, 53}) {
        const auto planes = random<float>(static_cast<size_t>(channels * 60), -1, 1);
        std::vector<float> out(static_cast<size_t>(channels * pixels + 1), 5.0f);
        k->interleave(planes.data(), 60, channels, pixels, out.data());
        for (int64_t p = 0; p < pixels; ++p) {
          for (int64_t c = 0; c < channels; ++c)
            CHECK(out[static_cast<size_t>(p * channels + c)] == planes[static_cast<size_t>(c * 60 + p)]);
        }
        CHECK(out.back() == 5.0f);
      }
    }
  }
}

namespace {

/// What 16-bit instructions make of it: products are rounded, sums held to 16 bits.
int ofPieces(const cpu::CurvePieces& pieces, int x) {
  const auto held = [](int v) { return std::clamp(v, -32768, 32767); };
  const auto times = [](int a, int b) { return (a * b + 0x4000) >> 15; };
  const auto i = static_cast<size_t>((x >> 10) & 63);
  const int f = static_cast<int16_t>(((x & 0x3ff) << 6) ^ 0x8000);
  const int bent = held(times(pieces.bend[i], f) + pieces.slope[i]);
  return held(times(bent, f) + pieces.value[i]);
}

}  // namespace

TEST_CASE("swish in pieces is off by a fiftieth of a step at most, before it is rounded") {
  for (const float scale : {0.0101f, 0.02f, 0.031f, 0.05f, 0.11f, 0.2f, 0.33f}) {
    CAPTURE(scale);
    const auto fitted = cpu::fittedSwish(scale);
    REQUIRE(fitted);
    double worst = 0;
    int wrong = 0;  // of those that are 0, and 127
    const double beyond = 140.0 * static_cast<double>(scale) + 2;
    for (int i = 0; i <= 400'000; ++i) {
      const double x = -30 + i * (beyond + 30) / 400'000, exact = x / (1 + std::exp(-x)) / static_cast<double>(scale);
      const float scaled = static_cast<float>(x) * fitted->unit + fitted->offset;
      const int y = ofPieces(fitted->pieces, static_cast<int>(std::lrint(std::clamp(scaled, -32768.0f, 32767.0f))));
      if (exact > -0.45 && exact < 0.45) {
        wrong += (y >> 8) != 0;
      } else if (exact > 127.45) {
        wrong += (y >> 8) != 127;
      } else {
        worst = std::max(worst, std::fabs((y - 128) / 256.0 - exact));
      }
    }
    CHECK(worst < 1.0 / 50);
    CHECK(wrong == 0);
  }
  // Where sixteen bits are too few.
  for (const float scale :
       {0.0f, -1.0f, 1e-5f, 0.001f, 0.5f, 100.0f, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    CAPTURE(scale);
    CHECK_FALSE(cpu::fittedSwish(scale));
  }
}

#endif
