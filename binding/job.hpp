#pragma once

#include <napi.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "backend/backend.hpp"
#include "core/progress.hpp"
#include "core/stop_token.hpp"
#include "errors.hpp"
#include "executor.hpp"
#include "spans.hpp"

namespace presisi::binding {

class Activity;
class Environment;

/// What a job's work may use on its lane's thread.
struct JobContext {
  StopToken stop;
  ProgressFn progress;
  backend::LogFn log;
};

/// What JavaScript holds to stop jobs; one may serve several jobs.
struct Stop {
  StopSource source;
  std::vector<std::weak_ptr<class Job>> jobs;

  void request();
};

/// What every asynchronous function takes last: `{ stop?, onProgress?, onLog?, onSpans? }`. Work is traced only where
/// there is an `onSpans`: called once before the promise settles, however it does; not where the work never began.
struct Control {
  std::shared_ptr<Stop> stop;
  Napi::FunctionReference onProgress;
  Napi::FunctionReference onLog;
  Napi::FunctionReference onSpans;

  static Control from(const Napi::Value& value);
};

/// Work on a lane behind a promise. `execute` belongs to the lane's thread, everything else to the environment's.
class Job : public Task, public std::enable_shared_from_this<Job> {
 public:
  Job(Napi::Env env, Lane lane, Control control, std::vector<Napi::ObjectReference> keepAlive);

  /// Queues the job and returns its promise.
  Napi::Value start();
  /// Its token stops; where it still waits in the queue, it is taken out and its promise rejects now.
  void requestStop();
  /// Lets go of all JavaScript values; the promise never settles. Only when `execute` has ended or will never begin.
  void abandon();
  /// A message of the lane's thread has arrived: progress, the end, or both.
  void receive();

  void execute() noexcept final;

 protected:
  virtual void perform(const JobContext& context) = 0;
  virtual Napi::Value result(Napi::Env env) = 0;

 private:
  struct LogLine {
    backend::LogLevel level;
    std::string message;
  };

  std::optional<Failure> attempt() noexcept;
  void report(const Progress& progress);
  void report(LogLine line);
  void deliver(const Progress& progress);
  void deliver(const LogLine& line);
  void letGo();
  void settle();

  Napi::Env env_;
  Environment& environment_;
  const std::shared_ptr<Activity> activity_;
  const Lane lane_;
  Control control_;
  StopToken stop_;
  std::vector<Napi::ObjectReference> keepAlive_;
  Napi::Promise::Deferred deferred_;
  bool settled_ = false;

  std::mutex mutex_;
  bool done_ = false;  ///< the outcome is there
  std::optional<Failure> failure_;
  std::optional<JobSpans> spans_;   ///< where they were asked for
  std::vector<Progress> progress_;  ///< not delivered yet
  std::vector<LogLine> log_;        ///< not delivered yet
  std::string lastPhase_;
  std::chrono::steady_clock::time_point lastReport_;
};

/// Runs `work(context)` on a lane; `resolve(env, value)` makes the promise's value from what it returned. The objects
/// in `keepAlive` (typed arrays that the work reads) are held until the promise settles.
template <typename Work, typename Resolve>
Napi::Value runJob(Napi::Env env, Lane lane, Control control, std::vector<Napi::ObjectReference> keepAlive, Work work,
                   Resolve resolve) {
  using Value = std::invoke_result_t<Work&, const JobContext&>;

  class Concrete final : public Job {
   public:
    Concrete(Napi::Env env, Lane lane, Control control, std::vector<Napi::ObjectReference> keepAlive, Work work,
             Resolve resolve)
        : Job(env, lane, std::move(control), std::move(keepAlive)),
          work_(std::make_unique<Work>(std::move(work))),
          resolve_(std::move(resolve)) {}

   protected:
    void perform(const JobContext& context) override {
      // The work, and with it the handles it holds, ends on the lane: no destructor of a large object waits for the
      // event loop, or holds it up.
      const std::unique_ptr<Work> work = std::move(work_);
      value_.emplace((*work)(context));
    }
    Napi::Value result(Napi::Env env) override { return resolve_(env, *value_); }

   private:
    std::unique_ptr<Work> work_;
    Resolve resolve_;
    std::optional<Value> value_;
  };

  return std::make_shared<Concrete>(env, lane, std::move(control), std::move(keepAlive), std::move(work),
                                    std::move(resolve))
      ->start();
}

}  // namespace presisi::binding
