#include <doctest/doctest.h>

#include "support/temporary_folder.hpp"
#include "telemetry/readings.hpp"

using namespace presisi;
using namespace presisi::telemetry;
using namespace presisi::test;

namespace {

Source open(const std::string& root) {
  Place place;
  place.root = root;
  return openIna3221(place);
}

const std::string kFolder = "sys/bus/i2c/devices/";

void writeRail(const TemporaryFolder& folder, const std::string& chip, int channel, const std::string& label,
               const std::string& volts, const std::string& current) {
  const std::string number = std::to_string(channel);
  folder.write(kFolder + chip + "/in" + number + "_label", label + "\n");
  folder.write(kFolder + chip + "/in" + number + "_input", volts + "\n");
  folder.write(kFolder + chip + "/curr" + number + "_input", current + "\n");
}

}  // namespace

TEST_CASE("ina3221: the rails of a recorded Xavier NX and Orin Nano, as tegrastats tells them") {
  const Source xavier = open(recordings() + "/xavier-nx");
  REQUIRE(xavier.reader);
  CHECK(names(*xavier.reader) == std::vector<std::string>{"power.VDD_IN", "power.VDD_CPU_GPU_CV", "power.VDD_SOC"});
  auto values = current(*xavier.reader);
  CHECK(values["power.VDD_IN"] == doctest::Approx(2.763).epsilon(0.001));
  CHECK(values["power.VDD_CPU_GPU_CV"] == doctest::Approx(0.650).epsilon(0.001));
  CHECK(values["power.VDD_SOC"] == doctest::Approx(0.650).epsilon(0.001));
  const Quantity& input = xavier.reader->quantities().front();
  CHECK(input.unit == "W");
  CHECK(input.kind == Kind::Gauge);
  CHECK(mentions(input.sensor, "/7-0040/hwmon/hwmon6/curr1_input"));
  // Two reads for each of three rails, each of which waits for a conversion of 7 ms.
  CHECK(xavier.reader->period() == std::chrono::milliseconds(42));

  const Source orin = open(recordings() + "/orin-nano");
  REQUIRE(orin.reader);
  values = current(*orin.reader);
  CHECK(values["power.VDD_IN"] == doctest::Approx(12.479).epsilon(0.001));
  CHECK(values["power.VDD_CPU_GPU_CV"] == doctest::Approx(4.667).epsilon(0.001));
  CHECK(values["power.VDD_SOC"] == doctest::Approx(2.817).epsilon(0.001));
}

TEST_CASE("ina3221: JetPack 4 tells the power itself") {
  const Source source = open(recordings() + "/xavier-nx-jetpack4");
  REQUIRE(source.reader);
  auto values = current(*source.reader);
  CHECK(values.size() == 3);
  CHECK(values["power.VDD_IN"] == doctest::Approx(6.140));
  CHECK(values["power.VDD_CPU_GPU_CV"] == doctest::Approx(2.706));
  CHECK(values["power.VDD_SOC"] == doctest::Approx(1.074));
  CHECK(mentions(source.reader->quantities().front().sensor, "iio:device0/in_power0_input"));
}

TEST_CASE("ina3221: rails that aren't connected or can't be read are none, and two of a name are told apart") {
  const TemporaryFolder folder;
  folder.write(kFolder + "1-0040/name", "ina3221\n");
  writeRail(folder, "1-0040/hwmon/hwmon3", 1, "VDD_GPU_SOC", "5000", "468");
  writeRail(folder, "1-0040/hwmon/hwmon3", 2, "NC", "5000", "8");
  writeRail(folder, "1-0040/hwmon/hwmon3", 3, "VIN_SYS_5V0", "5000", "800");
  writeRail(folder, "1-0040/hwmon/hwmon3", 7, "sum of shunt voltages", "5000", "800");
  folder.write(kFolder + "1-0041/name", "ina3221\n");
  writeRail(folder, "1-0041/hwmon/hwmon4", 1, "VIN_SYS_5V0", "4000", "100");
  writeRail(folder, "1-0041/hwmon/hwmon4", 2, "", "4000", "100");
  folder.write(kFolder + "1-0041/hwmon/hwmon4/in3_label", "HALF\n");
  folder.write(kFolder + "1-0041/hwmon/hwmon4/in3_input", "4000\n");
  folder.write(kFolder + "1-0050/name", "24c02\n");
  writeRail(folder, "1-0050/hwmon/hwmon5", 1, "EEPROM", "4000", "100");
  const Source source = open(folder.path());
  REQUIRE(source.reader);
  const std::map<std::string, double> values = current(*source.reader);
  CHECK(values.size() == 3);
  CHECK(values.at("power.VDD_GPU_SOC") == doctest::Approx(2.34));
  CHECK(values.at("power.VIN_SYS_5V0") == doctest::Approx(4));
  CHECK(values.at("power.VIN_SYS_5V0-2") == doctest::Approx(0.4));
}

TEST_CASE("ina3221: values follow the chip; where half of one is missing it is absent") {
  const TemporaryFolder folder;
  folder.write(kFolder + "7-0040/name", "ina3221\n");
  writeRail(folder, "7-0040/hwmon/hwmon6", 1, "VDD_IN", "5000", "1000");
  const Source source = open(folder.path());
  REQUIRE(source.reader);
  CHECK(current(*source.reader)["power.VDD_IN"] == doctest::Approx(5));
  folder.write(kFolder + "7-0040/hwmon/hwmon6/curr1_input", "3000\n");
  CHECK(eventually([&] { return readings(*source.reader)["power.VDD_IN"] == doctest::Approx(15); }));
  folder.write(kFolder + "7-0040/hwmon/hwmon6/in1_input", "");
  CHECK(eventually([&] { return readings(*source.reader).empty(); }));
}

TEST_CASE("ina3221: why there is none") {
  const TemporaryFolder folder;
  CHECK(mentions(open(folder.path()).reason, "no INA3221 in "));
  folder.write(kFolder + "7-0040/name", "ina3221\n");
  CHECK(mentions(open(folder.path()).reason, "name no rails"));
  folder.write(kFolder + "7-0040/hwmon/hwmon6/in1_label", "VDD_IN\n");
  CHECK(mentions(open(folder.path()).reason, "hwmon6/curr1_input can't be read: No such file"));
}
