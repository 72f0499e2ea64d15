#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "telemetry/growing.hpp"
#include "telemetry/pace.hpp"
#include "telemetry/reader.hpp"
#include "telemetry/text_file.hpp"

namespace presisi::telemetry {
namespace {

using namespace std::chrono_literals;

constexpr const char* kCpuFolder = "/sys/devices/system/cpu";
constexpr size_t kLine = 160;  ///< bytes, that a core's line in /proc/stat has at most in practice

/// User, system, idle, iowait and steal seconds of a core.
using CoreTimes = std::array<double, 5>;
constexpr std::array<const char*, 5> kTimes = {"user", "system", "idle", "iowait", "steal"};

/// A line `cpuN user nice system idle iowait irq softirq steal …` in ticks, and moves `at` behind it. False at the end
/// of such lines.
bool parseCore(const char*& at, int& core, CoreTimes& times) noexcept {
  static const double tick = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  if (std::strncmp(at, "cpu", 3) != 0) return false;
  const char* cursor = at + 3;
  uint64_t number = 0;
  std::array<double, 8> fields{};
  if (!parseUnsigned(cursor, number)) return false;
  for (double& field : fields) {
    if (!parseDecimal(cursor, field)) return false;
  }
  cursor = std::strchr(cursor, '\n');
  if (!cursor) return false;  // cut off
  at = cursor + 1;
  core = static_cast<int>(number);
  const auto [user, nice, system, idle, iowait, irq, softirq, steal] = fields;
  times = {(user + nice) * tick, (system + irq + softirq) * tick, idle * tick, iowait * tick, steal * tick};
  return true;
}

/// Behind the first line, which is the sum of all cores.
const char* firstCore(const TextFile& stat) noexcept {
  const char* end = std::strchr(stat.text(), '\n');
  return end ? end + 1 : "";
}

class SystemReader : public Reader {
 public:
  SystemReader(const Place& place, TextFile stat, std::vector<int> cores)
      : stat_(std::move(stat)),
        memory_(place.path("/proc/meminfo"), 256),
        load_(place.path("/proc/loadavg")),
        cores_(std::move(cores)),
        counters_(cores_.size() * kTimes.size()) {
    for (int core : cores_) {
      for (const char* time : kTimes) {
        list("system.cpu." + std::to_string(core) + "." + time, "s", Kind::Counter, stat_);
      }
    }
    if (memory_.read()) {
      list("system.memory.total", "B", Kind::Gauge, memory_);
      list("system.memory.available", "B", Kind::Gauge, memory_);
      hasMemory_ = true;
    }
    if (load_.read()) {
      list("system.load", "count", Kind::Gauge, load_);
      hasLoad_ = true;
    }
  }

  const std::vector<Quantity>& quantities() const override { return quantities_; }
  std::chrono::nanoseconds period() const override { return 100ms; }

  void read(double* values) noexcept override { collect(values, false); }
  void readAll(double* values) noexcept override { collect(values, true); }

 private:
  void collect(double* values, bool all) noexcept {
    std::fill_n(values, quantities_.size(), kAbsent);
    readCores(values);
    values += counters_.size();
    const Pace::Clock::time_point now = Pace::Clock::now();
    if (!all && !pace_.due(now)) return;
    pace_.done(now, now);
    if (hasMemory_) {
      if (memory_.read()) {
        values[0] = numberOf(memory_.text(), "MemTotal:");
        values[1] = numberOf(memory_.text(), "MemAvailable:");
      }
      values += 2;
    }
    if (hasLoad_) *values = load_.number();
  }

  void list(const std::string& name, const char* unit, Kind kind, const TextFile& file) {
    quantities_.push_back({name, unit, kind, "system", file.path(), false});
  }

  /// Cores that are offline have no line.
  void readCores(double* values) noexcept {
    if (!stat_.read()) return;
    int core = 0;
    CoreTimes times{};
    for (const char* at = firstCore(stat_); parseCore(at, core, times);) {
      const auto found = std::lower_bound(cores_.begin(), cores_.end(), core);
      if (found == cores_.end() || *found != core) continue;
      const size_t first = static_cast<size_t>(found - cores_.begin()) * kTimes.size();
      for (size_t i = 0; i < kTimes.size(); ++i) values[first + i] = counters_[first + i].settle(times[i]);
    }
  }

  TextFile stat_;
  TextFile memory_;
  TextFile load_;
  bool hasMemory_ = false;
  bool hasLoad_ = false;
  Pace pace_{500ms};        ///< of memory and load: to tell the first costs the kernel more than the cores
  std::vector<int> cores_;  ///< ascending
  std::vector<Growing> counters_;
  std::vector<Quantity> quantities_;
};

}  // namespace

Source openSystem(const Place& place) {
  // Those that are offline now have a folder, but no line in /proc/stat.
  std::vector<int> cores;
  for (const std::string& name : listFolder(place.path(kCpuFolder), "cpu")) {
    if (const auto core = numberAfter(name, "cpu")) cores.push_back(*core);
  }
  const std::string path = place.path("/proc/stat");
  const size_t most = std::max<size_t>(cores.size(), 1024);
  TextFile all(path, (most + 1) * kLine);
  if (!all.read()) return {"system", nullptr, path + ": " + errorText(all.error())};
  int core = 0;
  CoreTimes times{};
  for (const char* at = firstCore(all); parseCore(at, core, times);) cores.push_back(core);
  std::sort(cores.begin(), cores.end());
  cores.erase(std::unique(cores.begin(), cores.end()), cores.end());
  if (cores.empty()) return {"system", nullptr, path + " is not as Linux writes it"};
  // The interrupts that follow the cores are many, and of no use here.
  TextFile stat(path, (cores.size() + 1) * kLine);
  return {"system", std::make_unique<SystemReader>(place, std::move(stat), std::move(cores)), ""};
}

}  // namespace presisi::telemetry
