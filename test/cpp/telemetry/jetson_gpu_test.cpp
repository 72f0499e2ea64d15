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
  return openJetsonGpu(place);
}

void writeGpu(const TemporaryFolder& folder, const std::string& device, const std::string& name) {
  const std::string path = "sys/class/devfreq/" + device;
  folder.write(path + "/device/of_node/name", name + std::string(1, '\0'));
  folder.write(path + "/device/load", "435\n");
  folder.write(path + "/cur_freq", "1377000000\n");
}

}  // namespace

TEST_CASE("jetson gpu: a recorded Xavier NX and Orin Nano") {
  const Source xavier = open(recordings() + "/xavier-nx");
  REQUIRE(xavier.reader);
  auto values = readings(*xavier.reader);
  CHECK(values.at("gpu.load") == 0);
  CHECK(values.at("gpu.clock") == 114750000);
  CHECK(values.at("memory.load") == doctest::Approx(0.02));
  CHECK(find(*xavier.reader, "gpu.load")->unit == "share");
  CHECK(mentions(find(*xavier.reader, "gpu.load")->sensor, "/sys/class/devfreq/17000000.gv11b/device/load"));

  const Source orin = open(recordings() + "/orin-nano");
  REQUIRE(orin.reader);
  values = readings(*orin.reader);
  CHECK(values.at("gpu.load") == doctest::Approx(0.63));
  CHECK(values.at("gpu.clock") == 624750000);
  CHECK(values.at("memory.load") == doctest::Approx(0.43));
}

TEST_CASE("jetson gpu: every GPU there is, and no other device of devfreq") {
  for (const char* name : {"gv11b", "gp10b", "ga10b", "gb10b", "gpu"}) {
    const TemporaryFolder folder;
    writeGpu(folder, "1-first", "nvdla0");
    writeGpu(folder, "17000000.gpu", name);
    const Source source = open(folder.path());
    REQUIRE(source.reader);
    CHECK(readings(*source.reader).at("gpu.load") == doctest::Approx(0.435));
    CHECK(mentions(find(*source.reader, "gpu.clock")->sensor, "17000000.gpu"));
  }
  const TemporaryFolder folder;
  writeGpu(folder, "15880000.nvdla0", "nvdla0");
  const Source source = open(folder.path());
  CHECK_FALSE(source.reader);
  CHECK(mentions(source.reason, "no GPU of a Jetson in "));
}

TEST_CASE("jetson gpu: where devfreq lacks something it comes from elsewhere, or is left out") {
  const TemporaryFolder old;
  old.write("sys/devices/gpu.0/load", "1000\n");
  const Source load = open(old.path());
  REQUIRE(load.reader);
  CHECK(readings(*load.reader) == std::map<std::string, double>{{"gpu.load", 1}});

  const TemporaryFolder thor;
  thor.write("sys/class/devfreq/gpu-gpc-0/cur_freq", "1574000000\n");
  const Source clock = open(thor.path());
  REQUIRE(clock.reader);
  CHECK(readings(*clock.reader) == std::map<std::string, double>{{"gpu.clock", 1574000000}});
}

TEST_CASE("jetson gpu: what is no load is none") {
  const TemporaryFolder folder;
  writeGpu(folder, "17000000.gpu", "gpu");
  folder.write("sys/kernel/debug/cactmon/mc_all", "500000\n");
  folder.write("sys/kernel/debug/clk/emc/clk_rate", "2000000000\n");
  const Source source = open(folder.path());
  REQUIRE(source.reader);
  CHECK(readings(*source.reader).at("memory.load") == doctest::Approx(0.25));
  const std::string load = "sys/class/devfreq/17000000.gpu/device/load";
  for (const char* wrong : {"", "\n", "none\n", "1001\n", "-1\n"}) {
    folder.write(load, wrong);
    CHECK(readings(*source.reader).count("gpu.load") == 0);
  }
  folder.write(load, "0\n");
  CHECK(readings(*source.reader).at("gpu.load") == 0);
  // The clock fell after the activity was counted.
  folder.write("sys/kernel/debug/clk/emc/clk_rate", "204000000\n");
  CHECK(readings(*source.reader).at("memory.load") == 1);
  folder.write("sys/kernel/debug/clk/emc/clk_rate", "0\n");
  CHECK(readings(*source.reader).count("memory.load") == 0);
}
