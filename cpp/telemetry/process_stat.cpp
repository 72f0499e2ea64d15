#include "telemetry/process_stat.hpp"

#include <unistd.h>

#include <cstring>

#include "telemetry/text_file.hpp"

namespace presisi::telemetry {

bool parseProcessStat(const char* text, ProcessStat& stat) noexcept {
  // The name of the program stands in parentheses and may hold blanks and parentheses of its own.
  const char* at = std::strrchr(text, ')');
  uint64_t pid = 0;
  const char* first = text;
  if (!at || at[1] != ' ' || at[2] == '\0' || !parseUnsigned(first, pid)) return false;
  const char state = at[2];
  at += 3;
  // Numbered as in proc_pid_stat(5), where the state is the third.
  constexpr int kFirst = 4;
  constexpr int kLast = 24;
  double fields[kLast + 1] = {};
  for (int i = kFirst; i <= kLast; ++i) {
    if (!parseDecimal(at, fields[i])) return false;
  }
  static const double tick = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  static const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  stat.pid = static_cast<int>(pid);
  stat.state = state;
  stat.parent = static_cast<int>(fields[4]);
  stat.minorFaults = fields[10] + fields[11];
  stat.majorFaults = fields[12] + fields[13];
  stat.user = fields[14] * tick;
  stat.system = fields[15] * tick;
  stat.childUser = fields[16] * tick;
  stat.childSystem = fields[17] * tick;
  stat.threads = fields[20];
  stat.start = fields[22];
  stat.rss = fields[24] * page;
  return true;
}

}  // namespace presisi::telemetry
