#pragma once

#include <mutex>

#include "backend/tensorrt/api.hpp"
#include "core/progress.hpp"
#include "core/stop_token.hpp"

namespace presisi::tensorrt {

/// Passes the builder's progress on and stops the build when asked to. Phases nest and are announced as they begin, so
/// `total` is the number of steps known so far: it grows, and `completed` never falls. Called from the builder's
/// threads. Before TensorRT 9 nobody calls it: there messages are the only signs of progress, and a build can be
/// canceled before it begins, between calibration batches, and when it is done.
class BuildProgress final : public api::ProgressMonitor {
 public:
  BuildProgress(const ProgressFn& report, StopToken stop) : report_(report), stop_(std::move(stop)) {}
  void phaseStart(const char*, const char*, int32_t steps) noexcept override { announce(0, steps); }
  bool stepComplete(const char*, int32_t) noexcept override {
    announce(1, 0);
    return !stop_.stopRequested();
  }
  void phaseFinish(const char*) noexcept override {}

 private:
  void announce(int64_t completed, int64_t total) noexcept {
    try {
      const std::lock_guard<std::mutex> lock(mutex_);
      completed_ += completed;
      total_ += total;
      if (completed_ > total_) total_ = completed_;
      if (report_) report_({"build", static_cast<double>(completed_), static_cast<double>(total_)});
    } catch (...) {
      // A receiver that throws breaks its contract, and nothing may leave a callback.
    }
  }

  const ProgressFn& report_;
  StopToken stop_;
  std::mutex mutex_;
  int64_t completed_ = 0, total_ = 0;
};

}  // namespace presisi::tensorrt
