#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>

#include "columns.hpp"
#include "core/error.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"
#include "telemetry/reader.hpp"

namespace presisi::telemetry {
namespace {

using test::placeOf;
using test::TemporaryFolder;
using test::throwsError;

std::vector<std::string> namesOf(const std::vector<Source>& sources) {
  std::vector<std::string> names;
  for (const Source& source : sources) names.push_back(source.name);
  return names;
}

const Source& find(const std::vector<Source>& sources, const std::string& name) {
  for (const Source& source : sources) {
    if (source.name == name) return source;
  }
  FAIL("no source " << name);
  return sources.front();
}

std::vector<std::string> quantitiesOf(const Source& source) {
  REQUIRE(source.reader);
  return test::Columns(*source.reader).names();
}

void writeJetson(const TemporaryFolder& folder) {
  folder.write("proc/device-tree/compatible", std::string("nvidia,p3668-0000\0nvidia,tegra194\0", 35));
  const std::string zone = "sys/devices/virtual/thermal/thermal_zone0";
  folder.write(zone + "/type", "CPU-therm\n");
  folder.write(zone + "/temp", "46500\n");
}

void writeRails(const TemporaryFolder& folder) {
  const std::string chip = "sys/bus/i2c/devices/7-0040";
  folder.write(chip + "/name", "ina3221\n");
  folder.write(chip + "/hwmon/hwmon3/in1_label", "VDD_IN\n");
  folder.write(chip + "/hwmon/hwmon3/in1_input", "5000\n");
  folder.write(chip + "/hwmon/hwmon3/curr1_input", "1000\n");
}

void writeGpu(const TemporaryFolder& folder) {
  const std::string gpu = "sys/class/devfreq/17000000.gv11b";
  folder.write(gpu + "/device/of_node/name", std::string("gv11b\0", 6));
  folder.write(gpu + "/device/load", "500\n");
  folder.write(gpu + "/cur_freq", "1109250000\n");
}

/// A stand-in for tegrastats that prints a Xavier NX's line again and again.
std::string writeTegrastats(const TemporaryFolder& folder) {
  const std::string path = folder.write(
      "bin/tegrastats",
      "#!/bin/sh\nwhile echo 'RAM 3168/6851MB (lfb 2x4MB) SWAP 161/3426MB (cached 0MB) CPU [23%@1397] EMC_FREQ 2%@204 "
      "GR3D_FREQ 7%@[114] APE 150 AUX@45C CPU@46.5C PMIC@50C VDD_IN 2763mW/2846mW VDD_SOC 650mW/711mW'; do sleep 0.1; "
      "done\n");
  ::chmod(path.c_str(), 0755);
  return path;
}

TEST_CASE("all sources are told, in their order, each with a reader or a reason") {
  const TemporaryFolder folder;
  const std::vector<Source> sources = openSources(placeOf(folder));
  CHECK(namesOf(sources) == std::vector<std::string>{"process", "system", "cpu-clocks", "temperatures", "rapl",
                                                     "hwmon-power", "ina3221", "jetson-gpu", "tegrastats", "nvml"});
  for (const Source& source : sources) {
    CAPTURE(source.name);
    CHECK_FALSE(source.reader);
    CHECK_FALSE(source.reason.empty());
  }
}

TEST_CASE("this machine has a process and a system, and no column twice") {
  const std::vector<Source> sources = openSources({});
  std::vector<std::string> names;
  for (const Source& source : sources) {
    CHECK((source.reader != nullptr) == source.reason.empty());
    if (!source.reader) continue;
    for (const std::string& name : quantitiesOf(source)) {
      CHECK(std::find(names.begin(), names.end(), name) == names.end());
      names.push_back(name);
    }
  }
  CHECK(find(sources, "process").reader);
  CHECK(find(sources, "system").reader);
}

TEST_CASE("some can be chosen by name, and only those are opened") {
  CHECK(namesOf(openSources({}, {"system", "process"})) == std::vector<std::string>{"process", "system"});
  CHECK(throwsError(ErrorCode::InvalidArgument, "Expected some of process, system, cpu-clocks, temperatures, rapl", [] {
    openSources({}, {"process", "gpu"});
  }));
}

TEST_CASE("a Jetson whose rails and GPU sysfs tells needs no tegrastats") {
  const TemporaryFolder folder;
  writeJetson(folder);
  writeRails(folder);
  writeGpu(folder);
  const std::vector<Source> sources = openSources(placeOf(folder));
  CHECK(quantitiesOf(find(sources, "ina3221")) == std::vector<std::string>{"power.VDD_IN"});
  const std::vector<std::string> gpu = quantitiesOf(find(sources, "jetson-gpu"));
  CHECK(std::find(gpu.begin(), gpu.end(), "gpu.load") != gpu.end());
  CHECK_FALSE(find(sources, "tegrastats").reader);
  CHECK(find(sources, "tegrastats").reason == "sysfs tells the power rails and the load of the GPU");
}

TEST_CASE("where sysfs lacks the rails or the GPU of a Jetson, tegrastats is looked for") {
  for (const bool hasRails : {false, true}) {
    const TemporaryFolder folder;
    writeJetson(folder);
    if (hasRails) writeRails(folder);
    if (!hasRails) writeGpu(folder);
    // A recording has no program to start: that it says so shows that it was asked.
    const std::vector<Source> sources = openSources(placeOf(folder));
    CHECK(find(sources, "tegrastats").reason.find("is a recording") != std::string::npos);
  }
}

TEST_CASE("what isn't a Jetson needs no tegrastats, unless it is asked for") {
  const TemporaryFolder folder;
  CHECK(find(openSources(placeOf(folder)), "tegrastats").reason == "not a Jetson");
  CHECK(find(openSources(placeOf(folder), {"tegrastats"}), "tegrastats").reason.find("is a recording") !=
        std::string::npos);
}

TEST_CASE("of tegrastats only what no other source tells is taken, a sensor under either name") {
  const TemporaryFolder folder;
  writeJetson(folder);
  writeRails(folder);
  Place place = placeOf(folder);
  place.tegrastats = writeTegrastats(folder);

  const std::vector<Source> alone = openSources(place, {"tegrastats"});
  const std::vector<std::string> all = quantitiesOf(alone.at(0));
  const auto has = [](const std::vector<std::string>& names, const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const char* name : {"power.VDD_IN", "power.VDD_SOC", "temperature.CPU", "temperature.AUX", "gpu.load"}) {
    CHECK(has(all, name));
  }

  const std::vector<Source> sources = openSources(place);
  const std::vector<std::string> rest = quantitiesOf(find(sources, "tegrastats"));
  CHECK_FALSE(has(rest, "power.VDD_IN"));
  CHECK_FALSE(has(rest, "temperature.CPU"));
  for (const char* name : {"power.VDD_SOC", "temperature.AUX", "gpu.load"}) CHECK(has(rest, name));

  // The values are those of the columns that are left.
  test::Columns columns(*find(sources, "tegrastats").reader);
  columns.read();
  CHECK(columns["power.VDD_SOC"] == doctest::Approx(0.65));
  CHECK(columns["temperature.AUX"] == 45);
  CHECK(columns["gpu.load"] == doctest::Approx(0.07));
}

}  // namespace
}  // namespace presisi::telemetry
