#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "support/temporary_folder.hpp"
#include "telemetry/reader.hpp"

namespace presisi::test {

/// A machine that consists of the files in this folder.
inline telemetry::Place placeOf(const TemporaryFolder& folder) {
  telemetry::Place place;
  place.root = folder.path().string();
  return place;
}

/// What a reader tells, by name.
class Columns {
 public:
  explicit Columns(telemetry::Reader& reader) : reader_(reader), values_(reader.quantities().size(), -1e300) {}

  Columns& read() {
    reader_.read(values_.data());
    return *this;
  }
  Columns& readAll() {
    reader_.readAll(values_.data());
    return *this;
  }
  /// Nothing where the reader has no such quantity; not a number where it was absent.
  std::optional<double> operator[](const std::string& name) const {
    for (size_t i = 0; i < values_.size(); ++i) {
      if (reader_.quantities()[i].name == name) return values_[i];
    }
    return std::nullopt;
  }
  bool absent(const std::string& name) const {
    const auto value = (*this)[name];
    return value && std::isnan(*value);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const telemetry::Quantity& quantity : reader_.quantities()) names.push_back(quantity.name);
    return names;
  }

 private:
  telemetry::Reader& reader_;
  std::vector<double> values_;
};

}  // namespace presisi::test
