#include "backend/tensorrt/machine.hpp"

#include <dirent.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <set>
#include <vector>

namespace presisi::tensorrt {

namespace {

using Properties = std::map<std::string, std::string>;

/// Device-tree texts end in a zero byte.
std::string firstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  while (!line.empty() && (line.back() == '\0' || line.back() == '\r' || line.back() == ' ')) line.pop_back();
  return line;
}

/// `# R36 (release), REVISION: 4.3, GCID: …`
void readRelease(const std::string& root, Properties& properties) {
  const std::string line = firstLine(root + "/etc/nv_tegra_release");
  int major = 0, minor = 0, patch = 0;
  if (std::sscanf(line.c_str(), "# R%d (release), REVISION: %d.%d", &major, &minor, &patch) != 3) return;
  const std::string revision = std::to_string(minor) + "." + std::to_string(patch);
  properties["l4t"] = std::to_string(major) + "." + revision;
  const std::string jetpack = jetpackOf(major, revision);
  if (!jetpack.empty()) properties["jetpack"] = jetpack;
}

/// `pmode:0002 fmode:quiet` of the daemon, and `< POWER_MODEL ID=2 NAME=MODE_15W >` of its configuration.
void readPowerMode(const std::string& root, Properties& properties) {
  int mode = 0;
  if (std::sscanf(firstLine(root + "/var/lib/nvpmodel/status").c_str(), "pmode:%d", &mode) != 1) return;
  properties["powerMode"] = std::to_string(mode);
  std::ifstream file(root + "/etc/nvpmodel.conf");
  for (std::string line; std::getline(file, line);) {
    int id = -1;
    char name[64];
    if (std::sscanf(line.c_str(), " < POWER_MODEL ID=%d NAME=%63[^ >]", &id, name) == 2 && id == mode) {
      properties["powerMode"] = name;
      return;
    }
  }
}

std::vector<std::string> entries(const std::string& folder) {
  const auto close = [](DIR* directory) { closedir(directory); };
  const std::unique_ptr<DIR, decltype(close)> directory(opendir(folder.c_str()), close);
  std::vector<std::string> names;
  if (!directory) return names;
  while (const dirent* entry = readdir(directory.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

void readClocks(const std::string& root, Properties& properties) {
  static const std::set<std::string> kGpus{"gv11b", "gp10b", "ga10b", "gb10b", "gpu"};
  const std::string folder = root + "/sys/class/devfreq/";
  for (const std::string& name : entries(folder)) {
    if (kGpus.count(firstLine(folder + name + "/device/of_node/name")) == 0) continue;
    for (const auto& [key, file] : {std::pair<const char*, const char*>{"gpuClock", "cur_freq"},
                                    {"gpuClockMin", "min_freq"},
                                    {"gpuClockMax", "max_freq"},
                                    {"gpuGovernor", "governor"}}) {
      const std::string value = firstLine(folder + name + "/" + file);
      if (!value.empty()) properties[key] = value;
    }
    return;
  }
}

}  // namespace

std::string jetpackOf(int l4tMajor, const std::string& revision) {
  static const std::map<std::string, std::string> kReleases{
      {"35.1.0", "5.0.2"}, {"35.2.1", "5.1"},   {"35.3.1", "5.1.1"}, {"35.4.1", "5.1.2"},
      {"35.5.0", "5.1.3"}, {"35.6.0", "5.1.4"}, {"36.3.0", "6.0"},   {"36.4.0", "6.1"},
      {"36.4.3", "6.2"},   {"36.4.4", "6.2.1"}, {"38.2.0", "7.0"},
  };
  const auto release = kReleases.find(std::to_string(l4tMajor) + "." + revision);
  if (release != kReleases.end()) return release->second;
  switch (l4tMajor) {
    case 32: return "4.x";
    case 34:
    case 35: return "5.x";
    case 36: return "6.x";
    case 38: return "7.x";
    default: return {};
  }
}

Properties readMachine(const std::string& root) {
  Properties properties;
  const std::string prefix = root == "/" ? "" : root;
  readRelease(prefix, properties);
  readPowerMode(prefix, properties);
  readClocks(prefix, properties);
  return properties;
}

}  // namespace presisi::tensorrt
