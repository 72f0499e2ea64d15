#include <sched.h>

#include <fstream>
#include <set>
#include <string>

#include "backend/cpu/cpu_engine.hpp"
#include "backend/cpu/kernels/kernels.hpp"
#include "backend/registry.hpp"
#include "core/error.hpp"

namespace presisi::cpu {

int physicalCores() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return 1;
  std::set<std::pair<int, int>> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &mask)) continue;
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    int package = -1, core = -1;
    std::ifstream(folder + "physical_package_id") >> package;
    std::ifstream(folder + "core_id") >> core;
    // Without a topology each processor counts as a core.
    cores.insert(core < 0 ? std::make_pair(-1, cpu) : std::make_pair(package, core));
  }
  return cores.empty() ? 1 : static_cast<int>(cores.size());
}

namespace {

std::string modelName() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.compare(0, 10, "model name") != 0) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

class CpuBackend : public backend::Backend {
 public:
  std::string name() const override { return "cpu"; }

  backend::Probe probe() override {
    backend::Probe probe;
    probe.available = true;
    probe.version = "oneDNN " + oneDnnVersion();
    probe.precisions = {"fp32", "fp16", "int8"};
    const std::string isa = effectiveIsa();
    backend::Device device;
    device.name = modelName();
    device.properties["isa"] = isa;
    device.properties["physicalCores"] = std::to_string(physicalCores());
    device.properties["kernels"] = kernels().isa;
    probe.devices.push_back(std::move(device));
    const std::string int8 = int8Instructions();
    probe.int8Isa = int8;
    probe.int8Saturates = int8Saturates();
    return probe;
  }

  std::shared_ptr<backend::Engine> build(const onnx::Model& model, const backend::BuildOptions& options,
                                         const ProgressFn& progress, const StopToken& stop) override {
    stop.check();
    return translated("building", [&] { return std::make_shared<CpuEngine>(model, options, progress, stop); });
  }

  std::shared_ptr<backend::Engine> load(const uint8_t* plan, size_t size, std::shared_ptr<const void> owner,
                                        const backend::BuildOptions& options) override {
    return translated("loading", [&] { return std::make_shared<CpuEngine>(plan, size, owner, options); });
  }
};

}  // namespace

}  // namespace presisi::cpu

extern "C" __attribute__((visibility("default"))) const presisi::backend::Library* presisiBackend() {
  static const presisi::backend::Library library{
      presisi::backend::kAbiVersion, PRESISI_VERSION,
      []() -> presisi::backend::Backend* { return new presisi::cpu::CpuBackend(); }};
  return &library;
}
