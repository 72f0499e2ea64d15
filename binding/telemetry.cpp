#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "conversions.hpp"
#include "environment.hpp"
#include "exports.hpp"
#include "handles.hpp"
#include "job.hpp"
#include "telemetry/sampler.hpp"

namespace presisi::binding {

namespace {

constexpr double kNanosecondsPerSecond = 1e9;
/// Of one `drainSampler`: some ten megabytes, so that draining never holds up the event loop for long.
constexpr int64_t kMaxDrain = 16'384;
/// Beyond what any ring should hold; a gigabyte of a small device's memory is gone long before.
constexpr int64_t kMaxCapacity = 1 << 24;

telemetry::SamplerOptions toOptions(const Napi::Object& object) {
  telemetry::SamplerOptions options;
  options.rate = optionalNumber(object, "rate", options.rate);
  options.place.root = optionalString(object, "root");
  options.place.pid = static_cast<int>(optionalInteger(object, "pid", 0, INT32_MAX, 0));
  options.place.tegrastats = optionalString(object, "tegrastats");
  options.place.nvmlLibrary = optionalString(object, "nvml");
  options.sources = optionalStrings(object, "sources");
  options.capacity = static_cast<size_t>(optionalInteger(object, "capacity", 0, kMaxCapacity, 0));
  return options;
}

Napi::Array toJs(Napi::Env env, const std::vector<telemetry::Quantity>& quantities) {
  Napi::Array array = Napi::Array::New(env, quantities.size());
  for (size_t i = 0; i < quantities.size(); ++i) {
    const telemetry::Quantity& quantity = quantities[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", quantity.name);
    object.Set("unit", quantity.unit);
    object.Set("kind", quantity.kind == telemetry::Kind::Counter ? "counter" : "gauge");
    object.Set("source", quantity.source);
    object.Set("sensor", quantity.sensor);
    object.Set("estimated", quantity.estimated);
    array.Set(static_cast<uint32_t>(i), object);
  }
  return array;
}

Napi::Array toJs(Napi::Env env, const std::vector<telemetry::SourceStatus>& sources) {
  Napi::Array array = Napi::Array::New(env, sources.size());
  for (size_t i = 0; i < sources.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", sources[i].name);
    object.Set("available", sources[i].available);
    if (!sources[i].available) object.Set("reason", sources[i].reason);
    array.Set(static_cast<uint32_t>(i), object);
  }
  return array;
}

Napi::Float64Array toJs(Napi::Env env, const std::vector<double>& values) {
  Napi::Float64Array array = Napi::Float64Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(double));
  return array;
}

/// Exit handlers may come after the environment was closed.
telemetry::Sampler& samplerOf(LoadedSampler& held) {
  if (!held.sampler) throw Error(ErrorCode::Disposed, "the sampler was disposed: the process is exiting");
  return *held.sampler;
}

}  // namespace

/// `startSampler({ rate, root, pid, tegrastats, nvml, sources, capacity }, control) -> { handle, quantities, sources
/// }`. Opening sensors may take long (NVML loads a driver), so a lane does it.
Napi::Value startSampler(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto held = std::make_shared<LoadedSampler>();
  telemetry::SamplerOptions options = toOptions(requireObject(info[0], "options"));
  Environment::of(env).add(held);
  return runJob(
      env, Lane::Sensors, Control::from(info[1]), {},
      [held, options = std::move(options)](const JobContext&) {
        held->sampler = std::make_unique<telemetry::Sampler>(options);
        return held;
      },
      [](Napi::Env resultEnv, const std::shared_ptr<LoadedSampler>& started) {
        Napi::Object object = Napi::Object::New(resultEnv);
        object.Set("quantities", toJs(resultEnv, started->sampler->quantities()));
        object.Set("sources", toJs(resultEnv, started->sampler->sources()));
        object.Set("handle", wrap(resultEnv, started, 0));
        return object;
      });
}

/// `drainSampler(handle, limit) -> { times, values }`: at once, oldest first; times in seconds.
Napi::Value drainSampler(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<LoadedSampler> held = unwrap<LoadedSampler>(info[0]);
  const double limit = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : 0;
  if (!(limit >= 1 && limit <= static_cast<double>(kMaxDrain))) {
    throw Error(ErrorCode::InvalidArgument,
                "expected an integer between 1 and " + std::to_string(kMaxDrain) + " for limit");
  }
  const telemetry::Samples samples = samplerOf(*held).drain(static_cast<size_t>(limit));
  std::vector<double> times;
  times.reserve(samples.times.size());
  for (const int64_t time : samples.times) times.push_back(static_cast<double>(time) / kNanosecondsPerSecond);
  Napi::Object object = Napi::Object::New(env);
  object.Set("times", toJs(env, times));
  object.Set("values", toJs(env, samples.values));
  return object;
}

/// `samplerStatistics(handle) -> { samples, lost, missed, seconds, cpuSeconds, sources }`
Napi::Value samplerStatistics(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::shared_ptr<LoadedSampler> held = unwrap<LoadedSampler>(info[0]);
  const telemetry::SamplerStatistics statistics = samplerOf(*held).statistics();
  Napi::Array sources = Napi::Array::New(env, statistics.sources.size());
  for (size_t i = 0; i < statistics.sources.size(); ++i) {
    Napi::Object source = Napi::Object::New(env);
    source.Set("name", statistics.sources[i].name);
    source.Set("reads", static_cast<double>(statistics.sources[i].reads));
    source.Set("seconds", statistics.sources[i].seconds);
    sources.Set(static_cast<uint32_t>(i), source);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("samples", static_cast<double>(statistics.samples));
  object.Set("lost", static_cast<double>(statistics.lost));
  object.Set("missed", static_cast<double>(statistics.missed));
  object.Set("seconds", statistics.seconds);
  object.Set("cpuSeconds", statistics.cpuSeconds);
  object.Set("sources", sources);
  return object;
}

/// `stopSampler(handle)`: resolves when the last sample is taken and the thread is gone; what it took can still be
/// drained.
Napi::Value stopSampler(const Napi::CallbackInfo& info) {
  return runJob(
      info.Env(), Lane::Sensors, {}, {},
      [held = unwrap<LoadedSampler>(info[0])](const JobContext&) {
        samplerOf(*held).stop();
        return true;
      },
      [](Napi::Env env, bool) { return env.Undefined(); });
}

}  // namespace presisi::binding
