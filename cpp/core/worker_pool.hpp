#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace presisi {

/// A few threads that wait for loops to share. One caller at a time. They sleep in between: OpenMP's stay awake for
/// milliseconds after they are needed, in the way of whoever else has work.
class WorkerPool {
 public:
  /// `threads` counts the caller, which works too: 1 starts none. Fewer are made where the system gives no more.
  /// Before they sleep, threads wait `awake` for the next loop, and the caller for its last part: a thread that sleeps
  /// may be woken on the processor of who wakes it, and has to wait there.
  explicit WorkerPool(int threads, std::chrono::microseconds awake = {});
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int size() const { return static_cast<int>(threads_.size()) + 1; }

  /// Calls `task` with 0 … count - 1, each once, in any order on any of the threads, and returns when all are done.
  /// Rethrows the first exception; indices not begun by then are left out.
  void run(int count, const std::function<void(int)>& task);

 private:
  void work();
  template <typename Ready>
  void await(const Ready& ready) const;
  void takeAll(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  const std::function<void(int)>* task_ = nullptr;
  int next_ = 0;
  int count_ = 0;
  std::atomic<int> running_{0};
  std::atomic<uint64_t> loops_{0};
  const std::chrono::microseconds awake_;
  bool closing_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace presisi
