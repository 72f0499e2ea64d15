#include "calibration/worker_pool.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>

using presisi::calibration::WorkerPool;

TEST_CASE("worker pool: every index once, over and over") {
  for (const int threads : {-1, 1, 2, 5}) {
    CAPTURE(threads);
    WorkerPool pool(threads);
    CHECK(pool.size() >= 1);
    for (const int count : {0, 1, 2, 100}) {
      std::vector<std::atomic<int>> calls(static_cast<size_t>(count));
      for (int round = 0; round < 20; ++round) {
        pool.run(count, [&](int i) { ++calls[static_cast<size_t>(i)]; });
      }
      bool all = true;
      for (const std::atomic<int>& n : calls) all = all && n == 20;
      CHECK(all);
    }
  }
}

TEST_CASE("worker pool: an exception reaches the caller, and the pool works on") {
  WorkerPool pool(3);
  for (int round = 0; round < 20; ++round) {
    CHECK_THROWS_WITH_AS(pool.run(50,
                                  [](int i) {
                                    if (i == 7) throw std::runtime_error("seven");
                                  }),
                         "seven", std::runtime_error);
    std::atomic<int> sum{0};
    pool.run(10, [&](int i) { sum += i; });
    CHECK(sum == 45);
  }
}
