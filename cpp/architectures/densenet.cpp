#include <algorithm>
#include <array>
#include <utility>

#include "architectures/family.hpp"
#include "core/error.hpp"

/// Huang et al., "Densely Connected Convolutional Networks" (2016), in the form the paper calls DenseNet-BC.
namespace presisi::architectures {

namespace {

constexpr double kEpsilon = 1e-5;
constexpr int64_t kStemKernel = 7;
constexpr int64_t kBottleneck = 4;     // a layer's 1x1 convolution gives this many times the growth rate
constexpr int64_t kStemPerGrowth = 2;  // the stem is this many times as wide as the growth rate
constexpr int64_t kCompression = 2;    // a transition divides the channels by it
constexpr int64_t kMostBlocks = 16;

struct Row {
  const char* name;
  int64_t growthRate;
  std::array<int64_t, 4> blocks;
};

constexpr Row kTable[] = {
    {"densenet121", 32, {6, 12, 24, 16}},
    {"densenet169", 32, {6, 12, 32, 32}},
    {"densenet201", 32, {6, 12, 48, 32}},
    {"densenet161", 48, {6, 12, 36, 24}},
};

struct Layer {
  int64_t bottleneck = 0;
  int64_t growth = 0;
};

struct Block {
  std::vector<Layer> layers;
  int64_t transition = 0;  ///< channels after it; 0 behind the last block
};

class DenseNet final : public Blueprint {
 public:
  int64_t stem = 0;
  std::vector<Block> blocks;

  std::vector<int64_t> depths() const {
    std::vector<int64_t> counts;
    for (const Block& block : blocks) counts.push_back(static_cast<int64_t>(block.layers.size()));
    return counts;
  }

  std::string structure() const override { return "blocks " + join(depths()); }

  std::vector<int64_t> widths() const override {
    std::vector<int64_t> all{stem};
    for (const Block& block : blocks) {
      for (const Layer& layer : block.layers) all.insert(all.end(), {layer.bottleneck, layer.growth});
      all.push_back(block.transition);
    }
    return all;
  }

  std::map<std::string, std::string> configuration() const override {
    const Layer& first = blocks.front().layers.front();
    bool isUniform = true;
    bool isHalved = true;
    int64_t channels = stem;
    std::vector<int64_t> transitions;
    for (const Block& block : blocks) {
      for (const Layer& layer : block.layers) {
        isUniform = isUniform && layer.growth == first.growth && layer.bottleneck == first.bottleneck;
        channels += layer.growth;
      }
      if (block.transition == 0) continue;
      isHalved = isHalved && block.transition == channels / kCompression;
      transitions.push_back(channels = block.transition);
    }
    const bool isMultiple = first.bottleneck % first.growth == 0;
    std::map<std::string, std::string> facts{
        {"blocks", join(depths())},
        {"growth_rate", isUniform ? std::to_string(first.growth) : "various"},
        {"stem_channels", std::to_string(stem)},
    };
    if (isUniform && isMultiple) facts["bn_size"] = std::to_string(first.bottleneck / first.growth);
    if (isUniform && !isMultiple) facts["bottleneck_channels"] = std::to_string(first.bottleneck);
    if (!isHalved) facts["transition_channels"] = join(transitions);
    return facts;
  }

  void build(GraphBuilder& builder, int64_t classes) const override {
    Value x = buildFeatures(builder);
    x = builder.activation("relu", x, Activation::Relu);
    x = builder.flatten("flatten", builder.globalAveragePool("avgpool", x));
    builder.logits("classifier", x, classes);
  }

 private:
  Value buildFeatures(GraphBuilder& builder) const {
    const GraphBuilder::Scope scope(builder, "features");
    Value x = builder.conv("conv0", builder.input(), {stem, kStemKernel, 2});
    x = builder.activation("relu0", builder.batchNorm("norm0", x, kEpsilon), Activation::Relu);
    x = builder.maxPool("pool0", x);
    for (size_t i = 0; i < blocks.size(); ++i) {
      const std::string number = std::to_string(i + 1);
      x = buildBlock(builder, "denseblock" + number, x, blocks[i].layers);
      if (blocks[i].transition == 0) continue;
      const GraphBuilder::Scope transition(builder, "transition" + number);
      x = builder.activation("relu", builder.batchNorm("norm", x, kEpsilon), Activation::Relu);
      x = builder.averagePool("pool", builder.conv("conv", x, {blocks[i].transition}));
    }
    // Named for its place behind four blocks, however many there are.
    return builder.batchNorm("norm5", x, kEpsilon);
  }

  /// Every layer sees what came into the block and what all layers before it made.
  static Value buildBlock(GraphBuilder& builder, const std::string& module, const Value& x,
                          const std::vector<Layer>& layers) {
    const GraphBuilder::Scope block(builder, module);
    std::vector<Value> features{x};
    for (size_t i = 0; i < layers.size(); ++i) {
      const GraphBuilder::Scope layer(builder, "denselayer" + std::to_string(i + 1));
      Value y = i == 0 ? x : builder.concat("concat", features);
      y = builder.activation("relu1", builder.batchNorm("norm1", y, kEpsilon), Activation::Relu);
      y = builder.conv("conv1", y, {layers[i].bottleneck});
      y = builder.activation("relu2", builder.batchNorm("norm2", y, kEpsilon), Activation::Relu);
      features.push_back(builder.conv("conv2", y, {layers[i].growth, 3}));
    }
    return builder.concat("concat", features);
  }
};

class DenseNets final : public Family {
 public:
  const char* name() const override { return "DenseNet"; }
  const char* classifier() const override { return "classifier"; }

  const std::vector<Description>& presets() const override {
    static const std::vector<Description> all = [] {
      std::vector<Description> presets;
      for (const Row& row : kTable) {
        const std::string depth = std::string(row.name).substr(8);
        presets.push_back({row.name, "DenseNet",
                           "DenseNet-" + depth + ": dense connections, growth rate " + std::to_string(row.growthRate) +
                               " (Huang et al., 2016)",
                           224});
      }
      return presets;
    }();
    return all;
  }

  Scalable scalable() const override {
    Scalable can;
    can.growthRate = can.blocks = true;
    return can;
  }

  std::unique_ptr<Blueprint> scaled(const std::string& preset, const Choices& choices) const override {
    const Row* row = kTable;
    while (preset != row->name) ++row;
    const int64_t growth = choices.growthRate.value_or(row->growthRate);
    const std::vector<int64_t> blocks =
        choices.blocks.value_or(std::vector<int64_t>(row->blocks.begin(), row->blocks.end()));
    auto plan = std::make_unique<DenseNet>();
    int64_t channels = plan->stem = kStemPerGrowth * growth;
    for (size_t i = 0; i < blocks.size(); ++i) {
      Block block;
      block.layers.assign(static_cast<size_t>(blocks[i]), {kBottleneck * growth, growth});
      channels += blocks[i] * growth;
      if (i + 1 < blocks.size()) channels = block.transition = channels / kCompression;
      plan->blocks.push_back(std::move(block));
    }
    return plan;
  }

  bool owns(const Shapes& shapes) const override { return shapes.hasUnder("features.denseblock1.denselayer1"); }

  std::unique_ptr<Blueprint> read(const Shapes& shapes) const override {
    auto plan = std::make_unique<DenseNet>();
    const ConvRead stem = shapes.conv("features.conv0", "features.norm0");
    if (stem.kernel != 0 && stem.kernel != kStemKernel) {
      fail("features.conv0 is " + std::to_string(stem.kernel) + "x" + std::to_string(stem.kernel) +
           " where torchvision's is 7x7: the strides of such a DenseNet can't be read off its shapes");
    }
    plan->stem = stem.out;
    const int64_t blocks = shapes.count("features.denseblock", 1);
    if (blocks > kMostBlocks) fail("it has " + std::to_string(blocks) + " blocks; 16 are the most that make sense");
    for (int64_t i = 1; i <= blocks; ++i) {
      const std::string number = std::to_string(i);
      Block block;
      const int64_t layers = shapes.count("features.denseblock" + number + ".denselayer", 1);
      if (layers == 0) fail("features.denseblock" + number + " has no denselayer1");
      for (int64_t k = 1; k <= layers; ++k) {
        const std::string layer = "features.denseblock" + number + ".denselayer" + std::to_string(k);
        block.layers.push_back({shapes.channels(layer + ".conv1", layer + ".norm2"), growthOf(shapes, layer, block)});
      }
      if (i < blocks) {
        block.transition = shapes.channels("features.transition" + number + ".conv", "");
      }
      plan->blocks.push_back(std::move(block));
    }
    return plan;
  }

 private:
  /// No normalization tells how wide a layer's output is; a layer whose weight is missing is taken to grow as the one
  /// before it.
  static int64_t growthOf(const Shapes& shapes, const std::string& layer, const Block& block) {
    if (!shapes.has(layer + ".conv2.weight") && !block.layers.empty()) return block.layers.back().growth;
    return shapes.channels(layer + ".conv2", "");
  }

  [[noreturn]] static void fail(const std::string& reason) {
    throw Error(ErrorCode::UnsupportedModel, "the parameters look like a DenseNet's, but " + reason);
  }
};

}  // namespace

const Family& denseNet() {
  static const DenseNets family;
  return family;
}

}  // namespace presisi::architectures
