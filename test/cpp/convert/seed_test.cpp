#include "convert/seed.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "architectures/networks.hpp"
#include "support/interpreter.hpp"
#include "support/model_builder.hpp"

using namespace presisi;
using namespace presisi::test;
using architectures::Choices;
using architectures::make;
using architectures::Network;

namespace {

Network slim(const std::string& name) {
  Choices choices;
  choices.classes = 64;
  choices.inputSize = 64;
  if (name.rfind("densenet", 0) == 0) {
    choices.growthRate = 8;
  } else {
    choices.width = 0.25;
  }
  return make(name, choices);
}

/// Mean and standard deviation.
std::pair<double, double> spread(const float* values, int64_t count) {
  double sum = 0;
  double squares = 0;
  for (int64_t i = 0; i < count; ++i) {
    sum += values[i];
    squares += static_cast<double>(values[i]) * values[i];
  }
  const double mean = sum / static_cast<double>(count);
  return {mean, std::sqrt(std::max(0.0, squares / static_cast<double>(count) - mean * mean))};
}

}  // namespace

TEST_CASE("random weights depend on name and seed alone") {
  const Network network = slim("densenet121");
  const onnx::Model model = convert::withRandomWeights(network, 1);
  CHECK(whatDiffers(convert::withRandomWeights(network, 1), model) == "");
  CHECK(whatDiffers(convert::withRandomWeights(network, 2), model) != "");
  for (const architectures::Parameter& parameter : network.parameters) {
    const Tensor* tensor = model.graph.initializer(parameter.name);
    REQUIRE(tensor != nullptr);
    CHECK(tensor->dims() == parameter.dims);
    const float* values = tensor->data<float>();
    const auto [mean, deviation] = spread(values, tensor->size());
    CAPTURE(parameter.name);
    CHECK(deviation > 0);
    CHECK(std::isfinite(mean));
    if (parameter.init == architectures::Init::NormVariance) {
      CHECK(*std::min_element(values, values + tensor->size()) > 0);
    }
  }
  // Two layers of the same shape have nothing in common.
  const Tensor& first = *model.graph.initializer("features.denseblock1.denselayer1.conv2.weight");
  const Tensor& second = *model.graph.initializer("features.denseblock1.denselayer2.conv2.weight");
  double product = 0;
  for (int64_t i = 0; i < first.size(); ++i) product += first.data<float>()[i] * second.data<float>()[i];
  const double scale =
      spread(first.data<float>(), first.size()).second * spread(second.data<float>(), second.size()).second;
  CHECK(std::fabs(product / static_cast<double>(first.size()) / scale) < 0.1);
}

TEST_CASE("random weights are the same on every machine") {
  const onnx::Model model = convert::withRandomWeights(slim("resnet18"), 42);
  const auto bits = [&](const std::string& name, int64_t index) {
    uint32_t value;
    std::memcpy(&value, model.graph.initializer(name)->data<float>() + index, sizeof value);
    return value;
  };
  CHECK(bits("conv1.weight", 0) == 3186091222u);
  CHECK(bits("layer4.1.conv2.weight", 12345) == 1031983956u);
  CHECK(bits("layer3.0.downsample.1.running_var", 7) == 1062253777u);
  CHECK(bits("fc.bias", 63) == 3157714727u);
}

TEST_CASE("random weights keep activations near unit variance through any depth") {
  for (const std::string name : {"resnet50", "densenet201", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large",
                                 "mobilenet_v3_large_minimalistic", "efficientnet_b3"}) {
    CAPTURE(name);
    const Network network = slim(name);
    onnx::Model model = convert::withRandomWeights(network, 7);
    for (const onnx::Node& node : network.model.graph.nodes) {
      if (node.opType != "BatchNormalization") continue;
      onnx::ValueInfo info;
      info.name = node.outputs[0];
      model.graph.outputs.push_back(info);
    }
    ModelBuilder random;
    // Uniform with a variance of 1.
    const auto values = interpret(model, {{"input", random.random({1, 3, 64, 64}, -1.732f, 1.732f)}});
    for (const auto& entry : values) {
      const std::string& tensor = entry.first;
      const Tensor& value = entry.second;
      CAPTURE(tensor);
      const auto [mean, deviation] = spread(value.data<float>(), value.size());
      CHECK(std::fabs(mean) < 2);
      CHECK(deviation > 0.1);
      CHECK(deviation < 8);
    }
    const double logits = spread(values.at("logits").data<float>(), 64).second;
    CHECK(logits > 0.2);
    CHECK(logits < 4);
  }
}
