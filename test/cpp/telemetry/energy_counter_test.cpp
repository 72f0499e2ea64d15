#include "telemetry/energy_counter.hpp"

#include <doctest/doctest.h>

using presisi::telemetry::EnergyCounter;

TEST_CASE("energy counter: joules go on where the device's counter wraps") {
  EnergyCounter counter(1e6, 1000000000);
  CHECK(counter.at(999000000) == 999);
  CHECK(counter.at(999500000) == 999.5);
  CHECK(counter.at(500000) == doctest::Approx(1000.5));
  CHECK(counter.at(999000000) == doctest::Approx(1999));
  CHECK(counter.at(1000000) == doctest::Approx(2001));
}

TEST_CASE("energy counter: one that was set back to 0 adds nothing for what isn't known") {
  EnergyCounter counter(1e6, 1000000000);
  CHECK(counter.at(400000000) == 400);
  CHECK(counter.at(2000000) == doctest::Approx(400));
  CHECK(counter.at(5000000) == doctest::Approx(403));

  EnergyCounter endless(1e3);
  CHECK(endless.at(90000) == 90);
  CHECK(endless.at(1000) == doctest::Approx(90));
  CHECK(endless.at(2500) == doctest::Approx(91.5));
}
