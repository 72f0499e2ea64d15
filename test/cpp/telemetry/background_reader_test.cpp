#include "telemetry/background_reader.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "telemetry/readings.hpp"

using namespace presisi;
using namespace presisi::telemetry;
using namespace presisi::test;

namespace {

/// Hardware that answers when the test lets it.
struct Hardware {
  std::mutex mutex;
  std::condition_variable changed;
  bool stuck = false;
  double value = 1;
  std::atomic<int> reads{0};
  std::atomic<bool> alive{true};

  void set(bool nowStuck, double nowValue) {
    const std::lock_guard<std::mutex> lock(mutex);
    stuck = nowStuck;
    value = nowValue;
    changed.notify_all();
  }
};

class SlowReader : public Reader {
 public:
  explicit SlowReader(Hardware& hardware, std::chrono::nanoseconds period = std::chrono::milliseconds(5))
      : hardware_(hardware), period_(period) {}
  ~SlowReader() override { hardware_.alive = false; }
  const std::vector<Quantity>& quantities() const override { return quantities_; }
  std::chrono::nanoseconds period() const override { return period_; }
  void read(double* values) noexcept override {
    std::unique_lock<std::mutex> lock(hardware_.mutex);
    ++hardware_.reads;
    hardware_.changed.wait(lock, [this] { return !hardware_.stuck; });
    *values = hardware_.value;
  }

 private:
  Hardware& hardware_;
  std::chrono::nanoseconds period_;
  std::vector<Quantity> quantities_{{"power.slow", "W", Kind::Gauge, "slow", "slow", false}};
};

}  // namespace

TEST_CASE("background reader: the first value is there at once") {
  Hardware hardware;
  const Source source = inBackground("slow", std::make_unique<SlowReader>(hardware, std::chrono::hours(1)));
  REQUIRE(source.reader);
  CHECK(source.reason.empty());
  CHECK(source.reader->period() == std::chrono::hours(1));
  CHECK(readings(*source.reader) == std::map<std::string, double>{{"power.slow", 1}});
  CHECK(hardware.reads == 1);
}

TEST_CASE("background reader: later values follow") {
  Hardware hardware;
  const Source source = inBackground("slow", std::make_unique<SlowReader>(hardware));
  REQUIRE(source.reader);
  hardware.set(false, 2);
  CHECK(eventually([&] { return readings(*source.reader)["power.slow"] == 2; }));
  CHECK(eventually([&] { return source.reader->cpuSeconds() > 0; }));
}

TEST_CASE("background reader: hardware that hangs makes values absent, not old, and nobody waits for it") {
  Hardware hardware;
  const Source source = inBackground("slow", std::make_unique<SlowReader>(hardware));
  REQUIRE(source.reader);
  hardware.set(true, 3);
  // Returns while the thread is stuck in the middle of a read.
  CHECK(eventually([&] { return readings(*source.reader).empty(); }));
  hardware.set(false, 4);
  CHECK(eventually([&] { return readings(*source.reader)["power.slow"] == 4; }));
}

TEST_CASE("background reader: ends with its thread, and takes the slow reader along") {
  Hardware hardware;
  inBackground("slow", std::make_unique<SlowReader>(hardware)).reader.reset();
  CHECK_FALSE(hardware.alive);
}
