#include "core/trace.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <utility>

namespace presisi {

namespace {

/// Reading it costs a microsecond, as much as the shortest phases take.
constexpr int64_t kRssAge = 1'000'000;

thread_local Trace* current = nullptr;

int64_t nanoseconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

Trace::Trace() : statm_(open("/proc/self/statm", O_RDONLY | O_CLOEXEC)), outer_(std::exchange(current, this)) {}

Trace::~Trace() {
  current = outer_;
  if (statm_ >= 0) close(statm_);
}

SpanRecord::Mark Trace::mark() {
  SpanRecord::Mark now;
  now.time = nanoseconds(CLOCK_MONOTONIC);
  now.cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
  if (rssTime_ == 0 || now.time - rssTime_ >= kRssAge) {
    rss_ = residentBytes();
    rssTime_ = now.time;
  }
  now.rss = rss_;
  return now;
}

/// Its second number: pages resident.
int64_t Trace::residentBytes() const {
  char text[128];
  const ssize_t length = statm_ < 0 ? -1 : pread(statm_, text, sizeof text - 1, 0);
  if (length <= 0) return 0;
  text[length] = '\0';
  char* second = nullptr;
  std::strtoll(text, &second, 10);
  return std::strtoll(second, nullptr, 10) * sysconf(_SC_PAGESIZE);
}

void Trace::enter(const char* name, const SpanRecord::Mark& now) {
  // What is open encloses what comes, so it all lies before it: inserting moves none of it.
  const int depth = static_cast<int>(open_.size());
  size_t at = open_.empty() ? 0 : open_.back().record + 1;
  while (at < records_.size() && records_[at].depth >= depth) {
    if (records_[at].depth == depth && records_[at].name == name) break;
    ++at;
  }
  if (at == records_.size() || records_[at].depth != depth || records_[at].name != name) {
    SpanRecord record;
    record.name = name;
    record.depth = depth;
    record.begin = now;
    records_.insert(records_.begin() + static_cast<std::ptrdiff_t>(at), std::move(record));
  }
  open_.push_back({at, now});
}

void Trace::leave(const SpanRecord::Mark& now) {
  const Open open = open_.back();
  open_.pop_back();
  SpanRecord& record = records_[open.record];
  record.end = now;
  record.count += 1;
  record.time += now.time - open.begin.time;
  record.cpu += now.cpu - open.begin.cpu;
  record.rss = std::max({record.rss, open.begin.rss, now.rss});
}

std::vector<SpanRecord> Trace::take() {
  std::vector<SpanRecord> done;
  int left = -1;  // depth of the unfinished phase whose parts are left out with it
  for (const SpanRecord& record : records_) {
    if (left >= 0 && record.depth > left) continue;
    left = record.count == 0 ? record.depth : -1;
    if (left < 0) done.push_back(record);
  }
  return done;
}

Span::Span(const char* name) : trace_(current) {
  if (trace_ != nullptr) trace_->enter(name, trace_->mark());
}

Span::~Span() {
  if (trace_ != nullptr) trace_->leave(trace_->mark());
}

void Span::next(const char* name) {
  if (trace_ == nullptr) return;
  const SpanRecord::Mark now = trace_->mark();
  trace_->leave(now);
  trace_->enter(name, now);
}

}  // namespace presisi
