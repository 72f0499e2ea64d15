#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "telemetry/reader.hpp"

namespace presisi::test {

/// The folder of recorded devices.
inline std::string recordings() {
  const std::string here = __FILE__;
  return here.substr(0, here.rfind("/cpp/")) + "/fixtures/telemetry";
}

/// What a reader gives now, by name; what is absent is left out.
inline std::map<std::string, double> readings(telemetry::Reader& reader) {
  std::vector<double> values(reader.quantities().size(), -1);
  reader.readAll(values.data());
  std::map<std::string, double> named;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isnan(values[i])) named[reader.quantities()[i].name] = values[i];
  }
  return named;
}

/// Whether something comes true; false only after half a minute, however busy the machine.
template <typename Condition>
bool eventually(Condition&& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

/// What a source that is read in the background gives as soon as that was done: a busy machine may have kept it from
/// it.
inline std::map<std::string, double> current(telemetry::Reader& reader) {
  std::map<std::string, double> named;
  eventually([&] {
    named = readings(reader);
    return !named.empty();
  });
  return named;
}

inline std::vector<std::string> names(const telemetry::Reader& reader) {
  std::vector<std::string> list;
  for (const telemetry::Quantity& quantity : reader.quantities()) list.push_back(quantity.name);
  return list;
}

inline const telemetry::Quantity* find(const telemetry::Reader& reader, const std::string& name) {
  for (const telemetry::Quantity& quantity : reader.quantities()) {
    if (quantity.name == name) return &quantity;
  }
  return nullptr;
}

inline bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace presisi::test
