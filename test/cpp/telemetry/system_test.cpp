#include <doctest/doctest.h>

#include "columns.hpp"
#include "support/temporary_folder.hpp"
#include "telemetry/reader.hpp"

namespace presisi::telemetry {
namespace {

using test::Columns;
using test::placeOf;
using test::TemporaryFolder;

/// Four cores, of which the third is offline; a line of interrupts as long as they come.
std::string statText(const std::string& firstCore) {
  std::string interrupts = "intr 26070988";
  for (int i = 0; i < 20000; ++i) interrupts += " 0";
  return "cpu  2904586 121052 332154 1331599 9535 0 2509 30064 0 0\n" + firstCore +
         "cpu1 1472363 62086 171318 635311 7485 0 2307 14981 0 0\n"
         "cpu3 100 0 0 0 0 0 0 0 0 0\n" +
         interrupts + "\nctxt 1\n";
}

constexpr const char* kFirstCore = "cpu0 1000 500 300 7000 40 20 10 5 3 0\n";

void writeMachine(const TemporaryFolder& folder) {
  folder.write("proc/stat", statText(kFirstCore));
  folder.write("proc/meminfo",
               "MemTotal:       24684084 kB\nMemFree:        22835068 kB\nMemAvailable:   23813612 kB\n");
  folder.write("proc/loadavg", "1.25 0.58 0.59 3/311 4711\n");
  for (int core = 0; core < 4; ++core) {
    folder.write("sys/devices/system/cpu/cpu" + std::to_string(core) + "/online", "1");
  }
  folder.write("sys/devices/system/cpu/cpuidle/x", "");
}

TEST_CASE("the seconds of each core, the memory and the load") {
  const TemporaryFolder folder;
  writeMachine(folder);
  const Source source = openSystem(placeOf(folder));
  REQUIRE(source.reader);
  CHECK(source.name == "system");
  CHECK(source.reader->period() == std::chrono::milliseconds(100));
  Columns columns(*source.reader);
  columns.read();
  CHECK(columns["system.cpu.0.user"] == doctest::Approx(15.0));   // with nice
  CHECK(columns["system.cpu.0.system"] == doctest::Approx(3.3));  // with interrupts
  CHECK(columns["system.cpu.0.idle"] == doctest::Approx(70.0));
  CHECK(columns["system.cpu.0.iowait"] == doctest::Approx(0.4));
  CHECK(columns["system.cpu.0.steal"] == doctest::Approx(0.05));
  CHECK(columns["system.cpu.1.user"] == doctest::Approx(15344.49));
  CHECK(columns["system.cpu.3.user"] == doctest::Approx(1.0));
  CHECK(columns["system.memory.total"] == 24684084.0 * 1024);
  CHECK(columns["system.memory.available"] == 23813612.0 * 1024);
  CHECK(columns["system.load"] == doctest::Approx(1.25));
  CHECK(columns.names().size() == 4 * 5 + 3);
  CHECK(source.reader->quantities()[0].unit == "s");
  CHECK(source.reader->quantities()[0].kind == Kind::Counter);
  CHECK(source.reader->quantities()[0].sensor == placeOf(folder).path("/proc/stat"));
}

TEST_CASE("a core that is offline is absent, not 0, and comes back") {
  const TemporaryFolder folder;
  writeMachine(folder);
  const Source source = openSystem(placeOf(folder));
  Columns columns(*source.reader);
  columns.read();
  CHECK(columns.absent("system.cpu.2.user"));
  CHECK(columns.absent("system.cpu.2.idle"));
  folder.write("proc/stat", statText(""));
  columns.read();
  CHECK(columns.absent("system.cpu.0.user"));
  CHECK(columns["system.cpu.3.user"] == doctest::Approx(1.0));
  folder.write("proc/stat", statText("cpu0 1100 500 300 7000 40 20 10 5 3 0\n"));
  columns.read();
  CHECK(columns["system.cpu.0.user"] == doctest::Approx(16.0));
}

TEST_CASE("idle time that the kernel corrects downwards doesn't step back") {
  const TemporaryFolder folder;
  writeMachine(folder);
  const Source source = openSystem(placeOf(folder));
  Columns columns(*source.reader);
  columns.read();
  folder.write("proc/stat", statText("cpu0 1000 500 300 6990 40 20 10 5 3 0\n"));
  CHECK(columns.read()["system.cpu.0.idle"] == doctest::Approx(70.0));
  folder.write("proc/stat", statText("cpu0 1000 500 300 7010 40 20 10 5 3 0\n"));
  CHECK(columns.read()["system.cpu.0.idle"] == doctest::Approx(70.1));
}

TEST_CASE("what a line lacks is absent, and so is what is no number") {
  const TemporaryFolder folder;
  writeMachine(folder);
  const Source source = openSystem(placeOf(folder));
  Columns columns(*source.reader);
  folder.write("proc/stat", "cpu  1 2 3 4\ncpu0 1000 500\n");
  folder.write("proc/meminfo", "MemTotal:       24684084 kB\nMemFree:        22835068 kB\n");
  folder.write("proc/loadavg", "");
  columns.read();
  CHECK(columns.absent("system.cpu.0.user"));
  CHECK(columns.absent("system.cpu.1.user"));
  CHECK(columns["system.memory.total"] == 24684084.0 * 1024);
  CHECK(columns.absent("system.memory.available"));
  CHECK(columns.absent("system.load"));
}

TEST_CASE("memory and load are not read each time, unless all is asked for; cores are") {
  const TemporaryFolder folder;
  writeMachine(folder);
  const Source source = openSystem(placeOf(folder));
  Columns columns(*source.reader);
  CHECK(columns.readAll()["system.load"] == doctest::Approx(1.25));
  columns.read();
  CHECK(columns.absent("system.load"));
  CHECK(columns.absent("system.memory.available"));
  CHECK(columns["system.cpu.0.user"] == doctest::Approx(15.0));
  columns.readAll();
  CHECK(columns["system.load"] == doctest::Approx(1.25));
  CHECK(columns["system.memory.available"] == 23813612.0 * 1024);
}

TEST_CASE("many cores with large numbers fit") {
  const TemporaryFolder folder;
  std::string text = "cpu  1 2 3 4 5 6 7 8 9 10\n";
  for (int core = 0; core < 512; ++core) {
    text += "cpu" + std::to_string(core);
    for (int i = 0; i < 10; ++i) text += " 123456789012";
    text += "\n";
  }
  folder.write("proc/stat", text + "intr 1\n");
  const Source source = openSystem(placeOf(folder));
  REQUIRE(source.reader);
  Columns columns(*source.reader);
  CHECK(columns.names().size() == 512 * 5);  // neither memory nor load there
  columns.read();
  CHECK(columns["system.cpu.511.idle"] == doctest::Approx(1234567890.12));
}

TEST_CASE("without /proc/stat there is a reason") {
  const TemporaryFolder folder;
  const Source none = openSystem(placeOf(folder));
  CHECK_FALSE(none.reader);
  CHECK(none.reason.find("/proc/stat: No such file or directory") != std::string::npos);
  folder.write("proc/stat", "nonsense\n");
  const Source nonsense = openSystem(placeOf(folder));
  CHECK_FALSE(nonsense.reader);
  CHECK(nonsense.reason.find("not as Linux writes it") != std::string::npos);
}

TEST_CASE("this machine tells") {
  const Source source = openSystem({});
  REQUIRE(source.reader);
  Columns columns(*source.reader);
  columns.read();
  const double total = columns["system.memory.total"].value();
  CHECK(columns["system.memory.available"].value() > 0);
  CHECK(columns["system.memory.available"].value() <= total);
  CHECK(columns["system.load"].value() >= 0);
  CHECK(columns["system.cpu.0.user"].value() > 0);
}

}  // namespace
}  // namespace presisi::telemetry
