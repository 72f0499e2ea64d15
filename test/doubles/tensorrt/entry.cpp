#include "builder.hpp"
#include "runtime.hpp"

// What libnvinfer exports: everything else is reached through the interfaces.

using namespace presisi::doubles::tensorrt;

namespace {

/// A program built against other headers than these is refused, as TensorRT refuses it.
bool accepts(nvinfer1::ILogger& logger, int32_t version) {
  if (version == NV_TENSORRT_VERSION) return true;
  say(logger, Severity::kWARNING,
      "TensorRT was linked against another version of its headers: " + std::to_string(version) + ", this is " +
          std::to_string(NV_TENSORRT_VERSION));
  const int factor = NV_TENSORRT_MAJOR >= 10 ? 10000 : 1000;
  return version / factor == NV_TENSORRT_MAJOR;
}

}  // namespace

extern "C" {

DOUBLE_API int32_t getInferLibVersion() noexcept { return NV_TENSORRT_VERSION; }

#if NV_TENSORRT_MAJOR >= 10
DOUBLE_API int32_t getInferLibMajorVersion() noexcept { return NV_TENSORRT_MAJOR; }
DOUBLE_API int32_t getInferLibMinorVersion() noexcept { return NV_TENSORRT_MINOR; }
DOUBLE_API int32_t getInferLibPatchVersion() noexcept { return NV_TENSORRT_PATCH; }
DOUBLE_API int32_t getInferLibBuildVersion() noexcept { return NV_TENSORRT_BUILD; }
#endif

DOUBLE_API void* createInferBuilder_INTERNAL(void* logger, int32_t version) noexcept {
  if (!logger) return nullptr;
  auto& log = *static_cast<nvinfer1::ILogger*>(logger);
  nvinfer1::IBuilder* builder = nullptr;
  guarded(log, "createInferBuilder", [&] {
    if (!accepts(log, version)) return false;
    currentGpu();  // without a device there is no builder
    builder = std::make_unique<Builder>(log).release();
    return true;
  });
  return builder;
}

DOUBLE_API void* createInferRuntime_INTERNAL(void* logger, int32_t version) noexcept {
  if (!logger) return nullptr;
  auto& log = *static_cast<nvinfer1::ILogger*>(logger);
  nvinfer1::IRuntime* runtime = nullptr;
  guarded(log, "createInferRuntime", [&] {
    if (!accepts(log, version)) return false;
    currentGpu();
    runtime = std::make_unique<Runtime>(log).release();
    return true;
  });
  return runtime;
}
}
