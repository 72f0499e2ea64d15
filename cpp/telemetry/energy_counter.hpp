#pragma once

#include <cstdint>

namespace presisi::telemetry {

/// Joules that only grow, from a device's counter that starts again.
class EnergyCounter {
 public:
  /// `unitsPerJoule`: 1e6 where it counts µJ. `range`: it goes from there to 0; 0 where it never wraps.
  explicit EnergyCounter(double unitsPerJoule, uint64_t range = 0) : scale_(unitsPerJoule), range_(range) {}

  /// The joules at a reading: the counter's own, and what it had forgotten by then.
  double at(uint64_t raw) {
    if (raw < last_) {
      // A wrap is a short step across the end. A long step back is a counter that was set to 0, by a resume from sleep
      // or a reloaded driver: what was drawn meanwhile isn't known, and the joules go on where they were.
      const uint64_t forward = range_ > last_ ? range_ - last_ + raw : raw;
      forgotten_ += range_ > 0 && forward < range_ / 2 ? range_ : last_ - raw;
    }
    last_ = raw;
    return static_cast<double>(raw + forgotten_) / scale_;
  }

 private:
  double scale_;
  uint64_t range_;
  uint64_t last_ = 0;
  uint64_t forgotten_ = 0;
};

}  // namespace presisi::telemetry
