#include "architectures/architecture.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "architectures/networks.hpp"
#include "graph/passes.hpp"
#include "onnx/validate.hpp"
#include "ops/operator.hpp"

using namespace presisi;
using namespace presisi::test;
using architectures::Choices;
using architectures::Description;
using architectures::make;
using architectures::Network;

namespace {

Choices atOpset(int64_t opset) {
  Choices choices;
  choices.opset = opset;
  return choices;
}

Dims dimsOf(const Network& network, const std::string& name) {
  const Shapes shapes = shapesOf(network);
  const auto it = shapes.find(name);
  return it == shapes.end() ? Dims{} : it->second;
}

}  // namespace

TEST_CASE("architectures have as many parameters as their published weights") {
  // `num_params` in the metadata of torchvision's published weights; the minimalistic ones, which it does not have,
  // counted in PyTorch on its modules with squeeze-excite left out and 3x3 kernels.
  const std::map<std::string, int64_t> published{
      {"resnet18", 11689512},
      {"resnet34", 21797672},
      {"resnet50", 25557032},
      {"resnet101", 44549160},
      {"resnet152", 60192808},
      {"densenet121", 7978856},
      {"densenet161", 28681000},
      {"densenet169", 14149480},
      {"densenet201", 20013928},
      {"mobilenet_v2", 3504872},
      {"mobilenet_v3_small", 2542856},
      {"mobilenet_v3_large", 5483032},
      {"mobilenet_v3_small_minimalistic", 2044736},
      {"mobilenet_v3_large_minimalistic", 3924288},
      {"efficientnet_b0", 5288548},
      {"efficientnet_b1", 7794184},
      {"efficientnet_b2", 9109994},
      {"efficientnet_b3", 12233232},
      {"efficientnet_b4", 19341616},
      {"efficientnet_b5", 30389784},
      {"efficientnet_b6", 43040704},
      {"efficientnet_b7", 66347960},
  };
  CHECK(architectures::list().size() == published.size());
  for (const Description& description : architectures::list()) {
    CAPTURE(description.name);
    REQUIRE(published.count(description.name) == 1);
    const Network network = make(description.name);
    CHECK(countTrained(network) == published.at(description.name));
    CHECK(network.architecture == description.name);
    CHECK(network.family == description.family);
    CHECK(network.inputSize == description.inputSize);
    CHECK(network.classes == 1000);
  }
}

TEST_CASE("parameters have torchvision's names and shapes") {
  const Network dense = make("densenet121");
  CHECK(dense.parameters.front().name == "features.conv0.weight");
  CHECK(dimsOf(dense, "features.conv0.weight") == Dims{64, 3, 7, 7});
  CHECK(dimsOf(dense, "features.denseblock1.denselayer2.norm1.running_var") == Dims{96});
  CHECK(dimsOf(dense, "features.denseblock1.denselayer2.conv1.weight") == Dims{128, 96, 1, 1});
  CHECK(dimsOf(dense, "features.denseblock1.denselayer2.conv2.weight") == Dims{32, 128, 3, 3});
  CHECK(dimsOf(dense, "features.transition3.conv.weight") == Dims{512, 1024, 1, 1});
  CHECK(dimsOf(dense, "features.norm5.bias") == Dims{1024});
  CHECK(dimsOf(dense, "classifier.weight") == Dims{1000, 1024});

  const Network residual = make("resnet50");
  CHECK(dimsOf(residual, "layer1.0.downsample.0.weight") == Dims{256, 64, 1, 1});
  CHECK(dimsOf(residual, "layer4.2.conv3.weight") == Dims{2048, 512, 1, 1});
  CHECK(dimsOf(make("resnet18"), "layer1.0.downsample.0.weight") == Dims{});
  CHECK(dimsOf(make("resnet18"), "layer2.0.downsample.1.running_mean") == Dims{128});

  const Network small = make("mobilenet_v3_small");
  CHECK(dimsOf(small, "features.1.block.0.0.weight") == Dims{16, 1, 3, 3});
  CHECK(dimsOf(small, "features.1.block.1.fc1.bias") == Dims{8});
  CHECK(dimsOf(small, "features.4.block.3.0.weight") == Dims{40, 96, 1, 1});
  CHECK(dimsOf(small, "classifier.0.weight") == Dims{1024, 576});

  // Without squeeze-excite the projection moves up.
  const Network minimalistic = make("mobilenet_v3_small_minimalistic");
  CHECK(dimsOf(minimalistic, "features.4.block.1.0.weight") == Dims{96, 1, 3, 3});
  CHECK(dimsOf(minimalistic, "features.4.block.2.0.weight") == Dims{40, 96, 1, 1});

  CHECK(dimsOf(make("mobilenet_v2"), "features.2.conv.2.weight") == Dims{24, 96, 1, 1});
  CHECK(dimsOf(make("efficientnet_b3"), "features.7.1.block.2.fc1.weight") == Dims{96, 2304, 1, 1});
}

TEST_CASE("every architecture is a sound graph at every opset") {
  const std::map<int64_t, int64_t> irVersions{{13, 7}, {14, 7}, {15, 8}, {16, 8}, {17, 8},
                                              {18, 8}, {19, 9}, {20, 9}, {21, 10}};
  for (const Description& description : architectures::list()) {
    for (const auto& version : irVersions) {
      const int64_t opset = version.first;
      CAPTURE(description.name);
      CAPTURE(opset);
      const Network network = make(description.name, atOpset(opset));
      CHECK(network.model.irVersion == version.second);
      CHECK(network.model.opset() == opset);
      onnx::Model model = withZeros(network);
      std::vector<std::string> order;
      std::set<std::string> names;
      for (const onnx::Node& node : model.graph.nodes) {
        order.push_back(node.name);
        names.insert(node.name);
        CHECK(node.outputs == std::vector<std::string>{&node == &model.graph.nodes.back() ? "logits" : node.name});
      }
      CHECK(names.size() == order.size());
      onnx::validateAndSort(model.graph);
      ops::requireSupported(model);
      bool isInOrder = true;
      for (size_t i = 0; i < order.size(); ++i) isInOrder = isInOrder && model.graph.nodes[i].name == order[i];
      CHECK(isInOrder);
      if (opset != 13 && opset != 21) continue;
      const auto types = graph::specialize(model, graph::inputShapes(model, 3)).types;
      CHECK(types.at("logits").dims == Dims{3, 1000});
    }
  }
}

TEST_CASE("nodes are named by their place among the modules") {
  const onnx::Model dense = make("densenet169").model;
  CHECK(findNode(dense, "features.denseblock1.denselayer1.concat") == nullptr);
  const onnx::Node* concat = findNode(dense, "features.denseblock1.denselayer3.concat");
  REQUIRE(concat != nullptr);
  CHECK(concat->inputs == std::vector<std::string>{"features.pool0", "features.denseblock1.denselayer1.conv2",
                                                   "features.denseblock1.denselayer2.conv2"});
  CHECK(findNode(dense, "features.denseblock4.concat")->inputs.size() == 33);
  CHECK(findNode(dense, "features.denseblock1.denselayer1.conv1")->inputs[1] ==
        "features.denseblock1.denselayer1.conv1.weight");
  for (const char* name : {"features.transition2.pool", "avgpool", "flatten", "classifier"}) {
    CHECK(findNode(dense, name) != nullptr);
  }
  const onnx::Model residual = make("resnet50").model;
  CHECK(findNode(residual, "layer1.0.add")->inputs ==
        std::vector<std::string>{"layer1.0.bn3", "layer1.0.downsample.1"});
  CHECK(findNode(residual, "layer1.1.add")->inputs == std::vector<std::string>{"layer1.1.bn3", "layer1.0.relu_2"});
}

TEST_CASE("activations are what the opset has") {
  const auto count = [](const onnx::Model& model, const char* op) {
    return std::count_if(model.graph.nodes.begin(), model.graph.nodes.end(),
                         [op](const onnx::Node& node) { return node.opType == op; });
  };
  const onnx::Model older = make("mobilenet_v3_small", atOpset(13)).model;
  const onnx::Model newer = make("mobilenet_v3_small", atOpset(14)).model;
  CHECK(count(older, "HardSwish") == 0);
  // One behind the stem, two in each of 8 blocks, one at the end and one in the classifier.
  CHECK(count(newer, "HardSwish") == 19);
  CHECK(count(older, "HardSigmoid") == count(newer, "HardSigmoid") + 19);
  const onnx::Node* gate = findNode(newer, "features.1.block.1.scale_activation");
  REQUIRE(gate != nullptr);
  CHECK(gate->getFloat("alpha", 0) == doctest::Approx(1.0 / 6));
  CHECK(gate->getFloat("beta", 0) == doctest::Approx(0.5));
  CHECK(findNode(newer, "features.0.1")->getFloat("epsilon", 0) == 1e-3f);

  const onnx::Model minimalistic = make("mobilenet_v3_large_minimalistic").model;
  for (const char* op : {"HardSwish", "HardSigmoid", "Mul"}) CHECK(count(minimalistic, op) == 0);
  CHECK(findNode(minimalistic, "classifier.1")->opType == "Relu");

  const onnx::Model efficient = make("efficientnet_b0").model;
  CHECK(findNode(efficient, "features.0.2")->inputs ==
        std::vector<std::string>{"features.0.1", "features.0.2.sigmoid"});
  CHECK(findNode(efficient, "features.0.1")->getFloat("epsilon", 0) == 1e-5f);
  CHECK(findNode(make("efficientnet_b7").model, "features.0.1")->getFloat("epsilon", 0) == 1e-3f);
  CHECK(findNode(make("mobilenet_v2").model, "features.0.2")->inputs ==
        std::vector<std::string>{"features.0.1", "relu6.min", "relu6.max"});
}

TEST_CASE("choices scale an architecture") {
  Choices choices;
  choices.classes = 7;
  choices.inputSize = 96;
  choices.batch = 4;
  choices.width = 0.35;
  const Network narrow = make("mobilenet_v2", choices);
  CHECK(narrow.architecture == "mobilenet_v2");
  CHECK(narrow.configuration.at("width") == "0.35");
  CHECK(dimsOf(narrow, "features.0.0.weight") == Dims{16, 3, 3, 3});
  CHECK(dimsOf(narrow, "features.18.0.weight")[0] == 1280);
  CHECK(dimsOf(narrow, "classifier.1.weight") == Dims{7, 1280});
  CHECK(narrow.model.graph.inputs[0].dims == Dims{4, 3, 96, 96});
  CHECK(narrow.model.graph.inputs[0].symbols[0].empty());
  CHECK(make("mobilenet_v2").model.graph.inputs[0].symbols[0] == "batch");
  CHECK(narrow.model.graph.outputs[0].dims == Dims{4, 7});

  Choices dense;
  dense.growthRate = 6;
  const Network slim = make("densenet169", dense);
  CHECK(slim.architecture == "densenet169");
  CHECK(slim.configuration.at("growth_rate") == "6");
  CHECK(slim.configuration.at("blocks") == "6, 12, 32, 32");
  dense.blocks = {2, 3, 2};
  const Network shallow = make("densenet169", dense);
  CHECK(shallow.architecture == "DenseNet");
  CHECK(dimsOf(shallow, "features.transition3.conv.weight") == Dims{});
  CHECK(shallow.inputSize == 224);

  Choices deep;
  deep.depth = 1.1;
  CHECK(make("efficientnet_b0", deep).configuration.at("layers") == "2, 3, 3, 4, 4, 5, 2");
  // Scaled ones were published at no size.
  deep.width = 0.5;
  CHECK(make("efficientnet_b3", deep).inputSize == 224);
}

TEST_CASE("wrong names and choices are refused") {
  const auto refuses = [](const std::string& name, const std::string& text, const Choices& choices = {}) {
    return throwsError(ErrorCode::InvalidArgument, text, [&] { make(name, choices); });
  };
  const auto unknown = errorOf([] { make("resnet19"); });
  REQUIRE(unknown);
  CHECK(unknown->code() == ErrorCode::InvalidArgument);
  CHECK(unknown->hint().find("resnet18, resnet34") != std::string::npos);
  CHECK(refuses("", "no architecture"));

  Choices choices;
  choices.opset = 12;
  CHECK(refuses("resnet18", "opset", choices));
  choices.opset = 22;
  CHECK(refuses("resnet18", "opset", choices));
  choices = {};
  for (const double width : {0.0, -1.0, 1e9, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    choices.width = width;
    CHECK(refuses("mobilenet_v2", "width", choices));
  }
  CHECK(refuses("densenet121", "can't be scaled by width", choices));
  choices = {};
  choices.growthRate = 12;
  CHECK(refuses("resnet18", "can't be scaled by growthRate", choices));
  choices.growthRate = 0;
  CHECK(refuses("densenet121", "growthRate", choices));
  choices = {};
  choices.depth = 2;
  CHECK(refuses("resnet18", "can't be scaled by depth", choices));
  choices = {};
  choices.blocks = {1, 2};
  CHECK(refuses("resnet18", "4 numbers", choices));
  CHECK(refuses("mobilenet_v2", "can't be scaled by blocks", choices));
  choices.blocks = {1, 0};
  CHECK(refuses("densenet121", "blocks", choices));
  choices.blocks = std::vector<int64_t>{};
  CHECK(refuses("densenet121", "blocks", choices));
  choices.blocks = {1, int64_t{1} << 40};
  CHECK(refuses("densenet121", "blocks", choices));
  choices = {};
  choices.inputSize = 16;
  CHECK(refuses("densenet121", "too small", choices));
  choices.inputSize = 1 << 20;
  CHECK(refuses("resnet18", "inputSize", choices));
  choices = {};
  choices.classes = 0;
  CHECK(refuses("resnet18", "classes", choices));
  choices = {};
  choices.batch = 0;
  CHECK(refuses("resnet18", "batch", choices));
}
