#pragma once

#include <atomic>
#include <exception>
#include <mutex>

namespace presisi::cpu {

/// Where threads wait for one another.
class Meeting {
 public:
  /// Returns when all `size` threads have called it, or throws Broken.
  void wait(int size);
  /// What a thread that fails calls instead. The others wait no longer; the first one's exception is kept.
  void leave(std::exception_ptr failure);
  const std::exception_ptr& failure() const { return failure_; }

  struct Broken {};

 private:
  // Whoever waits looks at the second line alone, which is written once a round.
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<int> round_{0};
  std::atomic<bool> left_{false};
  std::mutex mutex_;
  std::exception_ptr failure_;  ///< to be looked at when all have left or are done
};

/// One of the threads that go through the steps of a run together. All call a step, and each does its share of it.
struct Team {
  int index = 0, size = 1;
  Meeting* meeting = nullptr;

  void wait() const {
    if (size > 1) meeting->wait(size);
  }
  /// As one of the first `count` only; the others have nothing to do.
  Team first(int count) const { return {index, count, meeting}; }
};

}  // namespace presisi::cpu
