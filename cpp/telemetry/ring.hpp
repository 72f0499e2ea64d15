#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace presisi::telemetry {

/// Rows of doubles with a time each, from one thread to one other, without locks. All memory is taken at the start.
class Ring {
 public:
  Ring(size_t capacity, size_t width)
      : capacity_(capacity), width_(width), times_(capacity), values_(capacity * width + 1) {}

  /// Writer: the row to fill next, or null while all are full. Asking again gives the same row.
  double* claim() noexcept {
    const uint64_t written = written_.load(std::memory_order_relaxed);
    if (written - taken_.load(std::memory_order_acquire) == capacity_) return nullptr;
    return &values_[static_cast<size_t>(written % capacity_) * width_];
  }
  /// Writer: hands over the row that was claimed last.
  void publish(int64_t time) noexcept {
    const uint64_t written = written_.load(std::memory_order_relaxed);
    times_[static_cast<size_t>(written % capacity_)] = time;
    written_.store(written + 1, std::memory_order_release);
  }

  /// Reader: appends at most `limit` rows, oldest first, and frees their place.
  void take(size_t limit, std::vector<int64_t>& times, std::vector<double>& values) {
    const uint64_t taken = taken_.load(std::memory_order_relaxed);
    const uint64_t there = written_.load(std::memory_order_acquire) - taken;
    const auto count = static_cast<size_t>(std::min<uint64_t>(limit, there));
    // Everything that can throw comes before rows are given up.
    times.reserve(times.size() + count);
    values.reserve(values.size() + count * width_);
    for (size_t i = 0; i < count; ++i) {
      const auto row = static_cast<size_t>((taken + i) % capacity_);
      times.push_back(times_[row]);
      const double* first = values_.data() + row * width_;
      values.insert(values.end(), first, first + width_);
    }
    taken_.store(taken + count, std::memory_order_release);
  }

 private:
  size_t capacity_;
  size_t width_;
  std::vector<int64_t> times_;
  std::vector<double> values_;  ///< one more, so that rows without columns have an address, too
  // Each on a cache line of its own: they are written by different cores.
  alignas(64) std::atomic<uint64_t> written_{0};
  alignas(64) std::atomic<uint64_t> taken_{0};
};

}  // namespace presisi::telemetry
