#include "backend/cuda/error.hpp"

namespace presisi::cuda {

namespace {

constexpr const char* kNoDriver =
    "install NVIDIA's driver for this GPU (on Jetson it comes with JetPack); in a container, give it the GPU: "
    "docker run --gpus all, on Jetson --runtime nvidia";

ErrorCode codeFor(cudaError_t status) {
  switch (status) {
    case cudaErrorMemoryAllocation: return ErrorCode::OutOfMemory;
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorInitializationError: return ErrorCode::BackendUnavailable;
    default: return ErrorCode::Internal;
  }
}

std::string hintFor(ErrorCode code) {
  if (code == ErrorCode::OutOfMemory) return "use a smaller batch or workspace, or free the GPU of other work";
  if (code == ErrorCode::BackendUnavailable) return kNoDriver;
  return {};
}

std::string describe(cudaError_t status) {
  return std::string(cudaGetErrorName(status)) + " (" + cudaGetErrorString(status) + ")";
}

}  // namespace

Error errorFor(cudaError_t status, const std::string& doing) {
  const ErrorCode code = codeFor(status);
  return Error(code, "CUDA failed while " + doing + ": " + describe(status), hintFor(code));
}

void fail(cudaError_t status, const std::string& doing) {
  const Error error = errorFor(status, doing);
  static_cast<void>(cudaGetLastError());
  throw error;
}

void failAllocation(cudaError_t status, const char* kind, size_t bytes) {
  std::string doing = std::string("allocating ") + std::to_string(bytes) + " bytes of " + kind + " memory";
  size_t free = 0, total = 0;
  if (status == cudaErrorMemoryAllocation && cudaMemGetInfo(&free, &total) == cudaSuccess) {
    doing += ", with " + std::to_string(free) + " of " + std::to_string(total) + " bytes free on the device";
  }
  fail(status, doing);
}

}  // namespace presisi::cuda
