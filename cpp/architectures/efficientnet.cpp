#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "architectures/family.hpp"
#include "architectures/inverted_residual.hpp"
#include "core/error.hpp"

/// Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019), table 1.
namespace presisi::architectures {

namespace {

constexpr int64_t kStemChannels = 32;
constexpr int64_t kLastExpansion = 4;  // of the last convolution
constexpr int64_t kSqueeze = 4;        // a block's input channels are divided by it inside squeeze-excite

/// EfficientNet-B0.
struct Row {
  int64_t expansion;
  int64_t kernel;
  int64_t stride;
  int64_t channels;
  int64_t layers;
};

constexpr size_t kStages = 7;
constexpr std::array<Row, kStages> kTable{{
    {1, 3, 1, 16, 1},
    {6, 3, 2, 24, 2},
    {6, 5, 2, 40, 2},
    {6, 3, 2, 80, 3},
    {6, 5, 1, 112, 3},
    {6, 5, 2, 192, 4},
    {6, 3, 1, 320, 1},
}};

/// How the others are scaled from it. B5 to B7 were trained with a larger epsilon in torchvision, which nothing in a
/// checkpoint tells: it goes with the depth.
struct Scaling {
  const char* name;
  double width;
  double depth;
  int64_t inputSize;
  double epsilon;
};

constexpr double kEpsilon = 1e-5;
constexpr Scaling kScalings[] = {
    {"efficientnet_b0", 1.0, 1.0, 224, kEpsilon}, {"efficientnet_b1", 1.0, 1.1, 240, kEpsilon},
    {"efficientnet_b2", 1.1, 1.2, 288, kEpsilon}, {"efficientnet_b3", 1.2, 1.4, 300, kEpsilon},
    {"efficientnet_b4", 1.4, 1.8, 380, kEpsilon}, {"efficientnet_b5", 1.6, 2.2, 456, 1e-3},
    {"efficientnet_b6", 1.8, 2.6, 528, 1e-3},     {"efficientnet_b7", 2.0, 3.1, 600, 1e-3},
};

using Depths = std::array<int64_t, kStages>;

Depths depthsOf(double depth) {
  Depths layers{};
  for (size_t s = 0; s < kStages; ++s) {
    layers[s] = static_cast<int64_t>(std::ceil(static_cast<double>(kTable[s].layers) * depth));
  }
  return layers;
}

double epsilonOf(const Depths& depths) {
  for (const Scaling& scaling : kScalings) {
    if (depthsOf(scaling.depth) == depths) return scaling.epsilon;
  }
  return kEpsilon;
}

class Net final : public Blueprint {
 public:
  double epsilon = kEpsilon;
  int64_t stemKernel = 3;
  int64_t stem = 0;
  std::array<std::vector<InvertedResidual>, kStages> stages;
  int64_t last = 0;

  Net() = default;
  Net(double width, const Depths& depths) : epsilon(epsilonOf(depths)) {
    int64_t in = stem = roundChannels(kStemChannels * width);
    for (size_t s = 0; s < kStages; ++s) {
      const Row& row = kTable[s];
      for (int64_t i = 0; i < depths[s]; ++i) {
        InvertedResidual block;
        block.kernel = row.kernel;
        block.stride = i == 0 ? row.stride : 1;
        block.expanded = roundChannels(static_cast<double>(in * row.expansion));
        block.squeeze = std::max<int64_t>(1, in / kSqueeze);
        block.out = roundChannels(static_cast<double>(row.channels) * width);
        block.doesExpand = block.expanded != in;
        block.activation = Activation::Silu;
        in = block.out;
        stages[s].push_back(block);
      }
    }
    last = kLastExpansion * in;
  }

  Depths depths() const {
    Depths layers{};
    for (size_t s = 0; s < kStages; ++s) layers[s] = static_cast<int64_t>(stages[s].size());
    return layers;
  }

  std::string structure() const override {
    const Depths layers = depths();
    return "layers " + join({layers.begin(), layers.end()});
  }

  std::vector<int64_t> widths() const override {
    std::vector<int64_t> all{stemKernel, stem, last};
    for (const auto& stage : stages) {
      for (const InvertedResidual& block : stage) block.appendWidths(all);
    }
    return all;
  }

  std::map<std::string, std::string> configuration() const override {
    const Depths layers = depths();
    std::vector<int64_t> channels{stem};
    for (const auto& stage : stages) channels.push_back(stage.back().out);
    channels.push_back(last);
    std::map<std::string, std::string> facts{{"layers", join({layers.begin(), layers.end()})},
                                             {"channels", join(channels)}};
    const auto widthsOf = [&](double width) { return Net(width, layers).widths(); };
    if (const auto width = widthMultiplier(widths(), widthsOf)) facts["width"] = *width;
    return facts;
  }

  void build(GraphBuilder& builder, int64_t classes) const override {
    const BlockStyle style{epsilon, Activation::Silu, Gate::Sigmoid};
    Value x = builder.input();
    {
      const GraphBuilder::Scope features(builder, "features");
      x = convNormActivation(builder, "0", x, {stem, stemKernel, 2}, epsilon, Activation::Silu);
      for (size_t s = 0; s < kStages; ++s) {
        const GraphBuilder::Scope stage(builder, std::to_string(s + 1));
        for (size_t i = 0; i < stages[s].size(); ++i) {
          const GraphBuilder::Scope scope(builder, std::to_string(i));
          x = buildBlock(builder, x, stages[s][i], style);
        }
      }
      x = convNormActivation(builder, std::to_string(kStages + 1), x, {last}, epsilon, Activation::Silu);
    }
    x = builder.flatten("flatten", builder.globalAveragePool("avgpool", x));
    builder.logits("classifier.1", x, classes);
  }
};

class Nets final : public Family {
 public:
  const char* name() const override { return "EfficientNet"; }
  const char* classifier() const override { return "classifier.1"; }

  const std::vector<Description>& presets() const override {
    static const std::vector<Description> all = [] {
      std::vector<Description> presets;
      for (const Scaling& scaling : kScalings) {
        const std::string label = std::string("EfficientNet-B") + scaling.name[std::string("efficientnet_b").size()];
        presets.push_back(
            {scaling.name, "EfficientNet", label + ": compound scaling (Tan and Le, 2019)", scaling.inputSize});
      }
      return presets;
    }();
    return all;
  }

  Scalable scalable() const override {
    Scalable can;
    can.width = can.depth = true;
    return can;
  }

  std::unique_ptr<Blueprint> scaled(const std::string& preset, const Choices& choices) const override {
    const Scaling* scaling = kScalings;
    while (preset != scaling->name) ++scaling;
    return std::make_unique<Net>(scaling->width * choices.width.value_or(1),
                                 depthsOf(scaling->depth * choices.depth.value_or(1)));
  }

  bool owns(const Shapes& shapes) const override { return shapes.hasUnder("features.1.0.block.0.0"); }

  std::unique_ptr<Blueprint> read(const Shapes& shapes) const override {
    auto plan = std::make_unique<Net>();
    const int64_t stages = shapes.count("features.", 0) - 2;  // without the first and the last convolution
    if (stages != static_cast<int64_t>(kStages)) {
      fail("it has " + std::to_string(stages) + " stages where there are " + std::to_string(kStages));
    }
    for (size_t s = 0; s < kStages; ++s) {
      const std::string stage = "features." + std::to_string(s + 1) + ".";
      const int64_t layers = shapes.count(stage, 0);
      if (layers == 0) fail("it has no " + stage + "0");
      for (int64_t i = 0; i < layers; ++i) {
        InvertedResidual block = readBlock(shapes, stage + std::to_string(i) + ".block");
        block.stride = i == 0 ? kTable[s].stride : 1;
        block.activation = Activation::Silu;
        plan->stages[s].push_back(block);
      }
    }
    const ConvRead stem = shapes.conv("features.0.0", "features.0.1");
    plan->stem = stem.out;
    plan->stemKernel = stem.kernel > 0 ? stem.kernel : 3;
    const std::string end = "features." + std::to_string(kStages + 1);
    plan->last = shapes.channels(end + ".0", end + ".1");
    plan->epsilon = epsilonOf(plan->depths());
    return plan;
  }

 private:
  [[noreturn]] static void fail(const std::string& reason) {
    throw Error(ErrorCode::UnsupportedModel, "the parameters look like an EfficientNet's, but " + reason);
  }
};

}  // namespace

const Family& efficientNet() {
  static const Nets family;
  return family;
}

}  // namespace presisi::architectures
