#include "backend/cpu/crew.hpp"

#include <omp.h>

#include <chrono>
#include <utility>

namespace presisi::cpu {

namespace {

/// Longer than from one run to the next where they follow one another, shorter than anybody's turn on a processor.
constexpr std::chrono::microseconds kAwake(200);

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits awake, for a while.
template <typename Ready>
void await(const Ready& ready) {
  const auto until = std::chrono::steady_clock::now() + kAwake;
  while (!ready() && std::chrono::steady_clock::now() < until) pause();
}

}  // namespace

Crew::Crew(int members) {
  try {
    for (int member = 1; member < members; ++member) threads_.emplace_back([this, member] { serve(member); });
  } catch (...) {
    end();
    throw;
  }
}

Crew::~Crew() { end(); }

void Crew::end() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    over_ = true;
  }
  begin_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Crew::run(const std::function<void(int)>& part) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    part_ = &part;
    busy_ = static_cast<int>(threads_.size());
    ++round_;
  }
  begin_.notify_all();
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  attempt(0);
  omp_set_num_threads(before);
  await([&] { return busy_ == 0; });
  std::unique_lock<std::mutex> lock(mutex_);
  end_.wait(lock, [&] { return busy_ == 0; });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Crew::serve(int member) {
  omp_set_num_threads(1);
  uint64_t done = 0;
  for (;;) {
    await([&] { return round_ > done; });
    {
      std::unique_lock<std::mutex> lock(mutex_);
      begin_.wait(lock, [&] { return over_ || round_ > done; });
      if (over_) return;
      done = round_;
    }
    attempt(member);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      --busy_;
    }
    end_.notify_one();
  }
}

void Crew::attempt(int member) noexcept {
  try {
    (*part_)(member);
  } catch (...) {
    const std::lock_guard<std::mutex> lock(mutex_);
    failure_ = std::current_exception();
  }
}

}  // namespace presisi::cpu
