#pragma once

#include <functional>
#include <string>

namespace presisi {

/// One step of long work. `total` is 0 where it isn't known.
struct Progress {
  std::string phase;  ///< `parse`, `optimize`, `calibrate`, `solve`, `quantize`, `build`, `serialize`, …
  double completed = 0;
  double total = 0;
};

/// Called from the working thread; must not throw. May be empty.
using ProgressFn = std::function<void(const Progress&)>;

}  // namespace presisi
