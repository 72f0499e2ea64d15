#if defined(PRESISI_TEST_KERNELS)

#include "backend/cpu/kernels/kernels.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

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

#endif
