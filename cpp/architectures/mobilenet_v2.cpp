#include <algorithm>
#include <utility>

#include "architectures/family.hpp"
#include "core/error.hpp"

/// Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (2018), table 2.
namespace presisi::architectures {

namespace {

constexpr double kEpsilon = 1e-5;
constexpr int64_t kStemChannels = 32;
constexpr int64_t kLastChannels = 1280;

struct Row {
  int64_t expansion;
  int64_t channels;
  int64_t repeats;
  int64_t stride;
};

constexpr Row kTable[] = {
    {1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
};

struct Block {
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t expanded = 0;
  int64_t out = 0;
  bool doesExpand = true;
};

/// The stride of every block, in order.
std::vector<int64_t> strides() {
  std::vector<int64_t> all;
  for (const Row& row : kTable) {
    for (int64_t i = 0; i < row.repeats; ++i) all.push_back(i == 0 ? row.stride : 1);
  }
  return all;
}

class MobileNet final : public Blueprint {
 public:
  int64_t stemKernel = 3;
  int64_t stem = 0;
  std::vector<Block> blocks;
  int64_t last = 0;

  explicit MobileNet(double width = 1) {
    stem = roundChannels(kStemChannels * width);
    int64_t in = stem;
    for (const Row& row : kTable) {
      const int64_t out = roundChannels(static_cast<double>(row.channels) * width);
      for (int64_t i = 0; i < row.repeats; ++i) {
        blocks.push_back({3, i == 0 ? row.stride : 1, in * row.expansion, out, row.expansion != 1});
        in = out;
      }
    }
    // The last layer is never made narrower, as the paper has it.
    last = roundChannels(kLastChannels * std::max(1.0, width));
  }

  std::string structure() const override { return std::to_string(blocks.size()) + " blocks"; }

  std::vector<int64_t> widths() const override {
    std::vector<int64_t> all{stemKernel, stem, last};
    for (const Block& block : blocks) {
      all.insert(all.end(), {block.kernel, block.doesExpand ? 1 : 0, block.expanded, block.out});
    }
    return all;
  }

  std::map<std::string, std::string> configuration() const override {
    std::vector<int64_t> channels{stem};
    for (const Block& block : blocks) channels.push_back(block.out);
    channels.push_back(last);
    std::map<std::string, std::string> facts{{"channels", join(channels)}};
    if (const auto width = widthMultiplier(widths(), [](double w) { return MobileNet(w).widths(); })) {
      facts["width"] = *width;
    }
    return facts;
  }

  void build(GraphBuilder& builder, int64_t classes) const override {
    Value x = builder.input();
    {
      const GraphBuilder::Scope features(builder, "features");
      x = convNormActivation(builder, "0", x, {stem, stemKernel, 2}, kEpsilon, Activation::Relu6);
      for (size_t i = 0; i < blocks.size(); ++i) {
        const GraphBuilder::Scope scope(builder, std::to_string(i + 1));
        x = buildBlock(builder, x, blocks[i]);
      }
      x = convNormActivation(builder, std::to_string(blocks.size() + 1), x, {last}, kEpsilon, Activation::Relu6);
    }
    x = builder.flatten("flatten", builder.globalAveragePool("avgpool", x));
    builder.logits("classifier.1", x, classes);
  }

 private:
  static Value buildBlock(GraphBuilder& builder, const Value& x, const Block& block) {
    Value y = x;
    {
      const GraphBuilder::Scope scope(builder, "conv");
      int next = 0;
      const auto module = [&next] { return std::to_string(next++); };
      if (block.doesExpand) {
        y = convNormActivation(builder, module(), y, {block.expanded}, kEpsilon, Activation::Relu6);
      }
      const ConvShape depthwise{y.channels, block.kernel, block.stride, y.channels};
      y = convNormActivation(builder, module(), y, depthwise, kEpsilon, Activation::Relu6);
      // Unlike the layers before it, the projection and its normalization are modules side by side.
      y = builder.conv(module(), y, {block.out});
      y = builder.batchNorm(module(), y, kEpsilon);
    }
    return block.stride == 1 && x.channels == block.out ? builder.add("add", x, y) : y;
  }
};

class MobileNets final : public Family {
 public:
  const char* name() const override { return "MobileNetV2"; }
  const char* classifier() const override { return "classifier.1"; }

  const std::vector<Description>& presets() const override {
    static const std::vector<Description> all{
        {"mobilenet_v2", "MobileNetV2",
         "MobileNetV2: inverted residuals with linear bottlenecks (Sandler et al., 2018)", 224}};
    return all;
  }

  Scalable scalable() const override {
    Scalable can;
    can.width = true;
    return can;
  }

  std::unique_ptr<Blueprint> scaled(const std::string&, const Choices& choices) const override {
    return std::make_unique<MobileNet>(choices.width.value_or(1));
  }

  bool owns(const Shapes& shapes) const override { return shapes.hasUnder("features.1.conv.0.0"); }

  std::unique_ptr<Blueprint> read(const Shapes& shapes) const override {
    auto plan = std::make_unique<MobileNet>();
    const ConvRead stem = shapes.conv("features.0.0", "features.0.1");
    plan->stem = stem.out;
    plan->stemKernel = stem.kernel > 0 ? stem.kernel : 3;
    const std::vector<int64_t> strideAt = strides();
    const int64_t layers = shapes.count("features.", 0) - 2;  // without the first and the last convolution
    if (layers != static_cast<int64_t>(strideAt.size())) {
      fail("it has " + std::to_string(layers) + " blocks where there are " + std::to_string(strideAt.size()));
    }
    for (size_t i = 0; i < strideAt.size(); ++i) {
      plan->blocks[i] = readBlock(shapes, "features." + std::to_string(i + 1) + ".conv");
      plan->blocks[i].stride = strideAt[i];
    }
    const std::string end = "features." + std::to_string(layers + 1);
    plan->last = shapes.channels(end + ".0", end + ".1");
    return plan;
  }

 private:
  static Block readBlock(const Shapes& shapes, const std::string& module) {
    const int64_t parts = shapes.count(module + ".", 0);
    if (parts != 3 && parts != 4) fail(module + " has " + std::to_string(parts) + " modules; expected 3 or 4");
    const auto part = [&module](int64_t index) { return module + "." + std::to_string(index); };
    Block block;
    block.doesExpand = parts == 4;
    const std::string filter = part(block.doesExpand ? 1 : 0);
    const ConvRead depthwise = shapes.conv(filter + ".0", filter + ".1");
    if (depthwise.inPerGroup > 1) fail(filter + ".0 is no depthwise convolution");
    block.kernel = depthwise.kernel > 0 ? depthwise.kernel : 3;
    block.expanded = block.doesExpand ? shapes.channels(part(0) + ".0", part(0) + ".1") : depthwise.out;
    block.out = shapes.channels(part(parts - 2), part(parts - 1));
    return block;
  }

  [[noreturn]] static void fail(const std::string& reason) {
    throw Error(ErrorCode::UnsupportedModel, "the parameters look like a MobileNetV2's, but " + reason);
  }
};

}  // namespace

const Family& mobileNetV2() {
  static const MobileNets family;
  return family;
}

}  // namespace presisi::architectures
