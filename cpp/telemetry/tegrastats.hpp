#pragma once

#include <chrono>
#include <string>

#include "telemetry/reader.hpp"

namespace presisi::telemetry {

struct TegrastatsOptions {
  std::string program;  ///< path
  /// Between two lines. For each, tegrastats reads some forty files and waits for the power monitors.
  std::chrono::milliseconds interval{200};
  /// How long the first line is waited for; that tells what there is to read.
  std::chrono::milliseconds firstLine{3000};
  /// What prints nothing for so long hangs, and is ended.
  std::chrono::milliseconds silence{5000};
  /// Until it is started again after it has ended; doubled each time.
  std::chrono::milliseconds backoff{500};
  /// Starts after the first one, at most; a minute of lines is forgiven one.
  int restarts = 5;
};

/// What openTegrastats opens where it has found the program.
Source runTegrastats(const TegrastatsOptions& options) noexcept;

}  // namespace presisi::telemetry
