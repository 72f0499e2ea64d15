#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace presisi {

/// A phase of a job: when it began and ended, and what the process had used by then. Phases of one name within the same
/// phase are one record.
struct SpanRecord {
  struct Mark {
    int64_t time = 0;  ///< nanoseconds of the monotonic clock
    int64_t cpu = 0;   ///< nanoseconds of CPU of the whole process
    int64_t rss = 0;   ///< bytes resident, read within the last millisecond; 0 where it can't be read
  };
  std::string name;
  int depth = 0;      ///< 0: of the job itself; a record belongs to the last one before it that is one less deep
  Mark begin;         ///< of the first time
  Mark end;           ///< of the last time
  int64_t count = 0;  ///< how many times
  int64_t time = 0;   ///< nanoseconds, all times together
  int64_t cpu = 0;    ///< nanoseconds, all times together
  int64_t rss = 0;    ///< the largest at any of its ends
};

/// The phases of the job that this thread works on, in the order they began. Phases nest and follow one another, they
/// don't overlap; a job is traced on one thread. Each library has traces of its own: what happens inside a backend's is
/// not seen here.
class Trace {
 public:
  /// Makes itself the thread's trace until it goes.
  Trace();
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  /// This moment, as phases note it.
  SpanRecord::Mark mark();
  /// What was recorded; phases still open are left out.
  std::vector<SpanRecord> take();

 private:
  friend class Span;
  struct Open {
    size_t record;
    SpanRecord::Mark begin;
  };

  void enter(const char* name, const SpanRecord::Mark& now);
  void leave(const SpanRecord::Mark& now);
  int64_t residentBytes() const;

  std::vector<SpanRecord> records_;
  std::vector<Open> open_;  ///< outermost first
  int statm_;               ///< /proc/self/statm; -1 where there is none
  int64_t rss_ = 0;
  int64_t rssTime_ = 0;
  Trace* outer_;
};

/// Records the block it lives in, where its thread has a trace; else costs nothing.
class Span {
 public:
  explicit Span(const char* name);
  ~Span();
  Span(const Span&) = delete;
  Span& operator=(const Span&) = delete;
  /// Ends the phase, and begins another at the same moment.
  void next(const char* name);

 private:
  Trace* trace_;
};

}  // namespace presisi
