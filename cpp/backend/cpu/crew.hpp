#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace presisi::cpu {

/// Threads that each do a part of something on their own, and sleep when there is nothing: OpenMP's stay awake for
/// milliseconds after they are needed, in the way of whoever else has work; these for a moment, since one that sleeps
/// may be woken on the processor of who wakes it, and wait there. Within a part there are no more threads:
/// OpenMP has one for each member, for the caller, too.
class Crew {
 public:
  /// The caller of `run` is one of them.
  explicit Crew(int members);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  /// Calls `part` with 0 to members - 1, each on a thread of its own, and waits. Rethrows what one threw.
  void run(const std::function<void(int)>& part);

 private:
  void serve(int member);
  void end();
  void attempt(int member) noexcept;

  std::mutex mutex_;
  std::condition_variable begin_, end_;
  const std::function<void(int)>* part_ = nullptr;
  std::atomic<uint64_t> round_{0};
  std::atomic<int> busy_{0};
  bool over_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace presisi::cpu
