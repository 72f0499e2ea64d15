#include "quantization/quantize.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/error.hpp"
#include "onnx/reader.hpp"
#include "onnx/writer.hpp"
#include "quantization/qdq.hpp"
#include "quantization/weights.hpp"
#include "support/interpreter.hpp"
#include "support/model_builder.hpp"

using namespace presisi;
using onnx::Attribute;
using quantization::insertQdq;
using quantization::Options;
using quantization::weightScales;
using test::ModelBuilder;
using test::uniformThresholds;

namespace {

onnx::Model convNet(int64_t opset = 17) {
  ModelBuilder b(opset);
  b.input("x", {-1, 3, 8, 8}).weight("w", {4, 3, 3, 3}).weight("bias", {4}).weight("v", {10, 4 * 64});
  b.node("Conv", {"x", "w", "bias"}, {"c"}, {Attribute::ofInts("pads", {1, 1, 1, 1})}).node("Relu", {"c"}, {"r"});
  b.node("Flatten", {"r"}, {"f"}).node("Gemm", {"f", "v"}, {"y"}, {Attribute::ofInt("transB", 1)}).output("y");
  return b.model;
}

test::Thresholds calibrated(const onnx::Model& model, const Tensor& data, const Options& options = {}) {
  onnx::Model exposed = model;
  exposed.graph.outputs.clear();
  for (const std::string& name : quantization::activationsToCalibrate(model, options)) {
    onnx::ValueInfo value;
    value.name = name;
    exposed.graph.outputs.push_back(value);
  }
  test::Thresholds thresholds;
  for (const auto& [name, tensor] : test::interpret(exposed, {{"x", data}})) {
    calibration::Threshold t;
    for (const float v : tensor.toFloats()) {
      t.min = std::fmin(t.min, v);
      t.max = std::fmax(t.max, v);
    }
    t.amax = std::fmax(-t.min, t.max);
    thresholds[name] = t;
  }
  return thresholds;
}

Tensor data() { return ModelBuilder().random({2, 3, 8, 8}, -1, 1); }

std::string errorOf(const std::function<void()>& action, ErrorCode code) {
  try {
    action();
  } catch (const Error& error) {
    CHECK(error.code() == code);
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("quantize: weight scales per channel") {
  const Tensor w = Tensor::of<float>(DType::Float32, {2, 3}, {1, -127, 0, 0.5f, 2.54f, 0});
  CHECK(weightScales(w, 0, 127) == std::vector<float>{1.0f, 2.54f / 127});
  CHECK(weightScales(w, 1, 127) == std::vector<float>{1.0f / 127, 1.0f, 1.0f});  // an all-zero channel: 1
  CHECK(weightScales(w, 0, 63)[0] == 127.0f / 63);
  CHECK(weightScales(w, -1, 127) == std::vector<float>{1.0f});
  const Tensor tiny = Tensor::of<float>(DType::Float32, {1, 1}, {1e-40f});
  CHECK(std::isnormal(weightScales(tiny, 0, 127)[0]));
  CHECK_THROWS_AS(weightScales(w, 2, 127), Error);
  CHECK_THROWS_AS(weightScales(w, -2, 127), Error);
  CHECK_THROWS_AS(weightScales(w, 0, 0), Error);
  CHECK_THROWS_AS(weightScales(w.cast(DType::Int32), 0, 127), Error);
}

TEST_CASE("quantize: weights round half to even and stay within the levels") {
  const Tensor w = Tensor::of<float>(DType::Float32, {1, 6}, {0.5f, 1.5f, -2.5f, 200, -200, -126.6f});
  const Tensor q = quantization::quantizeWeight(w, {1.0f}, 0, 127);
  CHECK(q.toInt64s() == std::vector<int64_t>{0, 2, -2, 127, -127, -127});
  CHECK(quantization::quantizeWeight(w, {1.0f}, 0, 63).toInt64s() == std::vector<int64_t>{0, 2, -2, 63, -63, -63});
  CHECK_THROWS_AS(quantization::quantizeWeight(w, {1.0f, 2.0f}, 0, 127), Error);
}

TEST_CASE("quantize: scales, zero points and names are there and are right") {
  const onnx::Model model = convNet();
  auto thresholds = uniformThresholds(model);
  thresholds["x"] = {2.54f, -3, 3, 10};
  const onnx::Model q = insertQdq(model, thresholds, {}).model;
  CHECK(test::scaleOf(q, "x")[0] == 2.54f / 127);
  CHECK(test::scaleOf(q, "w") == weightScales(model.graph.initializers.at("w"), 0, 127));
  for (const char* tensor : {"x", "f", "w", "v"}) {
    const Tensor& scale = q.graph.initializers.at(std::string(tensor) + "_scale");
    const Tensor& zero = q.graph.initializers.at(std::string(tensor) + "_zero_point");
    CHECK(zero.dtype() == DType::Int8);
    CHECK(zero.dims() == scale.dims());
    for (const float z : zero.toFloats()) CHECK(z == 0);
  }
  CHECK(test::nodeThatMakes(q, "c").inputs[2] == "bias");  // never quantized
  for (const onnx::Node& node : q.graph.nodes) {
    if (node.is("QuantizeLinear") || node.is("DequantizeLinear")) CHECK(node.inputs.size() == 3);
  }
}

TEST_CASE("quantize: the model means nearly the same, however its weights are stored") {
  const onnx::Model model = convNet();
  const Tensor x = data();
  const auto expected = test::interpret(model, {{"x", x}});
  Options options;
  const onnx::Model portable = insertQdq(model, calibrated(model, x), options).model;
  const auto portableResult = test::interpret(portable, {{"x", x}});
  CHECK(test::difference(portableResult, expected) < 0.02);
  CHECK(test::difference(portableResult, expected) > 0);

  options.packWeights = true;
  const onnx::Model packed = insertQdq(model, calibrated(model, x), options).model;
  CHECK(test::difference(test::interpret(packed, {{"x", x}}), portableResult) == 0);
  CHECK(packed.graph.initializer("w") == nullptr);
  CHECK(packed.graph.initializers.at("w_quantized").dtype() == DType::Int8);
  CHECK(onnx::writeModel(packed).size() < onnx::writeModel(portable).size() / 2);

  options.reduceRange = true;
  const onnx::Model reduced = insertQdq(model, calibrated(model, x), options).model;
  for (const float v : reduced.graph.initializers.at("w_quantized").toFloats()) CHECK(std::fabs(v) <= 63);
  CHECK(test::difference(test::interpret(reduced, {{"x", x}}), expected) < 0.04);
}

TEST_CASE("quantize: weights of squeeze-excite alone, as bytes or as what they stand for") {
  ModelBuilder b;
  b.input("x", {-1, 8, 5, 5}).weight("w", {8, 8, 1, 1}).weight("w1", {2, 8, 1, 1}).weight("w2", {8, 2, 1, 1});
  b.node("Conv", {"x", "w"}, {"a"}).node("GlobalAveragePool", {"a"}, {"p"}).node("Conv", {"p", "w1"}, {"e1"});
  b.node("Relu", {"e1"}, {"e2"}).node("Conv", {"e2", "w2"}, {"e3"}).node("Sigmoid", {"e3"}, {"gate"});
  b.node("Mul", {"a", "gate"}, {"y"}).output("y");
  const Tensor x = b.random({2, 8, 5, 5});
  Options options;
  const auto thresholds = calibrated(b.model, x, options);
  const onnx::Model plain = insertQdq(b.model, thresholds, options).model;
  CHECK(plain.graph.initializer("w1") != nullptr);

  options.weightsAlone = true;
  const onnx::Model rounded = insertQdq(b.model, thresholds, options).model;
  CHECK(test::source(rounded, "e1", 0) == "float");
  CHECK(test::source(rounded, "e1", 1) == "float");
  CHECK(rounded.graph.initializer("w1") == nullptr);
  const auto expected = test::interpret(rounded, {{"x", x}});
  CHECK(test::difference(expected, test::interpret(plain, {{"x", x}})) > 0);
  CHECK(test::difference(expected, test::interpret(b.model, {{"x", x}})) < 0.02);

  options.packWeights = true;
  const onnx::Model packed = insertQdq(b.model, thresholds, options).model;
  CHECK(test::source(packed, "e1", 0) == "float");
  CHECK(test::source(packed, "e1", 1) == "w1_quantized");
  CHECK(packed.graph.initializers.at("w1_quantized").dtype() == DType::Int8);
  CHECK(packed.graph.initializer("w1") == nullptr);
  CHECK(test::difference(test::interpret(packed, {{"x", x}}), expected) == 0);

  // Seven bits are for products of integers.
  options.reduceRange = true;
  const onnx::Model reduced = insertQdq(b.model, thresholds, options).model;
  const auto largest = [&](const char* weight) {
    const std::vector<float> values = reduced.graph.initializers.at(weight).toFloats();
    return *std::max_element(values.begin(), values.end(),
                             [](float l, float r) { return std::fabs(l) < std::fabs(r); });
  };
  CHECK(std::fabs(largest("w_quantized")) == 63);
  CHECK(std::fabs(largest("w1_quantized")) == 127);
}

TEST_CASE("quantize: unsigned activations where nothing is negative") {
  const onnx::Model model = convNet();
  Options options;
  options.unsignedActivations = true;
  const auto thresholds = calibrated(model, data(), options);
  const onnx::Model q = insertQdq(model, thresholds, options).model;
  CHECK(q.graph.initializers.at("f_zero_point").dtype() == DType::Uint8);
  CHECK(test::scaleOf(q, "f")[0] == thresholds.at("f").amax / 255);
  CHECK(q.graph.initializers.at("x_zero_point").dtype() == DType::Int8);
  CHECK(q.graph.initializers.at("w_zero_point").dtype() == DType::Int8);
}

TEST_CASE("quantize: weights that nodes share") {
  ModelBuilder b;
  b.input("x", {-1, 4}).weight("w", {4, 4});
  b.node("Gemm", {"x", "w"}, {"a"}).node("Gemm", {"a", "w"}, {"b"});
  b.node("Gemm", {"b", "w"}, {"c"}, {Attribute::ofInt("transB", 1)}).node("Add", {"c", "w"}, {"y"}).output("y");
  b.model.graph.inputs[0].dims = {4, 4};
  Options options;
  options.packWeights = true;
  const onnx::Model q = insertQdq(b.model, uniformThresholds(b.model), options).model;
  CHECK(test::nodeThatMakes(q, "a").inputs[1] == test::nodeThatMakes(q, "b").inputs[1]);
  CHECK(test::nodeThatMakes(q, "a").inputs[1] != test::nodeThatMakes(q, "c").inputs[1]);
  CHECK(test::nodeThatMakes(q, "y").inputs[1] == "w");
  CHECK(q.graph.initializer("w") != nullptr);  // the Add still reads it
}

TEST_CASE("quantize: names that are taken are avoided") {
  ModelBuilder b;
  b.input("x", {-1, 4}).input("x_scale", {-1, 4}).weight("x_quantized", {4, 4});
  b.node("Gemm", {"x", "x_quantized"}, {"x_dequantized"}).node("Add", {"x_dequantized", "x_scale"}, {"y"}).output("y");
  const onnx::Model q = insertQdq(b.model, uniformThresholds(b.model), {}).model;
  std::set<std::string> made;
  std::set<std::string> nodes;
  for (const onnx::Node& node : q.graph.nodes) {
    CHECK(nodes.insert(node.name).second);
    for (const std::string& output : node.outputs) {
      CHECK(made.insert(output).second);
      CHECK(q.graph.initializer(output) == nullptr);
    }
  }
  const Tensor x = b.random({2, 4}, -4, 4);
  const std::map<std::string, Tensor> feeds = {{"x", x}, {"x_scale", x}};
  CHECK(test::difference(test::interpret(q, feeds), test::interpret(b.model, feeds)) < 0.03);
}

TEST_CASE("quantize: the result is a model that can be written and read") {
  const onnx::Model model = convNet();
  const onnx::Model q = insertQdq(model, calibrated(model, data()), {}).model;
  const std::string bytes = onnx::writeModel(q);
  const onnx::Model again = onnx::readModel(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), nullptr);
  CHECK(onnx::writeModel(again) == bytes);
  CHECK(test::difference(test::interpret(again, {{"x", data()}}), test::interpret(q, {{"x", data()}})) == 0);
}

TEST_CASE("quantize: thresholds that are missing or make no sense") {
  const onnx::Model model = convNet();
  const std::string none = errorOf([&] { insertQdq(model, {}, {}); }, ErrorCode::InvalidCalibration);
  CHECK(none.find("2 activations") != std::string::npos);
  CHECK(none.find("\"x\", \"f\"") != std::string::npos);
  auto thresholds = uniformThresholds(model);
  for (const float bad : {-1.0f, NAN, INFINITY}) {
    thresholds["f"].amax = bad;
    CHECK(errorOf([&] { insertQdq(model, thresholds, {}); }, ErrorCode::InvalidCalibration).find("\"f\"") !=
          std::string::npos);
  }
  for (const float small : {0.0f, 1e-44f}) {  // all zeros, or next to nothing: the scale is still a normal number
    thresholds["f"].amax = small;
    CHECK(std::isnormal(test::scaleOf(insertQdq(model, thresholds, {}).model, "f")[0]));
  }
}

TEST_CASE("quantize: old opsets are raised to 13") {
  const onnx::Model model = convNet(9);
  const onnx::Model q = insertQdq(model, calibrated(model, data()), {}).model;
  CHECK(q.opset() == 13);
  CHECK(q.irVersion >= 7);
  CHECK(insertQdq(convNet(17), uniformThresholds(model), {}).model.opset() == 17);
}
