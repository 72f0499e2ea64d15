#include "environment.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "handles.hpp"
#include "job.hpp"

namespace presisi::binding {

namespace {

using Message = std::shared_ptr<Job>;

void requireOk(napi_status status, const char* what) {
  if (status != napi_ok) throw Error(ErrorCode::Internal, std::string("Node-API refused ") + what);
}

}  // namespace

void Activity::enter() {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++count_;
}

void Activity::leave() {
  const std::lock_guard<std::mutex> lock(mutex_);
  --count_;
  idle_.notify_all();
}

void Activity::waitUntilIdle() {
  std::unique_lock<std::mutex> lock(mutex_);
  idle_.wait(lock, [&] { return count_ == 0; });
}

Environment::Environment(Napi::Env env) : env_(env) {
  requireOk(napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "presisi"), 0, 1, nullptr,
                                            nullptr, nullptr, deliver, &channel_),
            "a thread-safe function");
  requireOk(napi_unref_threadsafe_function(env, channel_), "to release the event loop");
  // Hooks run last in, first out: added after the channel, so jobs end while the channel still takes their messages.
  requireOk(napi_add_env_cleanup_hook(
                env, [](void* self) { static_cast<Environment*>(self)->close(); }, this),
            "a cleanup hook");
}

Environment& Environment::of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

void Environment::add(const std::shared_ptr<Job>& job) {
  if (closed_) throw Error(ErrorCode::Canceled, "the process is exiting");
  if (jobs_.empty()) napi_ref_threadsafe_function(env_, channel_);
  jobs_.insert(job);
}

void Environment::add(const std::shared_ptr<LoadedSampler>& sampler) {
  samplers_.erase(std::remove_if(samplers_.begin(), samplers_.end(),
                                 [](const std::weak_ptr<LoadedSampler>& known) { return known.expired(); }),
                  samplers_.end());
  samplers_.push_back(sampler);
}

void Environment::rest() {
  const std::shared_ptr<LoadedEngine> engine = std::exchange(ran_, {}).lock();
  if (engine && engine->session) engine->session->rest();
}

void Environment::remove(const std::shared_ptr<Job>& job) {
  if (jobs_.erase(job) > 0 && jobs_.empty()) napi_unref_threadsafe_function(env_, channel_);
}

void Environment::send(std::shared_ptr<Job> job) {
  auto message = std::make_unique<Message>(std::move(job));
  // The queue has no limit, so this never blocks; it can only fail when the channel is closed, and then nobody waits.
  if (napi_call_threadsafe_function(channel_, message.get(), napi_tsfn_nonblocking) == napi_ok) message.release();
}

void Environment::close() {
  closed_ = true;
  for (const std::shared_ptr<Job>& job : jobs_) job->requestStop();
  activity_->waitUntilIdle();
  for (const std::weak_ptr<LoadedSampler>& known : samplers_) {
    // Not only stopped: readers have threads and child processes of their own.
    if (const std::shared_ptr<LoadedSampler> held = known.lock()) held->sampler.reset();
  }
  samplers_.clear();
  for (const std::shared_ptr<Job>& job : jobs_) job->abandon();
  jobs_.clear();
}

void Environment::deliver(napi_env env, napi_value, void*, void* data) {
  const std::unique_ptr<Message> message(static_cast<Message*>(data));
  if (env == nullptr) return;
  try {
    (*message)->receive();
  } catch (const Napi::Error&) {
    // A worker that is being terminated refuses to make JavaScript values. Nobody waits for them any more, and close()
    // takes care of the job.
  }
}

}  // namespace presisi::binding
