#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace presisi::calibration {

/// A few threads that wait for loops to share. One caller at a time.
class WorkerPool {
 public:
  /// `threads` counts the caller, which works too: 1 starts none. Fewer are made where the system gives no more.
  explicit WorkerPool(int threads);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int size() const { return static_cast<int>(threads_.size()) + 1; }

  /// Calls `task` with 0 … count - 1, each once, in any order on any of the threads, and returns when all are done.
  /// Rethrows the first exception; indices not begun by then are left out.
  void run(int count, const std::function<void(int)>& task);

 private:
  void work();
  void takeAll(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  const std::function<void(int)>* task_ = nullptr;
  int next_ = 0;
  int count_ = 0;
  int running_ = 0;
  bool closing_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace presisi::calibration
