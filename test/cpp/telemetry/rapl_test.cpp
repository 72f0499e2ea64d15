#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/temporary_folder.hpp"
#include "telemetry/readings.hpp"

using namespace presisi;
using namespace presisi::telemetry;
using namespace presisi::test;

namespace {

constexpr const char* kFolder = "sys/class/powercap/intel-rapl:";

void writeZone(const TemporaryFolder& folder, const std::string& zone, const std::string& name,
               const std::string& energy) {
  folder.write(kFolder + zone + "/name", name + "\n");
  folder.write(kFolder + zone + "/energy_uj", energy + "\n");
  folder.write(kFolder + zone + "/max_energy_range_uj", "262143328850\n");
}

Source open(const std::string& root) {
  Place place;
  place.root = root;
  return openRapl(place);
}

std::string cpuinfo(const std::string& vendor, const std::string& family, const std::string& model) {
  return "processor\t: 0\nvendor_id\t: " + vendor + "\ncpu family\t: " + family + "\nmodel\t\t: " + model +
         "\nmodel name\t: 42 or so\n";
}

}  // namespace

TEST_CASE("rapl: the recorded desktop's domains, in joules") {
  const Source source = open(recordings() + "/desktop-x86");
  REQUIRE(source.reader);
  CHECK(names(*source.reader) ==
        std::vector<std::string>{"energy.package-0", "energy.core-0", "energy.uncore-0", "energy.dram-0"});
  auto values = readings(*source.reader);
  CHECK(values["energy.package-0"] == doctest::Approx(182044.113281));
  CHECK(values["energy.core-0"] == doctest::Approx(91022.331207));
  CHECK(values["energy.dram-0"] == doctest::Approx(40113.988102));
  const Quantity& package = source.reader->quantities().front();
  CHECK(package.unit == "J");
  CHECK(package.kind == Kind::Counter);
  CHECK(package.source == "rapl");
  CHECK(mentions(package.sensor, "intel-rapl:0/energy_uj"));
  CHECK_FALSE(package.estimated);
}

TEST_CASE("rapl: a counter that wraps goes on, one that can't be read is absent for that moment") {
  const TemporaryFolder folder;
  writeZone(folder, "0", "package-0", "262143000000");
  const Source source = open(folder.path());
  REQUIRE(source.reader);
  CHECK(readings(*source.reader)["energy.package-0"] == doctest::Approx(262143));
  folder.write(kFolder + std::string("0/energy_uj"), "671150\n");
  CHECK(readings(*source.reader)["energy.package-0"] == doctest::Approx(262144));
  folder.write(kFolder + std::string("0/energy_uj"), "garbage\n");
  CHECK(readings(*source.reader).empty());
  folder.write(kFolder + std::string("0/energy_uj"), "1671150\n");
  CHECK(readings(*source.reader)["energy.package-0"] == doctest::Approx(262145));
}

TEST_CASE("rapl: parts are named after the package they belong to, and no name comes twice") {
  const TemporaryFolder folder;
  writeZone(folder, "0", "package-0", "1");
  writeZone(folder, "0:0", "core", "1");
  writeZone(folder, "1", "package-1", "1");
  writeZone(folder, "1:0", "core", "1");
  writeZone(folder, "2", "psys", "1");
  writeZone(folder, "10", "package-1", "1");
  writeZone(folder, "3", "package-2-die-1", "1");
  writeZone(folder, "3:0", "dram", "1");
  // The same package over again.
  folder.write("sys/class/powercap/intel-rapl-mmio:0/name", "package-0\n");
  folder.write("sys/class/powercap/intel-rapl-mmio:0/energy_uj", "1\n");
  const Source source = open(folder.path());
  REQUIRE(source.reader);
  CHECK(names(*source.reader) == std::vector<std::string>{"energy.package-0", "energy.core-0", "energy.package-1",
                                                          "energy.core-1", "energy.psys", "energy.package-2-die-1",
                                                          "energy.dram-2-die-1", "energy.package-1-intel-rapl:10"});
}

TEST_CASE("rapl: AMD's counters, and Intel's before Haswell, follow a model") {
  const auto estimated = [](const std::string& info) {
    const TemporaryFolder folder;
    writeZone(folder, "0", "package-0", "1");
    if (!info.empty()) folder.write("proc/cpuinfo", info);
    const Source source = open(folder.path());
    REQUIRE(source.reader);
    return source.reader->quantities().front().estimated;
  };
  CHECK(estimated(cpuinfo("AuthenticAMD", "23", "49")));
  CHECK(estimated(cpuinfo("GenuineIntel", "6", "42")));
  CHECK(estimated(cpuinfo("GenuineIntel", "6", "62")));
  CHECK_FALSE(estimated(cpuinfo("GenuineIntel", "6", "60")));
  CHECK_FALSE(estimated(cpuinfo("GenuineIntel", "6", "158")));
  CHECK_FALSE(estimated(""));
}

TEST_CASE("rapl: why there is none") {
  const TemporaryFolder folder;
  CHECK(mentions(open(folder.path()).reason, "/sys/class/powercap/intel-rapl:* isn't there"));
  CHECK(mentions(open(folder.path()).reason, "virtual machine"));
  writeZone(folder, "0", "package-0", "1");
  const std::string energy = (folder.path() / kFolder).string() + "0/energy_uj";
  if (geteuid() == 0) {
    // Root may read anything: a folder in its place can't be read by anybody.
    unlink(energy.c_str());
    mkdir(energy.c_str(), 0700);
  } else {
    chmod(energy.c_str(), 0);
  }
  const Source source = open(folder.path());
  CHECK_FALSE(source.reader);
  CHECK(mentions(source.reason, "intel-rapl:0/energy_uj can't be read: "));
  CHECK(mentions(source.reason, "run as root, or: sudo chmod a+r"));
}
