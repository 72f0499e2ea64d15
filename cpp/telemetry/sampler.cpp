#include "telemetry/sampler.hpp"

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "core/error.hpp"
#include "telemetry/ring.hpp"

namespace presisi::telemetry {
namespace {

constexpr int64_t kSecond = 1000000000;  // nanoseconds

int64_t nanoseconds(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<int64_t>(time.tv_sec) * kSecond + time.tv_nsec;
}

/// Two events that one thread can wait for until a time of the monotonic clock. std::condition_variable would wait on
/// the wall clock with gcc 9, which an adjustment of the time disturbs.
class Events {
 public:
  Events() {
    pthread_condattr_t attributes;
    ::pthread_condattr_init(&attributes);
    ::pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    ::pthread_cond_init(&condition_, &attributes);
    ::pthread_condattr_destroy(&attributes);
  }
  ~Events() { ::pthread_cond_destroy(&condition_); }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  void set(bool Events::*event) {
    const std::lock_guard<std::mutex> lock(mutex_);
    this->*event = true;
    ::pthread_cond_broadcast(&condition_);
  }
  void wait(bool Events::*event) {
    const std::lock_guard<std::mutex> lock(mutex_);
    while (!(this->*event)) ::pthread_cond_wait(&condition_, mutex_.native_handle());
  }
  /// Whether the event happened before `deadline`.
  bool waitUntil(bool Events::*event, int64_t deadline) {
    const timespec until{static_cast<time_t>(deadline / kSecond), static_cast<long>(deadline % kSecond)};
    const std::lock_guard<std::mutex> lock(mutex_);
    while (!(this->*event)) {
      if (::pthread_cond_timedwait(&condition_, mutex_.native_handle(), &until) != 0) break;
    }
    return this->*event;
  }

  bool started = false;
  bool stopping = false;

 private:
  std::mutex mutex_;
  pthread_cond_t condition_{};
};

/// A reader, its place in a row, when it is due, and what it cost. The costs are read by other threads.
struct Station {
  Station(Source source, size_t at) : source(std::move(source)), at(at) {}
  Source source;
  size_t at;
  int64_t due = 0;
  std::atomic<uint64_t> reads{0};
  std::atomic<int64_t> cost{0};
};

/// For counters with one writer: cheaper than a locked addition.
template <typename T>
void add(std::atomic<T>& counter, T amount) {
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

int64_t periodOf(double rate) {
  if (!(rate >= 0.1 && rate <= 1000)) {
    throw Error(ErrorCode::InvalidArgument,
                "Expected a number of samples a second from 0.1 to 1000 for rate but received " + std::to_string(rate));
  }
  return std::llround(static_cast<double>(kSecond) / rate);
}

size_t capacityOf(const SamplerOptions& options) {
  constexpr double kSeconds = 10;
  constexpr size_t kLeast = 1024;
  return options.capacity != 0 ? options.capacity
                               : std::max(kLeast, static_cast<size_t>(std::ceil(options.rate * kSeconds)));
}

}  // namespace

struct Sampler::Impl {
  Impl(const SamplerOptions& options, std::vector<Source> found) : period(periodOf(options.rate)) {
    for (Source& source : found) {
      statuses.push_back({source.name, source.reader != nullptr, source.reason});
      if (!source.reader) continue;
      const size_t at = quantities.size();
      const std::vector<Quantity>& more = source.reader->quantities();
      quantities.insert(quantities.end(), more.begin(), more.end());
      stations.push_back(std::make_unique<Station>(std::move(source), at));
    }
    ring = std::make_unique<Ring>(capacityOf(options), quantities.size());
    spare.resize(quantities.size());
    try {
      thread = std::thread([this] { run(); });
    } catch (const std::system_error& error) {
      throw Error(ErrorCode::OutOfMemory, std::string("The sampler's thread could not be started: ") + error.what());
    }
    events.wait(&Events::started);
  }

  ~Impl() { stop(); }

  void stop() {
    const std::lock_guard<std::mutex> lock(life);
    if (!thread.joinable()) return;
    events.set(&Events::stopping);
    thread.join();
    helpersCpu = helpersSeconds();
    // Ends what readers run on their own: threads, programs.
    for (const auto& station : stations) station->source.reader.reset();
  }

  /// CPU of the thread. Asked from outside, so that it costs nothing at each sample.
  int64_t threadCpu() {
    clockid_t clock{};
    const bool runs = thread.joinable() && ::pthread_getcpuclockid(thread.native_handle(), &clock) == 0;
    return runs ? nanoseconds(clock) : endCpu;
  }

  /// CPU of the threads and programs that readers run.
  double helpersSeconds() const {
    double sum = helpersCpu;
    for (const auto& station : stations) {
      if (station->source.reader) sum += station->source.reader->cpuSeconds();
    }
    return sum;
  }

  void run() noexcept {
    ::pthread_setname_np(::pthread_self(), "presisi-sampler");
    // Where that is allowed, ahead of the work it watches, which may well keep every core busy. Linux takes 0 for this
    // thread alone.
    ::setpriority(PRIO_PROCESS, 0, -10);
    start = nanoseconds(CLOCK_MONOTONIC);
    int64_t done = sample(start, true);
    events.set(&Events::started);
    int64_t tick = 0;  // of the schedule: due at start + tick * period
    for (;;) {
      // Moments that passed while the last sample was taken have no sample of their own.
      const int64_t passed = (done - start) / period;
      add(missed, static_cast<uint64_t>(passed - tick));
      tick = passed + 1;
      const bool stopping = events.waitUntil(&Events::stopping, start + tick * period);
      const int64_t now = nanoseconds(CLOCK_MONOTONIC);
      if (stopping) {
        add(missed, static_cast<uint64_t>((now - start) / period - (tick - 1)));
        sample(now, true);
        end = now;
        endCpu = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
        return;
      }
      done = sample(now, false);
    }
  }

  /// Returns when it was done.
  int64_t sample(int64_t time, bool all) noexcept {
    double* claimed = ring->claim();
    double* row = claimed ? claimed : spare.data();
    int64_t began = time;
    for (const auto& station : stations) {
      Reader& reader = *station->source.reader;
      double* values = row + station->at;
      if (!all && time < station->due) {
        std::fill_n(values, reader.quantities().size(), kAbsent);
        continue;
      }
      if (all) {
        reader.readAll(values);
      } else {
        reader.read(values);
      }
      const int64_t ended = nanoseconds(CLOCK_MONOTONIC);
      add(station->reads, uint64_t{1});
      add(station->cost, ended - began);
      began = ended;
      // Like the samples', a source's schedule is absolute.
      const int64_t every = reader.period().count();
      station->due = every > 0 ? start + ((time - start) / every + 1) * every : 0;
    }
    if (claimed) {
      ring->publish(time);
      add(samples, uint64_t{1});
    } else {
      add(lost, uint64_t{1});
    }
    return began;
  }

  const int64_t period;
  std::vector<Quantity> quantities;
  std::vector<SourceStatus> statuses;
  std::vector<std::unique_ptr<Station>> stations;
  std::unique_ptr<Ring> ring;
  std::vector<double> spare;  ///< a row for what is lost
  Events events;
  int64_t start = 0;   ///< written before `started` is set
  int64_t end = 0;     ///< time of the last sample
  int64_t endCpu = 0;  ///< CPU of the thread by then
  std::atomic<uint64_t> samples{0};
  std::atomic<uint64_t> lost{0};
  std::atomic<uint64_t> missed{0};
  std::mutex life;  ///< guards what stop() ends: the thread, the readers and what they leave
  double helpersCpu = 0;
  std::thread thread;
};

Sampler::Sampler(const SamplerOptions& options)
    : Sampler(options, (periodOf(options.rate), openSources(options.place, options.sources))) {}

Sampler::Sampler(const SamplerOptions& options, std::vector<Source> sources)
    : impl_(std::make_unique<Impl>(options, std::move(sources))) {}

Sampler::~Sampler() = default;

const std::vector<Quantity>& Sampler::quantities() const { return impl_->quantities; }

const std::vector<SourceStatus>& Sampler::sources() const { return impl_->statuses; }

Samples Sampler::drain(size_t limit) {
  Samples samples;
  impl_->ring->take(limit, samples.times, samples.values);
  return samples;
}

SamplerStatistics Sampler::statistics() const {
  const auto seconds = [](int64_t time) { return static_cast<double>(time) / kSecond; };
  Impl& impl = *impl_;
  const std::lock_guard<std::mutex> lock(impl.life);
  SamplerStatistics result;
  result.samples = impl.samples.load(std::memory_order_relaxed);
  result.lost = impl.lost.load(std::memory_order_relaxed);
  result.missed = impl.missed.load(std::memory_order_relaxed);
  const bool runs = impl.thread.joinable();
  result.seconds = seconds((runs ? nanoseconds(CLOCK_MONOTONIC) : impl.end) - impl.start);
  result.cpuSeconds = seconds(impl.threadCpu()) + impl.helpersSeconds();
  for (const auto& station : impl.stations) {
    result.sources.push_back({station->source.name, station->reads.load(std::memory_order_relaxed),
                              seconds(station->cost.load(std::memory_order_relaxed))});
  }
  return result;
}

void Sampler::stop() { impl_->stop(); }

}  // namespace presisi::telemetry
