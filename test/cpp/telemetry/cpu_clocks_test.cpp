#include <doctest/doctest.h>

#include "columns.hpp"
#include "support/temporary_folder.hpp"
#include "telemetry/reader.hpp"

namespace presisi::telemetry {
namespace {

using test::Columns;
using test::placeOf;
using test::TemporaryFolder;

std::string cpu(int core) { return "sys/devices/system/cpu/cpu" + std::to_string(core); }

TEST_CASE("clocks in hertz, and how often cores throttled") {
  const TemporaryFolder folder;
  folder.write(cpu(0) + "/cpufreq/scaling_cur_freq", "1420800\n");
  folder.write(cpu(0) + "/cpufreq/cpuinfo_cur_freq", "1\n");
  folder.write(cpu(1) + "/cpufreq/cpuinfo_cur_freq", "729600\n");
  folder.write(cpu(2) + "/online", "0\n");
  folder.write(cpu(10) + "/cpufreq/scaling_cur_freq", "115200\n");
  folder.write(cpu(10) + "/thermal_throttle/core_throttle_count", "17\n");
  folder.write("sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "5\n");
  const Source source = openCpuClocks(placeOf(folder));
  REQUIRE(source.reader);
  CHECK(source.reader->period() == std::chrono::milliseconds(100));
  Columns columns(*source.reader);
  CHECK(columns.names() == std::vector<std::string>{"clock.cpu.0", "clock.cpu.1", "clock.cpu.10", "throttle.cpu.10"});
  columns.read();
  CHECK(columns["clock.cpu.0"] == 1420.8e6);
  CHECK(columns["clock.cpu.1"] == 729.6e6);
  CHECK(columns["clock.cpu.10"] == 115.2e6);
  CHECK(columns["throttle.cpu.10"] == 17);
  CHECK(source.reader->quantities()[0].kind == Kind::Gauge);
  CHECK(source.reader->quantities()[3].kind == Kind::Counter);
  CHECK(source.reader->quantities()[1].sensor == placeOf(folder).path("/" + cpu(1) + "/cpufreq/cpuinfo_cur_freq"));
}

TEST_CASE("a clock that can't be read any more is absent") {
  const TemporaryFolder folder;
  folder.write(cpu(0) + "/cpufreq/scaling_cur_freq", "1420800\n");
  const Source source = openCpuClocks(placeOf(folder));
  Columns columns(*source.reader);
  folder.write(cpu(0) + "/cpufreq/scaling_cur_freq", "<unknown>\n");
  CHECK(columns.read().absent("clock.cpu.0"));
}

TEST_CASE("without either there is a reason") {
  const TemporaryFolder folder;
  folder.write(cpu(0) + "/online", "1\n");
  folder.write(cpu(0) + "/cpufreq/scaling_cur_freq", "<unknown>\n");
  const Source source = openCpuClocks(placeOf(folder));
  CHECK_FALSE(source.reader);
  CHECK(source.reason.find("neither cpufreq nor thermal_throttle") != std::string::npos);
}

}  // namespace
}  // namespace presisi::telemetry
