#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/reader.hpp"
#include "telemetry/text_file.hpp"

// The integrated GPU of Jetsons, and their memory controller:
//   /sys/class/devfreq/*/device/of_node/name   gv11b (Xavier), gp10b (TX2), ga10b or gpu (Orin), gb10b
//   /sys/class/devfreq/*/device/load           busy, per mille, as the GPU's power management unit counts it
//   /sys/class/devfreq/*/cur_freq              Hz
//   /sys/class/devfreq/gpu-gpc-0               Thor: its clock; its load comes from NVML
//   /sys/devices/gpu.0/load, /sys/devices/platform/gpu.0/load   where devfreq doesn't show it
//   mc_all of the activity monitor             clock cycles with memory traffic, kHz, root only
namespace presisi::telemetry {
namespace {

constexpr const char* kDevfreq = "/sys/class/devfreq";

class JetsonGpuReader : public Reader {
 public:
  explicit JetsonGpuReader(const Place& place) {
    findGpu(place);
    findMemory(place);
  }

  const std::vector<Quantity>& quantities() const override { return quantities_; }
  // A clock is asked of another processor, the boot and power management one, which answers in some tens of
  // microseconds.
  std::chrono::nanoseconds period() const override { return std::chrono::milliseconds(10); }
  void read(double* values) noexcept override {
    if (hasLoad_) *values++ = share(load_.number() / 1000);
    if (hasClock_) *values++ = clock_.number();
    if (!hasMemory_) return;
    const double active = activity_.number() * 1000;
    const double clock = memoryClock_.number();
    // The activity is a mean of a while and the clock is of now, so that they may be apart where it has just fallen.
    *values = clock > 0 ? share(std::min(active / clock, 1.0)) : kAbsent;
  }

 private:
  static double share(double value) { return value >= 0 && value <= 1 ? value : kAbsent; }

  void add(const char* name, const char* unit, const std::string& sensor) {
    quantities_.push_back({name, unit, Kind::Gauge, "jetson-gpu", sensor, false});
  }

  void useLoad(const std::string& path) {
    if (hasLoad_) return;
    load_ = TextFile(path);
    hasLoad_ = load_.read();
  }

  void useClock(const std::string& path) {
    if (hasClock_) return;
    clock_ = TextFile(path);
    hasClock_ = clock_.read();
  }

  void findGpu(const Place& place) {
    constexpr std::array<const char*, 5> gpus = {"gv11b", "gp10b", "ga10b", "gb10b", "gpu"};
    const std::string folder = place.path(kDevfreq) + "/";
    for (const std::string& device : listFolder(folder)) {
      const std::string name = readText(folder + device + "/device/of_node/name").value_or("");
      if (std::find(gpus.begin(), gpus.end(), name) == gpus.end()) continue;
      useLoad(folder + device + "/device/load");
      useClock(folder + device + "/cur_freq");
    }
    useLoad(place.path("/sys/devices/gpu.0/load"));
    useLoad(place.path("/sys/devices/platform/gpu.0/load"));
    useClock(folder + "gpu-gpc-0/cur_freq");
    if (hasLoad_) add("gpu.load", "share", load_.path());
    if (hasClock_) add("gpu.clock", "Hz", clock_.path());
  }

  void findMemory(const Place& place) {
    for (const char* path : {"/sys/kernel/actmon_avg_activity/mc_all", "/sys/kernel/debug/cactmon/mc_all"}) {
      activity_ = TextFile(place.path(path));
      if (activity_.read()) break;
    }
    for (const char* path : {"/sys/kernel/debug/bpmp/debug/clk/emc/rate", "/sys/kernel/debug/clk/emc/clk_rate"}) {
      memoryClock_ = TextFile(place.path(path));
      if (memoryClock_.read()) break;
    }
    hasMemory_ = activity_.read() && memoryClock_.read();
    if (hasMemory_) add("memory.load", "share", activity_.path() + " of " + memoryClock_.path());
  }

  std::vector<Quantity> quantities_;
  TextFile load_;
  TextFile clock_;
  TextFile activity_;
  TextFile memoryClock_;
  bool hasLoad_ = false;
  bool hasClock_ = false;
  bool hasMemory_ = false;
};

}  // namespace

Source openJetsonGpu(const Place& place) {
  Source source{"jetson-gpu", nullptr, {}};
  auto reader = std::make_unique<JetsonGpuReader>(place);
  if (reader->quantities().empty()) {
    source.reason = "no GPU of a Jetson in " + place.path(kDevfreq) + " nor in " + place.path("/sys/devices/gpu.0");
    return source;
  }
  source.reader = std::move(reader);
  return source;
}

}  // namespace presisi::telemetry
