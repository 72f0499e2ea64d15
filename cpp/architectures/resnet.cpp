#include <array>
#include <utility>

#include "architectures/family.hpp"
#include "core/error.hpp"

/// He et al., "Deep Residual Learning for Image Recognition" (2015), with the stride in a bottleneck's 3x3 convolution
/// as torchvision has it.
namespace presisi::architectures {

namespace {

constexpr double kEpsilon = 1e-5;
constexpr int64_t kStemKernel = 7;
constexpr int64_t kBottleneckExpansion = 4;
constexpr size_t kStages = 4;
constexpr int64_t kStemChannels = 64;
constexpr std::array<int64_t, kStages> kStageChannels{64, 128, 256, 512};

struct Row {
  const char* name;
  bool isBottleneck;
  std::array<int64_t, kStages> blocks;
};

constexpr Row kTable[] = {
    {"resnet18", false, {2, 2, 2, 2}},  {"resnet34", false, {3, 4, 6, 3}},  {"resnet50", true, {3, 4, 6, 3}},
    {"resnet101", true, {3, 4, 23, 3}}, {"resnet152", true, {3, 8, 36, 3}},
};

struct Block {
  int64_t inner = 0;  ///< channels between its convolutions
  int64_t out = 0;
  int64_t groups = 1;  ///< of a bottleneck's 3x3 convolution; above 1 it is a ResNeXt
  bool hasDownsample = false;
};

class ResNet final : public Blueprint {
 public:
  int64_t stem = kStemChannels;
  bool isBottleneck = false;
  std::array<std::vector<Block>, kStages> stages;

  std::vector<int64_t> blocks() const {
    std::vector<int64_t> counts;
    for (const auto& stage : stages) counts.push_back(static_cast<int64_t>(stage.size()));
    return counts;
  }

  std::string structure() const override {
    return std::string(isBottleneck ? "bottleneck" : "basic") + " blocks " + join(blocks());
  }

  std::vector<int64_t> widths() const override {
    std::vector<int64_t> all{stem};
    for (const auto& stage : stages) {
      for (const Block& block : stage) {
        all.insert(all.end(), {block.inner, block.out, block.groups, block.hasDownsample ? 1 : 0});
      }
    }
    return all;
  }

  std::map<std::string, std::string> configuration() const override {
    std::vector<int64_t> channels{stem};
    for (const auto& stage : stages) channels.push_back(stage.back().out);
    std::map<std::string, std::string> facts{
        {"block", isBottleneck ? "bottleneck" : "basic"}, {"blocks", join(blocks())}, {"channels", join(channels)}};
    const Block& last = stages.back().back();
    if (last.groups > 1) facts["groups"] = std::to_string(last.groups);
    if (isBottleneck && last.inner * kBottleneckExpansion != last.out) {
      facts["bottleneck_channels"] = std::to_string(last.inner);
    }
    return facts;
  }

  void build(GraphBuilder& builder, int64_t classes) const override {
    Value x = builder.conv("conv1", builder.input(), {stem, kStemKernel, 2});
    x = builder.activation("relu", builder.batchNorm("bn1", x, kEpsilon), Activation::Relu);
    x = builder.maxPool("maxpool", x);
    for (size_t s = 0; s < kStages; ++s) {
      const GraphBuilder::Scope layer(builder, "layer" + std::to_string(s + 1));
      for (size_t i = 0; i < stages[s].size(); ++i) {
        const GraphBuilder::Scope scope(builder, std::to_string(i));
        x = buildBlock(builder, x, stages[s][i], strideOf(s, i));
      }
    }
    x = builder.flatten("flatten", builder.globalAveragePool("avgpool", x));
    builder.logits("fc", x, classes);
  }

  static int64_t strideOf(size_t stage, size_t index) { return stage > 0 && index == 0 ? 2 : 1; }

 private:
  Value buildBlock(GraphBuilder& builder, const Value& x, const Block& block, int64_t stride) const {
    // torchvision's block has one ReLU module that it calls two or three times.
    Value y;
    const char* lastRelu = "relu_1";
    if (isBottleneck) {
      y = builder.batchNorm("bn1", builder.conv("conv1", x, {block.inner}), kEpsilon);
      y = builder.activation("relu", y, Activation::Relu);
      y = builder.batchNorm("bn2", builder.conv("conv2", y, {block.inner, 3, stride, block.groups}), kEpsilon);
      y = builder.activation("relu_1", y, Activation::Relu);
      y = builder.batchNorm("bn3", builder.conv("conv3", y, {block.out}), kEpsilon);
      lastRelu = "relu_2";
    } else {
      y = builder.batchNorm("bn1", builder.conv("conv1", x, {block.inner, 3, stride}), kEpsilon);
      y = builder.activation("relu", y, Activation::Relu);
      y = builder.batchNorm("bn2", builder.conv("conv2", y, {block.out, 3}), kEpsilon);
    }
    Value identity = x;
    if (block.hasDownsample) {
      const GraphBuilder::Scope scope(builder, "downsample");
      identity = builder.batchNorm("1", builder.conv("0", x, {block.out, 1, stride}), kEpsilon);
    }
    return builder.activation(lastRelu, builder.add("add", y, identity), Activation::Relu);
  }
};

Block readBlock(const Shapes& shapes, const std::string& module, bool isBottleneck) {
  Block block;
  block.inner = shapes.channels(module + ".conv1", module + ".bn1");
  if (isBottleneck) {
    const ConvRead spatial = shapes.conv(module + ".conv2", module + ".bn2");
    block.out = shapes.channels(module + ".conv3", module + ".bn3");
    if (spatial.inPerGroup > 0 && block.inner % spatial.inPerGroup == 0) {
      block.groups = block.inner / spatial.inPerGroup;
    }
    if (spatial.out % block.groups != 0) block.groups = 1;  // contradictory: the comparison of shapes will say so
  } else {
    block.out = shapes.channels(module + ".conv2", module + ".bn2");
  }
  block.hasDownsample = shapes.hasUnder(module + ".downsample");
  return block;
}

class ResNets final : public Family {
 public:
  const char* name() const override { return "ResNet"; }
  const char* classifier() const override { return "fc"; }

  const std::vector<Description>& presets() const override {
    static const std::vector<Description> all = [] {
      std::vector<Description> presets;
      for (const Row& row : kTable) {
        const std::string depth = std::string(row.name).substr(6);
        presets.push_back({row.name, "ResNet",
                           "ResNet-" + depth + ": residual learning, " + (row.isBottleneck ? "bottleneck" : "basic") +
                               " blocks (He et al., 2015)",
                           224});
      }
      return presets;
    }();
    return all;
  }

  Scalable scalable() const override {
    Scalable can;
    can.width = can.blocks = true;
    return can;
  }

  std::unique_ptr<Blueprint> scaled(const std::string& preset, const Choices& choices) const override {
    const Row* row = kTable;
    while (preset != row->name) ++row;
    const double width = choices.width.value_or(1);
    const std::vector<int64_t> blocks =
        choices.blocks.value_or(std::vector<int64_t>(row->blocks.begin(), row->blocks.end()));
    if (blocks.size() != kStages) {
      throw Error(ErrorCode::InvalidArgument,
                  "Expected 4 numbers, one for each stage of a ResNet, for blocks but received " + join(blocks));
    }
    auto plan = std::make_unique<ResNet>();
    plan->stem = roundChannels(kStemChannels * width);
    plan->isBottleneck = row->isBottleneck;
    int64_t in = plan->stem;
    for (size_t s = 0; s < kStages; ++s) {
      const int64_t inner = roundChannels(static_cast<double>(kStageChannels[s]) * width);
      const int64_t out = row->isBottleneck ? inner * kBottleneckExpansion : inner;
      for (int64_t i = 0; i < blocks[s]; ++i) {
        const bool changes = in != out || ResNet::strideOf(s, static_cast<size_t>(i)) != 1;
        plan->stages[s].push_back({inner, out, 1, changes});
        in = out;
      }
    }
    return plan;
  }

  bool owns(const Shapes& shapes) const override {
    return shapes.hasUnder("layer1.0") && shapes.has("layer1.0.conv1.weight") && shapes.hasUnder("layer4.0");
  }

  std::unique_ptr<Blueprint> read(const Shapes& shapes) const override {
    auto plan = std::make_unique<ResNet>();
    const ConvRead stem = shapes.conv("conv1", "bn1");
    if (stem.kernel != 0 && stem.kernel != kStemKernel) {
      fail("conv1 is " + std::to_string(stem.kernel) + "x" + std::to_string(stem.kernel) +
           " where torchvision's is 7x7: the strides of such a ResNet can't be read off its shapes");
    }
    plan->stem = stem.out;
    plan->isBottleneck = shapes.hasUnder("layer1.0.conv3");
    if (shapes.hasUnder("layer5")) fail("it has a fifth stage, layer5: torchvision's ResNets have four");
    int64_t in = plan->stem;
    for (size_t s = 0; s < kStages; ++s) {
      const std::string stage = "layer" + std::to_string(s + 1);
      const int64_t blocks = shapes.count(stage + ".", 0);
      if (blocks == 0) fail("it has no " + stage + ".0: torchvision's ResNets have four stages");
      for (int64_t i = 0; i < blocks; ++i) {
        const std::string module = stage + "." + std::to_string(i);
        const Block block = readBlock(shapes, module, plan->isBottleneck);
        const bool changes = in != block.out || ResNet::strideOf(s, static_cast<size_t>(i)) != 1;
        if (changes && !block.hasDownsample) {
          fail(module + " changes from " + std::to_string(in) + " to " + std::to_string(block.out) +
               " channels or halves the size, but has no " + module + ".downsample");
        }
        plan->stages[s].push_back(block);
        in = block.out;
      }
    }
    return plan;
  }

 private:
  [[noreturn]] static void fail(const std::string& reason) {
    throw Error(ErrorCode::UnsupportedModel, "the parameters look like a ResNet's, but " + reason);
  }
};

}  // namespace

const Family& resNet() {
  static const ResNets family;
  return family;
}

}  // namespace presisi::architectures
