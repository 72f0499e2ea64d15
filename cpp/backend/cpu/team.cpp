#include "backend/cpu/team.hpp"

#include <thread>
#include <utility>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace presisi::cpu {

namespace {

// Some hundred microseconds: longer than a step, and than most turns another process takes.
constexpr int kSpins = 10'000;

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void Meeting::wait(int size) {
  const int round = round_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == size - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    return;
  }
  for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) {
    if (left_.load(std::memory_order_acquire)) throw Broken();
    spins < kSpins ? pause() : std::this_thread::yield();
  }
}

void Meeting::leave(std::exception_ptr failure) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!failure_) failure_ = std::move(failure);
  left_.store(true, std::memory_order_release);
}

}  // namespace presisi::cpu
