#include "telemetry/background_reader.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace presisi::telemetry {

BackgroundReader::BackgroundReader(std::unique_ptr<Reader> slow)
    : slow_(std::move(slow)),
      latest_(slow_->quantities().size(), kAbsent),
      seen_(latest_),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
  if (stop_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  slow_->read(latest_.data());
  taken_ = Clock::now();
  try {
    thread_ = std::thread([this] { loop(); });
  } catch (...) {
    ::close(stop_);
    throw;
  }
}

BackgroundReader::~BackgroundReader() {
  ::eventfd_write(stop_, 1);
  thread_.join();
  ::close(stop_);
}

void BackgroundReader::loop() noexcept {
  ::pthread_setname_np(::pthread_self(), "presisi-slow");
  std::vector<double> values(latest_.size(), kAbsent);
  const std::chrono::nanoseconds period = slow_->period();
  Clock::time_point next = Clock::now() + period;
  while (!stopsBefore(next)) {
    slow_->read(values.data());
    const Clock::time_point now = Clock::now();
    next = std::max(next + period, now);  // where reading takes longer than a period, as fast as it goes
    const std::lock_guard<std::mutex> lock(mutex_);
    std::copy(values.begin(), values.end(), latest_.begin());
    taken_ = now;
  }
}

/// Waits; by ppoll, whose clock no adjustment of the time moves, unlike that of std::condition_variable with gcc 9.
bool BackgroundReader::stopsBefore(Clock::time_point until) noexcept {
  constexpr int64_t second = 1000000000;
  for (;;) {
    const auto left = std::max<std::chrono::nanoseconds>(until - Clock::now(), std::chrono::nanoseconds(0)).count();
    const timespec wait{static_cast<time_t>(left / second), static_cast<long>(left % second)};
    pollfd stop{stop_, POLLIN, 0};
    const int ready = ::ppoll(&stop, 1, &wait, nullptr);
    if (ready >= 0) return ready > 0;
  }
}

void BackgroundReader::read(double* values) noexcept {
  {
    // The lock is held for a copy; should it be taken at this very moment, what was seen before will do.
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (lock.owns_lock()) {
      std::copy(latest_.begin(), latest_.end(), seen_.begin());
      seenTaken_ = taken_;
    }
  }
  // A busy machine may keep the thread waiting for some tenths of a second; that alone makes nothing stale.
  const auto limit = std::max<std::chrono::nanoseconds>(3 * slow_->period(), std::chrono::milliseconds(300));
  const bool stale = Clock::now() - seenTaken_ > limit;
  for (size_t i = 0; i < seen_.size(); ++i) values[i] = stale ? kAbsent : seen_[i];
}

double BackgroundReader::cpuSeconds() const noexcept {
  clockid_t clock{};
  timespec time{};
  auto& thread = const_cast<std::thread&>(thread_);
  if (pthread_getcpuclockid(thread.native_handle(), &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

Source inBackground(const std::string& name, std::unique_ptr<Reader> slow) noexcept {
  Source source{name, nullptr, {}};
  try {
    source.reader = std::make_unique<BackgroundReader>(std::move(slow));
  } catch (const std::exception& error) {
    source.reason = std::string("no thread to read it in the background: ") + error.what();
  }
  return source;
}

}  // namespace presisi::telemetry
