#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace presisi::calibration {

/// A histogram of |x| that depends on the data alone, not on how it was cut into batches or in which order it came.
/// 4096 bins of equal width over [0, 2^exponent); when a larger value comes, neighbouring bins merge in pairs and the
/// exponent grows, so bins always nest. Exact zeros are counted apart.
class Histogram {
 public:
  static constexpr int kBins = 4096;
  /// The range never gets narrower than [0, 2^-100): below it, bins would need a scale factor that float32 doesn't
  /// have. Non-zero values under 2^-112 (subnormals among them) share the first bin; min() and max() stay exact.
  static constexpr int kMinExponent = -100;

  Histogram() : bins_(kBins, 0) {}

  /// Adds `count` values. NaN and Inf are counted, never binned.
  void add(const float* values, int64_t count);
  /// Adds another histogram's counts (for threads); the same result as adding its values.
  void merge(const Histogram& other);

  double width() const;  ///< of one bin; 0 before any non-zero value
  int exponent() const { return exponent_; }
  const std::vector<uint64_t>& bins() const { return bins_; }
  uint64_t zeros() const { return zeros_; }
  uint64_t total() const;  ///< finite values, zeros included
  uint64_t notANumber() const { return nan_; }
  uint64_t infinite() const { return inf_; }
  float min() const;   ///< over finite values, zeros included; 0 when there are none
  float max() const;   ///< likewise
  float amax() const;  ///< max |x|

 private:
  void addFinite(const float* values, int count, int32_t minKey, int32_t maxKey, uint32_t* lanes);
  void dropNonFinite(const float* values, int count, uint32_t* lanes);
  void flush(uint32_t* lanes);
  void growTo(int exponent);

  std::vector<uint64_t> bins_;
  int exponent_ = kMinExponent;
  uint64_t nonZeros_ = 0;
  uint64_t zeros_ = 0;
  uint64_t nan_ = 0;
  uint64_t inf_ = 0;
  // Bit patterns of float32 mapped to integers of the same order: comparing them is exact, takes -0 < +0 and isn't
  // touched by a thread's flush-to-zero mode.
  int32_t minKey_ = std::numeric_limits<int32_t>::max();
  int32_t maxKey_ = std::numeric_limits<int32_t>::min();
};

}  // namespace presisi::calibration
