#include "calibration/table.hpp"

#include <doctest/doctest.h>

#include <cfloat>
#include <cmath>
#include <limits>

#include "core/error.hpp"

using namespace presisi::calibration;
using presisi::Error;
using presisi::ErrorCode;

namespace {

Table example() {
  Table table;
  table.fingerprint = {"ab12", "cd34", "{\"size\":224}", "percentile(99.99)", 128, "0.1.0"};
  table.thresholds["conv1: relu"] = {0.1f, 0.0f, 0.1f, 12345678901234u};
  table.thresholds["a \"quoted\"\n\\name ü"] = {FLT_MAX, -FLT_MAX, FLT_MAX, 1};
  table.thresholds[""] = {0.0f, 0.0f, 0.0f, 0};
  table.thresholds["tiny"] = {std::numeric_limits<float>::denorm_min(), -1.17549435e-38f, 1e-30f, 2};
  return table;
}

ErrorCode codeOf(const std::string& json) {
  try {
    tableFromJson(json);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::Internal;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string cacheError(const std::string& text) {
  try {
    parseTensorRtCache(text);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::InvalidCalibration);
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("calibration table: JSON keeps every bit, and equal tables are equal bytes") {
  const Table table = example();
  const std::string json = toJson(table);
  const Table again = tableFromJson(json);
  CHECK(toJson(again) == json);
  CHECK(again.fingerprint.preprocessing == table.fingerprint.preprocessing);
  CHECK(again.fingerprint.samples == 128);
  REQUIRE(again.thresholds.size() == table.thresholds.size());
  for (const auto& entry : table.thresholds) {
    CAPTURE(entry.first);
    const Threshold& threshold = entry.second;
    const Threshold& other = again.thresholds.at(entry.first);
    CHECK(other.amax == threshold.amax);
    CHECK(other.min == threshold.min);
    CHECK(other.max == threshold.max);
    CHECK(other.samples == threshold.samples);
  }
  CHECK(json.find("\"amax\": 0.1,") != std::string::npos);  // not 0.10000000149011612
}

TEST_CASE("calibration table: JSON that isn't one") {
  const std::string good = toJson(example());
  for (size_t length = 0; length + 2 < good.size(); ++length) {
    CHECK(codeOf(good.substr(0, length)) == ErrorCode::InvalidCalibration);
  }
  for (const char* json :
       {"[]", "null", "3", "{}", "{\"format\": 3}", "{\"format\": \"presisi-calibration\"}", "\xff"}) {
    CHECK(codeOf(json) == ErrorCode::InvalidCalibration);
  }
  CHECK(codeOf(std::string(1000000, '[')) == ErrorCode::InvalidCalibration);
  const std::pair<const char*, const char*> changes[] = {
      {"\"version\": 1", "\"version\": 2"},
      {"\"version\": 1", "\"version\": \"1\""},
      {"\"amax\": 0.1", "\"amax\": -0.1"},
      {"\"amax\": 0.1", "\"amax\": 1e39"},
      {"\"amax\": 0.1", "\"amax\": null"},
      {"\"amax\": 0.1", "\"other\": 0.1"},
      {"\"max\": 0.1", "\"max\": -1"},
      {"\"samples\": 12345678901234", "\"samples\": -1"},
      {"\"samples\": 12345678901234", "\"samples\": 1.5"},
      {"\"samples\": 128", "\"samples\": \"128\""},
      {"\"model\": \"ab12\"", "\"model\": 12"},
      {"\"tensors\"", "\"tensor\""},
  };
  for (const auto& change : changes) {
    CAPTURE(change.second);
    CHECK(codeOf(replaced(good, change.first, change.second)) == ErrorCode::InvalidCalibration);
  }
}

TEST_CASE("calibration table: values that no file can hold") {
  Table table = example();
  table.thresholds["nan"].amax = NAN;
  CHECK_THROWS_AS(toJson(table), Error);
  table = example();
  table.thresholds["\xff\xfe"] = {};
  CHECK_THROWS_AS(toJson(table), Error);
}

TEST_CASE("calibration table: a match is all fields that the caller knows") {
  const Fingerprint made = example().fingerprint;
  CHECK_NOTHROW(requireMatch(made, made));
  CHECK_NOTHROW(requireMatch(made, {}));
  Fingerprint expected;
  expected.model = "ff00";
  CHECK_THROWS_WITH_AS(requireMatch(made, expected), doctest::Contains("expected ff00, found ab12"), Error);
  expected = made;
  expected.method = "entropy";
  CHECK_THROWS_WITH_AS(requireMatch(made, expected), doctest::Contains("another method"), Error);
  expected = made;
  expected.samples = 64;
  CHECK_THROWS_WITH_AS(requireMatch(made, expected), doctest::Contains("expected 64, found 128"), Error);
  expected = made;
  CHECK_THROWS_WITH_AS(requireMatch({}, expected), doctest::Contains("found none"), Error);
}

TEST_CASE("TensorRT cache: the format") {
  Table table;
  table.thresholds["input"] = {127 * 0.0078125f, 0, 0, 0};  // 2^-7 = 3c000000
  table.thresholds["a: b: c"] = {127 * 1e-39f, 0, 0, 0};    // a subnormal scale has leading zeros
  table.thresholds["zero"] = {};
  const std::string text = toTensorRtCache(table, 8503, "EntropyCalibration2");
  CHECK(text.rfind("TRT-8503-EntropyCalibration2\n", 0) == 0);
  CHECK(text.find("input: 3c000000\n") != std::string::npos);
  CHECK(text.find("zero: 0\n") != std::string::npos);

  const TensorRtCache cache = parseTensorRtCache(text);
  CHECK(cache.version == 8503);
  CHECK(cache.algorithm == "EntropyCalibration2");
  REQUIRE(cache.scales.size() == 3);
  for (const auto& [name, threshold] : table.thresholds) CHECK(cache.scales.at(name) == threshold.amax / 127);
}

TEST_CASE("TensorRT cache: as TensorRT writes it") {
  const TensorRtCache cache =
      parseTensorRtCache("TRT-8503-EntropyCalibration2\r\ninput: 3c010a14\r\nlayer1.0.relu: 3CAA54FC\n\nx: 1\n");
  CHECK(cache.scales.at("input") == doctest::Approx(1 / 127.0).epsilon(0.001));
  CHECK(cache.scales.at("layer1.0.relu") == doctest::Approx(0.0207925).epsilon(0.0001));
  CHECK(cache.scales.at("x") == std::numeric_limits<float>::denorm_min());
  CHECK(parseTensorRtCache("TRT-100100-MinMaxCalibration").scales.empty());
}

TEST_CASE("TensorRT cache: lines that are wrong are named") {
  const std::string header = "TRT-8503-EntropyCalibration2\n";
  for (const char* bad : {"", "\n", "TRT-", "TRT-8503", "TRT-8503-\n", "TRT-x-Entropy\n", "TRT--1-Entropy\n",
                          "TRT-99999999999-Entropy\n", "input: 3c010a14\n"}) {
    CAPTURE(bad);
    CHECK(cacheError(bad).find("line 1") != std::string::npos);
  }
  for (const char* bad : {"input", "input:3c010a14", ": 3c010a14", "input: ", "input: 3c010a145", "input: 3c01 a14",
                          "input: xyz", "input: 7f800000", "input: 7fc00000", "input: bc010a14", "a: 1\na: 2"}) {
    CAPTURE(bad);
    const std::string error = cacheError(header + "good: 3c010a14\n" + bad);
    CHECK((error.find("line 3") != std::string::npos || error.find("line 4") != std::string::npos));
  }
  Table table;
  table.thresholds["line\nbreak"] = {};
  CHECK_THROWS_AS(toTensorRtCache(table, 8503, "EntropyCalibration2"), Error);
  CHECK_THROWS_AS(toTensorRtCache({}, 8503, "Entropy Calibration"), Error);
}
