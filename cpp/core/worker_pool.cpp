#include "core/worker_pool.hpp"

#include <system_error>

namespace presisi {

WorkerPool::WorkerPool(int threads, std::chrono::microseconds awake) : awake_(awake) {
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

template <typename Ready>
void WorkerPool::await(const Ready& ready) const {
  if (awake_.count() == 0) return;
  const auto until = std::chrono::steady_clock::now() + awake_;
  while (!ready() && std::chrono::steady_clock::now() < until) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }
}

void WorkerPool::run(int count, const std::function<void(int)>& task) {
  std::unique_lock<std::mutex> lock(mutex_);
  task_ = &task;
  next_ = 0;
  count_ = count;
  failure_ = nullptr;
  ++loops_;
  if (count > 1) wake_.notify_all();
  takeAll(lock);
  lock.unlock();
  await([this] { return running_ == 0; });
  lock.lock();
  done_.wait(lock, [this] { return running_ == 0; });
  task_ = nullptr;
  if (failure_) std::rethrow_exception(failure_);
}

void WorkerPool::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    if (!closing_ && next_ >= count_) {
      const uint64_t seen = loops_;
      lock.unlock();
      await([&] { return loops_ != seen; });
      lock.lock();
    }
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

}  // namespace presisi
