#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "hooks.h"

/// Inside of the CUDA stand-in.
namespace presisi::doubles::cuda {

using Task = std::function<void()>;

struct Gpu {
  std::string name = "Orin";
  int major = 8, minor = 7;
  bool integrated = true;
  size_t memory = size_t{7620} << 20;
  int multiprocessors = 8;
  int dlaCores = 0;
  bool present = true;
  bool oldDriver = false;
};

/// One device, for the whole process.
struct Device {
  std::mutex mutex;
  Gpu gpu;
  bool configured = false;
  int failAllocation = 0;
  std::atomic<int> failLaunch{0};
  std::atomic<cudaError_t> sticky{cudaSuccess};  ///< after a fault in a kernel everything fails
  std::atomic<size_t> invalidAccesses{0}, launches{0};
  std::atomic<size_t> events{0}, graphs{0};
  std::atomic<unsigned> flags{0};
};
Device& device();
Gpu gpu();

/// Keeps the error for cudaGetLastError and gives it back.
cudaError_t fail(cudaError_t error);
/// cudaSuccess, or why nothing can be done: no device, or a sticky error.
cudaError_t usable();
/// Runs a task; what it throws becomes the sticky error.
void execute(const Task& task);

/// A device that has faulted copies and computes nothing any more; events still get done.
bool faulted();

struct DeviceFault {
  cudaError_t error;
};

/// Waits for everything that was enqueued on the device.
void drainAll();
/// True, and the captures made invalid, where a capture forbids calls that might synchronize.
bool forbiddenByCapture();

/// Memory. Ranges are found by any address inside them.
struct Range {
  enum class Kind { Device, Pinned, Registered, Managed };
  Kind kind;
  size_t bytes;
  std::shared_ptr<uint8_t> backing;  ///< where the bytes of device memory really are
  unsigned flags;
};
/// A host address for what lies at `address`; null where that is no memory of ours or shorter than `bytes`.
uint8_t* resolve(const void* address, size_t bytes, Range* range = nullptr);
/// Any memory: ours, or else taken to be the host's own.
uint8_t* resolveOrHost(const void* address, size_t bytes, bool mustBeOurs);
void countMemory(DoubleCudaState& state);
void countStreams(DoubleCudaState& state);

/// Puts work into a stream, or into the graph that it is recording. `nullptr` and cudaStreamLegacy are the legacy
/// default stream, which waits for all the blocking streams and is waited for by them.
cudaError_t enqueue(cudaStream_t stream, Task task);
bool isCapturing(cudaStream_t stream);

}  // namespace presisi::doubles::cuda
