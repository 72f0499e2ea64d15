#include "core/worker_pool.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <utility>

using presisi::WorkerPool;

TEST_CASE("worker pool: every index once, over and over") {
  for (const auto& [threads, awake] : {std::pair{-1, 0}, {1, 0}, {2, 0}, {5, 0}, {1, 200}, {2, 200}, {5, 200}}) {
    CAPTURE(threads);
    CAPTURE(awake);
    WorkerPool pool(threads, std::chrono::microseconds(awake));
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
  WorkerPool pool(3, std::chrono::microseconds(50));
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
