#pragma once

#include <memory>
#include <mutex>

namespace presisi::binding {

struct LoadedEngine;

/// The engine whose threads the run lane keeps.
class LaneTeam {
 public:
  /// Lives as long as the process, as the lane does.
  static LaneTeam& instance();
  /// On the lane, before it runs: a run that fails leaves threads, too.
  void keptFor(const std::shared_ptr<LoadedEngine>& engine);
  /// From another thread: has the lane let go of them, once what it is at has ended.
  void rest();

 private:
  std::mutex mutex_;
  std::weak_ptr<LoadedEngine> engine_;
};

}  // namespace presisi::binding
