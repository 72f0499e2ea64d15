#include "backend/cuda/device.hpp"

#include "backend/cuda/error.hpp"

namespace presisi::cuda {

namespace {

/// Absent where this device or this runtime doesn't say: the attribute is on its way out of CUDA.
std::optional<int> attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  if (cudaDeviceGetAttribute(&value, which, device) == cudaSuccess && value > 0) return value;
  static_cast<void>(cudaGetLastError());
  return std::nullopt;
}

}  // namespace

std::string versionString(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

int deviceCount() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaErrorInsufficientDriver) {
    int driver = 0, runtime = 0;
    static_cast<void>(cudaDriverGetVersion(&driver));
    static_cast<void>(cudaRuntimeGetVersion(&runtime));
    static_cast<void>(cudaGetLastError());
    throw Error(ErrorCode::BackendUnavailable,
                driver == 0 ? "there is no NVIDIA driver (cudaErrorInsufficientDriver)"
                            : "the NVIDIA driver supports CUDA " + versionString(driver) + " but CUDA " +
                                  versionString(runtime) + " is installed (cudaErrorInsufficientDriver)",
                errorFor(status, "").hint());
  }
  if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0)) {
    static_cast<void>(cudaGetLastError());
    throw Error(ErrorCode::BackendUnavailable, "there is no CUDA device (cudaErrorNoDevice)",
                errorFor(cudaErrorNoDevice, "").hint());
  }
  check(status, "counting devices");
  return count;
}

DeviceInfo currentDevice() {
  deviceCount();
  int device = 0;
  check(cudaGetDevice(&device), "asking for the current device");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "reading the device's properties");
  DeviceInfo info;
  info.name = properties.name;
  info.major = properties.major;
  info.minor = properties.minor;
  info.sms = properties.multiProcessorCount;
  info.integrated = properties.integrated != 0;
  info.mapsHostMemory = properties.canMapHostMemory != 0;
  check(cudaMemGetInfo(&info.memoryFree, &info.memoryTotal), "reading the device's memory");
  check(cudaDriverGetVersion(&info.driver), "reading the driver's version");
  check(cudaRuntimeGetVersion(&info.runtime), "reading the runtime's version");
  info.clockKhz = attribute(cudaDevAttrClockRate, device);
  info.memoryClockKhz = attribute(cudaDevAttrMemoryClockRate, device);
  return info;
}

}  // namespace presisi::cuda
