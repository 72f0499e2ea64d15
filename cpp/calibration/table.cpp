#include "calibration/table.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.hpp"

namespace presisi::calibration {

namespace {

using Json = nlohmann::json;  // its objects keep their keys sorted

constexpr const char* kFormat = "presisi-calibration";
constexpr int kVersion = 1;

[[noreturn]] void fail(const std::string& what, const std::string& hint = {}) {
  throw Error(ErrorCode::InvalidCalibration, "calibration table: " + what, hint);
}

const Json& member(const Json& object, const char* key, const std::string& where) {
  const auto it = object.find(key);
  if (it == object.end()) fail("expected a member \"" + std::string(key) + "\" in " + where);
  return *it;
}

const Json& objectMember(const Json& object, const char* key, const std::string& where) {
  const Json& value = member(object, key, where);
  if (!value.is_object()) fail("expected an object for " + std::string(key) + " but found " + value.type_name());
  return value;
}

std::string stringMember(const Json& object, const char* key, const std::string& where) {
  const Json& value = member(object, key, where);
  if (!value.is_string()) {
    fail("expected a string for " + std::string(key) + " in " + where + " but found " + value.type_name());
  }
  return value.get<std::string>();
}

uint64_t countMember(const Json& object, const char* key, const std::string& where) {
  const Json& value = member(object, key, where);
  if (!value.is_number_unsigned()) {
    fail("expected a whole number, 0 or more, for " + std::string(key) + " in " + where);
  }
  return value.get<uint64_t>();
}

float floatMember(const Json& object, const char* key, const std::string& where) {
  const Json& value = member(object, key, where);
  const float number = value.is_number() ? static_cast<float>(value.get<double>()) : NAN;
  if (!std::isfinite(number)) fail("expected a finite number for " + std::string(key) + " in " + where);
  return number;
}

/// A float32 as the double with the fewest digits that reads back as the same float32: 0.1, not 0.10000000149.
double shortest(float value) {
  if (!std::isfinite(value)) fail("a threshold, minimum or maximum is not finite");
  char text[32];
  for (int digits = 1; digits <= 9; ++digits) {
    std::snprintf(text, sizeof text, "%.*g", digits, static_cast<double>(value));
    // JSON's reader of numbers and not strtod, which minds the locale as snprintf does; both spellings are undone here.
    std::replace(text, text + std::strlen(text), ',', '.');
    const double candidate = Json::parse(text).get<double>();
    if (static_cast<float>(candidate) == value) return candidate;
  }
  return value;
}

Json parseJson(const std::string& text) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    fail("not valid JSON: " + std::string(error.what()));
  }
}

void requireSame(const char* field, const std::string& found, const std::string& expected) {
  if (expected.empty() || found == expected) return;
  throw Error(ErrorCode::InvalidCalibration,
              "the calibration was made for another " + std::string(field) + ": expected " + expected + ", found " +
                  (found.empty() ? std::string("none") : found),
              "calibrate again for this model, data, preprocessing and method");
}

}  // namespace

std::string toJson(const Table& table) {
  const Fingerprint& f = table.fingerprint;
  Json tensors = Json::object();
  for (const auto& [name, threshold] : table.thresholds) {
    tensors[name] = {{"amax", shortest(threshold.amax)},
                     {"max", shortest(threshold.max)},
                     {"min", shortest(threshold.min)},
                     {"samples", threshold.samples}};
  }
  const Json document = {{"format", kFormat},
                         {"version", kVersion},
                         {"fingerprint",
                          {{"model", f.model},
                           {"data", f.data},
                           {"preprocessing", f.preprocessing},
                           {"method", f.method},
                           {"samples", f.samples},
                           {"toolVersion", f.toolVersion}}},
                         {"tensors", tensors}};
  try {
    return document.dump(2) + "\n";
  } catch (const Json::exception&) {
    fail("a tensor name or a field of the fingerprint is not valid UTF-8");
  }
}

Table tableFromJson(const std::string& json) {
  const Json document = parseJson(json);
  if (!document.is_object() || document.value("format", Json()) != kFormat) {
    fail("expected a file with \"format\": \"" + std::string(kFormat) + "\"");
  }
  const Json& version = member(document, "version", "the file");
  if (version != kVersion) {
    fail("expected version " + std::to_string(kVersion) + " but found " +
             version.dump(-1, ' ', true, Json::error_handler_t::replace),
         "calibrate again with this version of presisi");
  }
  Table table;
  const Json& fingerprint = objectMember(document, "fingerprint", "the file");
  table.fingerprint.model = stringMember(fingerprint, "model", "fingerprint");
  table.fingerprint.data = stringMember(fingerprint, "data", "fingerprint");
  table.fingerprint.preprocessing = stringMember(fingerprint, "preprocessing", "fingerprint");
  table.fingerprint.method = stringMember(fingerprint, "method", "fingerprint");
  table.fingerprint.samples = countMember(fingerprint, "samples", "fingerprint");
  table.fingerprint.toolVersion = stringMember(fingerprint, "toolVersion", "fingerprint");
  for (const auto& [name, value] : objectMember(document, "tensors", "the file").items()) {
    const std::string where = "tensor \"" + name + "\"";
    if (!value.is_object()) fail("expected an object for " + where + " but found " + value.type_name());
    Threshold threshold;
    threshold.amax = floatMember(value, "amax", where);
    threshold.min = floatMember(value, "min", where);
    threshold.max = floatMember(value, "max", where);
    threshold.samples = countMember(value, "samples", where);
    if (threshold.amax < 0) fail("expected an amax of 0 or more in " + where);
    if (threshold.min > threshold.max) fail("expected min to be at most max in " + where);
    table.thresholds[name] = threshold;
  }
  return table;
}

void requireMatch(const Fingerprint& table, const Fingerprint& expected) {
  requireSame("model", table.model, expected.model);
  requireSame("data set", table.data, expected.data);
  requireSame("preprocessing", table.preprocessing, expected.preprocessing);
  requireSame("method", table.method, expected.method);
  requireSame("number of samples", std::to_string(table.samples),
              expected.samples == 0 ? std::string() : std::to_string(expected.samples));
  requireSame("version of presisi", table.toolVersion, expected.toolVersion);
}

}  // namespace presisi::calibration
