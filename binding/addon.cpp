#include <dlfcn.h>
#include <napi.h>

#include <memory>
#include <string>

#include "backend/registry.hpp"
#include "environment.hpp"
#include "errors.hpp"
#include "exports.hpp"

namespace presisi::binding {

namespace {

/// Backend libraries lie beside the addon, wherever it was installed.
std::string ownFolder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&ownFolder), &info) == 0 || info.dli_fname == nullptr) return ".";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

/// `initialize({ PresisiError })`: the class is JavaScript's, so that `instanceof` works.
Napi::Value initialize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guard(env, [&]() -> Napi::Value {
    const Napi::Value errorClass = info[0].IsObject() ? info[0].As<Napi::Object>().Get("PresisiError") : info[0];
    if (!errorClass.IsFunction()) {
      throw Error(ErrorCode::InvalidArgument, "expected the class PresisiError for initialize");
    }
    Environment::of(env).setErrorClass(errorClass.As<Napi::Function>());
    return env.Undefined();
  });
}

/// Stops everything that runs and waits for it: before a process may run destructors of libraries in use.
Napi::Value shutdown(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).close();
  return info.Env().Undefined();
}

template <Napi::Value (*function)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] { return function(info); });
}

template <Napi::Value (*function)(const Napi::CallbackInfo&)>
void add(Napi::Object& exports, const char* name) {
  exports.Set(name, Napi::Function::New<guarded<function>>(exports.Env(), name));
}

Napi::Object start(Napi::Env env, Napi::Object exports) {
  static const bool folderIsSet = (backend::setLibraryFolder(ownFolder()), true);
  (void)folderIsSet;
  auto environment = std::make_unique<Environment>(env);
  env.SetInstanceData(environment.release());

  exports.Set("version", PRESISI_VERSION);
  add<initialize>(exports, "initialize");
  add<shutdown>(exports, "shutdown");
  add<backends>(exports, "backends");
  add<operators>(exports, "operators");
  add<architectures>(exports, "architectures");
  add<describeArchitecture>(exports, "describeArchitecture");
  add<convertModel>(exports, "convertModel");
  add<makeModel>(exports, "makeModel");
  add<loadModel>(exports, "loadModel");
  add<createCalibrator>(exports, "createCalibrator");
  add<collectImages>(exports, "collectImages");
  add<collectFeeds>(exports, "collectFeeds");
  add<solveCalibration>(exports, "solveCalibration");
  add<parseTable>(exports, "parseTable");
  add<writeText>(exports, "writeText");
  add<readPicture>(exports, "readPicture");
  add<areFolders>(exports, "areFolders");
  add<pictureGeometry>(exports, "pictureGeometry");
  add<resamplePicture>(exports, "resamplePicture");
  add<createSamples>(exports, "createSamples");
  add<addSamples>(exports, "addSamples");
  add<buildEngine>(exports, "buildEngine");
  add<extractPlan>(exports, "extractPlan");
  add<openEngine>(exports, "openEngine");
  add<runFeeds>(exports, "runFeeds");
  add<runFeedsSync>(exports, "runFeedsSync");
  add<runImages>(exports, "runImages");
  add<inspectEngine>(exports, "inspectEngine");
  add<startSampler>(exports, "startSampler");
  add<drainSampler>(exports, "drainSampler");
  add<samplerStatistics>(exports, "samplerStatistics");
  add<stopSampler>(exports, "stopSampler");
  add<createStop>(exports, "createStop");
  add<requestStop>(exports, "requestStop");
  add<closeHandle>(exports, "closeHandle");
  return exports;
}

}  // namespace

}  // namespace presisi::binding

static Napi::Object startAddon(Napi::Env env, Napi::Object exports) { return presisi::binding::start(env, exports); }

NODE_API_MODULE(presisi, startAddon)
