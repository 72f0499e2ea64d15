#include "telemetry/nvml.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/background_reader.hpp"
#include "telemetry/energy_counter.hpp"
#include "telemetry/reader.hpp"

// NVIDIA's management library, loaded at run time: nothing of it is needed to build. JetPack 4 and 5 have none; on
// JetPack 6 it knows the GPU's name and hardly more; Thor's (JetPack 7) and that of discrete GPUs know all of this.
namespace presisi::telemetry {
namespace {

using nvml::Device;
using nvml::Result;

constexpr const char* kLibrary = "libnvidia-ml.so.1";

/// The library and its functions, null where this version has them not.
struct Library {
  explicit Library(const std::string& file) : handle(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle == nullptr) {
      const char* why = dlerror();
      problem = why != nullptr ? why : file + " can't be loaded";
      return;
    }
    load(init, "nvmlInit_v2");
    load(shutdown, "nvmlShutdown");
    load(errorString, "nvmlErrorString");
    load(count, "nvmlDeviceGetCount_v2");
    load(device, "nvmlDeviceGetHandleByIndex_v2");
    load(name, "nvmlDeviceGetName");
    load(utilization, "nvmlDeviceGetUtilizationRates");
    load(memory, "nvmlDeviceGetMemoryInfo");
    load(clock, "nvmlDeviceGetClockInfo");
    load(temperature, "nvmlDeviceGetTemperature");
    load(power, "nvmlDeviceGetPowerUsage");
    load(energy, "nvmlDeviceGetTotalEnergyConsumption");
    load(throttle, "nvmlDeviceGetCurrentClocksThrottleReasons");
    if (init == nullptr || shutdown == nullptr || count == nullptr || device == nullptr) {
      problem = file + " is no NVML: it has no nvmlInit_v2, or not what belongs to it";
      return;
    }
    const Result result = init();
    ready = result == nvml::kSuccess;
    if (!ready) problem = "nvmlInit_v2: " + describe(result);
  }
  ~Library() {
    if (ready) shutdown();
    if (handle != nullptr) dlclose(handle);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  std::string describe(Result result) const {
    const char* text = errorString != nullptr ? errorString(result) : nullptr;
    return text != nullptr ? text : "error " + std::to_string(result);
  }

  template <typename Function>
  void load(Function& function, const char* symbol) {
    function = reinterpret_cast<Function>(dlsym(handle, symbol));
  }

  void* handle = nullptr;
  bool ready = false;
  std::string problem;
  nvml::Init init = nullptr;
  nvml::Shutdown shutdown = nullptr;
  nvml::ErrorString errorString = nullptr;
  nvml::Count count = nullptr;
  nvml::HandleByIndex device = nullptr;
  nvml::Name name = nullptr;
  nvml::UtilizationRates utilization = nullptr;
  nvml::MemoryInfo memory = nullptr;
  nvml::ClockInfo clock = nullptr;
  nvml::Temperature temperature = nullptr;
  nvml::Power power = nullptr;
  nvml::Energy energy = nullptr;
  nvml::Throttle throttle = nullptr;
};

/// One function for one device, and the quantities it gives, two at most.
class Probe {
 public:
  using Call = Result (*)(const Library& library, Device device, Probe& probe, double* values);

  Probe(Device device, Call call) : device_(device), call_(call) {}

  /// Writes the values, kAbsent for each where they can't be had now. NOT_SUPPORTED is for good, and not asked for
  /// again.
  void read(const Library& library, double* values) noexcept {
    std::fill_n(values, width, kAbsent);
    if (unsupported) return;
    std::array<double, 2> fresh{kAbsent, kAbsent};
    const Result result = call_(library, device_, *this, fresh.data());
    unsupported = result == nvml::kNotSupported || result == nvml::kFunctionNotFound;
    if (result == nvml::kSuccess) std::copy_n(fresh.begin(), width, values);
  }

  size_t width = 1;
  bool unsupported = false;
  EnergyCounter joules{1e3};  // it counts mJ from the driver's start

 private:
  Device device_;
  Call call_;
};

Result readUtilization(const Library& library, Device device, Probe& /*probe*/, double* values) {
  nvml::Utilization utilization{};
  if (library.utilization == nullptr) return nvml::kFunctionNotFound;
  const Result result = library.utilization(device, &utilization);
  if (utilization.gpu <= 100) values[0] = utilization.gpu / 100.0;
  return result;
}

Result readMemory(const Library& library, Device device, Probe& /*probe*/, double* values) {
  nvml::Memory memory{};
  if (library.memory == nullptr) return nvml::kFunctionNotFound;
  const Result result = library.memory(device, &memory);
  values[0] = static_cast<double>(memory.used);
  values[1] = static_cast<double>(memory.total);
  return result;
}

Result readClock(const Library& library, Device device, Probe& /*probe*/, double* values) {
  unsigned megahertz = 0;
  if (library.clock == nullptr) return nvml::kFunctionNotFound;
  const Result result = library.clock(device, nvml::kGraphicsClock, &megahertz);
  values[0] = megahertz * 1e6;
  return result;
}

Result readTemperature(const Library& library, Device device, Probe& /*probe*/, double* values) {
  unsigned celsius = 0;
  if (library.temperature == nullptr) return nvml::kFunctionNotFound;
  const Result result = library.temperature(device, nvml::kGpuTemperature, &celsius);
  values[0] = celsius;
  return result;
}

Result readPower(const Library& library, Device device, Probe& /*probe*/, double* values) {
  unsigned milliwatts = 0;
  if (library.power == nullptr) return nvml::kFunctionNotFound;
  const Result result = library.power(device, &milliwatts);
  values[0] = milliwatts * 1e-3;
  return result;
}

Result readEnergy(const Library& library, Device device, Probe& probe, double* values) {
  unsigned long long millijoules = 0;
  if (library.energy == nullptr) return nvml::kFunctionNotFound;
  const Result result = library.energy(device, &millijoules);
  if (result == nvml::kSuccess) values[0] = probe.joules.at(millijoules);
  return result;
}

Result readThrottle(const Library& library, Device device, Probe& /*probe*/, double* values) {
  unsigned long long reasons = 0;
  if (library.throttle == nullptr) return nvml::kFunctionNotFound;
  const Result result = library.throttle(device, &reasons);
  values[0] = (reasons & nvml::kSlowedDown) != 0 ? 1 : 0;
  return result;
}

class NvmlReader : public Reader {
 public:
  explicit NvmlReader(const std::string& file) : library_(file) {}

  /// Why not, or empty.
  std::string open() {
    if (!library_.ready) return library_.problem;
    unsigned count = 0;
    const Result result = library_.count(&count);
    if (result != nvml::kSuccess) return "nvmlDeviceGetCount_v2: " + library_.describe(result);
    std::string refused = "NVML finds no GPU";
    for (unsigned index = 0; index < count; ++index) {
      Device device = nullptr;
      const Result found = library_.device(index, &device);
      if (found == nvml::kSuccess) {
        addDevice(index, device);
      } else {
        refused = "nvmlDeviceGetHandleByIndex_v2: " + library_.describe(found);
      }
    }
    if (!quantities_.empty()) return {};
    return named_.empty() ? refused : "NVML supports no measurement on " + named_ + ", as on Jetsons up to JetPack 6";
  }

  const std::vector<Quantity>& quantities() const override { return quantities_; }
  // NVML's own figures change no faster: energy and power every 20 to 100 ms (power is a mean of the last second from
  // Ampere on), load every 167 ms to 1 s. The calls wait for the driver, at times for many milliseconds.
  std::chrono::nanoseconds period() const override { return std::chrono::milliseconds(100); }
  void read(double* values) noexcept override {
    for (Probe& probe : probes_) {
      probe.read(library_, values);
      values += probe.width;
    }
  }

 private:
  struct Column {
    std::string name;
    const char* unit;
    Kind kind = Kind::Gauge;
  };

  void addDevice(unsigned index, Device device) {
    std::array<char, 96> text{};
    const bool known = library_.name != nullptr && library_.name(device, text.data(), text.size()) == nvml::kSuccess;
    const std::string number = std::to_string(index);
    const std::string where = "of GPU " + number + (known ? std::string(", ") + text.data() : "");
    named_ += (named_.empty() ? "" : ", ") + (known ? std::string(text.data()) : "GPU " + number);
    const std::string gpu = index == 0 ? "gpu." : "gpu" + number + ".";
    add(device, readUtilization, "nvmlDeviceGetUtilizationRates " + where, {{gpu + "load", "share"}});
    add(device, readMemory, "nvmlDeviceGetMemoryInfo " + where,
        {{gpu + "memory.used", "B"}, {gpu + "memory.total", "B"}});
    add(device, readClock, "nvmlDeviceGetClockInfo " + where, {{gpu + "clock", "Hz"}});
    add(device, readTemperature, "nvmlDeviceGetTemperature " + where, {{"temperature.gpu" + number, "°C"}});
    add(device, readPower, "nvmlDeviceGetPowerUsage " + where, {{"power.gpu" + number, "W"}});
    add(device, readEnergy, "nvmlDeviceGetTotalEnergyConsumption " + where,
        {{"energy.gpu" + number, "J", Kind::Counter}});
    add(device, readThrottle, "nvmlDeviceGetCurrentClocksThrottleReasons " + where, {{gpu + "throttle", "share"}});
  }

  void add(Device device, Probe::Call call, const std::string& sensor, const std::vector<Column>& columns) {
    Probe probe(device, call);
    probe.width = columns.size();
    std::array<double, 2> first{};
    probe.read(library_, first.data());
    if (probe.unsupported) return;
    for (const Column& column : columns) {
      quantities_.push_back({column.name, column.unit, column.kind, "nvml", sensor, false});
    }
    probes_.push_back(probe);
  }

  Library library_;
  std::vector<Quantity> quantities_;
  std::vector<Probe> probes_;
  std::string named_;
};

}  // namespace

Source openNvml(const Place& place) {
  Source source{"nvml", nullptr, {}};
  if (place.nvmlLibrary.empty() && !place.root.empty()) {
    source.reason = place.root + " is a recording: no library of this machine can tell of it";
    return source;
  }
  auto reader = std::make_unique<NvmlReader>(place.nvmlLibrary.empty() ? kLibrary : place.nvmlLibrary);
  source.reason = reader->open();
  if (!source.reason.empty()) return source;
  return inBackground(source.name, std::move(reader));
}

}  // namespace presisi::telemetry
