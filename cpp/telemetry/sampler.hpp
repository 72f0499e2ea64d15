#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "telemetry/reader.hpp"

namespace presisi::telemetry {

struct SamplerOptions {
  double rate = 100;  ///< samples a second, 0.1 to 1000
  Place place;
  std::vector<std::string> sources;  ///< empty: all there are
  size_t capacity = 0;               ///< samples kept until they are drained; 0: ten seconds of them, 1024 at least
};

/// What the sampler itself cost and lost since it was started.
struct SamplerStatistics {
  uint64_t samples = 0;   ///< taken and kept
  uint64_t lost = 0;      ///< taken while the ring was full
  uint64_t missed = 0;    ///< due while another was still being taken
  double seconds = 0;     ///< since the start
  double cpuSeconds = 0;  ///< of the sampler's thread, and of threads and programs that sources run
  struct SourceCost {
    std::string name;
    uint64_t reads = 0;
    double seconds = 0;  ///< wall, in all
  };
  std::vector<SourceCost> sources;
};

struct SourceStatus {
  std::string name;
  bool available = false;
  std::string reason;  ///< why not
};

/// Samples drained from the ring, oldest first.
struct Samples {
  std::vector<int64_t> times;  ///< nanoseconds of the monotonic clock, as `process.hrtime()` gives them
  std::vector<double> values;  ///< rows of `quantities().size()`, NaN where absent or not due
};

/// A thread that reads every source on a schedule of absolute times, so that it doesn't drift, into a ring without
/// locks: one thread writes, one drains. A sample is taken at the start, before the constructor returns, and another by
/// `stop()`, so that even the shortest recording has its ends; both read everything, the others what is due. Each
/// moment of the schedule, and the one of `stop()`, is counted once: as a sample, as lost or as missed.
class Sampler {
 public:
  /// Throws InvalidArgument for a rate or a source that can't be.
  explicit Sampler(const SamplerOptions& options);
  /// Reads what is given instead of looking for `options.sources` at `options.place`.
  Sampler(const SamplerOptions& options, std::vector<Source> sources);
  ~Sampler();
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  const std::vector<Quantity>& quantities() const;
  const std::vector<SourceStatus>& sources() const;
  /// Takes out at most `limit` samples. One thread at a time.
  Samples drain(size_t limit);
  SamplerStatistics statistics() const;
  /// Takes a last sample and ends the thread; what it took can still be drained. May be called again.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace presisi::telemetry
