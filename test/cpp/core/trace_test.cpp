#include "core/trace.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <ctime>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/error.hpp"
#include "core/step.hpp"

using namespace presisi;

namespace {

/// `name depth count` of each record.
std::string shape(const std::vector<SpanRecord>& records) {
  std::string text;
  for (const SpanRecord& record : records) {
    text += record.name + " " + std::to_string(record.depth) + " " + std::to_string(record.count) + "; ";
  }
  return text;
}

/// Works until the process has used some CPU time.
void burn(Trace& trace, int64_t nanoseconds) {
  const int64_t start = trace.mark().cpu;
  while (trace.mark().cpu - start < nanoseconds) continue;
}

}  // namespace

TEST_CASE("trace: a span without a trace records nothing, and a trace only its own thread's") {
  const Span before("before");
  Trace trace;
  std::thread([] { const Span elsewhere("elsewhere"); }).join();
  CHECK(trace.take().empty());
}

TEST_CASE("trace: phases nest and follow one another, in the order they began") {
  Trace trace;
  {
    const Span outer("outer");
    { const Span first("first"); }
    {
      const Span second("second");
      const Span inner("inner");
    }
  }
  { const Span last("last"); }
  const std::vector<SpanRecord> records = trace.take();
  REQUIRE(shape(records) == "outer 0 1; first 1 1; second 1 1; inner 2 1; last 0 1; ");
  for (const SpanRecord& record : records) {
    CHECK(record.begin.time <= record.end.time);
    CHECK(record.time == record.end.time - record.begin.time);
    CHECK(record.cpu == record.end.cpu - record.begin.cpu);
  }
  CHECK(records[0].begin.time <= records[1].begin.time);
  CHECK(records[1].end.time <= records[2].begin.time);
  CHECK(records[3].end.time <= records[2].end.time);
  CHECK(records[2].end.time <= records[0].end.time);
  CHECK(records[0].end.time <= records[4].begin.time);
}

TEST_CASE("trace: times are those of the clocks they name") {
  Trace trace;
  timespec before{};
  clock_gettime(CLOCK_MONOTONIC, &before);
  {
    const Span busy("busy");
    burn(trace, 3'000'000);
  }
  {
    const Span idle("idle");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  const std::vector<SpanRecord> records = trace.take();
  const int64_t start = static_cast<int64_t>(before.tv_sec) * 1'000'000'000 + before.tv_nsec;
  CHECK(records[0].begin.time >= start);
  CHECK(records[0].begin.time - start < 10'000'000'000);
  CHECK(records[0].cpu >= 3'000'000);
  CHECK(records[1].time >= 20'000'000);
  CHECK(records[1].cpu < 15'000'000);
}

TEST_CASE("trace: memory is what is resident") {
  Trace trace;
  const int64_t before = trace.mark().rss;
  REQUIRE(before > 0);
  constexpr size_t kBytes = size_t{64} << 20;
  std::vector<char> held;
  {
    const Span span("grow");
    held.assign(kBytes, 1);
    burn(trace, 2'000'000);  // longer than a reading is kept
  }
  CHECK(trace.take()[0].rss - before > static_cast<int64_t>(kBytes) * 9 / 10);
}

TEST_CASE("trace: one name within one phase is one record, with what is in it") {
  Trace trace;
  {
    const Span outer("outer");
    for (int i = 0; i < 3; ++i) {
      {
        const Span run("run");
        const Span layer(i == 1 ? "other" : "layer");
      }
      const Span collect("collect");
      burn(trace, 1'000'000);
    }
  }
  { const Span run("run"); }
  const std::vector<SpanRecord> records = trace.take();
  REQUIRE(shape(records) == "outer 0 1; run 1 3; layer 2 2; other 2 1; collect 1 3; run 0 1; ");
  const SpanRecord& run = records[1];
  const SpanRecord& collect = records[4];
  // Only its own times, not what lay between them.
  CHECK(run.time < run.end.time - run.begin.time);
  CHECK(collect.cpu >= 3'000'000);
  CHECK(run.time + collect.time <= records[0].time);
}

TEST_CASE("trace: next leaves nothing between two phases") {
  Trace trace;
  {
    Span span("a");
    span.next("b");
    span.next("a");
  }
  const std::vector<SpanRecord> records = trace.take();
  REQUIRE(shape(records) == "a 0 2; b 0 1; ");
  CHECK(records[0].time + records[1].time == records[0].end.time - records[0].begin.time);
}

TEST_CASE("trace: an exception ends its phases; what is still open is left out, and what it holds") {
  Trace trace;
  try {
    const Span failed("failed");
    const Span within("within");
    throw std::runtime_error("no");
  } catch (const std::runtime_error&) {
  }
  const Span open("open");
  { const Span done("done"); }
  CHECK(shape(trace.take()) == "failed 0 1; within 1 1; ");
}

TEST_CASE("trace: the trace made last is the thread's until it goes") {
  Trace outer;
  {
    Trace inner;
    { const Span span("inner"); }
    CHECK(shape(inner.take()) == "inner 0 1; ");
  }
  { const Span span("outer"); }
  CHECK(shape(outer.take()) == "outer 0 1; ");
}

TEST_CASE("step: is reported, recorded, and a chance to stop") {
  std::string reports;
  const ProgressFn progress = [&](const Progress& report) {
    reports += report.phase + " " + std::to_string(static_cast<int>(report.completed)) + "; ";
  };
  StopSource source;
  Trace trace;
  CHECK(step("think", progress, source.token(), [] { return 42; }) == 42);
  CHECK(reports == "think 0; think 1; ");
  CHECK(shape(trace.take()) == "think 0 1; ");
  source.requestStop();
  CHECK_THROWS_AS(step("rest", progress, source.token(), [] { return 0; }), Error);
  CHECK(reports == "think 0; think 1; ");
}
