#include "backend/tensorrt/probe.hpp"

#include <cstdlib>

#include "backend/tensorrt/machine.hpp"
#include "support.hpp"
#include "support/temporary_folder.hpp"

using namespace presisi;
using namespace presisi::test;
using tensorrt::explainMismatch;
using tensorrt::explainRuntime;

namespace {

using Identity = std::map<std::string, std::string>;

Identity with(Identity identity, const std::string& key, const std::string& value) {
  identity[key] = value;
  return identity;
}

/// PRESISI_SYSROOT for the length of a test.
struct Sysroot {
  explicit Sysroot(const std::string& path) { setenv("PRESISI_SYSROOT", path.c_str(), 1); }
  ~Sysroot() { unsetenv("PRESISI_SYSROOT"); }
};

}  // namespace

TEST_CASE("the probe describes the device") {
  Device device;
  REQUIRE(doubleCudaPretend("Orin;8.7;integrated;7620;8;2"));
  const backend::Probe probe = device.backend.probe();
  REQUIRE(probe.available);
  CHECK(probe.reason.empty());
  CHECK(probe.version == "TensorRT " + tensorrt::api::compiledVersion().text());
  CHECK(probe.int8Isa == "imma");
  REQUIRE(probe.devices.size() == 1);
  const auto& properties = probe.devices[0].properties;
  CHECK(properties.at("gpu") == "Orin");
  CHECK(properties.at("computeCapability") == "8.7");
  CHECK(properties.at("integrated") == "true");
  CHECK(properties.at("sms") == "8");
  CHECK(properties.at("dlaCores") == "2");
  CHECK(properties.at("fastInt8") == "true");
  CHECK(properties.at("memoryTotal") == std::to_string(7620ll << 20));
  CHECK(probe.identity.at("gpu") == "Orin");
  CHECK(device.backend.mismatch(probe.identity).empty());
}

TEST_CASE("no device and no driver are reasons with a hint, and builds say the same") {
  for (const char* gpu : {"none", "old-driver"}) {
    Device device;
    REQUIRE(doubleCudaPretend(gpu));
    const backend::Probe probe = device.backend.probe();
    CHECK_FALSE(probe.available);
    CHECK(probe.reason.find("cudaError") != std::string::npos);
    CHECK(probe.hint.find("driver") != std::string::npos);
    CHECK(throwsError(ErrorCode::BackendUnavailable, "cudaError", [&] { device.build(convolutions()); }));
  }
}

TEST_CASE("what a Jetson says of itself is read from its files") {
  Device device;
  TemporaryFolder root;
  root.write("etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n");
  root.write("var/lib/nvpmodel/status", "pmode:0002 fmode:quiet\n");
  root.write("etc/nvpmodel.conf", "< POWER_MODEL ID=0 NAME=MAXN >\nCPU 1\n< POWER_MODEL ID=2 NAME=MODE_15W >\n");
  root.write("sys/class/devfreq/17000000.gpu/device/of_node/name", std::string("gpu\0", 4));
  root.write("sys/class/devfreq/17000000.gpu/cur_freq", "306000000\n");
  root.write("sys/class/devfreq/17000000.gpu/max_freq", "624750000\n");
  root.write("sys/class/devfreq/15380000.nvjpg/cur_freq", "1\n");
  const Sysroot sysroot(root.path().string());
  const backend::Probe probe = device.backend.probe();
  REQUIRE(probe.devices.size() == 1);
  const auto& properties = probe.devices[0].properties;
  CHECK(properties.at("l4t") == "36.4.3");
  CHECK(properties.at("jetpack") == "6.2");
  CHECK(properties.at("powerMode") == "MODE_15W");
  CHECK(properties.at("gpuClock") == "306000000");
  CHECK(properties.at("gpuClockMax") == "624750000");
  CHECK(properties.count("gpuClockMin") == 0);
}

TEST_CASE("elsewhere nothing is claimed of a Jetson") {
  TemporaryFolder root;
  CHECK(tensorrt::readMachine(root.path().string()).empty());
  root.write("etc/nv_tegra_release", "# R36 (release)\n");
  CHECK(tensorrt::readMachine(root.path().string()).empty());
  CHECK(tensorrt::jetpackOf(35, "9.9") == "5.x");
  CHECK(tensorrt::jetpackOf(99, "0.0").empty());
}

TEST_CASE("a TensorRT that isn't the one compiled for is refused where it lacks something") {
  CHECK(explainRuntime({10, 3, 0}, {10, 3, 0}).reason.empty());
  CHECK(explainRuntime({10, 3, 0}, {10, 7, 0}).reason.empty());
  CHECK(explainRuntime({10, 3, 0}, {10, 2, 0}).reason.find("older") != std::string::npos);
  CHECK(explainRuntime({10, 3, 0}, {10, 2, 0}).hint.find("libnvinfer10") != std::string::npos);
  CHECK(explainRuntime({8, 5, 2}, {10, 3, 0}).reason.find("8.5.2 but 10.3.0") != std::string::npos);
  CHECK(explainRuntime({8, 5, 2}, {10, 3, 0}).hint.find("libnvinfer8") != std::string::npos);
}

TEST_CASE("version numbers of both formulas are read") {
  using tensorrt::api::decodeVersion;
  CHECK(decodeVersion(8502).text() == "8.5.2");
  CHECK(decodeVersion(8601).text() == "8.6.1");
  CHECK(decodeVersion(100300).text() == "10.3.0");
  CHECK(decodeVersion(101602).text() == "10.16.2");
  CHECK(decodeVersion(110100).text() == "11.1.0");
  CHECK(tensorrt::api::runtimeVersion() == tensorrt::api::compiledVersion());
}

TEST_CASE("engines of elsewhere are told apart by what differs") {
  const Identity orin{{"tensorrt", "10.3.0"},
                      {"gpu", "Orin"},
                      {"computeCapability", "8.7"},
                      {"cuda", "12"},
                      {"platform", "linux-aarch64"}};
  CHECK(explainMismatch(orin, orin).empty());
  CHECK(explainMismatch({}, orin).empty());  // nothing known of it
  const std::string version = explainMismatch(with(orin, "tensorrt", "10.2.0"), orin);
  CHECK(version.find("TensorRT 10.2.0 and this is TensorRT 10.3.0") != std::string::npos);
  CHECK(version.find("quantize the model again") != std::string::npos);
  CHECK(explainMismatch(with(with(orin, "gpu", "Xavier"), "computeCapability", "7.2"), orin)
            .find("Xavier (compute capability 7.2) and this is Orin (compute capability 8.7)") != std::string::npos);
  CHECK_FALSE(explainMismatch(with(orin, "gpu", "Orin Nano"), orin).empty());
  CHECK(explainMismatch(with(orin, "sms", "16"), with(orin, "sms", "8")).find("16 multiprocessors") !=
        std::string::npos);
  CHECK(explainMismatch(with(orin, "cuda", "11"), orin).find("CUDA 11") != std::string::npos);
  CHECK(explainMismatch(with(orin, "platform", "linux-x86_64"), orin).find("linux-x86_64") != std::string::npos);
}

TEST_CASE("compatible engines are taken further") {
  const Identity orin{{"tensorrt", "10.3.0"}, {"gpu", "Orin"}, {"computeCapability", "8.7"}};
  const Identity free = with(orin, "versionCompatible", "true");
  CHECK(explainMismatch(free, with(orin, "tensorrt", "10.7.0")).empty());
  CHECK_FALSE(explainMismatch(free, with(orin, "tensorrt", "10.2.0")).empty());
  CHECK_FALSE(explainMismatch(free, with(orin, "tensorrt", "11.0.0")).empty());
  const Identity thor = with(with(orin, "gpu", "Thor"), "computeCapability", "11.0");
  CHECK(explainMismatch(with(orin, "hardwareCompatibility", "amperePlus"), thor).empty());
  CHECK_FALSE(explainMismatch(with(orin, "hardwareCompatibility", "amperePlus"), with(orin, "computeCapability", "7.5"))
                  .empty());
  CHECK(explainMismatch(with(orin, "hardwareCompatibility", "sameComputeCapability"), with(orin, "gpu", "Orin Nano"))
            .empty());
  CHECK_FALSE(explainMismatch(with(orin, "hardwareCompatibility", "sameComputeCapability"), thor).empty());
}
