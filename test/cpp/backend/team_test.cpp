#if defined(PRESISI_TEST_KERNELS)

#include "backend/cpu/team.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace presisi;

namespace {

/// `f(team)` on as many threads.
template <typename F>
void onThreads(int size, cpu::Meeting& meeting, F&& f) {
  std::vector<std::thread> threads;
  for (int i = 0; i < size; ++i) threads.emplace_back([&, i] { f(cpu::Team{i, size, &meeting}); });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("a team waits for all its threads, round after round") {
  for (const int size : {1, 2, 3, 5}) {
    CAPTURE(size);
    cpu::Meeting meeting;
    std::vector<int> rounds(static_cast<size_t>(size) * 16);  // plain integers: the meeting is what orders them
    std::atomic<int> wrong{0};
    onThreads(size, meeting, [&](const cpu::Team& team) {
      for (int round = 1; round <= 2000; ++round) {
        rounds[static_cast<size_t>(team.index) * 16] = round;
        team.wait();
        for (int other = 0; other < size; ++other) {
          if (rounds[static_cast<size_t>(other) * 16] != round) ++wrong;
        }
        team.wait();
      }
    });
    CHECK(wrong == 0);
    CHECK_FALSE(meeting.failure());
  }
}

TEST_CASE("whoever leaves a team is waited for no longer, and the first reason stays") {
  cpu::Meeting meeting;
  std::atomic<int> broken{0};
  onThreads(3, meeting, [&](const cpu::Team& team) {
    try {
      team.wait();
      if (team.index == 1) throw std::runtime_error("why");
      team.wait();
    } catch (const cpu::Meeting::Broken&) {
      ++broken;
    } catch (...) {
      meeting.leave(std::current_exception());
    }
  });
  CHECK(broken == 2);
  REQUIRE(meeting.failure());
  CHECK_THROWS_WITH(std::rethrow_exception(meeting.failure()), "why");
  meeting.leave(std::make_exception_ptr(std::runtime_error("later")));
  CHECK_THROWS_WITH(std::rethrow_exception(meeting.failure()), "why");
}

TEST_CASE("one thread of a team has nobody to wait for") {
  cpu::Team{}.wait();
  cpu::Meeting meeting;
  cpu::Team{0, 2, &meeting}.first(1).wait();
}

#endif
