#pragma once

#include <chrono>

#include "runtime.hpp"

namespace presisi::doubles::cuda {

/// What a stream records between BeginCapture and EndCapture. Nodes stand in the order in which they were enqueued,
/// which keeps every dependency.
struct Capture {
  cudaStream_t origin = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread;
  std::vector<Task> tasks;
  std::set<cudaStream_t> members, unjoined;
  bool invalid = false;
};

/// One recording of an event.
struct Recording {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  std::chrono::steady_clock::time_point at;

  void finish();
  void wait();
  bool isDone();
};

/// Streams that exist and what they capture. One lock for all: captures reach over several streams.
struct Streams {
  std::recursive_mutex mutex;
  std::set<cudaStream_t> alive;
};
Streams& streams();

inline bool isLegacy(cudaStream_t stream) { return stream == nullptr || stream == cudaStreamLegacy; }
bool isAlive(cudaStream_t stream);

}  // namespace presisi::doubles::cuda

struct CUstream_st {
  explicit CUstream_st(unsigned flags);
  ~CUstream_st();

  void push(presisi::doubles::cuda::Task task);
  void drain();
  bool idle();

  const unsigned flags;
  std::shared_ptr<presisi::doubles::cuda::Capture> capture;  ///< guarded by Streams::mutex

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable arrived_, drained_;
  std::deque<presisi::doubles::cuda::Task> queue_;
  bool busy_ = false, stopping_ = false;
  std::thread thread_;
};

struct CUevent_st {
  unsigned flags = 0;
  std::shared_ptr<presisi::doubles::cuda::Recording> recording;  ///< null: never recorded, which counts as done
  std::shared_ptr<presisi::doubles::cuda::Capture> capture;      ///< where it was last recorded, if in a capture
  cudaStream_t capturedIn = nullptr;
};
