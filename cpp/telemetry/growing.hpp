#pragma once

#include <algorithm>
#include <cmath>

namespace presisi::telemetry {

/// Makes a counter out of readings that step back at times: a sum whose parts are read one after another misses what
/// moves between them meanwhile, and the kernel's idle time is corrected downwards. A step back that the next reading
/// makes up for is held at the last value; one that stays is a part that is gone for good, and counting goes on from
/// the last value.
class Growing {
 public:
  /// `fresh`: whether all parts were read anew, so that a lasting step back can be told from a passing one.
  double settle(double reading, bool fresh = true) noexcept {
    if (std::isnan(reading)) return reading;
    double value = reading + gone_;
    if (value >= last_) {
      deficit_ = 0;
    } else if (deficit_ == 0) {
      deficit_ = last_ - value;
    } else if (fresh) {
      gone_ += deficit_;
      value += deficit_;
      deficit_ = 0;
    }
    last_ = std::max(last_, value);
    return last_;
  }

 private:
  double last_ = 0;
  double gone_ = 0;     ///< of parts that are not read any more
  double deficit_ = 0;  ///< by how much the first reading of a step back was short
};

}  // namespace presisi::telemetry
