#pragma once

#include <map>
#include <string>

#include "backend/backend.hpp"
#include "backend/cuda/device.hpp"
#include "backend/tensorrt/api.hpp"

namespace presisi::tensorrt {

/// What this GPU and TensorRT can do, or why nothing. Never throws.
backend::Probe probeDevice() noexcept;

/// What an engine is tied to: `tensorrt` (exact), `gpu`, `computeCapability`, `sms`, `cuda` (major), `platform`.
std::map<std::string, std::string> identityOf(const cuda::DeviceInfo& device);

/// Why an engine made with identity `theirs` can't run where `ours` is; empty when it can. Beside the keys of
/// identityOf(), `theirs` may hold the settings that make an engine less choosy, as they were given:
/// `versionCompatible` (`true`) and `hardwareCompatibility`.
std::string explainMismatch(const std::map<std::string, std::string>& theirs,
                            const std::map<std::string, std::string>& ours);

/// Why the loaded TensorRT can't do what this library was compiled for, and what to install; both empty when it can.
/// Within a major version later ones only add.
struct Misfit {
  std::string reason, hint;
};
Misfit explainRuntime(const api::Version& compiled, const api::Version& loaded);

}  // namespace presisi::tensorrt
