#include <algorithm>
#include <utility>

#include "architectures/family.hpp"
#include "architectures/inverted_residual.hpp"
#include "core/error.hpp"

/// Howard et al., "Searching for MobileNetV3" (2019), tables 1 and 2. The minimalistic variants are those its authors
/// published beside it: no squeeze-excite, no hard-swish and no 5x5 kernels, for hardware that is slow at them.
namespace presisi::architectures {

namespace {

constexpr double kEpsilon = 1e-3;
constexpr int64_t kStemChannels = 16;
constexpr int64_t kLastExpansion = 6;  // of the last convolution
constexpr int64_t kSqueeze = 4;        // expanded channels are divided by it inside squeeze-excite
constexpr BlockStyle kStyle{kEpsilon, Activation::Relu, Gate::HardSigmoid};

constexpr Activation RE = Activation::Relu;
constexpr Activation HS = Activation::HardSwish;

struct Row {
  int64_t kernel;
  int64_t expanded;
  int64_t out;
  bool hasSqueeze;
  Activation activation;
  int64_t stride;
};

struct Table {
  const char* name;
  const char* label;
  std::vector<Row> rows;
  int64_t hidden;  ///< channels between the classifier's two layers
};

const std::vector<Table>& tables() {
  static const std::vector<Table> all{
      {"mobilenet_v3_small",
       "MobileNetV3-Small",
       {
           {3, 16, 16, true, RE, 2},
           {3, 72, 24, false, RE, 2},
           {3, 88, 24, false, RE, 1},
           {5, 96, 40, true, HS, 2},
           {5, 240, 40, true, HS, 1},
           {5, 240, 40, true, HS, 1},
           {5, 120, 48, true, HS, 1},
           {5, 144, 48, true, HS, 1},
           {5, 288, 96, true, HS, 2},
           {5, 576, 96, true, HS, 1},
           {5, 576, 96, true, HS, 1},
       },
       1024},
      {"mobilenet_v3_large",
       "MobileNetV3-Large",
       {
           {3, 16, 16, false, RE, 1},
           {3, 64, 24, false, RE, 2},
           {3, 72, 24, false, RE, 1},
           {5, 72, 40, true, RE, 2},
           {5, 120, 40, true, RE, 1},
           {5, 120, 40, true, RE, 1},
           {3, 240, 80, false, HS, 2},
           {3, 200, 80, false, HS, 1},
           {3, 184, 80, false, HS, 1},
           {3, 184, 80, false, HS, 1},
           {3, 480, 112, true, HS, 1},
           {3, 672, 112, true, HS, 1},
           {5, 672, 160, true, HS, 2},
           {5, 960, 160, true, HS, 1},
           {5, 960, 160, true, HS, 1},
       },
       1280},
  };
  return all;
}

constexpr const char* kMinimalistic = "_minimalistic";

class MobileNet final : public Blueprint {
 public:
  const Table* table;
  bool isMinimalistic;
  int64_t stemKernel = 3;
  int64_t stem = 0;
  std::vector<InvertedResidual> blocks;
  int64_t last = 0;    ///< channels of the last convolution
  int64_t hidden = 0;  ///< between the classifier's layers

  MobileNet(const Table& of, bool minimalistic, double width = 1) : table(&of), isMinimalistic(minimalistic) {
    const auto channels = [width](int64_t full) { return roundChannels(static_cast<double>(full) * width); };
    int64_t in = stem = channels(kStemChannels);
    for (const Row& row : of.rows) {
      InvertedResidual block;
      block.kernel = minimalistic ? 3 : row.kernel;
      block.stride = row.stride;
      block.expanded = channels(row.expanded);
      const bool hasSqueeze = row.hasSqueeze && !minimalistic;
      block.squeeze = hasSqueeze ? roundChannels(static_cast<double>(block.expanded / kSqueeze)) : 0;
      block.out = channels(row.out);
      block.doesExpand = block.expanded != in;
      block.activation = minimalistic ? RE : row.activation;
      in = block.out;
      blocks.push_back(block);
    }
    last = kLastExpansion * in;
    hidden = channels(of.hidden);
  }

  std::string structure() const override {
    return std::to_string(blocks.size()) + (isMinimalistic ? " blocks without squeeze-excite" : " blocks");
  }

  std::vector<int64_t> widths() const override {
    std::vector<int64_t> all{stemKernel, stem, last, hidden};
    for (const InvertedResidual& block : blocks) block.appendWidths(all);
    return all;
  }

  std::map<std::string, std::string> configuration() const override {
    std::vector<int64_t> channels{stem};
    for (const InvertedResidual& block : blocks) channels.push_back(block.out);
    channels.push_back(last);
    channels.push_back(hidden);
    std::map<std::string, std::string> facts{{"channels", join(channels)},
                                             {"minimalistic", isMinimalistic ? "true" : "false"}};
    const auto widthsOf = [this](double width) { return MobileNet(*table, isMinimalistic, width).widths(); };
    if (const auto width = widthMultiplier(widths(), widthsOf)) facts["width"] = *width;
    return facts;
  }

  void build(GraphBuilder& builder, int64_t classes) const override {
    const Activation activation = isMinimalistic ? RE : HS;
    Value x = builder.input();
    {
      const GraphBuilder::Scope features(builder, "features");
      x = convNormActivation(builder, "0", x, {stem, stemKernel, 2}, kEpsilon, activation);
      for (size_t i = 0; i < blocks.size(); ++i) {
        const GraphBuilder::Scope scope(builder, std::to_string(i + 1));
        x = buildBlock(builder, x, blocks[i], kStyle);
      }
      x = convNormActivation(builder, std::to_string(blocks.size() + 1), x, {last}, kEpsilon, activation);
    }
    x = builder.flatten("flatten", builder.globalAveragePool("avgpool", x));
    const GraphBuilder::Scope classifier(builder, "classifier");
    x = builder.activation("1", builder.linear("0", x, hidden), activation);
    builder.logits("3", x, classes);
  }
};

class MobileNets final : public Family {
 public:
  const char* name() const override { return "MobileNetV3"; }
  const char* classifier() const override { return "classifier.3"; }

  const std::vector<Description>& presets() const override {
    static const std::vector<Description> all = [] {
      std::vector<Description> presets;
      const std::string source = " (Howard et al., 2019)";
      for (const Table& table : tables()) {
        const std::string name = table.name;
        const std::string label = table.label;
        presets.push_back({name + kMinimalistic, "MobileNetV3",
                           label + " without squeeze-excite, hard-swish and 5x5 kernels" + source, 224});
        presets.push_back({name, "MobileNetV3", label + ": squeeze-excite and hard-swish" + source, 224});
      }
      return presets;
    }();
    return all;
  }

  Scalable scalable() const override {
    Scalable can;
    can.width = true;
    return can;
  }

  std::unique_ptr<Blueprint> scaled(const std::string& preset, const Choices& choices) const override {
    const auto table = std::find_if(tables().begin(), tables().end(), [&](const Table& one) {
      return preset.compare(0, preset.find("_minimal"), one.name) == 0;
    });
    return std::make_unique<MobileNet>(*table, preset != table->name, choices.width.value_or(1));
  }

  bool owns(const Shapes& shapes) const override { return shapes.hasUnder("features.1.block.0.0"); }

  std::unique_ptr<Blueprint> read(const Shapes& shapes) const override {
    const int64_t count = shapes.count("features.", 0) - 2;  // without the first and the last convolution
    const auto table = std::find_if(tables().begin(), tables().end(), [count](const Table& one) {
      return static_cast<int64_t>(one.rows.size()) == count;
    });
    if (table == tables().end()) {
      fail("it has " + std::to_string(count) + " blocks where the small one has 11 and the large one 15");
    }
    std::vector<InvertedResidual> blocks;
    for (int64_t i = 1; i <= count; ++i) {
      blocks.push_back(readBlock(shapes, "features." + std::to_string(i) + ".block"));
    }
    const bool isMinimalistic = std::all_of(blocks.begin(), blocks.end(), [](const InvertedResidual& block) {
      return block.squeeze == 0 && block.kernel == 3;
    });
    auto plan = std::make_unique<MobileNet>(*table, isMinimalistic);
    for (size_t i = 0; i < blocks.size(); ++i) {
      blocks[i].stride = plan->blocks[i].stride;
      blocks[i].activation = plan->blocks[i].activation;
    }
    plan->blocks = std::move(blocks);
    const ConvRead stem = shapes.conv("features.0.0", "features.0.1");
    plan->stem = stem.out;
    plan->stemKernel = stem.kernel > 0 ? stem.kernel : 3;
    const std::string end = "features." + std::to_string(count + 1);
    plan->last = shapes.channels(end + ".0", end + ".1");
    plan->hidden = shapes.features("classifier.0", plan->hidden);
    return plan;
  }

 private:
  [[noreturn]] static void fail(const std::string& reason) {
    throw Error(ErrorCode::UnsupportedModel, "the parameters look like a MobileNetV3's, but " + reason);
  }
};

}  // namespace

const Family& mobileNetV3() {
  static const MobileNets family;
  return family;
}

}  // namespace presisi::architectures
