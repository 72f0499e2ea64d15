#include <doctest/doctest.h>

#include "graph/support.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

TEST_CASE("removeDeadCode: what no output needs") {
  ModelBuilder b;
  b.input("x", {2}).input("unused", {2}).output("y").scalar("s", 1).scalar("t", 2);
  b.node("Relu", {"x"}, {"y"}).node("Add", {"x", "s"}, {"dead"}).node("Relu", {"dead"}, {"deader"});
  b.model.graph.values["dead"].name = "dead";
  const onnx::Model out = graph::removeDeadCode(b.model);
  CHECK(operators(out) == "Relu");
  CHECK(out.graph.initializers.empty());
  CHECK(out.graph.values.empty());
  // Inputs are what callers feed: they stay.
  CHECK(out.graph.inputs.size() == 2);
}

TEST_CASE("removeDeadCode: nodes that do nothing") {
  ModelBuilder b;
  b.input("x", {2}).output("y");
  b.initializer("training", Tensor(DType::Bool, {})).scalar("ratio", 0.5f);
  b.node("Identity", {"x"}, {"a"}).node("Dropout", {"a", "ratio", "training"}, {"b"}).node("Relu", {"b"}, {"c"});
  b.node("Cast", {"c"}, {"d"}, {Attribute::ofInt("to", 1)}).node("Identity", {"d"}, {"e"});
  b.node("Dropout", {"e"}, {"y", "mask"});
  const onnx::Model out = graph::removeDeadCode(b.model);
  CHECK(operators(out) == "Relu");
  CHECK(out.graph.nodes[0].inputs[0] == "x");
  CHECK(out.graph.nodes[0].outputs[0] == "y");
  CHECK(difference(b.model, out) == 0);
}

TEST_CASE("removeDeadCode: nodes that do something") {
  ModelBuilder b;
  b.input("x", {2}).input("training", {}, DType::Bool).output("y").output("mask", DType::Bool).output("z");
  b.output("half", DType::Float16);
  b.node("Dropout", {"x"}, {"a", "mask"}).node("Relu", {"a"}, {"y"});
  b.node("Dropout", {"x", "", "training"}, {"z"}).node("Cast", {"x"}, {"half"}, {Attribute::ofInt("to", 10)});
  CHECK(operators(graph::removeDeadCode(b.model)) == operators(b.model));
}

TEST_CASE("removeDeadCode: outputs keep their names") {
  SUBCASE("an input given out") {
    ModelBuilder b;
    b.input("x", {2}).output("y").node("Identity", {"x"}, {"y"});
    CHECK(operators(graph::removeDeadCode(b.model)) == "Identity");
  }
  SUBCASE("one tensor given out under three names") {
    ModelBuilder b;
    b.input("x", {2}).output("a").output("b").output("c");
    b.node("Relu", {"x"}, {"a"}).node("Identity", {"a"}, {"b"}).node("Identity", {"b"}, {"c"});
    const onnx::Model out = graph::removeDeadCode(b.model);
    CHECK(operators(out) == "Relu Identity Identity");
    CHECK(difference(b.model, out) == 0);
  }
  SUBCASE("a tensor with other consumers") {
    ModelBuilder b;
    b.input("x", {2}).output("y").output("z").output("w");
    b.node("Relu", {"x"}, {"r"}).node("Identity", {"r"}, {"y"}).node("Neg", {"r"}, {"z"});
    b.node("Identity", {"r"}, {"w"});
    const onnx::Model out = graph::removeDeadCode(b.model);
    CHECK(operators(out) == "Relu Neg Identity");
    CHECK(difference(b.model, out) == 0);
  }
}

TEST_CASE("removeDeadCode: optional outputs that nobody reads") {
  ModelBuilder b;
  b.input("x", {1, 1, 4, 4}).output("y");
  b.node("MaxPool", {"x"}, {"y", "indices"}, {Attribute::ofInts("kernel_shape", {2, 2})});
  CHECK(graph::removeDeadCode(b.model).graph.nodes[0].outputs == std::vector<std::string>{"y"});
  b.output("indices", DType::Int64);
  CHECK(graph::removeDeadCode(b.model).graph.nodes[0].outputs.size() == 2);
}

TEST_CASE("removeDeadCode: a long chain of nothing") {
  ModelBuilder b;
  b.input("0", {1}).output("y");
  for (int i = 0; i < 20000; ++i) b.node("Identity", {std::to_string(i)}, {std::to_string(i + 1)});
  b.node("Relu", {"20000"}, {"y"});
  CHECK(operators(graph::removeDeadCode(b.model)) == "Relu");
}
