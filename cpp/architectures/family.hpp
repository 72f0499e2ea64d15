#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "architectures/architecture.hpp"
#include "architectures/builder.hpp"
#include "architectures/shapes.hpp"

namespace presisi::architectures {

/// One network of a family with every number settled: what a table and choices gave, or a checkpoint's shapes.
class Blueprint {
 public:
  virtual ~Blueprint() = default;

  /// What tells the family's members apart but for widths, in words: `blocks 6, 12, 24, 16`.
  virtual std::string structure() const = 0;
  /// Every channel count and kernel size, in the order of the layers.
  virtual std::vector<int64_t> widths() const = 0;
  virtual std::map<std::string, std::string> configuration() const = 0;
  virtual void build(GraphBuilder& builder, int64_t classes) const = 0;
};

/// Which of the choices about size a family has.
struct Scalable {
  bool width = false;
  bool depth = false;
  bool growthRate = false;
  bool blocks = false;
};

class Family {
 public:
  virtual ~Family() = default;

  virtual const char* name() const = 0;
  virtual const std::vector<Description>& presets() const = 0;
  virtual Scalable scalable() const = 0;
  /// The preset, scaled. The choices were checked to be the family's and in range.
  virtual std::unique_ptr<Blueprint> scaled(const std::string& preset, const Choices& choices) const = 0;
  /// Whether parameters look like this family's at all.
  virtual bool owns(const Shapes& shapes) const = 0;
  /// Throws UnsupportedModel where the shapes leave something open or are nobody's.
  virtual std::unique_ptr<Blueprint> read(const Shapes& shapes) const = 0;
  /// Name of the module that holds the last linear layer.
  virtual const char* classifier() const = 0;
};

const Family& resNet();
const Family& denseNet();
const Family& mobileNetV2();
const Family& mobileNetV3();
const Family& efficientNet();

/// Rounds to a multiple of 8, at least 8, and never by more than 10 % downwards: how the papers of MobileNetV2, V3 and
/// EfficientNet keep scaled channel counts friendly to hardware.
int64_t roundChannels(double channels);

/// `6, 12, 24, 16`.
std::string join(const std::vector<int64_t>& numbers);

/// The width multiplier, a multiple of 0.05 up to 2, with which `widthsOf` gives `widths`, as text; nothing where none
/// does. 1 is tried first.
std::optional<std::string> widthMultiplier(const std::vector<int64_t>& widths,
                                           const std::function<std::vector<int64_t>(double)>& widthsOf);

}  // namespace presisi::architectures
