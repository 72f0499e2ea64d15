#include <doctest/doctest.h>

#include "graph/support.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

TEST_CASE("foldConstants: what is known becomes an initializer") {
  ModelBuilder b;
  b.input("x", {-1, 3}).output("y");
  b.weight("a", {3}).weight("b", {3});
  b.node("Add", {"a", "b"}, {"s"}).node("Relu", {"s"}, {"r"}).node("Mul", {"x", "r"}, {"y"});
  const onnx::Model folded = graph::foldConstants(b.model);
  CHECK(operators(folded) == "Mul");
  CHECK(folded.graph.initializer("r") != nullptr);
  CHECK(difference(b.model, folded) == 0);
  CHECK(b.model.graph.nodes.size() == 3);
}

TEST_CASE("foldConstants: Constant nodes share their tensor") {
  ModelBuilder b;
  b.input("x", {3}).output("y");
  const Tensor value = b.random({3});
  b.node("Constant", {}, {"c"}, {Attribute::ofTensor("value", value)}).node("Add", {"x", "c"}, {"y"});
  const onnx::Model folded = graph::foldConstants(b.model, 0);
  CHECK(operators(folded) == "Add");
  CHECK(folded.graph.initializer("c")->data<float>() == value.data<float>());
}

TEST_CASE("foldConstants: shapes are constants where every shape is known") {
  const auto build = [](int64_t batch) {
    ModelBuilder b;
    b.input("x", {batch, 3, 2, 2}).output("y").ints("zero", {0}).ints("rest", {-1});
    b.node("Relu", {"x"}, {"r"}).node("Shape", {"r"}, {"s"}).node("Gather", {"s", "zero"}, {"n"});
    b.node("Concat", {"n", "rest"}, {"to"}, {Attribute::ofInt("axis", 0)}).node("Reshape", {"r", "to"}, {"y"});
    return b.model;
  };
  const onnx::Model fixed = graph::foldConstants(build(4));
  CHECK(operators(fixed) == "Relu Reshape");
  CHECK(fixed.graph.initializer("to")->toInt64s() == std::vector<int64_t>{4, -1});
  // With a dynamic batch nothing may be baked in.
  const onnx::Model open = graph::foldConstants(build(-1));
  CHECK(operators(open) == operators(build(-1)));
  CHECK(difference(build(-1), open, 5) == 0);
}

TEST_CASE("foldConstants: INT8 weights stay what they are") {
  ModelBuilder b;
  b.input("x", {-1, 4}).output("y").output("z");
  b.weight("w", {4, 4}).scalar("scale", 0.01f).initializer("zero", Tensor(DType::Int8, {}));
  b.initializer("packed", Tensor::of<int8_t>(DType::Int8, {4, 4}, std::vector<int8_t>(16, 3)));
  b.node("QuantizeLinear", {"w", "scale", "zero"}, {"q"}).node("DequantizeLinear", {"q", "scale", "zero"}, {"d"});
  b.node("MatMul", {"x", "d"}, {"y"});
  b.node("DequantizeLinear", {"packed", "scale", "zero"}, {"e"}).node("MatMul", {"x", "e"}, {"z"});
  const onnx::Model folded = graph::foldConstants(b.model);
  CHECK(operators(folded) == "DequantizeLinear MatMul DequantizeLinear MatMul");
  CHECK(folded.graph.initializer("q")->dtype() == DType::Int8);
  CHECK(difference(b.model, folded) == 0);
}

TEST_CASE("foldConstants: results that are too big stay computed") {
  ModelBuilder b;
  b.input("x", {1}).output("y").output("z").ints("big", {int64_t{1} << 34}).ints("some", {1000});
  b.node("ConstantOfShape", {"big"}, {"c"}).node("ConstantOfShape", {"some"}, {"d"});
  b.node("Add", {"x", "c"}, {"y"}).node("Add", {"x", "d"}, {"z"});
  CHECK(count(graph::foldConstants(b.model), "ConstantOfShape") == 1);
  CHECK(count(graph::foldConstants(b.model, 100), "ConstantOfShape") == 2);
}

TEST_CASE("foldConstants: many big results do not add up to any amount") {
  ModelBuilder b;
  b.input("x", {1}).ints("size", {250});  // 1,000 bytes
  for (int i = 0; i < 100; ++i) {
    const std::string id = std::to_string(i);
    b.node("ConstantOfShape", {"size"}, {"c" + id}).node("Add", {"x", "c" + id}, {"y" + id}).output("y" + id);
  }
  const onnx::Model folded = graph::foldConstants(b.model, 1000);
  CHECK(count(folded, "ConstantOfShape") > 90);
  CHECK(count(folded, "ConstantOfShape") < 100);
}

TEST_CASE("foldConstants: products that would take minutes stay computed") {
  ModelBuilder b;
  b.input("x", {1}).output("y").output("z").ints("size", {3000, 3000}).weight("a", {30, 30});
  b.node("ConstantOfShape", {"size"}, {"c"}).node("MatMul", {"c", "c"}, {"p"}).node("Add", {"p", "x"}, {"y"});
  b.node("MatMul", {"a", "a"}, {"q"}).node("Add", {"q", "x"}, {"z"});
  CHECK(operators(graph::foldConstants(b.model)) == "MatMul Add Add");

  ModelBuilder padded;
  padded.input("x", {1}).output("y").scalar("s", 1).ints("shape", {1, 1, 1000, 1000});
  padded.initializer("one", Tensor(DType::Float32, {1, 1, 1, 1})).node("ConstantOfShape", {"shape"}, {"w"});
  padded.node("Conv", {"one", "w"}, {"c"}, {Attribute::ofInts("pads", {999, 999, 999, 999})});
  padded.node("Add", {"c", "x"}, {"y"});
  CHECK(operators(graph::foldConstants(padded.model)) == "Conv Add");
}
