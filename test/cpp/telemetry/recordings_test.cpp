#include <doctest/doctest.h>

#include "telemetry/readings.hpp"

using namespace presisi;
using namespace presisi::telemetry;
using namespace presisi::test;

namespace {

struct Recorded {
  std::string sources;  ///< those there are
  std::map<std::string, double> values;
  std::map<std::string, std::string> reasons;
};

Recorded read(const std::string& device) {
  Place place;
  place.root = recordings() + "/" + device;
  Recorded recorded;
  for (const Source& source : openSources(place)) {
    if (!source.reader) {
      recorded.reasons[source.name] = source.reason;
      continue;
    }
    recorded.sources += (recorded.sources.empty() ? "" : " ") + source.name;
    readings(*source.reader);  // the very first leaves out what would delay the start of a recording
    for (const auto& reading : current(*source.reader)) {
      INFO(reading.first);
      CHECK(recorded.values.insert(reading).second);  // no other source has it
    }
  }
  return recorded;
}

}  // namespace

TEST_CASE("recordings: every source finds what a Xavier NX has") {
  Recorded xavier = read("xavier-nx");
  CHECK(xavier.sources == "process system cpu-clocks temperatures ina3221 jetson-gpu");
  CHECK(xavier.values["process.cpu.user"] == doctest::Approx(92.4));
  CHECK(xavier.values["process.rss"] == 298912.0 * 1024);
  CHECK(xavier.values["process.pss"] == 281204.0 * 1024);
  CHECK(xavier.values["process.rss.peak"] == 341220.0 * 1024);
  CHECK(xavier.values["process.io.written"] == 61865984);
  CHECK(xavier.values["process.threads"] == 13);
  CHECK(xavier.values["system.cpu.5.user"] == doctest::Approx(702.52));
  CHECK(xavier.values.count("system.cpu.6.user") == 0);
  CHECK(xavier.values["system.memory.total"] == 6851.0 * 1048576);
  CHECK(xavier.values["system.memory.available"] == (6851.0 - 3168) * 1048576);
  CHECK(xavier.values["system.load"] == doctest::Approx(0.92));
  CHECK(xavier.values["clock.cpu.0"] == 1397120000);
  CHECK(xavier.values["clock.cpu.5"] == 1190400000);
  CHECK(xavier.values["temperature.CPU-therm"] == doctest::Approx(46.5));
  CHECK(xavier.values.count("temperature.PMIC-Die") == 0);
  CHECK(xavier.values["power.VDD_IN"] == doctest::Approx(2.763).epsilon(0.001));
  CHECK(xavier.values["gpu.clock"] == 114750000);
  CHECK(mentions(xavier.reasons["tegrastats"], "sysfs"));
  CHECK(mentions(xavier.reasons["nvml"], "is a recording"));
  CHECK(mentions(xavier.reasons["rapl"], "isn't there"));
}

TEST_CASE("recordings: every source finds what an Orin Nano has, and sensors that are off stay absent") {
  Recorded orin = read("orin-nano");
  CHECK(orin.sources == "process system cpu-clocks temperatures ina3221 jetson-gpu");
  CHECK(orin.values["process.rss"] == 301044.0 * 1024);
  CHECK(orin.values["system.memory.available"] == (7620.0 - 6185) * 1048576);
  CHECK(orin.values["clock.cpu.4"] == 729600000);
  CHECK(orin.values["temperature.tj-thermal"] == doctest::Approx(53.968));
  for (const char* off : {"temperature.cv0-thermal", "temperature.cv1-thermal", "temperature.cv2-thermal"}) {
    CHECK(orin.values.count(off) == 0);
  }
  CHECK(orin.values["power.VDD_IN"] == doctest::Approx(12.479).epsilon(0.001));
  CHECK(orin.values["gpu.load"] == doctest::Approx(0.63));
}

TEST_CASE("recordings: a desktop counts energy") {
  Recorded desktop = read("desktop-x86");
  CHECK(desktop.sources == "process system cpu-clocks temperatures rapl");
  CHECK(desktop.values["energy.package-0"] == doctest::Approx(182044.113281));
  CHECK(desktop.values["throttle.cpu.2"] == 3);
  CHECK(desktop.values["clock.cpu.3"] == 3.6e9);
  CHECK(desktop.values["temperature.x86_pkg_temp"] == 52);
  CHECK(desktop.reasons["tegrastats"] == "not a Jetson");
  CHECK(mentions(desktop.reasons["jetson-gpu"], "no GPU of a Jetson"));
}

TEST_CASE("recordings: a Xavier NX of JetPack 4") {
  Recorded old = read("xavier-nx-jetpack4");
  CHECK(old.sources == "temperatures ina3221 jetson-gpu");
  CHECK(old.values["power.VDD_IN"] == doctest::Approx(6.14));
  CHECK(old.values["gpu.clock"] == 1109250000);
}
