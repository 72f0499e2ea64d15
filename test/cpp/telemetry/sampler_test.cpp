#include "telemetry/sampler.hpp"

#include <doctest/doctest.h>
#include <pthread.h>

#include <atomic>
#include <cmath>
#include <functional>
#include <set>
#include <thread>

#include "core/error.hpp"
#include "support/errors.hpp"

namespace presisi::telemetry {
namespace {

using namespace std::chrono_literals;
using test::throwsError;

/// Tells how often it was read, as many times over as it has quantities.
class FakeReader : public Reader {
 public:
  explicit FakeReader(std::vector<std::string> names, std::function<void()> onRead = {}) : onRead_(std::move(onRead)) {
    for (std::string& name : names) quantities_.push_back({std::move(name), "count", Kind::Gauge, "fake", "", false});
  }
  const std::vector<Quantity>& quantities() const override { return quantities_; }
  std::chrono::nanoseconds period() const override { return every; }
  void read(double* values) noexcept override {
    ++reads_;
    for (size_t i = 0; i < quantities_.size(); ++i) values[i] = reads_;
    if (onRead_) onRead_();
  }
  double cpuSeconds() const noexcept override { return ownCpu; }

  std::chrono::nanoseconds every{0};
  double ownCpu = 0;

 private:
  std::vector<Quantity> quantities_;
  std::function<void()> onRead_;
  double reads_ = 0;
};

template <typename... Readers>
std::vector<Source> sourcesOf(Readers... readers) {
  std::vector<Source> sources;
  (sources.push_back({"fake" + std::to_string(sources.size()), std::move(readers), ""}), ...);
  return sources;
}

SamplerOptions at(double rate, size_t capacity = 0) {
  SamplerOptions options;
  options.rate = rate;
  options.capacity = capacity;
  return options;
}

/// Until `done`, without a limit: what waits for ever has failed.
void waitUntil(const std::function<bool()>& done) {
  while (!done()) std::this_thread::sleep_for(1ms);
}

/// Moments of the schedule from the start to the end, and the one of stop().
uint64_t momentsDue(int64_t nanoseconds, int64_t period) { return static_cast<uint64_t>(nanoseconds / period) + 2; }

constexpr int64_t kMillisecond = 1000000;

TEST_CASE("at 1 kHz with a reader slower than that, every moment is a sample or missed") {
  Sampler sampler(at(1000), sourcesOf(std::make_unique<FakeReader>(std::vector<std::string>{"a"},
                                                                   [] { std::this_thread::sleep_for(3ms); })));
  waitUntil([&] { return sampler.statistics().samples >= 20; });
  sampler.stop();
  const SamplerStatistics statistics = sampler.statistics();
  const Samples samples = sampler.drain(1000000);
  REQUIRE(samples.times.size() == statistics.samples);
  CHECK(statistics.lost == 0);
  CHECK(statistics.samples + statistics.missed ==
        momentsDue(samples.times.back() - samples.times.front(), kMillisecond));
  // Two at least pass while one is taken, after all but the last.
  CHECK(statistics.missed >= 2 * (statistics.samples - 2));
  CHECK(statistics.sources.at(0).reads == statistics.samples);
  CHECK(statistics.sources.at(0).seconds >= 0.003 * static_cast<double>(statistics.samples));
}

TEST_CASE("at 1 kHz into a ring that nobody drains, every moment is a sample, lost or missed") {
  Sampler sampler(at(1000, 5), sourcesOf(std::make_unique<FakeReader>(std::vector<std::string>{"a"})));
  waitUntil([&] { return sampler.statistics().lost >= 20; });
  sampler.stop();
  const SamplerStatistics statistics = sampler.statistics();
  CHECK(statistics.samples == 5);
  CHECK(statistics.lost >= 20);
  CHECK(statistics.samples + statistics.lost + statistics.missed ==
        momentsDue(std::llround(statistics.seconds * 1e9), kMillisecond));
  // The oldest are kept; those that were lost were read all the same.
  CHECK(sampler.drain(100).values == std::vector<double>{1, 2, 3, 4, 5});
  CHECK(statistics.sources.at(0).reads == statistics.samples + statistics.lost);
}

TEST_CASE("drained in time, nothing is lost, and pieces fit together") {
  Sampler sampler(at(1000, 64), sourcesOf(std::make_unique<FakeReader>(std::vector<std::string>{"a"})));
  std::vector<int64_t> times;
  std::vector<double> values;
  const auto drain = [&] {
    const Samples samples = sampler.drain(3);
    CHECK(samples.times.size() <= 3);
    times.insert(times.end(), samples.times.begin(), samples.times.end());
    values.insert(values.end(), samples.values.begin(), samples.values.end());
    return samples.times.size();
  };
  while (times.size() < 50) {
    if (drain() == 0) std::this_thread::sleep_for(1ms);
  }
  sampler.stop();
  while (drain() > 0) {
  }
  const SamplerStatistics statistics = sampler.statistics();
  CHECK(times.size() == statistics.samples);
  CHECK(statistics.samples + statistics.lost + statistics.missed ==
        momentsDue(std::llround(statistics.seconds * 1e9), kMillisecond));
  if (statistics.lost == 0) {
    for (size_t i = 0; i < values.size(); ++i) CHECK(values[i] == static_cast<double>(i + 1));
  }
  // One sample of a moment at most, none before it; the last one is free of the schedule.
  for (size_t i = 1; i + 1 < times.size(); ++i) {
    CHECK((times[i] - times[0]) / kMillisecond > (times[i - 1] - times[0]) / kMillisecond);
  }
}

TEST_CASE("the schedule is absolute: what a read takes doesn't lengthen the way to the next") {
  Sampler sampler(at(50), sourcesOf(std::make_unique<FakeReader>(std::vector<std::string>{"a"},
                                                                 [] { std::this_thread::sleep_for(5ms); })));
  waitUntil([&] { return sampler.statistics().samples >= 8; });
  sampler.stop();
  std::vector<int64_t> times = sampler.drain(1000).times;
  times.pop_back();
  int64_t shortest = INT64_MAX;
  for (size_t i = 1; i < times.size(); ++i) shortest = std::min(shortest, times[i] - times[i - 1]);
  CHECK(shortest < 25 * kMillisecond);
}

TEST_CASE("a source with a period is read when it is due, and at both ends") {
  constexpr int64_t kEvery = 20 * kMillisecond;
  auto slow = std::make_unique<FakeReader>(std::vector<std::string>{"slow"});
  slow->every = std::chrono::nanoseconds(kEvery);
  Sampler sampler(at(1000),
                  sourcesOf(std::make_unique<FakeReader>(std::vector<std::string>{"a", "b"}), std::move(slow)));
  REQUIRE(sampler.quantities().size() == 3);
  CHECK(sampler.quantities()[2].name == "slow");
  waitUntil([&] { return sampler.statistics().sources.at(1).reads >= 6; });
  sampler.stop();
  const Samples samples = sampler.drain(1000000);
  const size_t rows = samples.times.size();
  REQUIRE(samples.values.size() == rows * 3);
  int64_t lastRead = -1;
  size_t absent = 0;
  for (size_t i = 0; i < rows; ++i) {
    CHECK(samples.values[i * 3] == static_cast<double>(i + 1));
    CHECK(samples.values[i * 3 + 1] == static_cast<double>(i + 1));
    const bool wasRead = !std::isnan(samples.values[i * 3 + 2]);
    const int64_t turn = (samples.times[i] - samples.times[0]) / kEvery;
    CHECK(wasRead == (turn > lastRead || i + 1 == rows));
    if (wasRead) lastRead = turn;
    if (!wasRead) ++absent;
  }
  CHECK(absent > 0);
}

TEST_CASE("the shortest recording has its two ends") {
  Sampler sampler(at(0.1), sourcesOf(std::make_unique<FakeReader>(std::vector<std::string>{"a"})));
  CHECK(sampler.statistics().samples == 1);
  const auto before = std::chrono::steady_clock::now();
  sampler.stop();
  // Not after the ten seconds to the next sample.
  CHECK(std::chrono::steady_clock::now() - before < 5s);
  sampler.stop();
  CHECK(sampler.statistics().samples == 2);
  CHECK(sampler.drain(10).values == std::vector<double>{1, 2});
  CHECK(sampler.drain(10).times.empty());
}

TEST_CASE("times are of the monotonic clock") {
  const auto now = [] { return std::chrono::steady_clock::now().time_since_epoch().count(); };
  const int64_t before = now();
  Sampler sampler(at(10), sourcesOf(std::make_unique<FakeReader>(std::vector<std::string>{"a"})));
  const int64_t first = sampler.drain(1).times.at(0);
  CHECK(first >= before);
  CHECK(first <= now());
}

TEST_CASE("all reads are on one thread, which has a name") {
  std::set<std::thread::id> threads;
  std::set<std::string> names;
  {
    Sampler sampler(at(1000), sourcesOf(std::make_unique<FakeReader>(std::vector<std::string>{"a"}, [&] {
                      char name[16] = {};
                      pthread_getname_np(pthread_self(), name, sizeof name);
                      threads.insert(std::this_thread::get_id());
                      names.insert(name);
                    })));
    waitUntil([&] { return sampler.statistics().samples >= 5; });
  }
  CHECK(threads.size() == 1);
  CHECK(threads.count(std::this_thread::get_id()) == 0);
  CHECK(names == std::set<std::string>{"presisi-sampler"});
}

TEST_CASE("its CPU time has in it what readers use on their own, also after they are gone") {
  auto destroyed = std::make_shared<int>(0);
  auto reader = std::make_unique<FakeReader>(std::vector<std::string>{"a"}, [destroyed] {});
  reader->ownCpu = 5;
  Sampler sampler(at(1000), sourcesOf(std::move(reader)));
  waitUntil([&] { return sampler.statistics().samples >= 3; });
  CHECK(sampler.statistics().cpuSeconds > 5);
  CHECK(destroyed.use_count() == 2);
  sampler.stop();
  CHECK(destroyed.use_count() == 1);
  const double cpu = sampler.statistics().cpuSeconds;
  CHECK(cpu > 5);
  CHECK(cpu < 6);
  CHECK(sampler.statistics().cpuSeconds == cpu);
  CHECK(sampler.quantities().size() == 1);
}

TEST_CASE("sources that aren't there are told with their reason, and have no columns") {
  std::vector<Source> sources = sourcesOf(std::make_unique<FakeReader>(std::vector<std::string>{"a"}));
  sources.insert(sources.begin(), Source{"gone", nullptr, "no such thing"});
  Sampler sampler(at(10), std::move(sources));
  REQUIRE(sampler.sources().size() == 2);
  CHECK(sampler.sources()[0].name == "gone");
  CHECK_FALSE(sampler.sources()[0].available);
  CHECK(sampler.sources()[0].reason == "no such thing");
  CHECK(sampler.sources()[1].available);
  CHECK(sampler.quantities().size() == 1);
  CHECK(sampler.statistics().sources.size() == 1);
}

TEST_CASE("without any source there are still times") {
  Sampler sampler(at(10), std::vector<Source>{});
  sampler.stop();
  CHECK(sampler.drain(10).times.size() == 2);
}

TEST_CASE("rates that can't be are refused") {
  for (double rate : {0.0, 0.09, 1000.1, -5.0, static_cast<double>(INFINITY), std::nan("")}) {
    CHECK(throwsError(ErrorCode::InvalidArgument, "from 0.1 to 1000 for rate but received",
                      [&] { Sampler(at(rate), std::vector<Source>{}); }));
  }
  SamplerOptions options = at(10);
  options.sources = {"proces"};
  CHECK(throwsError(ErrorCode::InvalidArgument, "for sources but received \"proces\"", [&] { Sampler{options}; }));
}

TEST_CASE("this machine, with all its sources") {
  SamplerOptions options = at(200);
  Sampler sampler(options);
  sampler.stop();
  const Samples samples = sampler.drain(100);
  REQUIRE(samples.times.size() >= 2);
  const size_t width = sampler.quantities().size();
  size_t rss = width;
  for (size_t i = 0; i < width; ++i) {
    if (sampler.quantities()[i].name == "process.rss") rss = i;
  }
  REQUIRE(rss < width);
  CHECK(samples.values[rss] > 1e6);
  CHECK(samples.values[samples.values.size() - width + rss] > 1e6);
}

}  // namespace
}  // namespace presisi::telemetry
