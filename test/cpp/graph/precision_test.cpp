// widenToFloat32 and storeAsHalf.
#include <doctest/doctest.h>

#include <cmath>

#include "graph/support.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

TEST_CASE("widenToFloat32: inputs and outputs keep their types, nothing else does") {
  for (const DType half : {DType::Float16, DType::Bfloat16}) {
    CAPTURE(name(half));
    ModelBuilder b;
    b.input("x", {-1, 3}, half).output("y", half).output("z", half);
    b.initializer("w", b.random({3, 3}).cast(half)).initializer("c", b.random({3}).cast(half));
    b.node("MatMul", {"x", "w"}, {"m"}).node("Add", {"m", "c"}, {"y"}).node("Relu", {"y"}, {"z"});
    const onnx::Model wide = graph::widenToFloat32(b.model);
    CHECK(operators(wide) == "Cast MatMul Add Relu Cast Cast");
    CHECK(wide.graph.inputs[0].dtype == half);
    CHECK(wide.graph.initializer("w")->dtype() == DType::Float32);
    const auto types = graph::specialize(wide, {{"x", {2, 3}}}).types;
    CHECK(types.at("m").dtype == DType::Float32);
    CHECK(types.at("y").dtype == half);
    // Rounding in between is what it does away with: 2^-8 is bfloat16's.
    CHECK(difference(b.model, wide, 2) < 0.02);
    CHECK(whatDiffers(graph::simplify(wide), graph::simplify(graph::simplify(wide))) == "");
  }
}

TEST_CASE("widenToFloat32: casts, constants and attributes in between") {
  ModelBuilder b;
  b.input("x", {-1, 3}).output("y").output("k", DType::Float16);
  b.initializer("k", b.random({3}).cast(DType::Float16)).ints("three", {3});
  b.node("Cast", {"x"}, {"h"}, {Attribute::ofInt("to", 10)});
  b.node("Constant", {}, {"c"}, {Attribute::ofTensor("value", b.random({3}).cast(DType::Float16))});
  b.node("ConstantOfShape", {"three"}, {"f"},
         {Attribute::ofTensor("value", Tensor::of<float>(DType::Float32, {1}, {2}).cast(DType::Float16))});
  b.node("Add", {"h", "c"}, {"a"}).node("Mul", {"a", "f"}, {"m"}).node("Add", {"m", "k"}, {"n"});
  b.node("Cast", {"n"}, {"y"}, {Attribute::ofInt("to", 1)});
  const onnx::Model wide = graph::widenToFloat32(b.model);
  const auto types = graph::specialize(wide, {{"x", {2, 3}}}).types;
  for (const char* tensor : {"h", "c", "f", "a", "m", "n", "y"}) CHECK(types.at(tensor).dtype == DType::Float32);
  CHECK(types.at("k").dtype == DType::Float16);
  CHECK(difference(b.model, wide, 2) < 0.002);
  CHECK(operators(graph::simplify(b.model)) == "Add Mul Add");
}

TEST_CASE("widenToFloat32: a model without halves is the same") {
  ModelBuilder b;
  b.input("x", {2}).output("y").node("Cast", {"x"}, {"i"}, {Attribute::ofInt("to", 7)});
  b.node("Cast", {"i"}, {"y"}, {Attribute::ofInt("to", 1)});
  CHECK(whatDiffers(b.model, graph::widenToFloat32(b.model)) == "");
}

TEST_CASE("storeAsHalf: weights behind a Cast, that simplify() takes away again") {
  ModelBuilder b;
  b.input("x", {-1, 8}).output("y").weight("w", {8, 8}).weight("small", {8});
  b.node("MatMul", {"x", "w"}, {"m"}).node("Add", {"m", "small"}, {"y"});
  graph::HalfReport report;
  const onnx::Model half = graph::storeAsHalf(b.model, report);
  CHECK(operators(half) == "Cast MatMul Add");
  CHECK(half.graph.initializer("w") == nullptr);
  CHECK(half.graph.initializer("w_fp16")->dtype() == DType::Float16);
  CHECK(half.graph.initializer("small")->dtype() == DType::Float32);
  CHECK(report.outOfRange.empty());
  CHECK(report.subnormal.empty());
  CHECK(difference(b.model, half, 2) < 0.001);

  const onnx::Model back = graph::simplify(half);
  CHECK(operators(back) == operators(graph::simplify(b.model)));
  REQUIRE(back.graph.initializer("w") != nullptr);
  CHECK(isSame(*back.graph.initializer("w"), half.graph.initializer("w_fp16")->cast(DType::Float32)));
}

TEST_CASE("storeAsHalf: weights bigger than any constant that folding would make come back too") {
  ModelBuilder b;
  b.input("x", {-1, 3000}).output("y").weight("w", {3000, 3000}).node("MatMul", {"x", "w"}, {"y"});
  graph::HalfReport report;
  CHECK(operators(graph::simplify(graph::storeAsHalf(b.model, report))) == "MatMul");
}

TEST_CASE("storeAsHalf: what FP16 can't hold") {
  ModelBuilder b;
  b.input("x", {-1, 100}).output("y").output("z");
  const auto weight = [&](const std::string& name, std::vector<float> special, float rest) {
    special.resize(100, rest);
    b.initializer(name, Tensor::of<float>(DType::Float32, {100}, special));
    b.node("Add", {b.model.graph.nodes.empty() ? "x" : b.model.graph.nodes.back().outputs[0], name}, {"+" + name});
  };
  weight("edge", {65504, -65504}, 1);
  weight("over", {65505}, 1);
  weight("infinite", {-INFINITY}, 1);
  weight("some", {1e-6f}, 0.5f);                         // exactly 1 %
  weight("many", {1e-6f, -1e-30f}, 0.5f);                // more
  weight("normal", std::vector<float>(50, 6.2e-5f), 0);  // above 2^-14, and zeros, which lose nothing
  weight("given", {}, 1);
  b.node("Identity", {"+given"}, {"y"}).node("Relu", {"x"}, {"z"}).output("given");
  graph::HalfReport report;
  const onnx::Model half = graph::storeAsHalf(b.model, report);
  CHECK(report.outOfRange == std::vector<std::string>{"infinite", "over"});
  CHECK(report.subnormal == std::vector<std::string>{"many"});
  CHECK(half.graph.initializer("over")->dtype() == DType::Float32);
  CHECK(half.graph.initializer("edge_fp16")->toFloats().at(1) == -65504);
  CHECK(half.graph.initializer("many_fp16") != nullptr);
  CHECK(half.graph.initializer("given") != nullptr);
}

TEST_CASE("storeAsHalf: scales stay constants") {
  ModelBuilder b;
  b.input("x", {-1, 20}).output("y").weight("w", {20, 20}).weight("scale", {20}, 0.01f, 0.02f);
  b.initializer("zero", Tensor(DType::Int8, {20}));
  b.node("QuantizeLinear", {"w", "scale", "zero"}, {"q"}, {Attribute::ofInt("axis", 1)});
  b.node("DequantizeLinear", {"q", "scale", "zero"}, {"d"}, {Attribute::ofInt("axis", 1)});
  b.node("MatMul", {"x", "d"}, {"y"});
  graph::HalfReport report;
  CHECK(count(graph::storeAsHalf(b.model, report), "Cast") == 0);
}
