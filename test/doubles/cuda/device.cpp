#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "runtime.hpp"

namespace presisi::doubles::cuda {

namespace {

thread_local cudaError_t lastError = cudaSuccess;

bool parseGpu(const std::string& text, Gpu& gpu) {
  gpu = Gpu{};
  if (text == "none") {
    gpu.present = false;
    return true;
  }
  if (text == "old-driver") {
    gpu.oldDriver = true;
    return true;
  }
  std::istringstream stream(text);
  std::string part;
  for (int index = 0; std::getline(stream, part, ';'); ++index) {
    if (part.empty()) continue;
    char* end = nullptr;
    switch (index) {
      case 0: gpu.name = part; break;
      case 1:
        if (std::sscanf(part.c_str(), "%d.%d", &gpu.major, &gpu.minor) != 2) return false;
        break;
      case 2:
        if (part != "integrated" && part != "discrete") return false;
        gpu.integrated = part == "integrated";
        break;
      default: {
        const long value = std::strtol(part.c_str(), &end, 10);
        if (*end != '\0' || value < 0) return false;
        if (index == 3) gpu.memory = static_cast<size_t>(value) << 20;
        if (index == 4) gpu.multiprocessors = static_cast<int>(value);
        if (index == 5) gpu.dlaCores = static_cast<int>(value);
        if (index > 5) return false;
      }
    }
  }
  return true;
}

void configure(Device& state) {
  if (state.configured) return;
  state.configured = true;
  state.gpu = Gpu{};
  if (const char* text = std::getenv("PRESISI_DOUBLE_GPU")) {
    if (!parseGpu(text, state.gpu)) {
      std::fprintf(stderr, "PRESISI_DOUBLE_GPU is not understood: %s\n", text);
      state.gpu.present = false;
    }
  }
  const char* nth = std::getenv("PRESISI_DOUBLE_FAIL_ALLOCATION");
  state.failAllocation = nth ? std::atoi(nth) : 0;
}

}  // namespace

Device& device() {
  // Never destroyed: streams' threads may outlive static destruction.
  static Device* state = std::make_unique<Device>().release();
  std::lock_guard lock(state->mutex);
  configure(*state);
  return *state;
}

Gpu gpu() {
  Device& state = device();
  std::lock_guard lock(state.mutex);
  return state.gpu;
}

cudaError_t fail(cudaError_t error) {
  if (error != cudaSuccess) lastError = error;
  return error;
}

bool faulted() { return device().sticky != cudaSuccess; }

cudaError_t usable() {
  const Gpu current = gpu();
  if (current.oldDriver) return cudaErrorInsufficientDriver;
  if (!current.present) return cudaErrorNoDevice;
  return device().sticky;
}

}  // namespace presisi::doubles::cuda

using namespace presisi::doubles::cuda;

extern "C" {

bool doubleCudaPretend(const char* text) {
  Device& state = device();
  std::lock_guard lock(state.mutex);
  if (!text) {
    state.configured = false;
    return true;
  }
  Gpu wanted;
  if (!parseGpu(text, wanted)) return false;
  state.gpu = wanted;
  return true;
}

void doubleCudaFailAllocation(int nth) {
  Device& state = device();
  std::lock_guard lock(state.mutex);
  state.failAllocation = nth;
}

void doubleCudaFailLaunch(int nth) { device().failLaunch = nth; }

void doubleCudaReset() {
  Device& state = device();
  std::lock_guard lock(state.mutex);
  state.configured = false;
  state.failAllocation = 0;
  state.failLaunch = 0;
  state.sticky = cudaSuccess;
  state.invalidAccesses = 0;
  state.launches = 0;
  lastError = cudaSuccess;
}

DoubleCudaState doubleCudaState() {
  DoubleCudaState state{};
  countMemory(state);
  countStreams(state);
  state.events = device().events;
  state.graphs = device().graphs;
  state.invalidAccesses = device().invalidAccesses;
  state.launches = device().launches;
  return state;
}

int doubleCudaDlaCores() { return gpu().dlaCores; }

cudaError_t cudaGetDeviceCount(int* count) {
  if (!count) return fail(cudaErrorInvalidValue);
  *count = 0;
  const cudaError_t state = usable();
  if (state == cudaErrorNoDevice || state == cudaErrorInsufficientDriver) return fail(state);
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* index) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!index) return fail(cudaErrorInvalidValue);
  *index = 0;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int index) {
  if (const cudaError_t error = usable()) return fail(error);
  return fail(index == 0 ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaSetDeviceFlags(unsigned flags) {
  if (const cudaError_t error = usable()) return fail(error);
  if (flags & ~0x1Fu) return fail(cudaErrorInvalidValue);
  device().flags = flags;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceFlags(unsigned* flags) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!flags) return fail(cudaErrorInvalidValue);
  *flags = device().flags | cudaDeviceMapHost;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int index) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!properties) return fail(cudaErrorInvalidValue);
  if (index != 0) return fail(cudaErrorInvalidDevice);
  const Gpu current = gpu();
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "%s", current.name.c_str());
  std::memcpy(properties->uuid.bytes, "presisi-double-0", 16);
  properties->totalGlobalMem = current.memory;
  properties->sharedMemPerBlock = 48 << 10;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->major = current.major;
  properties->minor = current.minor;
  properties->multiProcessorCount = current.multiprocessors;
  properties->integrated = current.integrated;
  properties->canMapHostMemory = 1;
  properties->concurrentKernels = 1;
  properties->asyncEngineCount = current.integrated ? 1 : 2;
  properties->unifiedAddressing = 1;
  properties->memoryBusWidth = 128;
  properties->l2CacheSize = 2 << 20;
  properties->managedMemory = 1;
  properties->pciBusID = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int index) {
  cudaDeviceProp properties;
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, index)) return error;
  if (!value) return fail(cudaErrorInvalidValue);
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = properties.maxThreadsPerBlock; return cudaSuccess;
    case cudaDevAttrWarpSize: *value = properties.warpSize; return cudaSuccess;
    case cudaDevAttrClockRate: *value = 918'000; return cudaSuccess;          // kHz
    case cudaDevAttrMemoryClockRate: *value = 3'199'000; return cudaSuccess;  // kHz
    case cudaDevAttrMultiProcessorCount: *value = properties.multiProcessorCount; return cudaSuccess;
    case cudaDevAttrIntegrated: *value = properties.integrated; return cudaSuccess;
    case cudaDevAttrComputeMode: *value = 0; return cudaSuccess;
    case cudaDevAttrPciBusId: *value = properties.pciBusID; return cudaSuccess;
    case cudaDevAttrPciDeviceId:
    case cudaDevAttrPciDomainId: *value = 0; return cudaSuccess;
    case cudaDevAttrGlobalMemoryBusWidth: *value = properties.memoryBusWidth; return cudaSuccess;
    case cudaDevAttrL2CacheSize: *value = properties.l2CacheSize; return cudaSuccess;
    case cudaDevAttrAsyncEngineCount: *value = properties.asyncEngineCount; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor: *value = properties.major; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor: *value = properties.minor; return cudaSuccess;
    case cudaDevAttrPageableMemoryAccess:
    case cudaDevAttrPageableMemoryAccessUsesHostPageTables: *value = 0; return cudaSuccess;
    case cudaDevAttrConcurrentManagedAccess: *value = properties.integrated ? 0 : 1; return cudaSuccess;
    case cudaDevAttrCanMapHostMemory:
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrManagedMemory:
    case cudaDevAttrCanUseHostPointerForRegisteredMem:
    case cudaDevAttrHostRegisterSupported: *value = 1; return cudaSuccess;
  }
  return fail(cudaErrorInvalidValue);
}

cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int index) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!text || length < 13) return fail(cudaErrorInvalidValue);
  if (index != 0) return fail(cudaErrorInvalidDevice);
  std::snprintf(text, static_cast<size_t>(length), "0000:01:00.0");
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  if (const cudaError_t error = usable()) return fail(error);
  if (forbiddenByCapture()) return fail(cudaErrorStreamCaptureUnsupported);
  drainAll();
  return fail(device().sticky);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  if (const cudaError_t error = usable()) return fail(error);
  if (least) *least = 0;
  if (greatest) *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  if (!version) return fail(cudaErrorInvalidValue);
  const Gpu current = gpu();
  *version = current.oldDriver ? 11000 : current.present ? CUDART_VERSION : 0;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  if (!version) return fail(cudaErrorInvalidValue);
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetLastError() {
  const cudaError_t sticky = device().sticky;
  const cudaError_t error = sticky != cudaSuccess ? sticky : lastError;
  lastError = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() {
  const cudaError_t sticky = device().sticky;
  return sticky != cudaSuccess ? sticky : lastError;
}

}  // extern "C"
