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

// /sys/class/hwmon/hwmon*: chips that measure power themselves, `power{N}_input` in µW, or `power{N}_average` where
// that is all there is: INA226 and INA238 (Jetson Thor's input), ACPI power meters, AMD's GPUs. INA3221 has a source of
// its own, since its driver gives no power.
namespace presisi::telemetry {
namespace {

constexpr const char* kFolder = "/sys/class/hwmon";

class HwmonPowerReader : public Reader {
 public:
  HwmonPowerReader(std::vector<Quantity> quantities, std::vector<TextFile> files)
      : quantities_(std::move(quantities)), files_(std::move(files)) {}

  const std::vector<Quantity>& quantities() const override { return quantities_; }
  // The chips average over some tens of milliseconds (INA226: 1.1 ms conversions, 16 averaged, twice), and each is
  // asked over I2C or by firmware.
  std::chrono::nanoseconds period() const override { return std::chrono::milliseconds(50); }
  void read(double* values) noexcept override {
    for (size_t i = 0; i < files_.size(); ++i) values[i] = files_[i].number() * 1e-6;
  }

 private:
  std::vector<Quantity> quantities_;
  std::vector<TextFile> files_;
};

/// The numbers N a chip has a `power{N}_input` or `power{N}_average` of.
std::vector<int> channels(const std::string& chip) {
  std::vector<int> numbers;
  for (const std::string& file : listFolder(chip, "power")) {
    const size_t end = file.find('_');
    if (end == std::string::npos) continue;
    const std::string what = file.substr(end);
    const std::optional<int> number = numberAfter(file.substr(0, end), "power");
    if (!number || (what != "_input" && what != "_average")) continue;
    if (std::find(numbers.begin(), numbers.end(), *number) == numbers.end()) numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace

Source openHwmonPower(const Place& place) {
  Source source{"hwmon-power", nullptr, {}};
  const std::string folder = place.path(kFolder);
  std::vector<Quantity> quantities;
  std::vector<TextFile> files;
  std::string refused;
  for (const std::string& entry : listFolder(folder, "hwmon")) {
    const std::string chip = folder + "/" + entry;
    const std::string name = readText(chip + "/name").value_or("");
    if (name.empty() || name.compare(0, 7, "ina3221") == 0) continue;
    const std::vector<int> numbers = channels(chip);
    for (const int number : numbers) {
      const std::string stem = chip + "/power" + std::to_string(number);
      TextFile file(stem + "_input");
      if (!file.read()) {
        const int error = file.error();
        file = TextFile(stem + "_average");
        if (!file.read()) {
          if (refused.empty()) refused = stem + "_input can't be read: " + errorText(error);
          continue;
        }
      }
      // The rail's own name, then the one the device tree gives the chip, then the chip's.
      std::string rail = readText(stem + "_label").value_or(readText(chip + "/label").value_or(name));
      if (rail == name && numbers.size() > 1) rail += "-" + std::to_string(number);
      const auto taken = [&](const Quantity& other) { return other.name == "power." + rail; };
      if (std::any_of(quantities.begin(), quantities.end(), taken)) rail += "-" + entry;
      quantities.push_back({"power." + rail, "W", Kind::Gauge, source.name, file.path() + " (" + name + ")", false});
      files.push_back(std::move(file));
    }
  }
  if (files.empty()) {
    source.reason = refused.empty() ? "no chip of " + folder + " measures power" : refused;
    return source;
  }
  return inBackground(source.name, std::make_unique<HwmonPowerReader>(std::move(quantities), std::move(files)));
}

}  // namespace presisi::telemetry
