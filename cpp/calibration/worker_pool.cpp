#include "calibration/worker_pool.hpp"

#include <system_error>

namespace presisi::calibration {

WorkerPool::WorkerPool(int threads) {
  if (threads > 1) threads_.reserve(static_cast<size_t>(threads) - 1);
  for (int i = 1; i < threads; ++i) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      break;
    }
  }
}

WorkerPool::~WorkerPool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::run(int count, const std::function<void(int)>& task) {
  std::unique_lock<std::mutex> lock(mutex_);
  task_ = &task;
  next_ = 0;
  count_ = count;
  failure_ = nullptr;
  if (count > 1) wake_.notify_all();
  takeAll(lock);
  done_.wait(lock, [this] { return running_ == 0; });
  task_ = nullptr;
  if (failure_) std::rethrow_exception(failure_);
}

void WorkerPool::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return closing_ || next_ < count_; });
    if (closing_) return;
    takeAll(lock);
    done_.notify_one();
  }
}

void WorkerPool::takeAll(std::unique_lock<std::mutex>& lock) {
  while (next_ < count_) {
    const int index = next_++;
    ++running_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      (*task_)(index);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    --running_;
    if (failure && !failure_) {
      failure_ = failure;
      next_ = count_;
    }
  }
}

}  // namespace presisi::calibration
