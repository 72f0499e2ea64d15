#pragma once

#include <map>
#include <string>

namespace presisi::tensorrt {

/// What a Jetson says of itself in files: `l4t`, `jetpack`, `powerMode`, `gpuClock`, `gpuClockMin`, `gpuClockMax` (Hz),
/// `gpuGovernor`. Only what could be read, which is nothing elsewhere. `root` is `/`, or a copy of such a system.
std::map<std::string, std::string> readMachine(const std::string& root);

/// `6.2` for L4T 36.4.3; `6.x` where only the series is known; empty for none of those.
std::string jetpackOf(int l4tMajor, const std::string& revision);

}  // namespace presisi::tensorrt
