#pragma once

#include <algorithm>
#include <chrono>

namespace presisi::telemetry {

/// When to do something again: after a period, or later where it takes long.
class Pace {
 public:
  using Clock = std::chrono::steady_clock;
  /// `share`: it may take that part of the time, one of so many, at most; 0: whatever it takes.
  explicit Pace(std::chrono::nanoseconds period, int share = 0) : period_(period), share_(share) {}

  /// A little early is better than a whole tick late.
  bool due(Clock::time_point now) const noexcept { return now + period_ / 20 >= next_; }
  void done(Clock::time_point began, Clock::time_point ended) noexcept {
    // From the time it was due on, so that lateness doesn't add up.
    const Clock::time_point from = began - next_ < period_ ? next_ : began;
    next_ = from + std::max<std::chrono::nanoseconds>(period_, share_ * (ended - began));
  }

 private:
  std::chrono::nanoseconds period_;
  int share_;
  Clock::time_point next_{};
};

}  // namespace presisi::telemetry
