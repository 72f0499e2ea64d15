#include "backend/tensorrt/probe.hpp"

#include <cstdlib>
#include <memory>
#include <utility>

#include "backend/tensorrt/logger.hpp"
#include "backend/tensorrt/machine.hpp"
#include "core/error.hpp"

namespace presisi::tensorrt {

namespace {

using Properties = std::map<std::string, std::string>;

/// INT8 multiply-accumulates: on tensor cores from Xavier and Turing on, four at a time (dp4a) on a few older ones.
/// Source: NVIDIA's support matrix of TensorRT and the CUDA programming guide's table of compute capabilities.
std::string int8Instructions(const cuda::DeviceInfo& device) {
  const int capability = device.major * 10 + device.minor;
  if (capability == 72 || capability >= 75) return "imma";
  if (capability == 61 || capability == 70) return "dp4a";
  return "";
}

/// FP16 at more than FP32's rate; compute capability 6.1 has it at 1/64.
bool fastHalf(const cuda::DeviceInfo& device) {
  const int capability = device.major * 10 + device.minor;
  return capability == 53 || capability == 60 || capability == 62 || capability >= 70;
}

std::string sysroot() {
  const char* root = std::getenv("PRESISI_SYSROOT");
  return root != nullptr && *root != '\0' ? root : "/";
}

int dlaCores() {
  Logger logger;
  const std::unique_ptr<nvinfer1::IRuntime> runtime(nvinfer1::createInferRuntime(logger));
  if (!runtime) throw logger.failure(ErrorCode::BackendUnavailable, "starting", "reinstall TensorRT");
  return runtime->getNbDLACores();
}

backend::Device describe(const cuda::DeviceInfo& info) {
  backend::Device device;
  device.name = info.name;
  Properties& properties = device.properties;
  properties = readMachine(sysroot());
  properties["gpu"] = info.name;
  properties["computeCapability"] = info.computeCapability();
  properties["memoryTotal"] = std::to_string(info.memoryTotal);
  properties["memoryFree"] = std::to_string(info.memoryFree);
  properties["sms"] = std::to_string(info.sms);
  properties["integrated"] = info.integrated ? "true" : "false";
  properties["driver"] = cuda::versionString(info.driver);
  properties["cuda"] = cuda::versionString(info.runtime);
  properties["tensorrt"] = api::runtimeVersion().text();
  properties["dlaCores"] = std::to_string(dlaCores());
  properties["fastInt8"] = int8Instructions(info).empty() ? "false" : "true";
  properties["fastFp16"] = fastHalf(info) ? "true" : "false";
  if (info.clockKhz) properties["clockKhz"] = std::to_string(*info.clockKhz);
  if (info.memoryClockKhz) properties["memoryClockKhz"] = std::to_string(*info.memoryClockKhz);
  return device;
}

std::string platform() {
#if defined(__aarch64__)
  return "linux-aarch64";
#elif defined(__x86_64__)
  return "linux-x86_64";
#else
  return "other";
#endif
}

std::string valueOf(const Properties& properties, const std::string& key) {
  const auto it = properties.find(key);
  return it == properties.end() ? "" : it->second;
}

std::string majorOf(const std::string& version) { return version.substr(0, version.find('.')); }

/// -1 where there is none.
int numberIn(const std::string& text) {
  const bool digit = !text.empty() && text[0] >= '0' && text[0] <= '9';
  return digit ? std::atoi(text.c_str()) : -1;
}

bool versionFits(const Properties& theirs, const Properties& ours) {
  const std::string made = valueOf(theirs, "tensorrt"), here = valueOf(ours, "tensorrt");
  if (made.empty() || made == here) return true;
  if (valueOf(theirs, "versionCompatible") != "true" || majorOf(made) != majorOf(here)) return false;
  const auto minorOf = [](const std::string& version) {
    const size_t dot = version.find('.');
    return dot == std::string::npos ? -1 : numberIn(version.substr(dot + 1));
  };
  return minorOf(here) >= minorOf(made);
}

bool deviceFits(const Properties& theirs, const Properties& ours) {
  const std::string level = valueOf(theirs, "hardwareCompatibility");
  const std::string made = valueOf(theirs, "computeCapability"), here = valueOf(ours, "computeCapability");
  constexpr int kAmpere = 8;
  if (level == "amperePlus") return numberIn(majorOf(here)) >= kAmpere;
  if (!made.empty() && made != here) return false;
  const std::string gpu = valueOf(theirs, "gpu");
  if (level == "sameComputeCapability") return true;
  // Modules of one name may have more or fewer multiprocessors, and the kernels were chosen for theirs.
  const std::string sms = valueOf(theirs, "sms");
  return (gpu.empty() || gpu == valueOf(ours, "gpu")) && (sms.empty() || sms == valueOf(ours, "sms"));
}

std::string deviceText(const Properties& identity) {
  const std::string sms = valueOf(identity, "sms");
  return valueOf(identity, "gpu") + " (compute capability " + valueOf(identity, "computeCapability") +
         (sms.empty() ? "" : ", " + sms + " multiprocessors") + ")";
}

}  // namespace

Properties identityOf(const cuda::DeviceInfo& device) {
  return {{"tensorrt", api::runtimeVersion().text()},        {"gpu", device.name},
          {"computeCapability", device.computeCapability()}, {"sms", std::to_string(device.sms)},
          {"cuda", std::to_string(device.runtime / 1000)},   {"platform", platform()}};
}

std::string explainMismatch(const Properties& theirs, const Properties& ours) {
  const std::string again = "; quantize the model again on this device";
  const std::string made = valueOf(theirs, "platform");
  if (!made.empty() && made != valueOf(ours, "platform")) {
    return "it was built on " + made + " and this is " + valueOf(ours, "platform") + again;
  }
  if (!versionFits(theirs, ours)) {
    return "it was built with TensorRT " + valueOf(theirs, "tensorrt") + " and this is TensorRT " +
           valueOf(ours, "tensorrt") + again;
  }
  if (!deviceFits(theirs, ours))
    return "it was built on " + deviceText(theirs) + " and this is " + deviceText(ours) + again;
  const std::string cuda = valueOf(theirs, "cuda");
  // The kernels of a version-compatible plan go with the runtime inside it.
  if (!cuda.empty() && cuda != valueOf(ours, "cuda") && valueOf(theirs, "versionCompatible") != "true") {
    return "it was built with CUDA " + cuda + " and this is CUDA " + valueOf(ours, "cuda") + again;
  }
  return {};
}

Misfit explainRuntime(const api::Version& compiled, const api::Version& loaded) {
  const std::string versions = std::string("this presisi was built for ") + api::productName() + " " + compiled.text() +
                               " but " + loaded.text() + " is installed";
  const std::string package = api::isRtx ? api::productName() : "libnvinfer" + std::to_string(compiled.major);
  const std::string rebuild = ", or reinstall presisi to build it for " + loaded.text();
  if (compiled.major != loaded.major) {
    return {versions, "install " + package + ", version " + compiled.text() + " or a later " +
                          std::to_string(compiled.major) + ".x" + rebuild};
  }
  const bool older = std::make_pair(loaded.minor, loaded.patch) < std::make_pair(compiled.minor, compiled.patch);
  if (!older) return {};
  return {versions + ", which is older", "upgrade " + package + " to " + compiled.text() + rebuild};
}

backend::Probe probeDevice() noexcept {
  backend::Probe probe;
  try {
    const api::Version loaded = api::runtimeVersion();
    probe.version = std::string(api::productName()) + " " + loaded.text();
    const Misfit misfit = explainRuntime(api::compiledVersion(), loaded);
    if (!misfit.reason.empty()) {
      probe.reason = misfit.reason;
      probe.hint = misfit.hint;
      return probe;
    }
    const cuda::DeviceInfo device = cuda::currentDevice();
    probe.devices.push_back(describe(device));
    probe.int8Isa = int8Instructions(device);
    probe.identity = identityOf(device);
    probe.precisions = {"fp32", "fp16", "int8"};
    probe.available = true;
  } catch (const Error& error) {
    probe.reason = error.what();
    probe.hint = error.hint();
  } catch (const std::exception& error) {
    probe.reason = error.what();
  } catch (...) {
    probe.reason = "an unknown failure";
  }
  return probe;
}

}  // namespace presisi::tensorrt
