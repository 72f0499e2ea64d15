#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace presisi::test {

/// Random numbers that are the same with every compiler and library, unlike those of <random>'s distributions.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  /// In (0, 1). SplitMix64 (Steele, Lea and Flood 2014).
  double uniform() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (static_cast<double>(z >> 11) + 0.5) / 9007199254740992.0;
  }

  double normal() { return std::sqrt(-2 * std::log(uniform())) * std::cos(6.283185307179586 * uniform()); }

  double laplace() {
    const double magnitude = -std::log(uniform());
    return uniform() < 0.5 ? -magnitude : magnitude;
  }

 private:
  uint64_t state_;
};

template <typename Draw>
std::vector<float> draw(int count, uint64_t seed, const Draw& one) {
  Random random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(one(random));
  return values;
}

/// Signal to quantization noise of symmetric INT8 with the given threshold, in decibel.
inline double sqnr(const std::vector<float>& values, double threshold) {
  const double scale = threshold / 127;
  double signal = 0;
  double noise = 0;
  for (const float value : values) {
    const double q = std::fmin(127, std::fmax(-128, std::nearbyint(value / scale)));
    signal += static_cast<double>(value) * value;
    noise += (value - q * scale) * (value - q * scale);
  }
  return 10 * std::log10(signal / noise);
}

}  // namespace presisi::test
