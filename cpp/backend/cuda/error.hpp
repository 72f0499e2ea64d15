#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>

#include "core/error.hpp"

/// RAII over the CUDA runtime: devices, streams, events, memory and graphs. Nothing here knows what executes networks.
namespace presisi::cuda {

/// The Error for a failed call: the runtime's name for it and what was being done. Running out of memory is
/// OutOfMemory, having no usable device or driver BackendUnavailable.
Error errorFor(cudaError_t status, const std::string& doing);

/// Out of line, so that check() costs a comparison. Clears the thread's last error, which the next check would see.
[[noreturn]] void fail(cudaError_t status, const std::string& doing);
/// Says how much was asked for and how much was free.
[[noreturn]] void failAllocation(cudaError_t status, const char* kind, size_t bytes);

inline void check(cudaError_t status, const char* doing) {
  if (status != cudaSuccess) fail(status, doing);
}

}  // namespace presisi::cuda
