#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "telemetry/reader.hpp"

namespace presisi::telemetry {

/// A reader whose reads wait for hardware (an I2C bus, a driver's lock), read on a thread of its own, so that the
/// sampler never waits with it: `read` gives what that thread read last, and nothing once that is older than three
/// periods.
class BackgroundReader : public Reader {
 public:
  /// Reads once before it returns. `slow` must have a period. Throws std::system_error where there can be no thread.
  explicit BackgroundReader(std::unique_ptr<Reader> slow);
  ~BackgroundReader() override;

  const std::vector<Quantity>& quantities() const override { return slow_->quantities(); }
  std::chrono::nanoseconds period() const override { return slow_->period(); }
  void read(double* values) noexcept override;
  double cpuSeconds() const noexcept override;

 private:
  using Clock = std::chrono::steady_clock;
  void loop() noexcept;
  bool stopsBefore(Clock::time_point until) noexcept;

  std::unique_ptr<Reader> slow_;
  std::vector<double> latest_;  ///< guarded by mutex_, as is taken_
  Clock::time_point taken_;
  std::vector<double> seen_;  ///< what the sampler saw last
  Clock::time_point seenTaken_;
  std::mutex mutex_;
  int stop_ = -1;  ///< an eventfd, readable when the thread is to end
  std::thread thread_;
};

/// The source of a slow reader, read in the background.
Source inBackground(const std::string& name, std::unique_ptr<Reader> slow) noexcept;

}  // namespace presisi::telemetry
