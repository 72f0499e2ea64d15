#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <utility>

#include "core/error.hpp"
#include "telemetry/reader.hpp"
#include "telemetry/text_file.hpp"

namespace presisi::telemetry {
namespace {

struct Entry {
  const char* name;
  Source (*open)(const Place&);
};

constexpr const char* kTegrastats = "tegrastats";

constexpr std::array<Entry, 10> kSources = {{{"process", openProcess},
                                             {"system", openSystem},
                                             {"cpu-clocks", openCpuClocks},
                                             {"temperatures", openTemperatures},
                                             {"rapl", openRapl},
                                             {"hwmon-power", openHwmonPower},
                                             {"ina3221", openIna3221},
                                             {"jetson-gpu", openJetsonGpu},
                                             {kTegrastats, openTegrastats},
                                             {"nvml", openNvml}}};

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void check(const std::vector<std::string>& only) {
  for (const std::string& name : only) {
    if (std::any_of(kSources.begin(), kSources.end(), [&](const Entry& entry) { return entry.name == name; })) continue;
    std::string list;
    for (const Entry& entry : kSources) list += (list.empty() ? "" : ", ") + std::string(entry.name);
    throw Error(ErrorCode::InvalidArgument, "Expected some of " + list + " for sources but received \"" + name + "\"");
  }
}

bool startsWith(const std::string& text, const std::string& start) { return text.compare(0, start.size(), start) == 0; }

/// What names a quantity, whichever source tells it: a sensor is `CPU` in tegrastats, and in sysfs `CPU-therm` or
/// `cpu-thermal`.
std::string keyOf(const std::string& name) {
  if (!startsWith(name, "temperature.")) return name;
  std::string key = name;
  std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* end : {"-thermal", "-therm"}) {
    const size_t at = key.rfind(end);
    if (at != std::string::npos && at + std::string(end).size() == key.size()) return key.substr(0, at);
  }
  return key;
}

/// Some of the quantities of a reader.
class Selection : public Reader {
 public:
  Selection(std::unique_ptr<Reader> reader, std::vector<size_t> chosen)
      : reader_(std::move(reader)), chosen_(std::move(chosen)), all_(reader_->quantities().size()) {
    for (size_t i : chosen_) quantities_.push_back(reader_->quantities()[i]);
  }
  const std::vector<Quantity>& quantities() const override { return quantities_; }
  std::chrono::nanoseconds period() const override { return reader_->period(); }
  void read(double* values) noexcept override {
    reader_->read(all_.data());
    choose(values);
  }
  void readAll(double* values) noexcept override {
    reader_->readAll(all_.data());
    choose(values);
  }
  double cpuSeconds() const noexcept override { return reader_->cpuSeconds(); }

 private:
  void choose(double* values) const noexcept {
    for (size_t i : chosen_) *values++ = all_[i];
  }

  std::unique_ptr<Reader> reader_;
  std::vector<size_t> chosen_;
  std::vector<double> all_;
  std::vector<Quantity> quantities_;
};

/// The sources opened so far, and what they tell.
class Opened {
 public:
  void add(Source source) {
    if (source.reader) leaveOutKnown(source);
    if (source.reader) {
      for (const Quantity& quantity : source.reader->quantities()) known_.push_back(keyOf(quantity.name));
    }
    sources_.push_back(std::move(source));
  }
  bool knows(const std::string& start) const {
    return std::any_of(known_.begin(), known_.end(), [&](const std::string& key) { return startsWith(key, start); });
  }
  std::vector<Source> take() { return std::move(sources_); }

 private:
  void leaveOutKnown(Source& source) const {
    const std::vector<Quantity>& quantities = source.reader->quantities();
    std::vector<size_t> chosen;
    for (size_t i = 0; i < quantities.size(); ++i) {
      if (!contains(known_, keyOf(quantities[i].name))) chosen.push_back(i);
    }
    if (chosen.size() == quantities.size()) return;
    if (chosen.empty()) {
      source.reader.reset();
      source.reason = "all that it tells is told by other sources already";
      return;
    }
    source.reader = std::make_unique<Selection>(std::move(source.reader), std::move(chosen));
  }

  std::vector<Source> sources_;
  std::vector<std::string> known_;
};

bool isJetson(const Place& place) {
  const std::string compatible = readText(place.path("/proc/device-tree/compatible")).value_or("");
  return compatible.find("nvidia,tegra") != std::string::npos || readText(place.path("/etc/nv_tegra_release"));
}

/// Why tegrastats, a program that costs far more than a file, is not needed; empty where it is.
std::string needlessTegrastats(const Place& place, const std::vector<std::string>& only, const Opened& opened) {
  if (!place.tegrastats.empty() || contains(only, kTegrastats)) return "";
  if (!isJetson(place)) return "not a Jetson";
  if (opened.knows("power.") && opened.knows("gpu.load")) return "sysfs tells the power rails and the load of the GPU";
  return "";
}

}  // namespace

std::vector<Source> openSources(const Place& place, const std::vector<std::string>& only) {
  check(only);
  Opened opened;
  for (const Entry& entry : kSources) {
    if (!only.empty() && !contains(only, entry.name)) continue;
    const std::string needless = entry.name == std::string(kTegrastats) ? needlessTegrastats(place, only, opened) : "";
    if (needless.empty()) {
      opened.add(entry.open(place));
    } else {
      opened.add({entry.name, nullptr, needless});
    }
  }
  return opened.take();
}

}  // namespace presisi::telemetry
