#include "telemetry/ring.hpp"

#include <doctest/doctest.h>

#include <thread>

namespace presisi::telemetry {
namespace {

struct Rows {
  std::vector<int64_t> times;
  std::vector<double> values;
};

Rows take(Ring& ring, size_t limit) {
  Rows rows;
  ring.take(limit, rows.times, rows.values);
  return rows;
}

void put(Ring& ring, int64_t time) {
  double* row = ring.claim();
  REQUIRE(row != nullptr);
  row[0] = static_cast<double>(time) * 10;
  row[1] = static_cast<double>(time) * 10 + 1;
  ring.publish(time);
}

TEST_CASE("a ring gives rows back in their order, however often it went around") {
  Ring ring(3, 2);
  CHECK(take(ring, 10).times.empty());
  for (int64_t round = 0; round < 5; ++round) {
    put(ring, round * 2);
    put(ring, round * 2 + 1);
    const Rows rows = take(ring, 10);
    CHECK(rows.times == std::vector<int64_t>{round * 2, round * 2 + 1});
    const double first = static_cast<double>(round) * 20;
    CHECK(rows.values == std::vector<double>{first, first + 1, first + 10, first + 11});
  }
}

TEST_CASE("a full ring takes no more, and keeps what it has") {
  Ring ring(2, 2);
  put(ring, 1);
  put(ring, 2);
  CHECK(ring.claim() == nullptr);
  CHECK(take(ring, 1).times == std::vector<int64_t>{1});
  put(ring, 3);
  CHECK(ring.claim() == nullptr);
  CHECK(take(ring, 10).times == std::vector<int64_t>{2, 3});
}

TEST_CASE("a row that was claimed but not published isn't there") {
  Ring ring(2, 1);
  double* row = ring.claim();
  CHECK(take(ring, 10).times.empty());
  CHECK(ring.claim() == row);
}

TEST_CASE("rows without columns have times") {
  Ring ring(2, 0);
  REQUIRE(ring.claim() != nullptr);
  ring.publish(5);
  CHECK(take(ring, 10).times == std::vector<int64_t>{5});
}

TEST_CASE("one thread writes while another takes: nothing is torn, lost or out of order") {
  constexpr int64_t kRows = 50000;
  Ring ring(7, 3);
  std::thread writer([&] {
    for (int64_t i = 0; i < kRows;) {
      double* row = ring.claim();
      if (!row) {
        std::this_thread::yield();
        continue;
      }
      row[0] = row[1] = row[2] = static_cast<double>(i);
      ring.publish(i);
      ++i;
    }
  });
  int64_t next = 0;
  bool intact = true;
  while (next < kRows) {
    const Rows rows = take(ring, 4);
    if (rows.times.empty()) std::this_thread::yield();
    for (size_t i = 0; i < rows.times.size(); ++i, ++next) {
      intact = intact && rows.times[i] == next;
      for (size_t j = 0; j < 3; ++j) intact = intact && rows.values[i * 3 + j] == static_cast<double>(next);
    }
  }
  writer.join();
  CHECK(intact);
  CHECK(next == kRows);
}

}  // namespace
}  // namespace presisi::telemetry
