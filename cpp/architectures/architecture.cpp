#include "architectures/architecture.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "architectures/family.hpp"
#include "core/error.hpp"

namespace presisi::architectures {

namespace {

constexpr int64_t kDefaultClasses = 1000;   // ImageNet's
constexpr int64_t kDefaultInputSize = 224;  // of what nobody published
constexpr int64_t kMostClasses = 1 << 20;
constexpr double kLargestScale = 8;
constexpr int64_t kMostGrowth = 1024;
constexpr int64_t kMostLayers = 256;  // per block or stage

const std::array<const Family*, 5>& families() {
  static const std::array<const Family*, 5> all{&resNet(), &denseNet(), &mobileNetV2(), &mobileNetV3(),
                                                &efficientNet()};
  return all;
}

[[noreturn]] void refuse(const std::string& message, std::string hint = {}) {
  throw Error(ErrorCode::InvalidArgument, message, std::move(hint));
}

const Description* findPreset(const Family& family, const std::string& name) {
  for (const Description& preset : family.presets()) {
    if (preset.name == name) return &preset;
  }
  return nullptr;
}

const Family& familyOf(const std::string& name) {
  std::string names;
  for (const Family* family : families()) {
    if (findPreset(*family, name) != nullptr) return *family;
    for (const Description& preset : family->presets()) names += (names.empty() ? "" : ", ") + preset.name;
  }
  refuse("no architecture is called \"" + name + "\"", "there are: " + names);
}

void requireInteger(const char* option, int64_t value, int64_t most) {
  if (value >= 1 && value <= most) return;
  refuse("Expected integer between 1 and " + std::to_string(most) + " for " + option + " but received " +
         std::to_string(value));
}

void requireScale(const char* option, double value) {
  if (value > 0 && value <= kLargestScale) return;  // false for NaN
  refuse(std::string("Expected number above 0 and at most ") + std::to_string(static_cast<int>(kLargestScale)) +
         " for " + option + " but received " + std::to_string(value));
}

/// That the choices are in range, and ones this family has.
void checkChoices(const Family& family, const Choices& choices) {
  const Scalable can = family.scalable();
  const auto requireOwn = [&](const char* option, bool isGiven, bool isOwn) {
    if (isGiven && !isOwn) refuse(std::string("a ") + family.name() + " can't be scaled by " + option);
  };
  requireOwn("width", choices.width.has_value(), can.width);
  requireOwn("depth", choices.depth.has_value(), can.depth);
  requireOwn("growthRate", choices.growthRate.has_value(), can.growthRate);
  requireOwn("blocks", choices.blocks.has_value(), can.blocks);
  if (choices.classes) requireInteger("classes", *choices.classes, kMostClasses);
  if (choices.width) requireScale("width", *choices.width);
  if (choices.depth) requireScale("depth", *choices.depth);
  if (choices.growthRate) requireInteger("growthRate", *choices.growthRate, kMostGrowth);
  if (choices.blocks) {
    requireInteger("the number of blocks", static_cast<int64_t>(choices.blocks->size()), 16);
    for (const int64_t layers : *choices.blocks) requireInteger("each of blocks", layers, kMostLayers);
  }
}

/// Whose structure a network has.
struct Identity {
  const Description* preset = nullptr;  ///< null: nobody's
  bool isPublished = false;             ///< every width too
};

/// `wanted` (may be null) wins over others of the same structure, then equal widths do, then the order of the list.
Identity identify(const Family& family, const Blueprint& plan, const Description* wanted) {
  Identity best;
  for (const Description& preset : family.presets()) {
    const auto published = family.scaled(preset.name, {});
    if (published->structure() != plan.structure()) continue;
    const Identity found{&preset, published->widths() == plan.widths()};
    if (&preset == wanted) return found;
    if (best.preset == nullptr || (found.isPublished && !best.isPublished)) best = found;
  }
  return best;
}

Network assemble(const Family& family, const Blueprint& plan, const Identity& identity, int64_t classes,
                 const Choices& choices) {
  const int64_t usual = identity.isPublished ? identity.preset->inputSize : kDefaultInputSize;
  GraphBuilder builder(choices, choices.inputSize.value_or(usual));
  plan.build(builder, classes);
  Network network = builder.finish();
  network.architecture = identity.preset != nullptr ? identity.preset->name : family.name();
  network.family = family.name();
  network.configuration = plan.configuration();
  network.model.graph.name = network.architecture;
  return network;
}

std::string describe(const Family& family, const Blueprint& plan, const Identity& identity) {
  const std::string name = identity.preset != nullptr ? identity.preset->name : std::string("a ") + family.name();
  return name + " (" + plan.structure() + ")";
}

/// Choices may repeat what a checkpoint says, not contradict it.
void requireAgreement(const Family& family, const Blueprint& plan, const Identity& identity, const Description* wanted,
                      const Choices& choices) {
  bool agrees = true;
  if (choices.growthRate) {
    agrees = plan.configuration().at("growth_rate") == std::to_string(*choices.growthRate);
  }
  if (choices.blocks || choices.depth || choices.width) {
    // A multiplier means nothing without what it multiplies: without a name, any of the family's.
    bool isAny = false;
    for (const Description& preset : family.presets()) {
      if (wanted != nullptr && &preset != wanted) continue;
      const auto asked = family.scaled(preset.name, choices);
      isAny = isAny || (asked->structure() == plan.structure() && (!choices.width || asked->widths() == plan.widths()));
    }
    agrees = agrees && isAny;
  }
  if (agrees) return;
  std::string found;
  for (const auto& [key, value] : plan.configuration()) found += "\n  " + key + ": " + value;
  refuse("the options for the architecture's size contradict the checkpoint, which is " +
             describe(family, plan, identity) + ":" + found,
         "leave them out: a checkpoint's shapes say how large its network is");
}

const Family* ownerOf(const Shapes& shapes) {
  for (const Family* family : families()) {
    if (family->owns(shapes)) return family;
  }
  return nullptr;
}

[[noreturn]] void failUnknown(const std::map<std::string, Dims>& shapes) {
  std::string some;
  size_t count = 0;
  for (const auto& [name, dims] : shapes) {
    if (++count > 5) break;
    some += "\n  " + name + " " + toString(dims);
  }
  std::string known;
  for (const Family* family : families()) known += std::string(known.empty() ? "" : ", ") + family->name();
  throw Error(ErrorCode::UnsupportedModel,
              shapes.empty() ? "the checkpoint has no parameters"
                             : "none of the built-in architectures has parameters like these " +
                                   std::to_string(shapes.size()) + ":" + some + (shapes.size() > 5 ? "\n  …" : ""),
              "recognised are torchvision's parameter names of " + known +
                  "; other networks can be exported to ONNX in PyTorch and converted from there");
}

/// What the shapes say of the named architecture. Null where they can't be read as its family at all: then the
/// comparison of every parameter with the named one is what helps.
std::unique_ptr<Blueprint> readNamed(const Family& family, const Shapes& shapes) {
  if (!family.owns(shapes)) return nullptr;
  try {
    return family.read(shapes);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::UnsupportedModel) throw;
    return nullptr;
  }
}

int64_t classesOf(const Family& family, const Shapes& shapes, const Choices& choices) {
  const int64_t found = shapes.features(family.classifier(), choices.classes.value_or(kDefaultClasses));
  if (choices.classes && *choices.classes != found) {
    refuse("classes is " + std::to_string(*choices.classes) + ", but the checkpoint's last layer (" +
           family.classifier() + ") has " + std::to_string(found));
  }
  return found;
}

}  // namespace

const std::vector<Description>& list() {
  static const std::vector<Description> all = [] {
    std::vector<Description> joined;
    for (const Family* family : families()) {
      joined.insert(joined.end(), family->presets().begin(), family->presets().end());
    }
    return joined;
  }();
  return all;
}

Network make(const std::string& name, const Choices& choices) {
  const Family& family = familyOf(name);
  checkChoices(family, choices);
  const auto plan = family.scaled(name, choices);
  const Identity identity = identify(family, *plan, findPreset(family, name));
  return assemble(family, *plan, identity, choices.classes.value_or(kDefaultClasses), choices);
}

Network recognise(const std::map<std::string, Dims>& named, const std::string& name, const Choices& choices) {
  const Shapes shapes(named);
  const Family* owner = ownerOf(shapes);
  if (name.empty() && owner == nullptr) failUnknown(named);

  const Family& family = name.empty() ? *owner : familyOf(name);
  const Description* wanted = name.empty() ? nullptr : findPreset(family, name);
  checkChoices(family, choices);
  if (owner != nullptr && owner != &family) {
    refuse("the parameters are those of a " + std::string(owner->name()) + ", not of " + name,
           "leave the architecture out to have it recognised");
  }
  const auto plan = wanted == nullptr ? family.read(shapes) : readNamed(family, shapes);
  const int64_t classes = classesOf(family, shapes, choices);
  if (plan == nullptr) {
    Choices asked = choices;
    asked.classes = classes;
    return make(name, asked);
  }
  const Identity identity = identify(family, *plan, wanted);
  const bool isScaled = choices.depth || choices.blocks;
  if (wanted != nullptr && identity.preset != wanted && !isScaled) {
    refuse("the checkpoint is " + describe(family, *plan, identity) + ", not " + name + " (" +
               family.scaled(name, {})->structure() + ")",
           "leave the architecture out to have it recognised");
  }
  requireAgreement(family, *plan, identity, wanted, choices);
  return assemble(family, *plan, identity, classes, choices);
}

}  // namespace presisi::architectures
