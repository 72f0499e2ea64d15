#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace presisi::cuda {

/// `12.6` from the 12060 that the runtime and the driver report.
std::string versionString(int version);

struct DeviceInfo {
  std::string name;
  int major = 0, minor = 0;  ///< compute capability
  int sms = 0;
  size_t memoryTotal = 0, memoryFree = 0;  ///< bytes; on an integrated GPU this is the system's memory
  bool integrated = false;                 ///< shares memory with the CPU
  bool mapsHostMemory = false;             ///< can read and write pinned host memory in place
  int driver = 0, runtime = 0;             ///< CUDA versions as reported, e.g. 12060
  std::optional<int> clockKhz, memoryClockKhz;

  std::string computeCapability() const { return std::to_string(major) + "." + std::to_string(minor); }
};

/// Devices that can be used; throws BackendUnavailable where there is no driver, an old one, or no device.
int deviceCount();

/// The calling thread's current device. Throws as deviceCount() does.
DeviceInfo currentDevice();

}  // namespace presisi::cuda
