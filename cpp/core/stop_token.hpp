#pragma once

#include <atomic>
#include <memory>

#include "core/error.hpp"

namespace presisi {

/// Asked by long work, between layers, batches and steps, whether the caller has lost interest.
/// Copies share the flag; a default-made token never stops.
class StopToken {
 public:
  StopToken() = default;
  bool stopRequested() const { return flag_ && flag_->load(std::memory_order_relaxed); }
  /// Throws Error{Canceled} once a stop was requested.
  void check() const {
    if (stopRequested()) throw Error(ErrorCode::Canceled, "canceled by the caller");
  }

 private:
  friend class StopSource;
  explicit StopToken(std::shared_ptr<std::atomic<bool>> flag) : flag_(std::move(flag)) {}
  std::shared_ptr<std::atomic<bool>> flag_;
};

class StopSource {
 public:
  StopSource() : flag_(std::make_shared<std::atomic<bool>>(false)) {}
  void requestStop() { flag_->store(true, std::memory_order_relaxed); }
  StopToken token() const { return StopToken(flag_); }

 private:
  std::shared_ptr<std::atomic<bool>> flag_;
};

}  // namespace presisi
