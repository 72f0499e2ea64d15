#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace presisi::telemetry {

/// What a line of `tegrastats` says, JetPack 4 to 7, in units of the SI. What the line doesn't say, says `off` of, or
/// says in a way that isn't understood, is absent.
struct TegrastatsLine {
  struct Core {
    std::optional<double> load;   ///< share; absent: the core is off
    std::optional<double> clock;  ///< Hz
  };
  std::optional<double> memoryUsed;   ///< bytes, the GPU's included
  std::optional<double> memoryTotal;  ///< bytes
  std::optional<double> swapUsed;     ///< bytes
  std::optional<double> swapTotal;    ///< bytes
  std::vector<Core> cores;
  std::optional<double> memoryLoad;   ///< share of the memory controller's (EMC's) clock
  std::optional<double> memoryClock;  ///< Hz
  std::optional<double> gpuLoad;      ///< share
  std::vector<double> gpuClocks;      ///< Hz, one for each graphics processing cluster, or one in all
  std::vector<std::pair<std::string, double>> temperatures;  ///< °C; sensors that are off, and the dummy PMIC, left out
  std::vector<std::pair<std::string, double>> rails;         ///< W, now; rails that aren't connected (NC) left out
};

/// Never throws but for want of memory: text that is no such line gives nothing. A number that the end of the text may
/// have cut is not taken.
TegrastatsLine parseTegrastats(const char* text);

}  // namespace presisi::telemetry
