#include "backend/tensorrt/settings_reader.hpp"

#include "backend/tensorrt/api.hpp"
#include "core/error.hpp"

namespace presisi::tensorrt {

using nlohmann::json;

SettingsReader::SettingsReader(const std::string& text) : object_(json::object()) {
  if (text.empty()) return;
  object_ = json::parse(text, nullptr, false);
  if (object_.is_discarded()) {
    throw Error(ErrorCode::InvalidArgument, "Expected a JSON object for settings but received text that isn't JSON");
  }
  if (!object_.is_object()) refuse("a JSON object", "settings", object_);
}

void SettingsReader::refuse(const std::string& wanted, const std::string& key, const json& received) {
  std::string text = received.dump(-1, ' ', false, json::error_handler_t::replace);
  constexpr size_t kShown = 80;
  if (text.size() > kShown) text = text.substr(0, kShown) + "…";
  throw Error(ErrorCode::InvalidArgument,
              "Expected " + wanted + " for " + key + " but received " + text + " of type " + received.type_name());
}

void SettingsReader::requireFeature(bool available, const std::string& key, const std::string& versions) {
  if (available) return;
  throw Error(ErrorCode::InvalidArgument, "The setting " + key + " needs " + versions + ", and this is " +
                                              api::productName() + " " + api::compiledVersion().text());
}

const json* SettingsReader::find(const std::string& key) {
  known_.insert(key);
  const auto it = object_.find(key);
  return it == object_.end() ? nullptr : &*it;
}

bool SettingsReader::flag(const std::string& key, bool otherwise) {
  const json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) refuse("true or false", key, *value);
  return value->get<bool>();
}

int64_t SettingsReader::integer(const std::string& key, int64_t least, int64_t most, int64_t otherwise) {
  const json* value = find(key);
  if (value == nullptr) return otherwise;
  const std::string wanted = "an integer from " + std::to_string(least) + " to " + std::to_string(most);
  if (!value->is_number_integer()) refuse(wanted, key, *value);
  if (value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(most)) refuse(wanted, key, *value);
  const auto number = value->get<int64_t>();
  if (number < least || number > most) refuse(wanted, key, *value);
  return number;
}

std::string SettingsReader::text(const std::string& key, const std::string& otherwise) {
  const json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_string() || value->get_ref<const std::string&>().empty()) refuse("a string", key, *value);
  return value->get<std::string>();
}

std::string SettingsReader::choice(const std::string& key, const std::vector<std::string>& choices,
                                   const std::string& otherwise) {
  const json* value = find(key);
  if (value == nullptr) return otherwise;
  std::string list;
  for (const std::string& choice : choices) {
    if (value->is_string() && value->get_ref<const std::string&>() == choice) return choice;
    list += (list.empty() ? "" : ", ") + choice;
  }
  refuse("one of " + list, key, *value);
}

void SettingsReader::finish() const {
  std::string list;
  for (const std::string& key : known_) list += (list.empty() ? "" : ", ") + key;
  for (const auto& [key, value] : object_.items()) {
    if (known_.count(key) == 0) {
      throw Error(ErrorCode::InvalidArgument,
                  "Expected one of " + list + " for a setting's name but received \"" + key + "\"");
    }
  }
}

}  // namespace presisi::tensorrt
