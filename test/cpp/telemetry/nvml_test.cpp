#include <dlfcn.h>
#include <doctest/doctest.h>
#include <stdlib.h>

#include "support/temporary_folder.hpp"
#include "telemetry/readings.hpp"

using namespace presisi;
using namespace presisi::telemetry;
using namespace presisi::test;

namespace {

/// The stand-in, which says what the test writes.
class Driver {
 public:
  Driver() { setenv("PRESISI_DOUBLE_NVML_STATE", (folder_.path() / "state").c_str(), 1); }
  ~Driver() { unsetenv("PRESISI_DOUBLE_NVML_STATE"); }
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  /// At once: a state half written must not be read.
  void says(const std::string& text) const {
    const std::string file = folder_.write("next", text);
    std::filesystem::rename(file, folder_.path() / "state");
  }
  Source open() const {
    Place place;
    place.nvmlLibrary = PRESISI_DOUBLE_NVML;
    return openNvml(place);
  }

 private:
  TemporaryFolder folder_;
};

constexpr const char* kEverything =
    "nvmlDeviceGetUtilizationRates 37 12\n"
    "nvmlDeviceGetMemoryInfo 85899345920 64424509440 21474836480\n"
    "nvmlDeviceGetClockInfo 1980\n"
    "nvmlDeviceGetTemperature 61\n"
    "nvmlDeviceGetPowerUsage 412350\n"
    "nvmlDeviceGetTotalEnergyConsumption 1234567890123\n"
    "nvmlDeviceGetCurrentClocksThrottleReasons 1\n";

}  // namespace

TEST_CASE("nvml: everything a GPU says, in the units of the samples") {
  const Driver driver;
  driver.says(kEverything);
  const Source source = driver.open();
  INFO(source.reason);
  REQUIRE(source.reader);
  CHECK(names(*source.reader) == std::vector<std::string>{"gpu.load", "gpu.memory.used", "gpu.memory.total",
                                                          "gpu.clock", "temperature.gpu0", "power.gpu0", "energy.gpu0",
                                                          "gpu.throttle"});
  const std::map<std::string, double> values = current(*source.reader);
  CHECK(values.at("gpu.load") == doctest::Approx(0.37));
  CHECK(values.at("gpu.memory.used") == 21474836480.0);
  CHECK(values.at("gpu.memory.total") == 85899345920.0);
  CHECK(values.at("gpu.clock") == 1.98e9);
  CHECK(values.at("temperature.gpu0") == 61);
  CHECK(values.at("power.gpu0") == doctest::Approx(412.35));
  CHECK(values.at("energy.gpu0") == doctest::Approx(1234567890.123).epsilon(1e-12));
  CHECK(values.at("gpu.throttle") == 0);
  CHECK(find(*source.reader, "energy.gpu0")->kind == Kind::Counter);
  CHECK(find(*source.reader, "power.gpu0")->sensor == "nvmlDeviceGetPowerUsage of GPU 0, Stand-in 0");
}

TEST_CASE("nvml: an idle GPU isn't throttled, nor one with clocks set by hand; one with a limit is") {
  const Driver driver;
  const auto throttle = [&](int reasons) {
    driver.says("nvmlDeviceGetCurrentClocksThrottleReasons " + std::to_string(reasons) + "\n");
    const Source source = driver.open();
    REQUIRE(source.reader);
    return current(*source.reader).at("gpu.throttle");
  };
  for (const int wanted : {0, 0x1, 0x2, 0x10, 0x100, 0x3}) CHECK(throttle(wanted) == 0);
  for (const int limit : {0x4, 0x8, 0x20, 0x40, 0x80, 0x5}) CHECK(throttle(limit) == 1);
}

TEST_CASE("nvml: further GPUs have their number in the name, each with what it supports") {
  const Driver driver;
  driver.says(
      "devices 2\nnvmlDeviceGetUtilizationRates 10 0\nnvmlDeviceGetUtilizationRates.1 20 0\n"
      "nvmlDeviceGetPowerUsage.1 90000\n");
  const Source source = driver.open();
  REQUIRE(source.reader);
  CHECK(current(*source.reader) ==
        std::map<std::string, double>{{"gpu.load", 0.1}, {"gpu1.load", 0.2}, {"power.gpu1", 90}});
}

TEST_CASE("nvml: what isn't supported is no quantity; what fails is absent until it works again") {
  const Driver driver;
  driver.says("nvmlDeviceGetTemperature 50\nnvmlDeviceGetPowerUsage error 999\nnvmlDeviceGetClockInfo error 13\n");
  const Source source = driver.open();
  REQUIRE(source.reader);
  CHECK(names(*source.reader) == std::vector<std::string>{"temperature.gpu0", "power.gpu0"});
  CHECK(current(*source.reader) == std::map<std::string, double>{{"temperature.gpu0", 50}});
  driver.says("nvmlDeviceGetTemperature error 15\nnvmlDeviceGetPowerUsage 7000\n");
  CHECK(eventually([&] { return readings(*source.reader) == std::map<std::string, double>{{"power.gpu0", 7}}; }));
  driver.says("nvmlDeviceGetTemperature 51\nnvmlDeviceGetPowerUsage 8000\n");
  CHECK(eventually([&] {
    return readings(*source.reader) == std::map<std::string, double>{{"temperature.gpu0", 51}, {"power.gpu0", 8}};
  }));
}

TEST_CASE("nvml: what turns out not to be supported later isn't asked for again") {
  const Driver driver;
  driver.says("nvmlDeviceGetTemperature 50\nnvmlDeviceGetPowerUsage 7000\n");
  const Source source = driver.open();
  REQUIRE(source.reader);
  driver.says("nvmlDeviceGetTemperature 51\n");
  CHECK(eventually([&] {
    return readings(*source.reader) == std::map<std::string, double>{{"temperature.gpu0", 51}};
  }));
  driver.says("nvmlDeviceGetTemperature 52\nnvmlDeviceGetPowerUsage 7000\n");
  CHECK(eventually([&] {
    return readings(*source.reader) == std::map<std::string, double>{{"temperature.gpu0", 52}};
  }));
}

TEST_CASE("nvml: a load that is none, and an energy counter that starts anew") {
  const Driver driver;
  driver.says("nvmlDeviceGetUtilizationRates 101 0\nnvmlDeviceGetTotalEnergyConsumption 90000\n");
  const Source source = driver.open();
  REQUIRE(source.reader);
  CHECK(current(*source.reader) == std::map<std::string, double>{{"energy.gpu0", 90}});
  driver.says("nvmlDeviceGetUtilizationRates 100 0\nnvmlDeviceGetTotalEnergyConsumption 1000\n");
  CHECK(eventually([&] { return readings(*source.reader).count("gpu.load") == 1; }));
  CHECK(current(*source.reader).at("energy.gpu0") == 90);
  driver.says("nvmlDeviceGetUtilizationRates 100 0\nnvmlDeviceGetTotalEnergyConsumption 3000\n");
  CHECK(eventually([&] { return readings(*source.reader)["energy.gpu0"] == 92; }));
}

TEST_CASE("nvml: what was begun is ended") {
  void* library = dlopen(PRESISI_DOUBLE_NVML, RTLD_NOW);
  REQUIRE(library != nullptr);
  const auto users = reinterpret_cast<int (*)()>(dlsym(library, "doubleNvmlUsers"));
  REQUIRE(bool(users != nullptr));
  const Driver driver;
  driver.says(kEverything);
  Source source = driver.open();
  CHECK(users() == 1);
  source.reader.reset();
  CHECK(users() == 0);
  driver.says("devices 0\n");
  CHECK_FALSE(driver.open().reader);
  CHECK(users() == 0);
  dlclose(library);
}

TEST_CASE("nvml: why there is none") {
  Place place;
  place.nvmlLibrary = "/nowhere/libnvidia-ml.so.1";
  CHECK(mentions(openNvml(place).reason, "/nowhere/libnvidia-ml.so.1"));
  place.nvmlLibrary = "libdl.so.2";
  CHECK(mentions(openNvml(place).reason, "is no NVML"));
  place.nvmlLibrary.clear();
  place.root = "/recorded";
  CHECK(mentions(openNvml(place).reason, "/recorded is a recording"));

  const Driver driver;
  CHECK(driver.open().reason == "nvmlInit_v2: Driver Not Loaded");
  driver.says("devices 0\n");
  CHECK(driver.open().reason == "NVML finds no GPU");
  driver.says("devices 1\n");
  CHECK(driver.open().reason == "NVML supports no measurement on Stand-in 0, as on Jetsons up to JetPack 6");
}
