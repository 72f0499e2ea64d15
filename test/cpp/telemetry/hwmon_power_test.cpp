#include <doctest/doctest.h>

#include "support/temporary_folder.hpp"
#include "telemetry/readings.hpp"

using namespace presisi;
using namespace presisi::telemetry;
using namespace presisi::test;

namespace {

Source open(const TemporaryFolder& folder) {
  Place place;
  place.root = folder.path();
  return openHwmonPower(place);
}

const std::string kFolder = "sys/class/hwmon/hwmon";

}  // namespace

TEST_CASE("hwmon power: rails by their own name, the device tree's, or the chip's") {
  const TemporaryFolder folder;
  folder.write(kFolder + "0/name", "coretemp\n");
  folder.write(kFolder + "0/temp1_input", "40000\n");
  folder.write(kFolder + "1/name", "ina238\n");
  folder.write(kFolder + "1/label", "VIN\n");
  folder.write(kFolder + "1/power1_input", "28906000\n");
  folder.write(kFolder + "2/name", "power_meter\n");
  folder.write(kFolder + "2/power1_average", "121000000\n");
  folder.write(kFolder + "2/power1_cap", "400000000\n");
  folder.write(kFolder + "3/name", "pmbus\n");
  folder.write(kFolder + "3/power1_input", "1500000\n");
  folder.write(kFolder + "3/power1_label", "pin\n");
  folder.write(kFolder + "3/power2_input", "1400000\n");
  folder.write(kFolder + "4/name", "ina226\n");
  folder.write(kFolder + "4/power1_input", "5000\n");
  folder.write(kFolder + "10/name", "ina226\n");
  folder.write(kFolder + "10/power1_input", "7000\n");
  const Source source = open(folder);
  REQUIRE(source.reader);
  const std::map<std::string, double> values = current(*source.reader);
  CHECK(values.size() == 6);
  CHECK(values.at("power.VIN") == doctest::Approx(28.906));
  CHECK(values.at("power.power_meter") == doctest::Approx(121));
  CHECK(values.at("power.pin") == doctest::Approx(1.5));
  CHECK(values.at("power.pmbus-2") == doctest::Approx(1.4));
  CHECK(values.at("power.ina226") == doctest::Approx(0.005));
  CHECK(values.at("power.ina226-hwmon10") == doctest::Approx(0.007));
  CHECK(find(*source.reader, "power.VIN")->unit == "W");
  CHECK(find(*source.reader, "power.VIN")->source == "hwmon-power");
  CHECK(mentions(find(*source.reader, "power.power_meter")->sensor, "hwmon2/power1_average (power_meter)"));
}

TEST_CASE("hwmon power: values follow the chip, and are absent where it says nothing") {
  const TemporaryFolder folder;
  folder.write(kFolder + "0/name", "ina226\n");
  folder.write(kFolder + "0/power1_input", "1000000\n");
  const Source source = open(folder);
  REQUIRE(source.reader);
  folder.write(kFolder + "0/power1_input", "2000000\n");
  CHECK(eventually([&] { return readings(*source.reader)["power.ina226"] == 2; }));
  folder.write(kFolder + "0/power1_input", "\n");
  CHECK(eventually([&] { return readings(*source.reader).empty(); }));
}

TEST_CASE("hwmon power: why there is none") {
  const TemporaryFolder folder;
  CHECK(mentions(open(folder).reason, "/sys/class/hwmon measures power"));
  // Its driver gives no power, and it has a source of its own.
  folder.write(kFolder + "0/name", "ina3221\n");
  folder.write(kFolder + "0/power1_input", "1\n");
  CHECK_FALSE(open(folder).reader);
  folder.write(kFolder + "1/name", "ina226\n");
  folder.write(kFolder + "1/power1_input/is/a/folder", "");
  CHECK(mentions(open(folder).reason, "hwmon1/power1_input can't be read: "));
}
