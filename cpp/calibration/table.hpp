#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace presisi::calibration {

/// What was found for one tensor.
struct Threshold {
  float amax = 0;  ///< the chosen clipping threshold T: scale = T/127
  float min = 0;   ///< smallest and largest value seen
  float max = 0;
  uint64_t samples = 0;  ///< values seen
};

/// Identity of a calibration. Two tables with different fingerprints must not be mistaken for each other.
struct Fingerprint {
  std::string model;          ///< SHA-256 of the model file(s), hex
  std::string data;           ///< SHA-256 over the calibration data's manifest, hex
  std::string preprocessing;  ///< canonical JSON of the preprocessing, or "none" for tensors given ready
  std::string method;         ///< `entropy`, `percentile(99.99)`, `mse`, `minmax`
  uint64_t samples = 0;       ///< images
  std::string toolVersion;
};

struct Table {
  Fingerprint fingerprint;
  std::map<std::string, Threshold> thresholds;  ///< by tensor name
};

/// Canonical JSON: sorted keys, shortest round-trip numbers, so that equal tables are equal bytes.
std::string toJson(const Table& table);
/// Throws InvalidCalibration for anything that isn't such a file (version, types, missing keys).
Table tableFromJson(const std::string& json);

/// TensorRT's text cache: `TRT-<version>-<algorithm>` and one `name: hex` line per tensor (the scale, amax/127).
struct TensorRtCache {
  int version = 0;
  std::string algorithm;
  std::map<std::string, float> scales;
};
std::string toTensorRtCache(const Table& table, int version, const std::string& algorithm);
TensorRtCache parseTensorRtCache(const std::string& text);

/// Throws InvalidCalibration that says which field differs and both values, when `table` was not made for `expected`.
/// Empty fields of `expected` are not compared (the caller doesn't know them).
void requireMatch(const Fingerprint& table, const Fingerprint& expected);

}  // namespace presisi::calibration
