#include "telemetry/pace.hpp"

#include <doctest/doctest.h>

namespace presisi::telemetry {
namespace {

using namespace std::chrono_literals;
using Time = Pace::Clock::time_point;

TEST_CASE("something is due at once, and then after each period") {
  Pace pace(100ms);
  const Time start = Time{} + 1h;
  CHECK(pace.due(start));
  pace.done(start, start + 1ms);
  CHECK_FALSE(pace.due(start + 90ms));
  CHECK(pace.due(start + 96ms));  // a little early
}

TEST_CASE("lateness doesn't add up") {
  Pace pace(100ms);
  const Time start = Time{} + 1h;
  pace.done(start, start);
  pace.done(start + 130ms, start + 130ms);
  CHECK(pace.due(start + 200ms));
  // After a long gap it starts afresh, and doesn't make up for what was left out.
  pace.done(start + 990ms, start + 990ms);
  CHECK_FALSE(pace.due(start + 1040ms));
  CHECK(pace.due(start + 1090ms));
}

TEST_CASE("what takes long is done seldomer, so that it takes its share of the time") {
  Pace pace(1s, 2000);
  const Time start = Time{} + 1h;
  pace.done(start, start + 100us);
  CHECK(pace.due(start + 1s));
  pace.done(start, start + 5ms);
  CHECK_FALSE(pace.due(start + 9s));
  CHECK(pace.due(start + 11s));
}

}  // namespace
}  // namespace presisi::telemetry
