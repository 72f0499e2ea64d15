#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "calibration/table.hpp"
#include "core/error.hpp"

namespace presisi::calibration {

namespace {

constexpr float kLevels = 127.0f;

[[noreturn]] void fail(size_t line, const std::string& what, const std::string& hint = {}) {
  throw Error(ErrorCode::InvalidCalibration, "TensorRT calibration cache, line " + std::to_string(line) + ": " + what,
              hint);
}

bool isIdentifier(const std::string& text) {
  if (text.empty()) return false;
  for (const char c : text) {
    const bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!letter && !(c >= '0' && c <= '9') && c != '_') return false;
  }
  return true;
}

/// Digits only, and few enough to fit an int: -1 otherwise.
int parseVersion(const std::string& text) {
  if (text.empty() || text.size() > 9) return -1;
  int version = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    version = version * 10 + (c - '0');
  }
  return version;
}

void parseHeader(const std::string& line, TensorRtCache& cache) {
  const std::string prefix = "TRT-";
  const size_t dash = line.find('-', prefix.size());
  if (line.compare(0, prefix.size(), prefix) == 0 && dash != std::string::npos) {
    cache.version = parseVersion(line.substr(prefix.size(), dash - prefix.size()));
    cache.algorithm = line.substr(dash + 1);
    if (cache.version >= 0 && isIdentifier(cache.algorithm)) return;
  }
  fail(1, "expected a header TRT-<version>-<algorithm> but found \"" + line.substr(0, 60) + "\"",
       "TensorRT skips a cache whose header it doesn't know, in silence, and calibrates again");
}

float parseScale(const std::string& hex, size_t line) {
  if (hex.empty() || hex.size() > 8) {
    fail(line, "expected 1 to 8 hexadecimal digits but found \"" + hex.substr(0, 60) + "\"");
  }
  uint32_t bits = 0;
  for (const char c : hex) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) fail(line, "expected hexadecimal digits but found \"" + hex + "\"");
    bits = bits << 4 | static_cast<uint32_t>(digit);
  }
  float scale;
  std::memcpy(&scale, &bits, sizeof scale);
  if (!std::isfinite(scale) || scale < 0) fail(line, "expected a scale of 0 or more but \"" + hex + "\" is none");
  return scale;
}

}  // namespace

std::string toTensorRtCache(const Table& table, int version, const std::string& algorithm) {
  if (version < 0 || !isIdentifier(algorithm)) {
    throw Error(ErrorCode::InvalidArgument,
                "Expected a version and an algorithm such as 8503 and EntropyCalibration2 for the TensorRT cache but "
                "received " +
                    std::to_string(version) + " and \"" + algorithm + "\"");
  }
  std::string text = "TRT-" + std::to_string(version) + "-" + algorithm + "\n";
  for (const auto& [name, threshold] : table.thresholds) {
    if (name.empty() || name.find_first_of("\r\n") != std::string::npos) {
      throw Error(ErrorCode::InvalidCalibration,
                  "a tensor whose name is empty or holds a line break can't stand in a TensorRT calibration cache");
    }
    const float scale = threshold.amax / kLevels;
    uint32_t bits;
    std::memcpy(&bits, &scale, sizeof bits);
    char hex[16];
    std::snprintf(hex, sizeof hex, "%x", bits);
    text += name + ": " + hex + "\n";
  }
  return text;
}

TensorRtCache parseTensorRtCache(const std::string& text) {
  TensorRtCache cache;
  size_t number = 0;
  for (size_t start = 0; start < text.size() || number == 0;) {
    const size_t end = std::min(text.find('\n', start), text.size());
    std::string line = text.substr(start, end - start);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    start = end + 1;
    if (++number == 1) {
      parseHeader(line, cache);
      continue;
    }
    if (line.empty()) continue;
    const size_t separator = line.rfind(": ");
    if (separator == std::string::npos || separator == 0) {
      fail(number, "expected \"name: hex\" but found \"" + line.substr(0, 60) + "\"");
    }
    const std::string name = line.substr(0, separator);
    if (!cache.scales.emplace(name, parseScale(line.substr(separator + 2), number)).second) {
      fail(number, "tensor \"" + name + "\" was there before");
    }
  }
  return cache;
}

}  // namespace presisi::calibration
