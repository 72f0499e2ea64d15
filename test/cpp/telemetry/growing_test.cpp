#include "telemetry/growing.hpp"

#include <doctest/doctest.h>

#include "telemetry/reader.hpp"

namespace presisi::telemetry {
namespace {

TEST_CASE("a counter passes readings on while they grow") {
  Growing counter;
  for (double reading : {0.0, 1.0, 1.0, 7.5}) CHECK(counter.settle(reading) == reading);
}

TEST_CASE("a step back that the next reading makes up for leaves no trace") {
  Growing counter;
  counter.settle(10);
  CHECK(counter.settle(4) == 10);
  CHECK(counter.settle(11) == 11);
  CHECK(counter.settle(12) == 12);
}

TEST_CASE("a step back that stays: counting goes on from the last value") {
  Growing counter;
  counter.settle(10);
  CHECK(counter.settle(4) == 10);
  CHECK(counter.settle(5) == 11);
  CHECK(counter.settle(6) == 12);
}

TEST_CASE("readings that are not fresh don't make a step back stay") {
  Growing counter;
  counter.settle(10);
  CHECK(counter.settle(4, true) == 10);
  CHECK(counter.settle(5, false) == 10);
  CHECK(counter.settle(12, true) == 12);
}

TEST_CASE("an absent reading is absent and changes nothing") {
  Growing counter;
  counter.settle(10);
  CHECK(std::isnan(counter.settle(kAbsent)));
  CHECK(counter.settle(11) == 11);
}

}  // namespace
}  // namespace presisi::telemetry
