#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/tensor.hpp"

namespace presisi::tensorrt {

/// Reads one JSON object key by key: each read says what it wants, and finish() refuses what nobody asked for.
class SettingsReader {
 public:
  explicit SettingsReader(const std::string& text);

  /// The value, or null where the key is absent.
  const nlohmann::json* find(const std::string& key);
  bool flag(const std::string& key, bool otherwise);
  int64_t integer(const std::string& key, int64_t least, int64_t most, int64_t otherwise);
  std::string text(const std::string& key, const std::string& otherwise);
  std::string choice(const std::string& key, const std::vector<std::string>& choices, const std::string& otherwise);
  /// Throws InvalidArgument that lists the known keys when there are others.
  void finish() const;

  /// Whether a wish for what only `versions` have must be refused here: throws InvalidArgument.
  static void requireFeature(bool available, const std::string& key, const std::string& versions);
  [[noreturn]] static void refuse(const std::string& wanted, const std::string& key, const nlohmann::json& received);

 private:
  nlohmann::json object_;
  std::set<std::string> known_;
};

}  // namespace presisi::tensorrt
