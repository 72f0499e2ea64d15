#include "calibration/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace presisi::calibration {

namespace {

constexpr int kBlock = 2048;  // values per step: 8 KiB, so that the second look at them hits the first-level cache
constexpr int kBinBits = 12;
static_assert(1 << kBinBits == Histogram::kBins, "the bins are a power of two");

constexpr uint32_t kMagnitude = 0x7fffffffu;
constexpr uint32_t kInfinity = 0x7f800000u;

// Four counters per bin: values in a row often fall into one bin, and an increment has to wait for the store of the one
// before it when both hit the same address.
constexpr int kLanes = 4;
constexpr int kLaneStride = Histogram::kBins + 16;  // not a power of two: equal bins of the lanes fall in other sets
constexpr int64_t kLanesPayFrom = 8 * Histogram::kBins;
constexpr int64_t kLanesHold = int64_t{1} << 31;  // values before a 32-bit counter could overflow

int32_t orderKey(int32_t bits) { return bits ^ ((bits >> 31) & static_cast<int32_t>(kMagnitude)); }

float fromOrderKey(int32_t key) {
  const int32_t bits = orderKey(key);  // its own inverse
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

uint32_t magnitudeBits(int32_t key) { return static_cast<uint32_t>(orderKey(key)) & kMagnitude; }

struct Range {
  int32_t minKey;
  int32_t maxKey;
};

// The loops below are plain enough for the compiler to vectorise, for each instruction set and chosen when loaded.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define PRESISI_VECTORISED __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define PRESISI_VECTORISED
#endif

PRESISI_VECTORISED
Range scan(const float* values, int count) {
  Range range{std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min()};
  for (int i = 0; i < count; ++i) {
    int32_t bits;
    std::memcpy(&bits, values + i, sizeof bits);
    const int32_t key = orderKey(bits);
    range.minKey = key < range.minKey ? key : range.minKey;
    range.maxKey = key > range.maxKey ? key : range.maxKey;
  }
  return range;
}

/// Bin of each value; returns how many are zeros, which get bin 0 like the smallest values: a branch or a trash bin
/// would cost more than taking their number off again. `inverseWidth` is a power of two: the product is exact, or
/// underflows to bin 0.
PRESISI_VECTORISED
int32_t binIndices(const float* values, int count, float inverseWidth, int32_t* indices) {
  int32_t zeros = 0;
  for (int i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, values + i, sizeof bits);
    bits &= kMagnitude;
    float magnitude;
    std::memcpy(&magnitude, &bits, sizeof magnitude);
    zeros += bits == 0;
    indices[i] = static_cast<int32_t>(magnitude * inverseWidth);
  }
  return zeros;
}

}  // namespace

void Histogram::add(const float* values, int64_t count) {
  std::vector<uint32_t> lanes;
  if (count >= kLanesPayFrom) lanes.resize(static_cast<size_t>(kLanes) * kLaneStride);
  uint32_t* lanesOrNull = lanes.empty() ? nullptr : lanes.data();
  int64_t pending = 0;
  for (int64_t start = 0; start < count; start += kBlock) {
    const int size = static_cast<int>(std::min<int64_t>(kBlock, count - start));
    const float* block = values + start;
    const Range range = scan(block, size);
    if (std::max(magnitudeBits(range.minKey), magnitudeBits(range.maxKey)) >= kInfinity) {
      dropNonFinite(block, size, lanesOrNull);
    } else {
      addFinite(block, size, range.minKey, range.maxKey, lanesOrNull);
    }
    pending += size;
    if (pending > kLanesHold) {
      flush(lanesOrNull);
      pending = 0;
    }
  }
  flush(lanesOrNull);
}

void Histogram::dropNonFinite(const float* values, int count, uint32_t* lanes) {
  float finite[kBlock];
  int kept = 0;
  for (int i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, values + i, sizeof bits);
    bits &= kMagnitude;
    if (bits < kInfinity) {
      finite[kept++] = values[i];
    } else if (bits == kInfinity) {
      ++inf_;
    } else {
      ++nan_;
    }
  }
  if (kept == 0) return;
  const Range range = scan(finite, kept);
  addFinite(finite, kept, range.minKey, range.maxKey, lanes);
}

void Histogram::addFinite(const float* values, int count, int32_t minKey, int32_t maxKey, uint32_t* lanes) {
  minKey_ = std::min(minKey_, minKey);
  maxKey_ = std::max(maxKey_, maxKey);
  const uint32_t largest = std::max(magnitudeBits(minKey), magnitudeBits(maxKey));
  if (largest == 0) {
    zeros_ += static_cast<uint64_t>(count);
    return;
  }
  // |x| in [2^(e-1), 2^e) has the biased exponent field e + 126.
  const int exponent = std::max(kMinExponent, static_cast<int>(largest >> 23) - 126);
  if (exponent > exponent_) {
    flush(lanes);
    growTo(exponent);
  }

  int32_t indices[kBlock];
  const int32_t zeros = binIndices(values, count, std::ldexp(1.0f, kBinBits - exponent_), indices);
  zeros_ += static_cast<uint64_t>(zeros);
  nonZeros_ += static_cast<uint64_t>(count - zeros);
  if (lanes == nullptr) {
    uint64_t* bins = bins_.data();
    for (int i = 0; i < count; ++i) ++bins[indices[i]];
    bins[0] -= static_cast<uint64_t>(zeros);
    return;
  }
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    ++lanes[indices[i]];
    ++lanes[indices[i + 1] + kLaneStride];
    ++lanes[indices[i + 2] + 2 * kLaneStride];
    ++lanes[indices[i + 3] + 3 * kLaneStride];
  }
  for (; i < count; ++i) ++lanes[indices[i]];
  lanes[0] -= static_cast<uint32_t>(zeros);  // may wrap in this lane: the sum over the lanes, modulo 2^32, doesn't
}

void Histogram::flush(uint32_t* lanes) {
  if (lanes == nullptr) return;
  for (int i = 0; i < kBins; ++i) {
    uint32_t sum = 0;  // fits: kLanesHold
    for (int lane = 0; lane < kLanes; ++lane) sum += lanes[i + lane * kLaneStride];
    bins_[static_cast<size_t>(i)] += sum;
  }
  std::memset(lanes, 0, sizeof(uint32_t) * kLanes * kLaneStride);
}

void Histogram::growTo(int exponent) {
  const int shift = exponent - exponent_;
  exponent_ = exponent;
  if (nonZeros_ == 0) return;
  for (int i = 1; i < kBins; ++i) {
    const int target = shift < kBinBits ? i >> shift : 0;
    const uint64_t moved = bins_[static_cast<size_t>(i)];
    bins_[static_cast<size_t>(i)] = 0;
    bins_[static_cast<size_t>(target)] += moved;
  }
}

void Histogram::merge(const Histogram& other) {
  if (&other == this) {
    merge(Histogram(other));
    return;
  }
  if (other.exponent_ > exponent_) growTo(other.exponent_);
  const int shift = std::min(kBinBits, exponent_ - other.exponent_);
  for (int i = 0; i < kBins; ++i) bins_[static_cast<size_t>(i >> shift)] += other.bins_[static_cast<size_t>(i)];
  nonZeros_ += other.nonZeros_;
  zeros_ += other.zeros_;
  nan_ += other.nan_;
  inf_ += other.inf_;
  minKey_ = std::min(minKey_, other.minKey_);
  maxKey_ = std::max(maxKey_, other.maxKey_);
}

double Histogram::width() const { return nonZeros_ == 0 ? 0.0 : std::ldexp(1.0, exponent_ - kBinBits); }

uint64_t Histogram::total() const { return nonZeros_ + zeros_; }

float Histogram::min() const { return total() == 0 ? 0.0f : fromOrderKey(minKey_); }

float Histogram::max() const { return total() == 0 ? 0.0f : fromOrderKey(maxKey_); }

float Histogram::amax() const { return std::max(std::fabs(min()), std::fabs(max())); }

}  // namespace presisi::calibration
