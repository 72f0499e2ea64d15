#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

namespace presisi::binding {

/// What a lane executes. `execute()` must not throw.
class Task {
 public:
  virtual ~Task() = default;
  virtual void execute() noexcept = 0;
};

/// `Work` parses, calibrates and builds; `Run` loads engines and infers, so that a build of minutes never holds up an
/// inference; `Sensors` opens and closes those of the telemetry, which watches both; `Pictures` decodes.
enum class Lane { Work, Run, Sensors, Pictures };

/// The process's own threads, one a lane: each drives an OpenMP team, so more of them would multiply teams and not
/// speed. Only `Pictures` has as many as there are processors, and with less of a claim to them: what decodes fills in
/// where networks leave a processor, instead of having their threads wait for each other. libuv's pool is left to the
/// file system. All environments (worker threads) share them.
class Executor {
 public:
  /// Lives as long as the process: its threads may not be joined from a static destructor.
  static Executor& instance();

  /// First in, first out within a lane. Starts the lane's threads on first use; throws std::system_error when it can't.
  void post(Lane lane, std::shared_ptr<Task> task);

  /// In front of all that wait, and returns when it has been executed.
  void interpose(Lane lane, std::shared_ptr<Task> task);

  /// Takes a task back that has not started; false when it has started or was never posted.
  bool withdraw(Lane lane, const Task& task);

 private:
  struct Queue {
    std::mutex mutex;
    std::condition_variable ready;
    std::deque<std::shared_ptr<Task>> tasks;
    unsigned threads = 0;
  };

  template <typename Put>
  void put(Lane lane, const Put& put);
  [[noreturn]] static void serve(Queue& queue, Lane lane);

  std::array<Queue, 4> queues_;
};

}  // namespace presisi::binding
