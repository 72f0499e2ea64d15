#include "telemetry/tegrastats_line.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>

#include "telemetry/text_file.hpp"

// The line is words between blanks; most values follow the word that names them:
//   RAM 1923/3964MB (lfb 2x2MB) SWAP 191/1982MB (cached 6MB) IRAM 0/252kB(lfb 252kB)
//   CPU [5%@1224,off,3%@1224]   on Thor CPU [0%,5%,off]@2601: one clock behind the bracket
//   EMC_FREQ 0%@1600 or 0% or @4266, clocks in MHz
//   GR3D_FREQ 0%@1109 or 0%@[114] or 0%@[0,0] or 0% or @[1574,1574]
//   CPU@46.5C or cpu@52.9C/54.1C, now and highest; -256 where a sensor is off; PMIC@50C, whatever it is in truth
//   VDD_IN 6140/5510 or 2763mW/2846mW or 5139mW/5139mW/5139mW: mW now, mean since the start, and highest. AGX Xavier
//   has rails called GPU and CPU, beside its temperatures GPU@30.5C and CPU@31.5C.
namespace presisi::telemetry {
namespace {

/// Reads from a line; each function takes what it describes, or leaves the cursor alone and gives nothing.
class Cursor {
 public:
  explicit Cursor(const char* at) : at_(at) {}

  bool atEnd() const { return *at_ == '\0'; }
  bool atBlank() const { return std::strchr(" \t\r\n", *at_) != nullptr; }  // the end counts
  void skipBlanks() {
    while (!atEnd() && atBlank()) ++at_;
  }
  std::string word() {
    const char* begin = at_;
    while (!atBlank()) ++at_;
    return {begin, at_};
  }
  bool take(const char* literal) {
    const size_t length = std::strlen(literal);
    if (std::strncmp(at_, literal, length) != 0) return false;
    at_ += length;
    return true;
  }
  std::optional<double> number() {
    const char* cursor = at_;
    double value = 0;
    if (atBlank() || !parseDecimal(cursor, value) || !std::isfinite(value)) return std::nullopt;
    at_ = cursor;
    return value;
  }
  /// `17%`, as a share.
  std::optional<double> percent() {
    const Cursor before = *this;
    const std::optional<double> value = number();
    if (value && take("%") && *value >= 0 && *value <= 100) return *value / 100;
    *this = before;
    return std::nullopt;
  }
  /// `1224` MHz, in Hz. At the very end of the text some of its digits may be missing.
  std::optional<double> megahertz() {
    const Cursor before = *this;
    const std::optional<double> value = number();
    if (value && *value >= 0 && !atEnd()) return *value * 1e6;
    *this = before;
    return std::nullopt;
  }

 private:
  const char* at_;
};

/// `191/1982MB` or `0/252kB`; what comes in parentheses behind it is no business of ours.
void takeMemory(Cursor cursor, std::optional<double>& used, std::optional<double>& total) {
  const std::optional<double> first = cursor.number();
  if (!first || !cursor.take("/")) return;
  const std::optional<double> second = cursor.number();
  if (!second || *first < 0 || *second < 0) return;
  // tegrastats' MB are the kernel's: 1024 of its kB.
  const double unit = cursor.take("MB") ? 1048576 : cursor.take("kB") ? 1024 : 0;
  if (unit == 0) return;
  used = *first * unit;
  total = *second * unit;
}

/// `[5%@1224,off,3%@1224]` or `[0%,5%,off]@2601`; all or nothing, so that no core is taken for another.
std::vector<TegrastatsLine::Core> takeCores(Cursor cursor) {
  std::vector<TegrastatsLine::Core> cores;
  if (!cursor.take("[")) return {};
  do {
    cursor.skipBlanks();
    TegrastatsLine::Core core;
    if (!cursor.take("off")) {
      core.load = cursor.percent();
      if (!core.load) return {};
      if (cursor.take("@") && !(core.clock = cursor.megahertz())) return {};
    }
    cores.push_back(core);
  } while (cursor.take(","));
  if (!cursor.take("]")) return {};
  if (cursor.take("@")) {
    const std::optional<double> clock = cursor.megahertz();
    for (TegrastatsLine::Core& core : cores) {
      if (core.load) core.clock = clock;
    }
  }
  return cores;
}

/// `3%`, `3%@2133`, `@2133`, `12%@[1300,1300]` or `@[1574,1574]`.
void takeLoad(Cursor cursor, std::optional<double>& load, std::vector<double>& clocks) {
  load = cursor.percent();
  if (!cursor.take("@")) return;
  if (!cursor.take("[")) {
    if (const std::optional<double> clock = cursor.megahertz()) clocks = {*clock};
    return;
  }
  std::vector<double> several;
  do {
    cursor.skipBlanks();
    if (cursor.take("off")) continue;
    const std::optional<double> clock = cursor.megahertz();
    if (!clock) return;
    several.push_back(*clock);
  } while (cursor.take(","));
  if (cursor.take("]")) clocks = several;
}

/// `46.5C` or `52.9C/54.1C`, and nothing more.
std::optional<double> takeTemperature(Cursor cursor) {
  const std::optional<double> now = cursor.number();
  if (!now || !cursor.take("C")) return std::nullopt;
  if (cursor.take("/") && !(cursor.number() && cursor.take("C"))) return std::nullopt;
  if (!cursor.atBlank() || *now <= -256) return std::nullopt;
  return now;
}

/// `6140/5510`, `2763mW/2846mW` or `5139mW/5139mW/5139mW`, and nothing more; in W.
std::optional<double> takePower(Cursor cursor) {
  const std::optional<double> now = cursor.number();
  if (!now) return std::nullopt;
  const char* unit = cursor.take("mW") ? "mW" : "";
  int more = 0;
  for (; more < 2 && cursor.take("/"); ++more) {
    if (!cursor.number() || !cursor.take(unit)) return std::nullopt;
  }
  if (more == 0 || !cursor.atBlank()) return std::nullopt;
  return *now / 1000;
}

/// Unless something before it had the name, or it is none.
void add(std::vector<std::pair<std::string, double>>& list, const std::string& name, double value) {
  const auto strange = [](unsigned char c) { return std::isalnum(c) == 0 && c != '_'; };
  const auto taken = [&](const auto& entry) { return entry.first == name; };
  if (std::isalpha(static_cast<unsigned char>(name[0])) == 0 || std::any_of(name.begin(), name.end(), strange)) return;
  if (std::none_of(list.begin(), list.end(), taken)) list.emplace_back(name, value);
}

}  // namespace

TegrastatsLine parseTegrastats(const char* text) {
  TegrastatsLine line;
  Cursor cursor(text);
  for (cursor.skipBlanks(); !cursor.atEnd(); cursor.skipBlanks()) {
    const std::string word = cursor.word();
    const size_t at = word.find('@');
    if (at != std::string::npos && at > 0) {
      const std::optional<double> value = takeTemperature(Cursor(word.c_str() + at + 1));
      if (value && word.compare(0, at, "PMIC") != 0) add(line.temperatures, word.substr(0, at), *value);
      continue;
    }
    Cursor value = cursor;
    value.skipBlanks();
    if (word == "RAM") {
      takeMemory(value, line.memoryUsed, line.memoryTotal);
    } else if (word == "SWAP") {
      takeMemory(value, line.swapUsed, line.swapTotal);
    } else if (word == "IRAM") {
      continue;  // memory of the Nano's audio processor, which would be a rail were its unit cut off
    } else if (word == "EMC_FREQ") {
      std::vector<double> clocks;
      takeLoad(value, line.memoryLoad, clocks);
      if (!clocks.empty()) line.memoryClock = clocks.front();
    } else if (word == "GR3D_FREQ") {
      takeLoad(value, line.gpuLoad, line.gpuClocks);
    } else {
      if (word == "CPU" && line.cores.empty()) line.cores = takeCores(value);
      const std::optional<double> watts = takePower(value);
      if (watts && word != "NC") add(line.rails, word, *watts);
    }
  }
  return line;
}

}  // namespace presisi::telemetry
