#include "backend/tensorrt/backend.hpp"

#include <utility>

#include "backend/registry.hpp"
#include "backend/tensorrt/builder.hpp"
#include "backend/tensorrt/engine.hpp"
#include "backend/tensorrt/probe.hpp"
#include "backend/tensorrt/settings.hpp"

namespace presisi::tensorrt {

namespace {

/// Calling into a TensorRT of another major version would call the wrong functions.
void requireRuntime() {
  const Misfit misfit = explainRuntime(api::compiledVersion(), api::runtimeVersion());
  if (!misfit.reason.empty()) throw Error(ErrorCode::BackendUnavailable, misfit.reason, misfit.hint);
}

}  // namespace

backend::Probe TensorRtBackend::probe() { return probeDevice(); }

backend::GraphForm TensorRtBackend::form(const backend::BuildOptions& options) const {
  using Half = backend::GraphForm::Half;
  backend::GraphForm form;
  form.half = parseBuildSettings(options.settings).stronglyTyped ? Half::Typed : Half::Chosen;
  form.packedWeights = false;  // FP32 -> Q -> DQ is what 8.5 reads, and later ones fold it all the same
  return form;
}

std::string TensorRtBackend::mismatch(const std::map<std::string, std::string>& identity) {
  return explainMismatch(identity, identityOf(cuda::currentDevice()));
}

std::shared_ptr<backend::Engine> TensorRtBackend::build(const onnx::Model& model, const backend::BuildOptions& options,
                                                        const ProgressFn& progress, const StopToken& stop) {
  stop.check();
  requireRuntime();
  const BuildSettings settings = parseBuildSettings(options.settings);
  const auto identity = identityOf(cuda::currentDevice());
  const auto logger = std::make_shared<Logger>();
  const Logger::Listener listener(*logger, options.log);
  BuiltPlan built = buildPlan(model, options, identity, *logger, progress, stop);
  return std::make_shared<TensorRtEngine>(std::move(built.plan), std::move(built.facts), settings, logger);
}

std::shared_ptr<backend::Engine> TensorRtBackend::load(const uint8_t* plan, size_t size,
                                                       std::shared_ptr<const void> owner,
                                                       const backend::BuildOptions& options) {
  requireRuntime();
  const BuildSettings settings = parseBuildSettings(options.settings);
  const auto logger = std::make_shared<Logger>();
  const Logger::Listener listener(*logger, options.log);
  return std::make_shared<TensorRtEngine>(Plan{plan, size, std::move(owner)}, std::map<std::string, NodeFacts>{},
                                          settings, logger);
}

}  // namespace presisi::tensorrt

extern "C" __attribute__((visibility("default"))) const presisi::backend::Library* presisiBackend() {
  static const presisi::backend::Library library{
      presisi::backend::kAbiVersion, PRESISI_VERSION,
      []() -> presisi::backend::Backend* { return std::make_unique<presisi::tensorrt::TensorRtBackend>().release(); }};
  return &library;
}
