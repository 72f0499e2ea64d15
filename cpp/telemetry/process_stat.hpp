#pragma once

namespace presisi::telemetry {

/// What /proc/PID/stat says of a process.
struct ProcessStat {
  int pid = 0;
  int parent = 0;
  char state = '?';  ///< `Z`: ended, but its parent has not asked for its end yet
  double start = 0;  ///< ticks since boot; with the pid it names a process for good
  double user = 0;   ///< seconds of CPU, its own
  double system = 0;
  double childUser = 0;  ///< of children that ended and were waited for, and of theirs
  double childSystem = 0;
  double minorFaults = 0;  ///< its own and those of such children
  double majorFaults = 0;
  double threads = 0;
  double rss = 0;  ///< bytes
};

/// False where the text is no such file, or is cut off.
bool parseProcessStat(const char* text, ProcessStat& stat) noexcept;

}  // namespace presisi::telemetry
