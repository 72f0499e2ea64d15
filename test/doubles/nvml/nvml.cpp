#include "telemetry/nvml.hpp"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>

// NVML as far as the reader calls it. What it says stands in the file that PRESISI_DOUBLE_NVML_STATE names, read anew
// at every call, so that a test can change it at any time:
//
//   devices 2                           how many GPUs; 1 where it isn't said
//   nvmlDeviceGetPowerUsage 250000      what a function gives for each GPU, numbers in the order of its structure
//   nvmlDeviceGetPowerUsage.1 90000     and for one of them
//   nvmlDeviceGetPowerUsage error 3     it fails with this code
//
// A function that isn't named gives NVML_ERROR_NOT_SUPPORTED; the file itself missing, nvmlInit_v2 finds no driver.
namespace {

namespace nvml = presisi::telemetry::nvml;
using nvml::Device;
using nvml::Result;

constexpr Result kUninitialized = 1;
constexpr Result kInvalidArgument = 2;
constexpr Result kDriverNotLoaded = 9;

int users = 0;

std::map<std::string, std::string> state() {
  std::map<std::string, std::string> entries;
  const char* path = std::getenv("PRESISI_DOUBLE_NVML_STATE");
  std::ifstream file(path != nullptr ? path : "");
  for (std::string line; std::getline(file, line);) {
    const size_t blank = line.find(' ');
    if (blank != std::string::npos) entries[line.substr(0, blank)] = line.substr(blank + 1);
  }
  return entries;
}

size_t indexOf(Device device) { return reinterpret_cast<size_t>(device) - 1; }

/// The numbers that the state has for a function and a GPU.
Result answer(const char* function, Device device, unsigned long long* numbers, int count) {
  if (users == 0) return kUninitialized;
  const std::map<std::string, std::string> entries = state();
  auto found = entries.find(std::string(function) + "." + std::to_string(indexOf(device)));
  if (found == entries.end()) found = entries.find(function);
  if (found == entries.end()) return nvml::kNotSupported;
  const char* at = found->second.c_str();
  if (std::strncmp(at, "error ", 6) == 0) return std::atoi(at + 6);
  for (int i = 0; i < count; ++i) {
    char* end = nullptr;
    numbers[i] = std::strtoull(at, &end, 10);
    at = end;
  }
  return nvml::kSuccess;
}

Result answer(const char* function, Device device, unsigned* number) {
  unsigned long long wide = 0;
  const Result result = answer(function, device, &wide, 1);
  if (result == nvml::kSuccess) *number = static_cast<unsigned>(wide);
  return result;
}

}  // namespace

extern "C" {

Result nvmlInit_v2() {
  if (state().empty()) return kDriverNotLoaded;
  ++users;
  return nvml::kSuccess;
}

Result nvmlShutdown() {
  if (users == 0) return kUninitialized;
  --users;
  return nvml::kSuccess;
}

/// How many have it open: what was begun must be ended.
int doubleNvmlUsers() { return users; }

const char* nvmlErrorString(Result result) {
  switch (result) {
    case nvml::kSuccess: return "Success";
    case kUninitialized: return "Uninitialized";
    case nvml::kNotSupported: return "Not Supported";
    case kDriverNotLoaded: return "Driver Not Loaded";
    default: return "Unknown Error";
  }
}

Result nvmlDeviceGetCount_v2(unsigned* count) {
  if (users == 0) return kUninitialized;
  const std::map<std::string, std::string> entries = state();
  const auto found = entries.find("devices");
  *count = found == entries.end() ? 1 : static_cast<unsigned>(std::atoi(found->second.c_str()));
  return nvml::kSuccess;
}

Result nvmlDeviceGetHandleByIndex_v2(unsigned index, Device* device) {
  unsigned count = 0;
  const Result result = nvmlDeviceGetCount_v2(&count);
  if (result != nvml::kSuccess) return result;
  if (index >= count) return kInvalidArgument;
  *device = reinterpret_cast<Device>(static_cast<size_t>(index) + 1);
  return nvml::kSuccess;
}

Result nvmlDeviceGetName(Device device, char* name, unsigned length) {
  if (users == 0) return kUninitialized;
  const std::string text = "Stand-in " + std::to_string(indexOf(device));
  if (length <= text.size()) return kInvalidArgument;
  std::strcpy(name, text.c_str());
  return nvml::kSuccess;
}

Result nvmlDeviceGetUtilizationRates(Device device, nvml::Utilization* utilization) {
  unsigned long long numbers[2] = {};
  const Result result = answer("nvmlDeviceGetUtilizationRates", device, numbers, 2);
  if (result == nvml::kSuccess) *utilization = {static_cast<unsigned>(numbers[0]), static_cast<unsigned>(numbers[1])};
  return result;
}

Result nvmlDeviceGetMemoryInfo(Device device, nvml::Memory* memory) {
  unsigned long long numbers[3] = {};
  const Result result = answer("nvmlDeviceGetMemoryInfo", device, numbers, 3);
  if (result == nvml::kSuccess) *memory = {numbers[0], numbers[1], numbers[2]};
  return result;
}

Result nvmlDeviceGetClockInfo(Device device, nvml::Clock clock, unsigned* megahertz) {
  return clock == nvml::kGraphicsClock ? answer("nvmlDeviceGetClockInfo", device, megahertz) : kInvalidArgument;
}

Result nvmlDeviceGetTemperature(Device device, nvml::Sensor sensor, unsigned* celsius) {
  return sensor == nvml::kGpuTemperature ? answer("nvmlDeviceGetTemperature", device, celsius) : kInvalidArgument;
}

Result nvmlDeviceGetPowerUsage(Device device, unsigned* milliwatts) {
  return answer("nvmlDeviceGetPowerUsage", device, milliwatts);
}

Result nvmlDeviceGetTotalEnergyConsumption(Device device, unsigned long long* millijoules) {
  return answer("nvmlDeviceGetTotalEnergyConsumption", device, millijoules, 1);
}

Result nvmlDeviceGetCurrentClocksThrottleReasons(Device device, unsigned long long* reasons) {
  return answer("nvmlDeviceGetCurrentClocksThrottleReasons", device, reasons, 1);
}
}
