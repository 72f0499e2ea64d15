#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "graph/support.hpp"
#include "onnx/validate.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

/// The pass, with what must hold for every model: a valid graph, the same interface, no Cast after a Cast or beside a
/// Q or DQ, and nothing left for a second run.
onnx::Model inHalf(const onnx::Model& model, graph::HalfReport& report) {
  onnx::Model half = graph::computeInHalf(model, report);
  onnx::Graph sorted = half.graph;
  onnx::validateAndSort(sorted);
  graph::specialize(half, graph::inputShapes(half, 2));  // checks types too
  REQUIRE(half.graph.inputs.size() == model.graph.inputs.size());
  for (size_t i = 0; i < model.graph.inputs.size(); ++i) {
    CHECK(half.graph.inputs[i].dtype == model.graph.inputs[i].dtype);
  }
  const onnx::Links links(half.graph);
  for (const onnx::Node& node : half.graph.nodes) {
    const int before = node.inputs.empty() ? -1 : links.producer(node.inputs[0]);
    if (before < 0) continue;
    const onnx::Node& producer = half.graph.nodes[static_cast<size_t>(before)];
    if (node.is("Cast")) {
      CHECK_FALSE(producer.is("Cast"));
      CHECK_FALSE(producer.is("DequantizeLinear"));
    }
    if (node.is("QuantizeLinear")) CHECK_FALSE(producer.is("Cast"));
  }
  graph::HalfReport again;
  CHECK(whatDiffers(half, graph::computeInHalf(half, again)) == "");
  return half;
}

onnx::Model inHalf(const onnx::Model& model) {
  graph::HalfReport report;
  onnx::Model half = inHalf(model, report);
  CHECK(report.outOfRange.empty());
  CHECK(report.subnormal.empty());
  return half;
}

DType typeOf(const onnx::Model& model, const std::string& tensor) {
  return graph::specialize(model, graph::inputShapes(model, 2)).types.at(tensor).dtype;
}

void same3x3(ModelBuilder& b, const std::string& x, const std::string& y, int64_t from, int64_t to) {
  b.weight(y + ".w", {to, from, 3, 3}, -0.3f, 0.3f).weight(y + ".b", {to});
  b.node("Conv", {x, y + ".w", y + ".b"}, {y}, {Attribute::ofInts("pads", {1, 1, 1, 1})});
}

/// x -> Q -> DQ with a scale of its own.
std::string quantized(ModelBuilder& b, const std::string& x, const Tensor& scale, bool perChannel = false) {
  const std::vector<Attribute> axis =
      perChannel ? std::vector<Attribute>{Attribute::ofInt("axis", 0)} : std::vector<Attribute>{};
  b.initializer(x + "_scale", scale).initializer(x + "_zero", Tensor(DType::Int8, scale.dims()));
  b.node("QuantizeLinear", {x, x + "_scale", x + "_zero"}, {x + "_q"}, axis);
  b.node("DequantizeLinear", {x + "_q", x + "_scale", x + "_zero"}, {x + "_dq"}, axis);
  return x + "_dq";
}

Tensor scales(std::vector<float> values) {
  return Tensor::of<float>(DType::Float32, {static_cast<int64_t>(values.size())}, values);
}

/// Two layers, a residual connection and an activation, all quantized. `second` are the scales of the second weight.
ModelBuilder quantizedNetwork(const std::vector<float>& second, int64_t opset = 13) {
  ModelBuilder b(opset);
  b.input("x", {-1, 2, 6, 6}).output("y");
  b.weight("w1", {2, 2, 3, 3}).weight("b1", {2}).weight("w2", {2, 2, 3, 3}).weight("b2", {2});
  const std::vector<Attribute> pads = {Attribute::ofInts("pads", {1, 1, 1, 1})};
  const std::string x = quantized(b, "x", Tensor::scalar(0.031f));
  const std::string w1 = quantized(b, "w1", scales({0.0079f, 0.0081f}), true);
  b.node("Conv", {x, w1, "b1"}, {"c1"}, pads).node("Relu", {"c1"}, {"r1"});
  const std::string r1 = quantized(b, "r1", Tensor::scalar(0.11f));
  const std::string w2 = quantized(b, "w2", scales(second), true);
  b.node("Conv", {r1, w2, "b2"}, {"c2"}, pads).node("Relu", {"c2"}, {"r2"});
  const std::string r2 = quantized(b, "r2", Tensor::scalar(0.13f));
  b.node("Add", {r2, r1}, {"y"});
  return b;
}

/// The same model with its scales rounded to FP16.
onnx::Model withRoundedScales(onnx::Model model) {
  for (auto& [name, tensor] : model.graph.initializers) {
    if (name.size() > 6 && name.substr(name.size() - 6) == "_scale") {
      tensor = tensor.cast(DType::Float16).cast(DType::Float32);
    }
  }
  return model;
}

}  // namespace

TEST_CASE("computeInHalf: a convolutional network") {
  for (const int64_t opset : {13, 17, 21}) {
    CAPTURE(opset);
    ModelBuilder b(opset);
    b.input("x", {-1, 3, 8, 8}).output("y").output("r2");
    same3x3(b, "x", "c1", 3, 4);
    b.weight("g", {4}).weight("b", {4}).weight("m", {4}).weight("v", {4}, 0.5f, 1);
    b.node("BatchNormalization", {"c1", "g", "b", "m", "v"}, {"n1"});
    b.scalar("lo", 0).scalar("hi", 6).node("Clip", {"n1", "lo", "hi"}, {"r1"});
    b.weight("se.w", {4, 4, 1, 1}).node("GlobalAveragePool", {"r1"}, {"g1"}).node("Conv", {"g1", "se.w"}, {"g2"});
    b.node("Sigmoid", {"g2"}, {"g3"}).node("Mul", {"r1", "g3"}, {"s1"});
    same3x3(b, "s1", "c2", 4, 4);
    b.node("Add", {"c2", "r1"}, {"a"}).node("Relu", {"a"}, {"r2"});
    b.node("MaxPool", {"r2"}, {"p"}, {Attribute::ofInts("kernel_shape", {2, 2}), Attribute::ofInts("strides", {2, 2})});
    b.initializer("twice", Tensor::of<float>(DType::Float32, {4}, {1, 1, 2, 2}));
    b.node("Resize", {"p", "", "twice"}, {"up"}, {Attribute::ofString("mode", "nearest")});
    b.node("Concat", {"up", "r2"}, {"cat"}, {Attribute::ofInt("axis", 1)});
    b.ints("pads", {0, 0, 1, 1, 0, 0, 1, 1}).scalar("fill", 0.5f).node("Pad", {"cat", "pads", "fill"}, {"padded"});
    b.node("GlobalAveragePool", {"padded"}, {"gap"}).node("Flatten", {"gap"}, {"f"});
    b.weight("fc.w", {5, 8}).weight("fc.b", {5});
    b.node("Gemm", {"f", "fc.w", "fc.b"}, {"l"}, {Attribute::ofInt("transB", 1)}).node("Softmax", {"l"}, {"y"});
    const onnx::Model half = inHalf(b.model);
    CHECK(count(half, "Cast") == 3);  // x, y and r2
    CHECK(operators(half).rfind("Cast Conv BatchNormalization Clip", 0) == 0);
    CHECK(half.opset() == opset);
    for (const auto& [name, tensor] : half.graph.initializers) {
      CAPTURE(name);
      const DType expected = name == "pads" ? DType::Int64 : name == "twice" ? DType::Float32 : DType::Float16;
      CHECK(tensor.dtype() == expected);
    }
    CHECK(typeOf(half, "cat") == DType::Float16);
    CHECK(typeOf(half, "y") == DType::Float32);
    const double error = difference(b.model, half, 2);
    CHECK(error < 0.004);
    CHECK(error > 0);
  }
}

TEST_CASE("computeInHalf: weights are rounded half to even") {
  ModelBuilder b;
  b.input("x", {-1, 3}).output("y").node("Add", {"x", "w"}, {"y"});
  const float step = std::ldexp(1.0f, -10);
  b.initializer("w", scales({1 + step / 2, 1 + 3 * step / 2, -1 - step / 2}));
  CHECK(inHalf(b.model).graph.initializer("w")->toFloats() == std::vector<float>{1, 1 + 2 * step, -1});
}

TEST_CASE("computeInHalf: constants that FP16 can't hold") {
  ModelBuilder b;
  b.input("x", {-1, 100}).output("y");
  std::string last = "x";
  const auto add = [&](const std::string& name, std::vector<float> special) {
    special.resize(100, 0.5f);
    b.initializer(name, scales(special)).node("Add", {last, name}, {"+" + name});
    last = "+" + name;
  };
  add("edge", {65504, -65504});
  add("over", {65505});
  add("infinite", {-INFINITY});
  add("nan", {NAN});
  add("some", {1e-6f});
  add("many", {1e-6f, -1e-30f});
  b.node("Relu", {last}, {"y"});
  graph::HalfReport report;
  const onnx::Model half = inHalf(b.model, report);
  CHECK(report.outOfRange == std::vector<std::string>{"infinite", "nan", "over"});
  CHECK(report.subnormal == std::vector<std::string>{"many"});
  CHECK(operators(half) == "Cast Add Cast Add Add Add Cast Add Add Relu Cast");
  CHECK(half.graph.initializer("over")->dtype() == DType::Float32);
  CHECK(half.graph.initializer("edge")->toFloats().at(1) == -65504);
  CHECK(half.graph.initializer("many")->dtype() == DType::Float16);
}

TEST_CASE("computeInHalf: a constant that two types want is there in both") {
  ModelBuilder b;
  b.input("x", {-1, 3}).output("y").output("k").weight("k", {3}).weight("s", {3}).scalar("big", 1e6f);
  b.node("Mul", {"x", "k"}, {"a"}).node("Mul", {"a", "s"}, {"b"});
  b.node("Sum", {"b", "s", "big"}, {"y"});
  graph::HalfReport report;
  const onnx::Model half = inHalf(b.model, report);
  CHECK(isSame(*half.graph.initializer("k"), *b.model.graph.initializer("k")));
  CHECK(isSame(*half.graph.initializer("s"), *b.model.graph.initializer("s")));
  CHECK(half.graph.initializer("s_fp16")->dtype() == DType::Float16);
  CHECK(report.outOfRange == std::vector<std::string>{"big"});
  CHECK(difference(b.model, half, 2) < 0.002);
}

TEST_CASE("computeInHalf: what would leave the range stays FP32 until it is back") {
  ModelBuilder b;
  b.input("x", {-1, 4}).output("y").scalar("large", 3).scalar("two", 2).scalar("eps", 1e-5f).ints("axis", {1});
  SUBCASE("a softmax spelled out") {
    b.node("Mul", {"x", "large"}, {"s"}).node("Exp", {"s"}, {"e"}).node("ReduceSum", {"e", "axis"}, {"t"});
    b.node("Div", {"e", "t"}, {"y"});
    const onnx::Model half = inHalf(b.model);
    CHECK(operators(half) == "Cast Mul Cast Exp ReduceSum Div");
    CHECK(difference(b.model, half) < 0.02);  // e^12 is beyond FP16; the input has its error, 12 * 2^-11
  }
  SUBCASE("squares under a root") {
    b.scalar("hundred", 100).node("Mul", {"x", "hundred"}, {"s"}).node("Pow", {"s", "two"}, {"q"});
    b.node("ReduceMean", {"q"}, {"m"}, {Attribute::ofInts("axes", {1})}).node("Add", {"m", "eps"}, {"a"});
    b.node("Sqrt", {"a"}, {"r"}).node("Div", {"s", "r"}, {"y"});
    const onnx::Model half = inHalf(b.model);
    CHECK(operators(half) == "Cast Mul Cast Pow ReduceMean Add Sqrt Cast Div Cast");
    CHECK(difference(b.model, half) < 0.003);
  }
  SUBCASE("exponents of at most one are harmless") {
    b.scalar("half", 0.5f).node("Relu", {"x"}, {"r"}).node("Pow", {"r", "half"}, {"y"});
    CHECK(operators(inHalf(b.model)) == "Cast Relu Pow Cast");
  }
}

TEST_CASE("computeInHalf: means over large maps") {
  for (const int64_t side : {32, 33}) {
    ModelBuilder b;
    b.input("x", {-1, 2, side, side}).output("y").node("Relu", {"x"}, {"r"}).node("GlobalAveragePool", {"r"}, {"g"});
    b.node("Sigmoid", {"g"}, {"y"});
    const bool isLarge = side * side > 1024;
    CHECK(operators(inHalf(b.model)) == (isLarge ? "Cast Relu Cast GlobalAveragePool Cast Sigmoid Cast"
                                                 : "Cast Relu GlobalAveragePool Sigmoid Cast"));
  }
}

TEST_CASE("computeInHalf: normalizations, and softmaxes over long axes") {
  ModelBuilder b;
  b.input("x", {-1, 2, 8}).output("y").weight("s", {8}).weight("b", {8}).scalar("k", 300);
  b.node("Mul", {"x", "k"}, {"l"}).node("LayerNormalization", {"l", "s", "b"}, {"n"}).node("Relu", {"n"}, {"y"});
  const onnx::Model half = inHalf(b.model);
  CHECK(operators(half) == "Cast Mul Cast LayerNormalization Cast Relu Cast");
  CHECK(half.graph.initializer("s")->dtype() == DType::Float32);
  CHECK(difference(b.model, half, 2) < 0.004);
  for (const int64_t size : {1024, 1025}) {
    ModelBuilder long_;
    long_.input("x", {-1, 2, size}).output("y").node("Relu", {"x"}, {"r"}).node("Softmax", {"r"}, {"y"});
    CHECK(operators(inHalf(long_.model)) == (size > 1024 ? "Cast Relu Cast Softmax" : "Cast Relu Softmax Cast"));
  }
}

TEST_CASE("computeInHalf: arithmetic on shapes and integers is untouched") {
  ModelBuilder b;
  b.input("x", {-1, 2, 4, 4}).input("i", {-1}, DType::Int64).output("y").output("n", DType::Int64).output("z");
  b.node("Relu", {"x"}, {"r"}).node("Shape", {"r"}, {"s"}).node("Cast", {"s"}, {"sf"}, {Attribute::ofInt("to", 1)});
  b.initializer("factor", Tensor::of<float>(DType::Float32, {4}, {1, 1, 1.5f, 1.5f}));
  b.node("Mul", {"sf", "factor"}, {"tf"}).node("Floor", {"tf"}, {"ff"});
  b.node("Cast", {"ff"}, {"sizes"}, {Attribute::ofInt("to", 7)});
  b.node("Resize", {"r", "", "", "sizes"}, {"y"}, {Attribute::ofString("mode", "linear")});
  b.ints("one", {1}).node("Add", {"i", "one"}, {"n"});
  b.node("Cast", {"n"}, {"nf"}, {Attribute::ofInt("to", 1)}).weight("w", {1}).node("Mul", {"nf", "w"}, {"z"});
  const onnx::Model half = inHalf(b.model);
  CHECK(typeOf(half, "tf") == DType::Float32);
  CHECK(half.graph.initializer("factor")->dtype() == DType::Float32);
  CHECK(typeOf(half, "nf") == DType::Float16);  // from the integers at once
  CHECK(count(half, "Cast") == 6);              // x, sf, sizes, y, nf, z
  std::map<std::string, Tensor> feeds = {{"x", b.random({2, 2, 4, 4})}, {"i", Tensor::fromInt64({5, 7})}};
  CHECK(difference(interpret(b.model, feeds), interpret(half, feeds)) < 0.002);
}

TEST_CASE("computeInHalf: Casts and constants of the model") {
  ModelBuilder b;
  b.input("x", {-1, 3}).input("h", {-1, 3}, DType::Float16).output("y").output("k", DType::Float16).output("same");
  b.node("Cast", {"h"}, {"hf"}, {Attribute::ofInt("to", 1)}).node("Add", {"x", "hf"}, {"a"});
  b.node("Constant", {}, {"c"}, {Attribute::ofTensor("value", b.random({3}))}).node("Mul", {"a", "c"}, {"m"});
  b.node("Constant", {}, {"f"}, {Attribute::ofFloat("value_float", 2)}).node("Mul", {"m", "f"}, {"n"});
  b.ints("three", {3}).node("ConstantOfShape", {"three"}, {"o"}, {Attribute::ofTensor("value", scales({2}))});
  b.node("ConstantOfShape", {"three"}, {"zeros"}).node("Add", {"o", "zeros"}, {"p"});
  b.node("Add", {"n", "p"}, {"q"}).node("Cast", {"q"}, {"k"}, {Attribute::ofInt("to", 10)});
  b.node("Relu", {"q"}, {"y"}).node("Cast", {"k"}, {"same"}, {Attribute::ofInt("to", 1)});
  const onnx::Model half = inHalf(b.model);
  CHECK(typeOf(half, "o") == DType::Float16);
  CHECK(typeOf(half, "k") == DType::Float16);
  CHECK(typeOf(half, "same") == DType::Float32);
  CHECK(half.graph.initializer("c")->dtype() == DType::Float16);
  CHECK(difference(b.model, half, 2) < 0.003);
}

TEST_CASE("computeInHalf: weights stored as FP16 lose their Casts") {
  ModelBuilder b;
  b.input("x", {-1, 8}).output("y").weight("w", {8, 8}).node("MatMul", {"x", "w"}, {"y"});
  graph::HalfReport report;
  const onnx::Model half = inHalf(graph::storeAsHalf(b.model, report));
  CHECK(operators(half) == "Cast MatMul Cast");
  CHECK(half.graph.initializer("w_fp16")->dtype() == DType::Float16);
}

TEST_CASE("computeInHalf: Q/DQ in FP16") {
  const onnx::Model model = quantizedNetwork({0.0078f, 0.0080f}).model;
  const onnx::Model half = inHalf(model);
  CHECK(half.opset() == 19);
  CHECK(count(half, "Cast") == 1);  // y: x is quantized from FP32
  CHECK(count(half, "DequantizeLinear") == count(model, "DequantizeLinear"));
  for (const char* scale : {"r1_scale", "r2_scale"}) CHECK(half.graph.initializer(scale)->dtype() == DType::Float16);
  CHECK(half.graph.initializer("w1_zero")->dtype() == DType::Int8);
  for (const char* tensor : {"x_dq", "w1_dq", "c1", "r1_dq", "w2_dq", "c2", "r2_dq"}) {
    CAPTURE(tensor);
    CHECK(typeOf(half, tensor) == DType::Float16);
  }
  // With the scales rounded beforehand the same INT8 numbers go into the first layer, and ever the same after it but
  // for ties that FP16 decides another way.
  onnx::Model rounded = withRoundedScales(graph::upgradeOpset(model, 19));
  onnx::Model watched = half;
  for (onnx::Model* each : {&rounded, &watched}) {
    *each = graph::exposeTensors(*each, {"x_q", "w1_q", "w2_q", "r1_q", "r2_q"});
  }
  const auto feeds = feedsFor(model, 4);
  const auto expected = interpret(rounded, feeds);
  const auto found = interpret(watched, feeds);
  for (const char* tensor : {"x_q", "w1_q", "w2_q"}) CHECK(isSame(expected.at(tensor), found.at(tensor)));
  for (const char* tensor : {"r1_q", "r2_q"}) {
    const std::vector<float> a = expected.at(tensor).toFloats();
    const std::vector<float> c = found.at(tensor).toFloats();
    size_t different = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      CHECK(std::fabs(a[i] - c[i]) <= 1);
      different += a[i] != c[i];
    }
    CHECK(different * 50 <= a.size());
  }
}

TEST_CASE("computeInHalf: a layer with a scale that is no FP16 number stays FP32 between the same INT8 tensors") {
  for (const float scale : {6.0e-5f, 1e-9f, 7e4f}) {
    CAPTURE(scale);
    const onnx::Model model = quantizedNetwork({0.0078f, scale}).model;
    graph::HalfReport report;
    const onnx::Model half = inHalf(model, report);
    CHECK(report.outOfRange == std::vector<std::string>{"w2_scale"});
    CHECK(isSame(*half.graph.initializer("w2_scale"), *model.graph.initializer("w2_scale")));
    CHECK(typeOf(half, "c1") == DType::Float16);
    for (const char* tensor : {"c2", "r2", "w2_dq"}) CHECK(typeOf(half, tensor) == DType::Float32);
    // The one INT8 tensor that both want is dequantized for each, by the same scale.
    CHECK(count(half, "DequantizeLinear") == count(model, "DequantizeLinear") + 1);
    CHECK(count(half, "Cast") == 1);
    CHECK(half.graph.initializer("r1_scale_fp16") != nullptr);
    CHECK(half.graph.initializer("r1_scale_fp16")->toFloats() == half.graph.initializer("r1_scale")->toFloats());
  }
}

TEST_CASE("computeInHalf: a Q whose scale is no FP16 number keeps the layer before it") {
  ModelBuilder b = quantizedNetwork({0.0078f, 0.0080f});
  b.scalar("r2_scale", 1e-6f);
  graph::HalfReport report;
  const onnx::Model half = inHalf(b.model, report);
  CHECK(report.outOfRange == std::vector<std::string>{"r2_scale"});
  for (const char* tensor : {"c2", "r2", "r2_dq"}) CHECK(typeOf(half, tensor) == DType::Float32);
  CHECK(typeOf(half, "c1") == DType::Float16);
}

TEST_CASE("computeInHalf: INT32 biases become FP16 constants") {
  ModelBuilder b(17);
  b.input("x", {-1, 3}).output("y").weight("w", {3, 3});
  b.initializer("b_q", Tensor::of<int32_t>(DType::Int32, {3}, {40000, -90000, 7}));
  b.scalar("b_scale", 1e-5f).node("DequantizeLinear", {"b_q", "b_scale"}, {"b"});
  b.node("Gemm", {"x", "w", "b"}, {"y"});
  const onnx::Model half = inHalf(b.model);
  CHECK(operators(half) == "Cast Gemm Cast");
  CHECK(half.graph.initializer("b")->dtype() == DType::Float16);
  CHECK(half.graph.initializer("b_q") == nullptr);
  CHECK(difference(b.model, half, 2) < 0.002);
}

TEST_CASE("computeInHalf: operators that have no FP16 form") {
  ModelBuilder b(17);
  b.input("x", {-1, 3}).output("y").output("i", DType::Bool);
  b.node("Relu", {"x"}, {"r"}).node("Celu", {"r"}, {"c"}).node("IsInf", {"r"}, {"i"}).node("Tanh", {"c"}, {"y"});
  CHECK(operators(inHalf(b.model)) == "Cast Relu Cast Celu IsInf Cast Tanh Cast");
}
