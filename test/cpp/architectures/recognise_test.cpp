#include <doctest/doctest.h>

#include "architectures/networks.hpp"

using namespace presisi;
using namespace presisi::test;
using architectures::Choices;
using architectures::make;
using architectures::Network;
using architectures::recognise;

namespace {

Choices scaled(double width) {
  Choices choices;
  choices.width = width;
  choices.classes = 11;
  return choices;
}

bool isUnsupported(const Shapes& shapes, const std::string& text) {
  return throwsError(ErrorCode::UnsupportedModel, text, [&] { recognise(shapes); });
}

bool isRefused(const Shapes& shapes, const std::string& text, const std::string& name, const Choices& choices = {}) {
  return throwsError(ErrorCode::InvalidArgument, text, [&] { recognise(shapes, name, choices); });
}

}  // namespace

TEST_CASE("every architecture is recognised by its parameters") {
  for (const auto& description : architectures::list()) {
    CAPTURE(description.name);
    const Network network = make(description.name);
    CHECK(whatDiffers(recognise(shapesOf(network)), network) == "");
    CHECK(whatDiffers(recognise(shapesOf(network), description.name), network) == "");
  }
}

TEST_CASE("scaled architectures are recognised without their scale") {
  for (const double width : {0.25, 0.5, 0.75, 1.25}) {
    CAPTURE(width);
    for (const std::string name : {"resnet18", "resnet50", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large",
                                   "mobilenet_v3_small_minimalistic", "mobilenet_v3_large_minimalistic",
                                   "efficientnet_b0", "efficientnet_b1", "efficientnet_b3"}) {
      CAPTURE(name);
      const Network network = make(name, scaled(width));
      CHECK(network.inputSize == 224);
      CHECK(whatDiffers(recognise(shapesOf(network)), network) == "");
      CHECK(whatDiffers(recognise(shapesOf(network), name, scaled(width)), network) == "");
    }
  }
  Choices choices;
  choices.growthRate = 6;
  const Network slim = make("densenet201", choices);
  CHECK(whatDiffers(recognise(shapesOf(slim)), slim) == "");
  CHECK(recognise(shapesOf(slim)).configuration.at("growth_rate") == "6");
  choices.blocks = {2, 4, 3};
  const Network nobodys = make("densenet201", choices);
  CHECK(nobodys.architecture == "DenseNet");
  CHECK(whatDiffers(recognise(shapesOf(nobodys)), nobodys) == "");
  choices = {};
  choices.depth = 0.6;
  const Network shallow = make("efficientnet_b0", choices);
  CHECK(whatDiffers(recognise(shapesOf(shallow)), shallow) == "");
}

TEST_CASE("EfficientNet-B1 and B2 are told apart by width") {
  CHECK(recognise(shapesOf(make("efficientnet_b2"))).inputSize == 288);
  const Shapes narrow = shapesOf(make("efficientnet_b2", scaled(0.5)));
  CHECK(recognise(narrow).architecture == "efficientnet_b1");
  CHECK(recognise(narrow, "efficientnet_b2").architecture == "efficientnet_b2");
}

TEST_CASE("every width is read off the shapes") {
  Shapes shapes = shapesOf(make("densenet121"));
  // A layer pruned by hand, and what sees it.
  shapes["features.denseblock4.denselayer16.conv1.weight"] = {100, 992, 1, 1};
  for (const char* name : {"weight", "bias", "running_mean", "running_var"}) {
    shapes[std::string("features.denseblock4.denselayer16.norm2.") + name] = {100};
  }
  shapes["features.denseblock4.denselayer16.conv2.weight"] = {32, 100, 3, 3};
  const Network pruned = recognise(shapes);
  CHECK(pruned.architecture == "densenet121");
  CHECK(pruned.configuration.at("growth_rate") == "various");
  CHECK(shapesOf(pruned) == shapes);

  // Grouped convolutions make it a ResNeXt.
  Shapes grouped = shapesOf(make("resnet50"));
  grouped["layer4.2.conv2.weight"] = {512, 16, 3, 3};
  const Network next = recognise(grouped);
  CHECK(shapesOf(next) == grouped);
  CHECK(findNode(next.model, "layer4.2.conv2")->getInt("group", 1) == 32);

  Shapes kernels = shapesOf(make("mobilenet_v3_small"));
  kernels["features.4.block.1.0.weight"] = {96, 1, 7, 7};
  const Network wide = recognise(kernels);
  CHECK(shapesOf(wide) == kernels);
  CHECK(findNode(wide.model, "features.4.block.1.0")->getInts("pads", {}) == std::vector<int64_t>{3, 3, 3, 3});
}

TEST_CASE("old names of DenseNet's parameters are known") {
  const Network network = make("densenet121");
  Shapes old;
  size_t renamed = 0;
  for (const auto& [current, dims] : shapesOf(network)) {
    std::string name = current;
    if (name.find("denselayer") != std::string::npos) {
      for (const std::string part : {"norm1", "norm2", "conv1", "conv2"}) {
        const size_t at = name.find("." + part + ".");
        if (at == std::string::npos) continue;
        name.insert(at + part.size(), ".");
        ++renamed;
      }
    }
    old[name] = dims;
  }
  CHECK(old.count("features.denseblock1.denselayer1.norm.1.weight") == 1);
  CHECK(renamed == 58 * 10);
  CHECK(whatDiffers(recognise(old), network) == "");
}

TEST_CASE("a name or a choice must not contradict the shapes") {
  const Shapes dense = shapesOf(make("densenet121"));
  CHECK(isRefused(dense, "the checkpoint is densenet121", "densenet169"));
  CHECK(isRefused(dense, "those of a DenseNet, not of resnet18", "resnet18"));
  CHECK(isRefused(dense, "no architecture is called", "densenet"));
  CHECK(isRefused(shapesOf(make("mobilenet_v3_small")), "the checkpoint is mobilenet_v3_small",
                  "mobilenet_v3_small_minimalistic"));
  Choices choices;
  choices.classes = 10;
  CHECK(isRefused(dense, "classes is 10", "", choices));
  choices.classes = 1000;
  CHECK(recognise(dense, "", choices).classes == 1000);
  choices.growthRate = 16;
  CHECK(isRefused(dense, "contradict", "", choices));
  choices.growthRate = 32;
  choices.blocks = {6, 12, 24, 16};
  CHECK(recognise(dense, "", choices).architecture == "densenet121");
  choices.blocks = {6, 12, 24, 17};
  CHECK(isRefused(dense, "contradict", "densenet121", choices));
  CHECK(isRefused(shapesOf(make("mobilenet_v2", scaled(0.5))), "contradict", "", scaled(0.75)));
  CHECK(isRefused(dense, "can't be scaled by width", "", scaled(0.75)));
  choices = {};
  choices.inputSize = 64;
  choices.opset = 13;
  CHECK(recognise(dense, "", choices).inputSize == 64);
}

TEST_CASE("parameters of nothing built in are refused") {
  CHECK(isUnsupported({}, "no parameters"));
  CHECK(isUnsupported({{"encoder.weight", {3, 3}}}, "encoder.weight [3, 3]"));
  CHECK(isUnsupported({{"features.0.weight", {64, 3, 3, 3}}, {"features.3.weight", {64, 64, 3, 3}}}, "none of"));
}

TEST_CASE("incomplete parameters") {
  Shapes shapes = shapesOf(make("resnet18"));
  // What is missing is left to the comparison, as long as the rest tells what it was.
  shapes.erase("layer3.1.conv1.weight");
  shapes.erase("fc.weight");
  CHECK(recognise(shapes).parameters.size() == make("resnet18").parameters.size());
  shapes.erase("layer3.1.bn1.weight");
  CHECK(isUnsupported(shapes, "no layer3.1.conv1.weight"));
  // With a name, everything can be compared.
  CHECK(recognise(shapes, "resnet18").parameters.size() == make("resnet18").parameters.size());
  CHECK(recognise({{"encoder.weight", {3, 3}}}, "resnet18").architecture == "resnet18");

  Shapes gap = shapesOf(make("densenet121"));
  for (auto it = gap.begin(); it != gap.end();) {
    it = it->first.find("denseblock2.denselayer5.") != std::string::npos ? gap.erase(it) : std::next(it);
  }
  CHECK(isUnsupported(gap, "nothing of features.denseblock2.denselayer5"));
}

TEST_CASE("hostile shapes are refused") {
  const std::vector<Dims> hostile{{},
                                  {0, 3, 7, 7},
                                  {-1, 3, 7, 7},
                                  {INT64_MAX, 3, 7, 7},
                                  {64, INT64_MAX, 7, 7},
                                  {64, 0, 7, 7},
                                  {64, 3, 0, 0},
                                  {64, 3, 1 << 20, 1 << 20},
                                  {64, 3, 2, 2},
                                  {64, 3, 7, 5},
                                  {64},
                                  {64, 3, 7, 7, 7}};
  for (const std::string name : {"resnet50", "densenet121", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0"}) {
    const Shapes sound = shapesOf(make(name));
    for (const auto& entry : sound) {
      const std::string& parameter = entry.first;
      const Dims& dims = entry.second;
      if (dims.size() != 4) continue;
      for (const Dims& bad : hostile) {
        Shapes shapes = sound;
        shapes[parameter] = bad;
        CAPTURE(parameter);
        // Either the shape decides nothing and the comparison will find it, or it is refused.
        size_t parameters = 0;
        const auto error = errorOf([&] { parameters = recognise(shapes).parameters.size(); });
        CHECK((error ? error->code() == ErrorCode::UnsupportedModel : parameters <= sound.size()));
      }
      if (dims.front() > 64) break;  // a stem, blocks of each kind
    }
  }
  CHECK(isUnsupported({{"features.denseblock1.denselayer1.conv1.weight", {1, 1, 1, 1}}}, "features.conv0.weight"));

  Shapes endless = shapesOf(make("resnet18"));
  for (int i = 0; i < 20000; ++i) {
    endless["layer1." + std::to_string(i) + ".conv1.weight"] = {64, 64, 3, 3};
    endless["layer1." + std::to_string(i) + ".conv2.weight"] = {64, 64, 3, 3};
  }
  CHECK(isUnsupported(endless, "more than 256"));
  Shapes sparse = shapesOf(make("resnet18"));
  sparse["layer1.99999999999999999999999999.conv1.weight"] = {64, 64, 3, 3};
  CHECK(isUnsupported(sparse, "nothing of layer1.2"));
  Shapes classes = shapesOf(make("resnet18"));
  classes["fc.weight"] = {INT64_MAX, 512};
  CHECK(isUnsupported(classes, "features"));
}

TEST_CASE("networks whose strides the shapes don't tell are refused") {
  Shapes cifar = shapesOf(make("resnet18"));
  cifar["conv1.weight"] = {64, 3, 3, 3};
  CHECK(isUnsupported(cifar, "7x7"));
  Shapes shortened = shapesOf(make("mobilenet_v2"));
  for (auto it = shortened.begin(); it != shortened.end();) {
    it = it->first.rfind("features.18.", 0) == 0 ? shortened.erase(it) : std::next(it);
  }
  CHECK(isUnsupported(shortened, "16 blocks where there are 17"));
  Shapes identity = shapesOf(make("resnet18"));
  for (auto it = identity.begin(); it != identity.end();) {
    it = it->first.rfind("layer2.0.downsample", 0) == 0 ? identity.erase(it) : std::next(it);
  }
  CHECK(isUnsupported(identity, "has no layer2.0.downsample"));
  // EfficientNetV2's fused blocks have no depthwise convolution.
  Shapes fused = shapesOf(make("efficientnet_b0"));
  fused["features.2.0.block.1.0.weight"] = {96, 16, 3, 3};
  CHECK(isUnsupported(fused, "no depthwise"));
}
