#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "checkpoint/bytes.hpp"

namespace presisi::checkpoint {

/// Base of readers of JSON that take it piece by piece, so that what is deep or large builds no tree first. Anything a
/// reader does not expect is refused.
class JsonEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit JsonEvents(std::string label) : label_(std::move(label)) {}

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a truth value"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_unsigned(number_unsigned_t) override { return unexpected("a number"); }
  bool number_float(number_float_t, const string_t&) override { return unexpected("a fraction"); }
  bool string(string_t&) override { return unexpected("a string"); }
  bool binary(binary_t&) override { return unexpected("bytes"); }
  bool start_array(std::size_t) override { return unexpected("an array"); }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    corrupt(label_ + ": its JSON is damaged at byte " + std::to_string(position));
  }

 protected:
  virtual std::string where() const = 0;
  bool unexpected(const char* what) { corrupt(label_ + ": " + what + " is out of place in " + where()); }

  std::string label_;
};

}  // namespace presisi::checkpoint
