#include <doctest/doctest.h>

#include "columns.hpp"
#include "support/temporary_folder.hpp"
#include "telemetry/reader.hpp"

namespace presisi::telemetry {
namespace {

using test::Columns;
using test::placeOf;
using test::TemporaryFolder;

constexpr const char* kVirtual = "sys/devices/virtual/thermal";

void writeZone(const TemporaryFolder& folder, const std::string& zones, int number, const std::string& type,
               const std::string& temperature) {
  const std::string zone = zones + "/thermal_zone" + std::to_string(number);
  folder.write(zone + "/type", type + "\n");
  folder.write(zone + "/temp", temperature + "\n");
}

TEST_CASE("zones of a Jetson Xavier: no dummy, and what is computed is marked") {
  const TemporaryFolder folder;
  writeZone(folder, kVirtual, 0, "CPU-therm", "46500");
  writeZone(folder, kVirtual, 1, "GPU-therm", "45500");
  writeZone(folder, kVirtual, 2, "AUX-therm", "45000");
  writeZone(folder, kVirtual, 3, "AO-therm", "45000");
  writeZone(folder, kVirtual, 4, "PMIC-Die", "100000");
  writeZone(folder, kVirtual, 10, "thermal-fan-est", "45600");
  folder.write(std::string(kVirtual) + "/cooling_device0/type", "pwm-fan\n");
  const Source source = openTemperatures(placeOf(folder));
  REQUIRE(source.reader);
  CHECK(source.reader->period() == std::chrono::milliseconds(500));
  Columns columns(*source.reader);
  CHECK(columns.names() == std::vector<std::string>{"temperature.CPU-therm", "temperature.GPU-therm",
                                                    "temperature.AUX-therm", "temperature.AO-therm",
                                                    "temperature.thermal-fan-est"});
  columns.read();
  CHECK(columns["temperature.CPU-therm"] == 46.5);
  CHECK(columns["temperature.thermal-fan-est"] == 45.6);
  const auto& quantities = source.reader->quantities();
  CHECK_FALSE(quantities[0].estimated);
  CHECK(quantities[4].estimated);
  CHECK(quantities[0].unit == "°C");
}

TEST_CASE("zones of a Jetson Orin: a sensor that is off is absent until it is on") {
  const TemporaryFolder folder;
  writeZone(folder, kVirtual, 0, "cpu-thermal", "44562");
  writeZone(folder, kVirtual, 1, "gpu-thermal", "-256000");
  writeZone(folder, kVirtual, 2, "cv0-thermal", "");  // EAGAIN on the device
  const Source source = openTemperatures(placeOf(folder));
  REQUIRE(source.reader);
  Columns columns(*source.reader);
  columns.read();
  CHECK(columns["temperature.cpu-thermal"] == doctest::Approx(44.562));
  CHECK(columns.absent("temperature.gpu-thermal"));
  CHECK(columns.absent("temperature.cv0-thermal"));
  folder.write(std::string(kVirtual) + "/thermal_zone1/temp", "-500\n");
  CHECK(columns.read()["temperature.gpu-thermal"] == -0.5);
}

TEST_CASE("zones of one name are told apart") {
  const TemporaryFolder folder;
  writeZone(folder, kVirtual, 0, "acpitz", "27800");
  writeZone(folder, kVirtual, 1, "acpitz", "29800");
  writeZone(folder, kVirtual, 2, "acpitz-2", "30000");
  writeZone(folder, kVirtual, 10, "acpitz", "31000");
  const Source source = openTemperatures(placeOf(folder));
  Columns columns(*source.reader);
  columns.read();
  CHECK(columns["temperature.acpitz"] == 27.8);
  CHECK(columns["temperature.acpitz-2"] == 29.8);
  CHECK(columns["temperature.acpitz-2-2"] == 30);
  CHECK(columns["temperature.acpitz-3"] == 31);
}

TEST_CASE("chips of hwmon by their own labels, less zones seen already and drives") {
  const TemporaryFolder folder;
  writeZone(folder, "sys/class/thermal", 0, "cpu-thermal", "40000");
  const std::string chips = "sys/class/hwmon/hwmon";
  folder.write(chips + "0/name", "cpu_thermal\n");
  folder.write(chips + "0/temp1_input", "40000\n");
  folder.write(chips + "1/name", "coretemp\n");
  folder.write(chips + "1/temp1_input", "51000\n");
  folder.write(chips + "1/temp1_label", "Package id 0\n");
  folder.write(chips + "1/temp1_max", "100000\n");
  folder.write(chips + "1/temp2_input", "49000\n");
  folder.write(chips + "1/temp2_label", "Core 0\n");
  folder.write(chips + "2/name", "k10temp\n");
  folder.write(chips + "2/temp1_input", "60125\n");
  folder.write(chips + "2/temp3_input", "nonsense\n");
  folder.write(chips + "3/name", "nvme\n");
  folder.write(chips + "3/temp1_input", "35000\n");
  const Source source = openTemperatures(placeOf(folder));
  REQUIRE(source.reader);
  Columns columns(*source.reader);
  CHECK(columns.names() == std::vector<std::string>{"temperature.cpu-thermal", "temperature.coretemp Package id 0",
                                                    "temperature.coretemp Core 0", "temperature.k10temp temp1"});
  columns.read();
  CHECK(columns["temperature.cpu-thermal"] == 40);
  CHECK(columns["temperature.coretemp Package id 0"] == 51);
  CHECK(columns["temperature.coretemp Core 0"] == 49);
  CHECK(columns["temperature.k10temp temp1"] == 60.125);
}

TEST_CASE("without either there is a reason") {
  const TemporaryFolder folder;
  const Source source = openTemperatures(placeOf(folder));
  CHECK_FALSE(source.reader);
  CHECK(source.reason.find("no thermal zones in ") == 0);
  CHECK(source.reason.find("/sys/class/hwmon") != std::string::npos);
}

}  // namespace
}  // namespace presisi::telemetry
