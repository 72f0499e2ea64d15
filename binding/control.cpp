#include <memory>
#include <utility>

#include "exports.hpp"
#include "handles.hpp"
#include "job.hpp"

namespace presisi::binding {

namespace {

/// Destroys the value on its lane, after all work queued before: memory returns without holding up the event loop.
template <typename T>
Napi::Value close(Napi::Env env, Lane lane, const Napi::Value& handle) {
  return runJob(
      env, lane, {}, {},
      [value = release<T>(env, handle)](const JobContext&) mutable {
        value.reset();
        return true;
      },
      [](Napi::Env resultEnv, bool) { return resultEnv.Undefined(); });
}

template <typename T>
bool holds(const Napi::Value& value) {
  return value.As<Napi::External<Handle<T>>>().CheckTypeTag(&HandleTraits<T>::kTag);
}

}  // namespace

/// `createStop()`: what `requestStop` takes, and every asynchronous function's control.
Napi::Value createStop(const Napi::CallbackInfo& info) { return wrap(info.Env(), std::make_shared<Stop>(), 0); }

Napi::Value requestStop(const Napi::CallbackInfo& info) {
  unwrap<Stop>(info[0])->request();
  return info.Env().Undefined();
}

/// `closeHandle(handle)`: resolves when the work that used it is over and its memory is free. Closing twice is nothing.
Napi::Value closeHandle(const Napi::CallbackInfo& info) {
  const Napi::Value handle = info[0];
  if (handle.IsExternal()) {
    if (holds<LoadedEngine>(handle)) return close<LoadedEngine>(info.Env(), Lane::Run, handle);
    if (holds<LoadedCalibrator>(handle)) return close<LoadedCalibrator>(info.Env(), Lane::Work, handle);
    if (holds<LoadedSamples>(handle)) return close<LoadedSamples>(info.Env(), Lane::Work, handle);
    if (holds<LoadedSampler>(handle)) return close<LoadedSampler>(info.Env(), Lane::Sensors, handle);
    if (holds<LoadedModel>(handle)) return close<LoadedModel>(info.Env(), Lane::Work, handle);
  }
  throw Error(ErrorCode::InvalidArgument,
              "expected a handle of a model, a calibrator, samples, an engine or a sampler");
}

}  // namespace presisi::binding
