#include "telemetry/tegrastats_line.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <random>

#include "telemetry/readings.hpp"

using namespace presisi::telemetry;
using namespace presisi::test;

namespace {

using Values = std::vector<std::pair<std::string, double>>;

std::string text(double value) {
  char digits[64];
  std::snprintf(digits, sizeof digits, "%.9g", value);
  return digits;
}

std::string text(const std::optional<double>& value, double unit = 1) { return value ? text(*value / unit) : "-"; }

std::string text(const Values& values) {
  std::string all;
  for (const auto& [name, value] : values) all += " " + name + "=" + text(value);
  return all;
}

/// What a line was understood to say: MB of 1024 kB, shares, MHz, °C, W; `-` for what is absent.
std::string understood(const TegrastatsLine& line) {
  constexpr double megabyte = 1048576;
  std::string all = "memory " + text(line.memoryUsed, megabyte) + "/" + text(line.memoryTotal, megabyte);
  all += " swap " + text(line.swapUsed, megabyte) + "/" + text(line.swapTotal, megabyte) + "\ncores";
  for (const TegrastatsLine::Core& core : line.cores) all += " " + text(core.load) + "@" + text(core.clock, 1e6);
  all += "\nemc " + text(line.memoryLoad) + "@" + text(line.memoryClock, 1e6);
  all += " gpu " + text(line.gpuLoad) + "@";
  for (const double clock : line.gpuClocks) all += text(clock / 1e6) + ",";
  return all + "\n°C" + text(line.temperatures) + "\nW" + text(line.rails);
}

std::string parsed(const std::string& line) { return understood(parseTegrastats(line.c_str())); }

constexpr const char* kNothing = "memory -/- swap -/-\ncores\nemc -@- gpu -@\n°C\nW";

/// The lines of the fixture, each with the comment above it.
std::vector<std::pair<std::string, std::string>> samples() {
  std::ifstream file(recordings() + "/tegrastats.txt");
  std::vector<std::pair<std::string, std::string>> lines;
  std::string comment;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] == '#') {
      comment = line;
    } else if (!line.empty()) {
      lines.emplace_back(comment, line);
    }
  }
  return lines;
}

/// By hand, from the lines, in their order.
const std::vector<std::string> kExpected = {
    // AGX Xavier, JetPack 4.2: GPU and CPU are temperatures and rails.
    "memory 14700/15692 swap 898/8192\n"
    "cores 0@1190 0@1190 0@1190 0@1190 0@1190 0@1190 0@1190 0@1190\n"
    "emc 0@- gpu 0@\n"
    "°C AO=30 GPU=30.5 Tboard=31 Tdiode=32 AUX=30.5 CPU=31.5 thermal=30.8\n"
    "W GPU=0.463 CPU=0.618 SOC=2.936 CV=0 VDDRQ=0.309 SYS5V=3.306",
    // AGX Xavier, JetPack 4, loaded, root.
    "memory 10881/31919 swap 0/15959\n"
    "cores 0.17@1190 0.17@1190 0.18@1190 0.25@1190 0.17@1336 0.15@1340 0.23@1543 0.15@1574\n"
    "emc 0.55@2133 gpu 0.95@1377,\n"
    "°C AO=48 GPU=54.5 Tdiode=53.25 AUX=46 CPU=49 thermal=49.45 Tboard=47\n"
    "W GPU=18.401 CPU=2.301 SOC=4.602 CV=0 VDDRQ=2.914 SYS5V=4.632",
    // Xavier NX, JetPack 4.
    "memory 5246/7771 swap 983/20269\n"
    "cores 0.47@1420 0.23@1420 0.32@1420 0.22@1420 0.31@1420 0.96@1420\n"
    "emc 0.02@1600 gpu 0@1109,\n"
    "°C AO=29 GPU=31.5 AUX=30 CPU=33.5 thermal=31.35\n"
    "W VDD_IN=6.14 VDD_CPU_GPU_CV=2.706 VDD_SOC=1.074",
    // Nano, JetPack 4.6.1: with IRAM.
    "memory 1923/3964 swap 191/1982\n"
    "cores 0.05@1224 0.04@1224 0.03@1224 0.06@1224\n"
    "emc 0@1600 gpu 0@76,\n"
    "°C PLL=37 CPU=40 GPU=40 AO=45 thermal=40\n"
    "W POM_5V_IN=1.75 POM_5V_GPU=0 POM_5V_CPU=0.366",
    // Xavier NX, JetPack 5.1.2: a time in front, the GPU's clock in brackets.
    "memory 3168/6851 swap 161/3426\n"
    "cores 0.23@1397 0.17@1192 0.16@1190 0.13@1190 0.23@1190 0.1@1190\n"
    "emc 0.02@204 gpu 0@114,\n"
    "°C AUX=45 CPU=46.5 thermal=45.6 AO=45 GPU=45.5\n"
    "W VDD_IN=2.763 VDD_CPU_GPU_CV=0.65 VDD_SOC=0.65",
    // AGX Orin, JetPack 5: sensors that are off, rails that aren't connected.
    "memory 4321/62801 swap 19/31400\n"
    "cores 0@729 0@729 0@729 0@729 0@729 0@729 0@729 0@729 0@729 0@729 0@729 0@729\n"
    "emc 0@2133 gpu 0@0,0,\n"
    "°C CPU=44.562 Tboard=32 SOC2=40.093 Tdiode=33 SOC0=41.093 tj=44.343 SOC1=41.25\n"
    "W VDD_GPU_SOC=2.34 VDD_CPU_CV=0.39 VIN_SYS_5V0=4.025 VDDQ_VDD2_1V8AO=0.301",
    // Orin Nano, JetPack 6, root: engines that are off.
    "memory 6185/7620 swap 851/3810\n"
    "cores 0.15@729 0.11@729 0.14@729 0.13@729 0.11@729 0.08@729\n"
    "emc 0.43@2133 gpu 0.63@621,\n"
    "°C cpu=53.968 soc2=52.437 soc0=50.75 gpu=53.343 tj=53.968 soc1=51.656\n"
    "W VDD_IN=12.479 VDD_CPU_GPU_CV=4.667 VDD_SOC=2.817",
    // Orin Nano, JetPack 6, another user: neither EMC nor the GPU's clock.
    "memory 3452/7620 swap 1518/16384\n"
    "cores 0.01@1420 0.02@1420 0@1420 0.02@1420 0.02@729 0.01@729\n"
    "emc -@- gpu 0@\n"
    "°C cpu=50.031 soc2=49.031 soc0=50 gpu=49.031 tj=50.25 soc1=50.25\n"
    "W VDD_IN=4.824 VDD_CPU_GPU_CV=0.518 VDD_SOC=1.475",
    // AGX Orin, JetPack 6: engines at work, no GPU temperature.
    "memory 18207/62841 swap 86/31420\n"
    "cores 0.14@2188 0.05@2112 0.08@2035 0.14@2201 0.46@1267 0.47@1267 0.02@1267 0.1@1267 0.04@1036 0.05@1036 "
    "0.06@1036 0.1@1036\n"
    "emc 0.03@2133 gpu 0@0,0,\n"
    "°C cpu=52.562 soc2=48.437 soc0=49.093 tj=52.562 soc1=49.656\n"
    "W VDD_GPU_SOC=2.412 VDD_CPU_CV=1.607 VIN_SYS_5V0=4.707",
    // Orin Nano Super, JetPack 6.2: the second figure of a rail is a mean.
    "memory 1343/7620 swap 165/3810\n"
    "cores 0@1497 0@729 0@729 0@729 0@729 0@729\n"
    "emc 0.15@204 gpu 0@305,\n"
    "°C cpu=48.562 soc2=46.593 soc0=48.625 gpu=49.625 tj=49.312 soc1=47.937\n"
    "W VDD_IN=5.251 VDD_CPU_GPU_CV=0.512 VDD_SOC=2.72",
    // AGX Orin, JetPack 7.2: now and highest temperatures; now, mean and highest power; no swap.
    "memory 20642/62817 swap -/-\n"
    "cores 0.23@2201 0.1@2201 0.04@2201 0.14@2201 0.3@2201 0.18@2201 0.1@2201 0.1@2201 0.33@2201 0.07@2201 0.05@2201 "
    "0.27@2201\n"
    "emc 0.03@3199 gpu 0.12@1300,1300,\n"
    "°C cpu=52.968 soc2=48.406 soc0=49.531 gpu=47.625\n"
    "W VDD_GPU_SOC=5.139 VDD_CPU_CV=3.268 VIN_SYS_5V0=5.5",
};

/// Whether all that `part` says is what `whole` says.
bool isPartOf(const TegrastatsLine& part, const TegrastatsLine& whole) {
  const auto same = [](const std::optional<double>& a, const std::optional<double>& b) {
    return !a || (b && *a == *b);
  };
  const auto begins = [](const auto& a, const auto& b) {
    return a.size() <= b.size() && std::equal(a.begin(), a.end(), b.begin());
  };
  const auto cores = [&] {
    if (part.cores.empty()) return true;
    if (part.cores.size() != whole.cores.size()) return false;
    for (size_t i = 0; i < part.cores.size(); ++i) {
      if (!same(part.cores[i].load, whole.cores[i].load) || !same(part.cores[i].clock, whole.cores[i].clock))
        return false;
    }
    return true;
  };
  return same(part.memoryUsed, whole.memoryUsed) && same(part.memoryTotal, whole.memoryTotal) &&
         same(part.swapUsed, whole.swapUsed) && same(part.swapTotal, whole.swapTotal) && cores() &&
         same(part.memoryLoad, whole.memoryLoad) && same(part.memoryClock, whole.memoryClock) &&
         same(part.gpuLoad, whole.gpuLoad) && begins(part.gpuClocks, whole.gpuClocks) &&
         begins(part.temperatures, whole.temperatures) && begins(part.rails, whole.rails);
}

const std::vector<std::string> kThor = {
    "08-08-2026 20:58:23 RAM 3429/125749MB (lfb 120x4MB) CPU [0%,5%,off]@2601 EMC_FREQ @4266 "
    "GR3D_FREQ @[1574,1574,1574] NVENC0_FREQ @1691 VIC off cpu@49.75C/50.5C tj@51.218C/52C gpu@-256C/-256C "
    "VDD_GPU 6330mW/6330mW/6330mW VDD_CPU_SOC_MSS 6510mW/6400mW/6600mW VIN_SYS_5V0 6520mW/6520mW/6520mW "
    "VIN 28906mW/14453mW/28906mW",
    "08-08-2026 21:00:39 RAM 8353/125749MB (lfb 31x4MB) CPU [90%@2601,75%@2601,off,7%@2601] EMC_FREQ 34%@4266 "
    "GR3D_FREQ 87%@[1574, off,1574] cpu@58.25C/61.75C VDD_GPU 37939mW/8660mW/37939mW FUTURE_TOKEN value",
};

}  // namespace

TEST_CASE("tegrastats line: every line of the fixture says what a person reads in it") {
  const auto lines = samples();
  REQUIRE(lines.size() == kExpected.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    INFO(lines[i].first);
    CHECK(parsed(lines[i].second) == kExpected[i]);
  }
}

TEST_CASE("tegrastats line: Thor, with one clock for all cores and no load of the GPU") {
  CHECK(parsed(kThor[0]) ==
        "memory 3429/125749 swap -/-\n"
        "cores 0@2601 0.05@2601 -@-\n"
        "emc -@4266 gpu -@1574,1574,1574,\n"
        "°C cpu=49.75 tj=51.218\n"
        "W VDD_GPU=6.33 VDD_CPU_SOC_MSS=6.51 VIN_SYS_5V0=6.52 VIN=28.906");
  CHECK(parsed(kThor[1]) ==
        "memory 8353/125749 swap -/-\n"
        "cores 0.9@2601 0.75@2601 -@- 0.07@2601\n"
        "emc 0.34@4266 gpu 0.87@1574,1574,\n"
        "°C cpu=58.25\n"
        "W VDD_GPU=37.939");
}

TEST_CASE("tegrastats line: units, and what is off") {
  CHECK(*parseTegrastats("RAM 1024/2048kB (lfb 1x4kB)").memoryUsed == 1048576);
  CHECK(*parseTegrastats("SWAP 0/512kB").swapTotal == 524288);
  CHECK(parsed("RAM 1/2GB RAM 1/2 RAM x/2MB RAM -1/2MB") == kNothing);
  CHECK(parsed("GR3D_FREQ off EMC_FREQ off CPU off") == kNothing);
  CHECK(parsed("CPU [off,off]") == "memory -/- swap -/-\ncores -@- -@-\nemc -@- gpu -@\n°C\nW");
  CHECK(parsed("GPU@-256C CV0@-256C/-256C PMIC@100C PMIC@50C/51C NC 0mW/0mW NC 5/5") == kNothing);
  CHECK(*parseTegrastats("GPU@-3.5C").temperatures.begin() == std::pair<std::string, double>{"GPU", -3.5});
  CHECK(parseTegrastats("\t GR3D_FREQ\t7%\r\n").gpuLoad == 0.07);
}

TEST_CASE("tegrastats line: what isn't understood is absent, never 0") {
  const std::vector<std::string> garbage = {
      "",
      " ",
      "\n",
      "sh: tegrastats: not found",
      "RAM",
      "RAM 1/",
      "RAM /2MB",
      "CPU",
      "CPU [",
      "CPU []",
      "CPU [1%@2,",
      "CPU [101%@1190 ,]",
      "CPU [5@1190]",
      "CPU [-5%@1190]",
      "GR3D_FREQ",
      "GR3D_FREQ %",
      "GR3D_FREQ 101%",
      "GR3D_FREQ -1%",
      "GR3D_FREQ nan%",
      "GR3D_FREQ 5",
      "GR3D_FREQ @[",
      "GR3D_FREQ @[5",
      "GR3D_FREQ @[x] ",
      "EMC_FREQ @ ",
      "GPU@C GPU@ @C @30C GPU@30F GPU@30C/ GPU@30C/31 GPU@30Cx",
      "VDD_IN 1mW VDD_IN 1mW/ VDD_IN 1mW/2 VDD_IN 1/2mW VDD_IN 1mW/2mW/3mW/4mW VDD_IN /2 VDD_IN 5 /6 VDD_IN 5/6,",
      "(x 1/2 12 5/6 a-b 1/2 -x 1/2",
      "VDD_IN " + std::string(400, '9') + "/1",
      "07-09-2024 13:31:31",
  };
  for (const std::string& line : garbage) {
    INFO(line);
    CHECK(parsed(line) == kNothing);
  }
}

TEST_CASE("tegrastats line: cut off anywhere, it says nothing that the whole line doesn't say") {
  std::vector<std::string> lines = kThor;
  for (const auto& [comment, line] : samples()) lines.push_back(line);
  for (const std::string& line : lines) {
    const TegrastatsLine whole = parseTegrastats(line.c_str());
    for (size_t length = 0; length < line.size(); ++length) {
      const std::string cut = line.substr(0, length);
      INFO(cut);
      CHECK(isPartOf(parseTegrastats(cut.c_str()), whole));
    }
  }
}

TEST_CASE("tegrastats line: whatever comes, it ends, and gives only values that can be") {
  std::mt19937 random(17);
  std::vector<std::string> lines = kThor;
  for (const auto& [comment, line] : samples()) lines.push_back(line);
  const std::string alphabet = "0123456789@%[]/.,-CmWoff RAM\tkB(é\x01\xff";
  for (int round = 0; round < 3000; ++round) {
    std::string line = lines[random() % lines.size()];
    for (int change = 0; change < 8; ++change) {
      const size_t at = random() % line.size();
      const char c = alphabet[random() % alphabet.size()];
      switch (random() % 3) {
        case 0: line[at] = c; break;
        case 1: line.insert(at, 1, c); break;
        default: line.erase(at, random() % 9); break;
      }
      if (line.empty()) line = " ";
    }
    INFO(line);
    const TegrastatsLine got = parseTegrastats(line.c_str());
    const auto share = [](const std::optional<double>& value) { return !value || (*value >= 0 && *value <= 1); };
    const auto finite = [](const Values& values) {
      return std::all_of(values.begin(), values.end(), [](const auto& entry) { return std::isfinite(entry.second); });
    };
    CHECK(share(got.gpuLoad));
    CHECK(share(got.memoryLoad));
    CHECK(std::all_of(got.cores.begin(), got.cores.end(), [&](const auto& core) { return share(core.load); }));
    CHECK(finite(got.temperatures));
    CHECK(finite(got.rails));
    for (const auto& [name, celsius] : got.temperatures) CHECK(celsius > -256);
  }
}
