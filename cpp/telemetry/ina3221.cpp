#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/background_reader.hpp"
#include "telemetry/reader.hpp"
#include "telemetry/text_file.hpp"

// The power monitors of Jetsons: three rails a chip, on the I2C bus.
//   JetPack 5 on   /sys/bus/i2c/devices/*/hwmon/hwmon*/   in{1..3}_label, in{N}_input mV, curr{N}_input mA
//   JetPack 4      /sys/bus/i2c/devices/*/iio:device*/    rail_name_{0..2}, in_power{N}_input mW
// A rail called NC is not connected. in7, `sum of shunt voltages`, is no rail.
namespace presisi::telemetry {
namespace {

constexpr const char* kFolder = "/sys/bus/i2c/devices";

struct Rail {
  TextFile volts;  ///< mV; none where the driver gives the power
  TextFile value;  ///< mA, or mW without `volts`
};

class Ina3221Reader : public Reader {
 public:
  Ina3221Reader(std::vector<Quantity> quantities, std::vector<Rail> rails, std::chrono::nanoseconds period)
      : quantities_(std::move(quantities)), rails_(std::move(rails)), period_(period) {}

  const std::vector<Quantity>& quantities() const override { return quantities_; }
  std::chrono::nanoseconds period() const override { return period_; }
  void read(double* values) noexcept override {
    for (size_t i = 0; i < rails_.size(); ++i) {
      Rail& rail = rails_[i];
      const double value = rail.value.number();
      values[i] = rail.volts.path().empty() ? value * 1e-3 : value * rail.volts.number() * 1e-6;
    }
  }

 private:
  std::vector<Quantity> quantities_;
  std::vector<Rail> rails_;
  std::chrono::nanoseconds period_;
};

/// What is found chip by chip.
struct Found {
  std::vector<Quantity> quantities;
  std::vector<Rail> rails;
  std::chrono::nanoseconds sweep{0};  ///< how long reading all rails takes at least
  std::string refused;

  void add(const std::string& name, Rail rail) {
    for (TextFile* file : {&rail.value, &rail.volts}) {
      if (file->path().empty() || file->read()) continue;
      // A channel that is switched off gives ENODATA: no rail either.
      if (refused.empty()) refused = file->path() + " can't be read: " + errorText(file->error());
      return;
    }
    std::string column = "power." + name;
    const auto taken = [&](const Quantity& other) { return other.name == column; };
    for (int again = 2; std::any_of(quantities.begin(), quantities.end(), taken); ++again) {
      column = "power." + name + "-" + std::to_string(again);
    }
    quantities.push_back({column, "W", Kind::Gauge, "ina3221", rail.value.path(), false});
    rails.push_back(std::move(rail));
  }
};

bool isRail(const std::optional<std::string>& name) { return name && !name->empty() && *name != "NC"; }

void addHwmon(const std::string& chip, Found& found) {
  // The driver waits for a conversion that nobody has seen yet at every single read, of a voltage as of a current. All
  // three channels, voltage and current, take `update_interval` ms: 6.6 as the driver sets the chip up.
  const double interval = TextFile(chip + "/update_interval").number();
  const auto conversion = std::chrono::microseconds(interval > 0 ? static_cast<int64_t>(interval * 1000) : 6600);
  for (int channel = 1; channel <= 3; ++channel) {
    const std::string number = std::to_string(channel);
    const std::optional<std::string> name = readText(chip + "/in" + number + "_label");
    if (!isRail(name)) continue;
    found.add(*name, {TextFile(chip + "/in" + number + "_input"), TextFile(chip + "/curr" + number + "_input")});
    found.sweep += 2 * conversion;
  }
}

void addIio(const std::string& chip, Found& found) {
  for (int channel = 0; channel < 3; ++channel) {
    const std::string number = std::to_string(channel);
    const std::optional<std::string> name = readText(chip + "/rail_name_" + number);
    if (!isRail(name)) continue;
    found.add(*name, {TextFile(), TextFile(chip + "/in_power" + number + "_input")});
    // This driver starts a conversion of its own for each read: 0.84 ms, and polling the bus until it is done.
    found.sweep += std::chrono::milliseconds(5);
  }
}

}  // namespace

Source openIna3221(const Place& place) {
  Source source{"ina3221", nullptr, {}};
  const std::string folder = place.path(kFolder);
  Found found;
  bool chips = false;
  for (const std::string& device : listFolder(folder)) {
    const std::string path = folder + "/" + device;
    if (readText(path + "/name").value_or("").compare(0, 7, "ina3221") != 0) continue;  // ina3221x on JetPack 4
    chips = true;
    for (const std::string& chip : listFolder(path + "/hwmon", "hwmon")) addHwmon(path + "/hwmon/" + chip, found);
    for (const std::string& chip : listFolder(path, "iio:device")) addIio(path + "/" + chip, found);
  }
  if (found.rails.empty()) {
    source.reason = !chips                  ? "no INA3221 in " + folder + ": not a Jetson with power monitors"
                    : found.refused.empty() ? "the INA3221 in " + folder + " name no rails"
                                            : found.refused;
    return source;
  }
  // As fast as they can be read, and no faster than 25 times a second: a read costs CPU time on the I2C bus.
  const auto period = std::max<std::chrono::nanoseconds>(found.sweep, std::chrono::milliseconds(40));
  return inBackground(source.name,
                      std::make_unique<Ina3221Reader>(std::move(found.quantities), std::move(found.rails), period));
}

}  // namespace presisi::telemetry
