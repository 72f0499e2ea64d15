#pragma once

#include <chrono>
#include <limits>
#include <memory>
#include <string>
#include <vector>

/// Reading the device while it works. What can't be read is absent, with a reason; it is never 0.
namespace presisi::telemetry {

/// What stands for "could not be read" in a row of values.
inline constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();

enum class Kind {
  Gauge,   ///< what is now: a temperature, a power, a clock
  Counter  ///< only grows: seconds of CPU, joules, bytes; its differences mean something
};

/// One column of the samples. `lib/telemetry/types.ts` lists the names there are.
struct Quantity {
  std::string name;  ///< `process.rss`, `system.cpu.0.busy`, `power.VDD_IN`, …
  std::string unit;  ///< `s`, `B`, `Hz`, `W`, `J`, `°C`, `share` (0 to 1) or `count`
  Kind kind = Kind::Gauge;
  std::string source;      ///< name of the reader: `process`, `rapl`, `ina3221`, …
  std::string sensor;      ///< where exactly it is read: a path, a rail of it, a function
  bool estimated = false;  ///< the device computes it from a model instead of measuring it
};

/// What readers are made from. An empty `root` is this machine; else a folder that holds `proc` and `sys` as a device
/// has them, so that recorded devices can be read anywhere.
struct Place {
  std::string root;
  int pid = 0;              ///< the process whose tree is read; 0: this one
  std::string tegrastats;   ///< command; empty: `tegrastats` where it is found
  std::string nvmlLibrary;  ///< file; empty: `libnvidia-ml.so.1`

  std::string path(const std::string& absolute) const { return root + absolute; }
};

/// One source of quantities. Made once, then read from the sampler's thread only.
class Reader {
 public:
  virtual ~Reader() = default;
  /// Fixed for the life of the reader, in the order of the values `read` writes.
  virtual const std::vector<Quantity>& quantities() const = 0;
  /// How far apart reads are at least: what a source refreshes slowly, or what costs much to read, is read less often
  /// than the sampler ticks. 0: at every tick.
  virtual std::chrono::nanoseconds period() const { return std::chrono::nanoseconds{0}; }
  /// Writes a value for each quantity, kAbsent where it can't be read now.
  virtual void read(double* values) noexcept = 0;
  /// The same with everything there is, whatever was read lately: for the first and the last sample. Readers that read
  /// some of their quantities less often than others override it.
  virtual void readAll(double* values) noexcept { read(values); }
  /// CPU seconds so far of threads and child processes of its own: what it costs beyond the calls of `read`. Called
  /// from any thread.
  virtual double cpuSeconds() const noexcept { return 0; }
};

/// What looking for a source gave: a reader, or the reason why there is none.
struct Source {
  std::string name;
  std::unique_ptr<Reader> reader;
  std::string reason;  ///< empty where there is a reader
};

/// Each in a file of its own; none of them throws.
Source openProcess(const Place& place);       ///< procfs of the process and of its children
Source openSystem(const Place& place);        ///< /proc/stat, /proc/meminfo, /proc/loadavg
Source openCpuClocks(const Place& place);     ///< cpufreq, and how often the CPU throttled itself
Source openTemperatures(const Place& place);  ///< thermal zones, and chips of hwmon that are none
Source openRapl(const Place& place);          ///< energy counters of x86
Source openHwmonPower(const Place& place);    ///< power of hwmon chips that are no INA3221
Source openIna3221(const Place& place);       ///< power rails of Jetsons
Source openJetsonGpu(const Place& place);     ///< devfreq: load and clock of an integrated GPU
Source openTegrastats(const Place& place);    ///< what sysfs doesn't give on a Jetson; a child process
Source openNvml(const Place& place);          ///< discrete GPUs

/// All of them, in this order; `only` chooses some by name (InvalidArgument for a name there isn't). Quantities that an
/// earlier source has are not read a second time: tegrastats is started only where sysfs lacks the rails or the GPU.
std::vector<Source> openSources(const Place& place, const std::vector<std::string>& only = {});

}  // namespace presisi::telemetry
