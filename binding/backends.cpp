#include <string>
#include <utility>
#include <vector>

#include "backend/registry.hpp"
#include "conversions.hpp"
#include "exports.hpp"
#include "job.hpp"
#include "ops/operator.hpp"

namespace presisi::binding {

namespace {

struct NamedProbe {
  std::string name;
  backend::Probe probe;
};

Napi::Object probeToJs(Napi::Env env, const NamedProbe& named) {
  const backend::Probe& probe = named.probe;
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", named.name);
  object.Set("available", probe.available);
  if (!probe.reason.empty()) object.Set("reason", probe.reason);
  if (!probe.hint.empty()) object.Set("hint", probe.hint);
  object.Set("version", probe.version);
  object.Set("precisions", toJs(env, probe.precisions));
  object.Set("int8Isa", probe.int8Isa);
  object.Set("int8Saturates", probe.int8Saturates);
  Napi::Array devices = Napi::Array::New(env, probe.devices.size());
  for (size_t i = 0; i < probe.devices.size(); ++i) {
    Napi::Object device = Napi::Object::New(env);
    Napi::Object properties = Napi::Object::New(env);
    for (const auto& [key, value] : probe.devices[i].properties) properties.Set(key, value);
    device.Set("name", probe.devices[i].name);
    device.Set("properties", properties);
    devices.Set(static_cast<uint32_t>(i), device);
  }
  object.Set("devices", devices);
  return object;
}

}  // namespace

/// `backends() -> [{ name, available, … }]`, best first. On a lane, because a probe loads the vendor's library.
Napi::Value backends(const Napi::CallbackInfo& info) {
  return runJob(
      info.Env(), Lane::Run, {}, {},
      [](const JobContext& context) {
        std::vector<NamedProbe> probes;
        for (const std::string& name : backend::names()) {
          context.stop.check();
          probes.push_back({name, backend::probe(name)});
        }
        return probes;
      },
      [](Napi::Env env, const std::vector<NamedProbe>& probes) {
        Napi::Array array = Napi::Array::New(env, probes.size());
        for (size_t i = 0; i < probes.size(); ++i) array.Set(static_cast<uint32_t>(i), probeToJs(env, probes[i]));
        return array;
      });
}

/// `operators() -> [{ domain, name, since, until }]`
Napi::Value operators(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array array = Napi::Array::New(env);
  uint32_t count = 0;
  for (const ops::Operator& entry : ops::all()) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("domain", entry.domain);
    object.Set("name", entry.name);
    object.Set("since", entry.sinceOpset);
    object.Set("until", entry.untilOpset);
    array.Set(count++, object);
  }
  return array;
}

}  // namespace presisi::binding
