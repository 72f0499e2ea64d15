#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>

#include "telemetry/reader.hpp"
#include "telemetry/text_file.hpp"

namespace presisi::telemetry {
namespace {

using namespace std::chrono_literals;

constexpr double kOff = -256;  ///< °C, what Tegra gives for a sensor that is off

class TemperaturesReader : public Reader {
 public:
  void add(const std::string& name, TextFile file, bool estimated = false) {
    quantities_.push_back({"temperature." + distinct(name), "°C", Kind::Gauge, "temperatures", file.path(), estimated});
    files_.push_back(std::move(file));
  }

  const std::vector<Quantity>& quantities() const override { return quantities_; }
  std::chrono::nanoseconds period() const override { return 500ms; }
  void read(double* values) noexcept override {
    for (TextFile& file : files_) {
      const double value = file.number() / 1000;
      *values++ = value > kOff ? value : kAbsent;
    }
  }

 private:
  /// Several sensors may go by one name: the second is `name-2`.
  std::string distinct(const std::string& name) const {
    const auto taken = [this](const std::string& candidate) {
      return std::any_of(quantities_.begin(), quantities_.end(),
                         [&](const Quantity& quantity) { return quantity.name == "temperature." + candidate; });
    };
    std::string candidate = name;
    for (int i = 2; taken(candidate); ++i) candidate = name + "-" + std::to_string(i);
    return candidate;
  }

  std::vector<TextFile> files_;
  std::vector<Quantity> quantities_;
};

/// Hwmon writes underlines for what zones write with hyphens.
std::string comparable(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// On Jetsons it is a zone for tests that always tells the same.
bool isDummy(const std::string& type) { return type == "PMIC-Die"; }

/// The mean of other sensors that Jetsons steer their fan by.
bool isEstimate(const std::string& type) { return type == "thermal-fan-est"; }

/// Drives are asked by a command of their own, which disturbs what is measured.
bool isDrive(const std::string& chip) { return chip == "nvme" || chip == "drivetemp"; }

}  // namespace

Source openTemperatures(const Place& place) {
  auto reader = std::make_unique<TemperaturesReader>();
  std::vector<std::string> types;
  const std::string virtuals = place.path("/sys/devices/virtual/thermal");
  const std::string classes = place.path("/sys/class/thermal");
  const bool hasVirtuals = !listFolder(virtuals, "thermal_zone").empty();
  const std::string zones = hasVirtuals ? virtuals : classes;
  for (const std::string& zone : listFolder(zones, "thermal_zone")) {
    const std::string folder = zones + "/" + zone;
    const std::string type = readText(folder + "/type").value_or(zone);
    TextFile file(folder + "/temp");
    // One that can't be read now may be of a part that is switched off for the moment; then there is a file all the
    // same.
    if (isDummy(type) || (!file.read() && file.error() == ENOENT)) continue;
    reader->add(type, std::move(file), isEstimate(type));
    types.push_back(comparable(type));
  }
  const std::string chips = place.path("/sys/class/hwmon");
  for (const std::string& chip : listFolder(chips, "hwmon")) {
    const std::string folder = chips + "/" + chip;
    const std::string name = readText(folder + "/name").value_or(chip);
    // Thermal zones show up as chips, too.
    if (isDrive(name) || std::find(types.begin(), types.end(), comparable(name)) != types.end()) continue;
    for (const std::string& input : listFolder(folder, "temp")) {
      constexpr const char* kInput = "_input";
      const size_t end = input.rfind(kInput);
      if (end == std::string::npos) continue;
      const std::string sensor = input.substr(0, end);
      TextFile file(folder + "/" + input);
      if (std::isnan(file.number())) continue;
      reader->add(name + " " + readText(folder + "/" + sensor + "_label").value_or(sensor), std::move(file));
    }
  }
  if (!reader->quantities().empty()) return {"temperatures", std::move(reader), ""};
  return {"temperatures", nullptr, "no thermal zones in " + zones + " and no temperatures in " + chips};
}

}  // namespace presisi::telemetry
