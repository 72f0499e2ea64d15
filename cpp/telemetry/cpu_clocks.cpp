#include <chrono>

#include "telemetry/reader.hpp"
#include "telemetry/text_file.hpp"

namespace presisi::telemetry {
namespace {

using namespace std::chrono_literals;

constexpr const char* kCpuFolder = "/sys/devices/system/cpu";

class CpuClocksReader : public Reader {
 public:
  void addClock(int core, TextFile file) {
    list("clock.cpu." + std::to_string(core), "Hz", Kind::Gauge, file);
    columns_.push_back({std::move(file), 1000});  // kHz
  }
  void addThrottle(int core, TextFile file) {
    list("throttle.cpu." + std::to_string(core), "count", Kind::Counter, file);
    columns_.push_back({std::move(file), 1});
  }

  const std::vector<Quantity>& quantities() const override { return quantities_; }
  std::chrono::nanoseconds period() const override { return 100ms; }
  void read(double* values) noexcept override {
    for (Column& column : columns_) *values++ = column.file.number() * column.scale;
  }

 private:
  struct Column {
    TextFile file;
    double scale;
  };

  void list(const std::string& name, const char* unit, Kind kind, const TextFile& file) {
    quantities_.push_back({name, unit, kind, "cpu-clocks", file.path(), false});
  }

  std::vector<Column> columns_;
  std::vector<Quantity> quantities_;
};

/// The first of the files that is there. Reading it once also has the kernel measure: some x86 kernels wait 10 ms for a
/// clock that nobody asked for lately.
std::optional<TextFile> firstReadable(const std::string& folder, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    TextFile file(folder + name);
    if (file.number() >= 0) return file;
  }
  return std::nullopt;
}

}  // namespace

Source openCpuClocks(const Place& place) {
  const std::string cpus = place.path(kCpuFolder);
  auto reader = std::make_unique<CpuClocksReader>();
  std::vector<int> cores;
  for (const std::string& name : listFolder(cpus, "cpu")) {
    if (const auto core = numberAfter(name, "cpu")) cores.push_back(*core);
  }
  const auto folder = [&](int core) { return cpus + "/cpu" + std::to_string(core); };
  for (int core : cores) {
    // What the kernel set the clock to, or measured: the second asks the hardware, which is slower and often not
    // allowed.
    auto file = firstReadable(folder(core), {"/cpufreq/scaling_cur_freq", "/cpufreq/cpuinfo_cur_freq"});
    if (file) reader->addClock(core, std::move(*file));
  }
  for (int core : cores) {
    auto file = firstReadable(folder(core), {"/thermal_throttle/core_throttle_count"});
    if (file) reader->addThrottle(core, std::move(*file));
  }
  if (!reader->quantities().empty()) return {"cpu-clocks", std::move(reader), ""};
  return {"cpu-clocks", nullptr,
          "neither cpufreq nor thermal_throttle in " + cpus + "/cpu*, as in virtual machines: the clock can't be told"};
}

}  // namespace presisi::telemetry
