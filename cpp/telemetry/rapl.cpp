#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/energy_counter.hpp"
#include "telemetry/reader.hpp"
#include "telemetry/text_file.hpp"

// Running Average Power Limit: energy counters of x86 CPUs, as the powercap driver of Linux shows them:
//   /sys/class/powercap/intel-rapl:0      a package (AMD's, too), or `psys`, the whole platform
//   /sys/class/powercap/intel-rapl:0:1    a part of it: core, uncore, dram
// each with `name`, `energy_uj` and `max_energy_range_uj`, where it wraps. The hardware refreshes them once a
// millisecond. `intel-rapl-mmio:*` counts the same package by another way, so it is left alone.
namespace presisi::telemetry {
namespace {

constexpr const char* kFolder = "/sys/class/powercap";
constexpr const char* kPrefix = "intel-rapl:";

struct Domain {
  TextFile energy;
  EnergyCounter joules;
};

class RaplReader : public Reader {
 public:
  RaplReader(std::vector<Quantity> quantities, std::vector<Domain> domains)
      : quantities_(std::move(quantities)), domains_(std::move(domains)) {}

  const std::vector<Quantity>& quantities() const override { return quantities_; }
  void read(double* values) noexcept override {
    for (size_t i = 0; i < domains_.size(); ++i) {
      const char* at = domains_[i].energy.read() ? domains_[i].energy.text() : "";
      uint64_t microjoules = 0;
      values[i] = parseUnsigned(at, microjoules) ? domains_[i].joules.at(microjoules) : kAbsent;
    }
  }

 private:
  std::vector<Quantity> quantities_;
  std::vector<Domain> domains_;
};

/// The value of a line `key : value` of /proc/cpuinfo, the first CPU's.
std::string cpuinfo(const std::string& text, const std::string& key) {
  size_t line = text.compare(0, key.size(), key) == 0 ? 0 : text.find("\n" + key);
  if (line == std::string::npos) return {};
  const size_t colon = text.find(':', line);
  if (colon == std::string::npos) return {};
  const size_t begin = text.find_first_not_of(" \t", colon + 1);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find('\n', begin) - begin);
}

/// Intel measures with its voltage regulators from Haswell on. Before, and on AMD, the counters follow a model of what
/// the cores do (Hähnel et al. 2012; Hackenberg et al. 2015; Schöne et al. 2021, for Zen 2).
bool isModelled(const Place& place) {
  const std::string text = readText(place.path("/proc/cpuinfo")).value_or("");
  const std::string vendor = cpuinfo(text, "vendor_id");
  if (vendor == "AuthenticAMD" || vendor == "HygonGenuine") return true;
  if (vendor != "GenuineIntel" || cpuinfo(text, "cpu family") != "6") return false;
  // Sandy Bridge, Sandy Bridge-E, Ivy Bridge, Ivy Bridge-E.
  for (const char* model : {"42", "45", "58", "62"}) {
    if (cpuinfo(text, "model\t") == model) return true;
  }
  return false;
}

/// `package-0` of a package; `core-0` of its cores, since every package has some.
std::string domainName(const std::string& folder, const std::string& zone, const std::string& name) {
  const size_t colon = zone.rfind(':');
  const std::string parent = zone.substr(0, colon);
  if (parent.find(':') == std::string::npos) return name;
  const std::string package = "package";
  const std::string of = readText(folder + parent + "/name").value_or("");
  return name + (of.compare(0, package.size(), package) == 0 ? of.substr(package.size()) : "-" + of);
}

}  // namespace

Source openRapl(const Place& place) {
  Source source{"rapl", nullptr, {}};
  const std::string folder = place.path(kFolder) + "/";
  const std::vector<std::string> zones = listFolder(folder, kPrefix);
  if (zones.empty()) {
    source.reason = folder + kPrefix + "* isn't there: not an x86 with RAPL, a virtual machine, or a kernel without " +
                    "intel_rapl_common";
    return source;
  }
  const bool estimated = isModelled(place);
  std::vector<Quantity> quantities;
  std::vector<Domain> domains;
  std::string refused;
  for (const std::string& zone : zones) {
    const std::string path = folder + zone;
    TextFile energy(path + "/energy_uj");
    if (!energy.read()) {
      if (refused.empty()) {
        refused = energy.path() + " can't be read: " + errorText(energy.error()) +
                  "; run as root, or: sudo chmod a+r " + folder + kPrefix + "*/energy_uj";
      }
      continue;
    }
    const std::optional<std::string> name = readText(path + "/name");
    if (!name) continue;
    std::string column = "energy." + domainName(folder, zone, *name);
    const auto taken = [&](const Quantity& other) { return other.name == column; };
    if (std::any_of(quantities.begin(), quantities.end(), taken)) column += "-" + zone;
    const double range = TextFile(path + "/max_energy_range_uj").number();
    domains.push_back({std::move(energy), EnergyCounter(1e6, range > 0 ? static_cast<uint64_t>(range) : 0)});
    quantities.push_back({column, "J", Kind::Counter, source.name, domains.back().energy.path(), estimated});
  }
  if (domains.empty()) {
    source.reason = refused.empty() ? folder + kPrefix + "* have no energy counters" : refused;
    return source;
  }
  source.reader = std::make_unique<RaplReader>(std::move(quantities), std::move(domains));
  return source;
}

}  // namespace presisi::telemetry
