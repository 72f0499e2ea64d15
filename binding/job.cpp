#include "job.hpp"

#include "environment.hpp"
#include "handles.hpp"

namespace presisi::binding {

namespace {

/// At most twenty reports a second reach JavaScript.
constexpr std::chrono::milliseconds kReportInterval(50);

/// Between two turns of the event loop; what comes beyond is dropped.
constexpr size_t kMaxLogLines = 10'000;

const char* nameOf(backend::LogLevel level) {
  switch (level) {
    case backend::LogLevel::Error: return "error";
    case backend::LogLevel::Warning: return "warning";
    case backend::LogLevel::Info: return "info";
    case backend::LogLevel::Verbose: return "verbose";
  }
  return "info";
}

}  // namespace

void Stop::request() {
  source.requestStop();
  const std::vector<std::weak_ptr<Job>> waiting = std::exchange(jobs, {});
  for (const std::weak_ptr<Job>& weak : waiting) {
    if (const std::shared_ptr<Job> job = weak.lock()) job->requestStop();
  }
}

Control Control::from(const Napi::Value& value) {
  Control control;
  if (!value.IsObject()) return control;
  const Napi::Object object = value.As<Napi::Object>();
  const Napi::Value stop = object.Get("stop");
  if (!stop.IsUndefined()) control.stop = unwrap<Stop>(stop);
  const Napi::Value onProgress = object.Get("onProgress");
  if (onProgress.IsFunction()) control.onProgress = Napi::Persistent(onProgress.As<Napi::Function>());
  const Napi::Value onLog = object.Get("onLog");
  if (onLog.IsFunction()) control.onLog = Napi::Persistent(onLog.As<Napi::Function>());
  const Napi::Value onSpans = object.Get("onSpans");
  if (onSpans.IsFunction()) control.onSpans = Napi::Persistent(onSpans.As<Napi::Function>());
  return control;
}

Job::Job(Napi::Env env, Lane lane, Control control, std::vector<Napi::ObjectReference> keepAlive)
    : env_(env),
      environment_(Environment::of(env)),
      activity_(environment_.activity()),
      lane_(lane),
      control_(std::move(control)),
      keepAlive_(std::move(keepAlive)),
      deferred_(Napi::Promise::Deferred::New(env)) {
  if (!control_.stop) control_.stop = std::make_shared<Stop>();
  stop_ = control_.stop->source.token();
}

Napi::Value Job::start() {
  const std::shared_ptr<Job> self = shared_from_this();
  environment_.add(self);
  if (lane_ == Lane::Work || lane_ == Lane::Run) environment_.rest();
  activity_->enter();
  try {
    Executor::instance().post(lane_, self);
  } catch (...) {
    activity_->leave();
    environment_.remove(self);
    throw;
  }
  std::vector<std::weak_ptr<Job>>& jobs = control_.stop->jobs;
  for (size_t i = jobs.size(); i-- > 0;) {
    if (jobs[i].expired()) jobs.erase(jobs.begin() + static_cast<std::ptrdiff_t>(i));
  }
  jobs.push_back(self);
  return deferred_.Promise();
}

void Job::requestStop() {
  control_.stop->source.requestStop();
  if (!Executor::instance().withdraw(lane_, *this)) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    failure_ = Failure{ErrorCode::Canceled, "canceled by the caller", {}};
    done_ = true;
  }
  // Not settled here: close() calls this too, and then no JavaScript value may be made any more.
  environment_.send(shared_from_this());
  activity_->leave();
}

void Job::abandon() {
  settled_ = true;
  letGo();
}

void Job::letGo() {
  keepAlive_.clear();
  control_.onProgress.Reset();
  control_.onLog.Reset();
  control_.onSpans.Reset();
}

void Job::execute() noexcept {
  std::optional<Failure> failure;
  std::optional<JobSpans> spans;
  if (control_.onSpans.IsEmpty()) {
    failure = attempt();
  } else {
    Trace trace;
    const SpanRecord::Mark begin = trace.mark();
    failure = attempt();
    spans = {begin, trace.mark(), trace.take()};
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    failure_ = std::move(failure);
    spans_ = std::move(spans);
    done_ = true;
  }
  environment_.send(shared_from_this());
  activity_->leave();  // from here on the environment may be gone
}

std::optional<Failure> Job::attempt() noexcept {
  try {
    stop_.check();
    JobContext context{stop_, {}, {}};
    if (!control_.onProgress.IsEmpty()) context.progress = [this](const Progress& progress) { report(progress); };
    if (!control_.onLog.IsEmpty()) {
      context.log = [this](backend::LogLevel level, const std::string& message) { report({level, message}); };
    }
    perform(context);
    return std::nullopt;
  } catch (...) {
    return currentFailure();
  }
}

void Job::report(const Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool important = progress.phase != lastPhase_ || (progress.total > 0 && progress.completed >= progress.total);
    if (!important && now - lastReport_ < kReportInterval) return;
    lastReport_ = now;
    lastPhase_ = progress.phase;
    // Within a phase the newest report replaces one that still waits; no phase goes unseen.
    const bool underWay = !progress_.empty();
    if (underWay && progress_.back().phase == progress.phase) {
      progress_.back() = progress;
    } else {
      progress_.push_back(progress);
    }
    if (underWay) return;
  }
  environment_.send(shared_from_this());
}

void Job::report(LogLine line) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    // A vendor that talks faster than anybody reads must not fill the memory.
    if (log_.size() >= kMaxLogLines) return;
    log_.push_back(std::move(line));
    if (log_.size() > 1) return;
  }
  environment_.send(shared_from_this());
}

void Job::receive() {
  if (settled_) return;
  std::vector<Progress> reports;
  std::vector<LogLine> lines;
  bool done = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    reports.swap(progress_);
    lines.swap(log_);
    done = done_;
  }
  const Napi::HandleScope scope(env_);
  for (const LogLine& line : lines) deliver(line);
  for (const Progress& progress : reports) deliver(progress);
  if (done) settle();
}

void Job::deliver(const Progress& progress) {
  Napi::Object report = Napi::Object::New(env_);
  report.Set("phase", progress.phase);
  report.Set("completed", progress.completed);
  report.Set("total", progress.total);
  control_.onProgress.Call({report});
}

void Job::deliver(const LogLine& line) {
  Napi::Object entry = Napi::Object::New(env_);
  entry.Set("level", nameOf(line.level));
  entry.Set("message", line.message);
  control_.onLog.Call({entry});
}

void Job::settle() {
  settled_ = true;
  const std::shared_ptr<Job> self = shared_from_this();
  const Napi::FunctionReference onSpans = std::move(control_.onSpans);
  // Cleared here, not by the destructor: the lane's thread may be the last to let go of the job.
  letGo();
  try {
    if (spans_) onSpans.Call({toJs(env_, *spans_)});
    if (failure_) {
      deferred_.Reject(toError(env_, *failure_).Value());
    } else {
      deferred_.Resolve(result(env_));
    }
  } catch (const Napi::Error& error) {
    deferred_.Reject(error.Value());
  } catch (...) {
    deferred_.Reject(toError(env_, currentFailure()).Value());
  }
  environment_.remove(self);
}

}  // namespace presisi::binding
