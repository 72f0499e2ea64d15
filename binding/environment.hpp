#pragma once

#include <napi.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

namespace presisi::binding {

class Job;
struct LoadedEngine;
struct LoadedSampler;

/// Counts the jobs that lanes may still touch. Shared, because the last to leave may outlive the environment.
class Activity {
 public:
  void enter();
  void leave();
  void waitUntilIdle();

 private:
  std::mutex mutex_;
  std::condition_variable idle_;
  int count_ = 0;
};

/// What the addon keeps for one JavaScript environment (the main thread, or one worker thread). Everything here is used
/// from that environment's own thread alone, but for `send`.
class Environment {
 public:
  explicit Environment(Napi::Env env);
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  static Environment& of(Napi::Env env);

  const Napi::FunctionReference& errorClass() const { return errorClass_; }
  void setErrorClass(Napi::Function errorClass) { errorClass_ = Napi::Persistent(errorClass); }

  /// Keeps the event loop alive while a job is under way. Throws Canceled once the environment closes.
  void add(const std::shared_ptr<Job>& job);
  void remove(const std::shared_ptr<Job>& job);

  /// Has `close()` destroy the sampler, too.
  void add(const std::shared_ptr<LoadedSampler>& sampler);

  /// This thread is about to run an engine itself, and keeps threads for the next time, however that ends.
  void runs(const std::shared_ptr<LoadedEngine>& engine) { ran_ = engine; }
  /// Lets go of them: with another thread's beside them, all would be slow.
  void rest();

  const std::shared_ptr<Activity>& activity() const { return activity_; }

  /// From any thread: has `job.receive()` called on this environment's thread, soon.
  void send(std::shared_ptr<Job> job);

  /// Asks every job to stop and waits until none touches this environment's memory, then destroys the samplers.
  /// No job can start afterwards.
  void close();

 private:
  static void deliver(napi_env env, napi_value callback, void* context, void* data);

  Napi::Env env_;
  Napi::FunctionReference errorClass_;
  napi_threadsafe_function channel_ = nullptr;
  std::set<std::shared_ptr<Job>> jobs_;
  std::vector<std::weak_ptr<LoadedSampler>> samplers_;
  std::weak_ptr<LoadedEngine> ran_;
  std::shared_ptr<Activity> activity_ = std::make_shared<Activity>();
  bool closed_ = false;
};

}  // namespace presisi::binding
