#pragma once

#include <functional>

#include "cuda_runtime_api.h"

// What a test may ask of the CUDA stand-in beyond the CUDA runtime itself.
//
// Environment, read on first use and again by doubleCudaReset():
//   PRESISI_DOUBLE_GPU="name;compute;integrated|discrete;MiB;SMs;DLA cores"  missing parts keep their defaults
//                      ("Orin;8.7;integrated;7620;8;0"); "none": no device; "old-driver": a driver that is too old
//   PRESISI_DOUBLE_FAIL_ALLOCATION="N"  the Nth allocation from now (device or pinned) fails for lack of memory

#define DOUBLE_API __attribute__((visibility("default")))

extern "C" {
/// Another GPU from now on, in the form of PRESISI_DOUBLE_GPU; null goes back to the environment. False: not
/// understood.
DOUBLE_API bool doubleCudaPretend(const char* gpu);
/// The Nth allocation from now on fails (1: the next); 0: none.
DOUBLE_API void doubleCudaFailAllocation(int nth);
/// Work on streams fails as a faulty kernel would, from the Nth launch on (1: the next); 0: none.
DOUBLE_API void doubleCudaFailLaunch(int nth);
/// Takes back every hook and the sticky error; the environment is read again.
DOUBLE_API void doubleCudaReset();

struct DoubleCudaState {
  size_t deviceAllocations, deviceBytes;  ///< alive
  size_t pinnedAllocations, pinnedBytes;  ///< alive, registered memory included
  size_t streams, events, graphs;         ///< alive; an instantiated graph counts too
  size_t invalidAccesses;                 ///< copies and kernels that touched memory that isn't there (any more)
  size_t launches;                        ///< kernels enqueued, replays not counted
};
DOUBLE_API DoubleCudaState doubleCudaState();
DOUBLE_API int doubleCudaDlaCores();
}

/// Host address of `bytes` of memory that the device may touch; null, and an invalid access counted, where there is
/// none. What cudaMalloc gives can't be touched from the host: reading it ends the process, as with a real GPU.
DOUBLE_API void* doubleCudaHostView(const void* device, size_t bytes);

/// Enqueues a kernel: recorded when the stream is capturing. An exception that leaves it is a launch failure.
DOUBLE_API cudaError_t doubleCudaLaunch(cudaStream_t stream, std::function<void()> kernel);
