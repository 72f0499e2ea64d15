#include "checkpoint/state_dict.hpp"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <unordered_map>
#include <unordered_set>

namespace presisi::checkpoint {

namespace {

using pickle::Document;
using pickle::Id;
using pickle::Kind;

/// In order of preference. Averaged weights come first: a script that keeps them evaluates them, and reports their
/// accuracy as the model's. Then the names from the most particular to those that could mean anything.
constexpr const char* kSections[] = {
    "state_dict_ema", "model_ema", "ema_state_dict", "ema", "state_dict", "model_state_dict",
    "model_state",    "model",     "net_state_dict", "net", "network",    "module",
    "weights",        "params"};

constexpr int kDeepestSection = 3;
constexpr int kDeepestFact = 3;
constexpr size_t kMostFacts = 1000;
constexpr size_t kMostVisits = 100000;
constexpr size_t kLongestFact = 1000;
constexpr size_t kMostKeysNamed = 12;

/// The value of a key; the last one where a key was set twice, as in Python.
std::optional<Id> valueOf(const Document& document, Id dict, std::string_view key) {
  const auto& items = document.items(dict);
  for (size_t i = items.size(); i >= 2; i -= 2) {
    if (document[items[i - 2]].kind == Kind::Text && document.text(items[i - 2]) == key) return items[i - 1];
  }
  return std::nullopt;
}

/// Looks at every dict once, however often it is referred to.
class Finder {
 public:
  explicit Finder(const Document& document) : document_(document) {}

  bool hasTensors(Id id) {
    if (document_[id].kind != Kind::Dict) return false;
    const auto [known, isNew] = hasTensors_.emplace(id, false);
    if (!isNew) return known->second;
    const auto& items = document_.items(id);
    for (size_t i = 0; i + 1 < items.size() && !known->second; i += 2) {
      known->second = document_[items[i]].kind == Kind::Text && document_[items[i + 1]].kind == Kind::Tensor;
    }
    return known->second;
  }

  /// The state_dict within a dict, by the names of sections; or, where that is beyond doubt, the only dict of tensors.
  bool search(Id dict, int depth) {
    if (document_[dict].kind != Kind::Dict || !searched_.insert(dict).second) return false;
    for (const char* key : kSections) {
      const auto value = valueOf(document_, dict, key);
      if (value && enter(dict, *value, key, depth)) return true;
    }
    if (hasTensors(dict)) return false;
    std::optional<size_t> only;
    const auto& items = document_.items(dict);
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      if (document_[items[i]].kind != Kind::Text || !hasTensors(items[i + 1])) continue;
      if (only) return false;
      only = i;
    }
    if (!only) return false;
    const std::string_view key = document_.text(items[*only]);
    return !key.empty() && key.size() <= kLongestFact && isUtf8(key) && enter(dict, items[*only + 1], key, depth);
  }

  StateDict found;

 private:
  bool enter(Id dict, Id value, std::string_view key, int depth) {
    if (hasTensors(value)) {
      found.dict = value;
      found.section = key;
    } else if (depth < kDeepestSection && search(value, depth + 1)) {
      found.section = std::string(key) + "." + found.section;
    } else {
      return false;
    }
    found.around.insert(found.around.begin(), dict);
    return true;
  }

  const Document& document_;
  std::unordered_map<Id, bool> hasTensors_;
  std::unordered_set<Id> searched_;
};

[[noreturn]] void refuse(const Document& document, const std::string& label) {
  const auto& root = document[document.root()];
  if (root.kind != Kind::Dict) {
    unsupported(label + ": expected a state_dict but found " + name(root.kind), kSaveStateDict);
  }
  const auto& items = document.items(document.root());
  std::string keys;
  size_t named = 0;
  for (size_t i = 0; i + 1 < items.size() && named < kMostKeysNamed; i += 2, ++named) {
    if (document[items[i]].kind != Kind::Text) continue;
    keys += (keys.empty() ? "" : ", ") + quote(document.text(items[i]));
  }
  if (items.size() / 2 > named) keys += ", …";
  unsupported(label + ": expected a state_dict but found a dict without tensors" +
                  (keys.empty() ? std::string() : ", of the keys " + keys),
              kSaveStateDict);
}

/// The shortest text that reads back as the same number.
std::string numberText(double value) {
  char text[32];
  for (int digits = 6; digits <= 17; ++digits) {
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    if (std::strtod(text, nullptr) == value) break;
  }
  return text;
}

std::optional<std::string> plainText(const Document& document, Id id) {
  switch (document[id].kind) {
    case Kind::Bool: return document[id].integer != 0 ? "true" : "false";
    case Kind::Integer: return std::to_string(document[id].integer);
    case Kind::Real: return numberText(document[id].real);
    case Kind::Text: {
      const std::string_view text = document.text(id);
      if (text.size() <= kLongestFact && isUtf8(text)) return std::string(text);
      return std::nullopt;
    }
    default: return std::nullopt;
  }
}

struct Collector {
  const Document& document;
  Id parameters;
  size_t visits = 0;
  std::map<std::string, std::string> facts;

  // What is shared is visited once per reference: the depth and the number of visits are bounded.
  void collect(Id dict, const std::string& prefix, int depth) {
    const auto& items = document.items(dict);
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      if (++visits > kMostVisits || facts.size() >= kMostFacts) return;
      const Id value = items[i + 1];
      if (document[items[i]].kind != Kind::Text || value == parameters) continue;
      const std::string_view key = document.text(items[i]);
      if (key.empty() || key.size() > kLongestFact || !isUtf8(key)) continue;
      const std::string name = prefix + std::string(key);
      const Kind kind = document[value].kind;
      if (const auto text = plainText(document, value)) {
        facts[name] = *text;
      } else if ((kind == Kind::Dict || kind == Kind::Object) && depth < kDeepestFact) {
        collect(value, name + ".", depth + 1);
      }
    }
  }
};

}  // namespace

StateDict findStateDict(const Document& document, const std::string& label) {
  Finder finder(document);
  const Id root = document.root();
  if (finder.search(root, 1)) return finder.found;
  if (!finder.hasTensors(root)) refuse(document, label);
  return {root, {}, {root}};
}

std::map<std::string, std::string> factsAround(const Document& document, const StateDict& found) {
  Collector collector{document, found.dict, 0, {}};
  for (const Id dict : found.around) collector.collect(dict, "", 1);
  return std::move(collector.facts);
}

}  // namespace presisi::checkpoint
