#pragma once

#include <memory>
#include <type_traits>

#include "backend/cuda/error.hpp"

namespace presisi::cuda {

/// A stream of its own, which doesn't wait for the default one.
class Stream {
 public:
  Stream() {
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a stream");
    handle_.reset(stream);
  }
  cudaStream_t get() const { return handle_.get(); }
  void synchronize() const { check(cudaStreamSynchronize(get()), "waiting for a stream"); }

 private:
  struct Destroy {
    void operator()(cudaStream_t stream) const { static_cast<void>(cudaStreamDestroy(stream)); }
  };
  std::unique_ptr<std::remove_pointer_t<cudaStream_t>, Destroy> handle_;
};

/// A mark in a stream that carries its time.
class Event {
 public:
  Event() {
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventDefault), "creating an event");
    handle_.reset(event);
  }
  cudaEvent_t get() const { return handle_.get(); }
  void record(const Stream& stream) const { check(cudaEventRecord(get(), stream.get()), "recording an event"); }
  /// Whether the stream has passed it. Throws what went wrong in the stream until then.
  bool reached() const {
    const cudaError_t status = cudaEventQuery(get());
    if (status == cudaErrorNotReady) {
      static_cast<void>(cudaGetLastError());  // not a failure, but the thread's last error all the same
      return false;
    }
    check(status, "executing");
    return true;
  }

 private:
  struct Destroy {
    void operator()(cudaEvent_t event) const { static_cast<void>(cudaEventDestroy(event)); }
  };
  std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, Destroy> handle_;
};

/// Seconds between two events that were reached; the device's resolution is about half a microsecond.
inline double secondsBetween(const Event& from, const Event& to) {
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, from.get(), to.get()), "reading the time between two events");
  return static_cast<double>(milliseconds) / 1e3;
}

}  // namespace presisi::cuda
