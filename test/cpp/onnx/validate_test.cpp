#include "onnx/validate.hpp"

#include <doctest/doctest.h>

#include "support/errors.hpp"
#include "support/model_builder.hpp"

using namespace presisi;
using namespace presisi::test;

namespace {

std::vector<std::string> order(const onnx::Graph& graph) {
  std::vector<std::string> names;
  for (const onnx::Node& node : graph.nodes) names.push_back(node.outputs[0]);
  return names;
}

bool refuses(const std::string& text, ModelBuilder& builder) {
  return throwsError(ErrorCode::InvalidModel, text, [&] { onnx::validateAndSort(builder.model.graph); });
}

}  // namespace

TEST_CASE("validate: sorts, and leaves alone what is sorted") {
  ModelBuilder b;
  b.input("x", {1}).output("d");
  b.node("Add", {"b", "c"}, {"d"}).node("Relu", {"a"}, {"c"}).node("Relu", {"a"}, {"b"}).node("Relu", {"x"}, {"a"});
  onnx::validateAndSort(b.model.graph);
  CHECK(order(b.model.graph) == std::vector<std::string>{"a", "c", "b", "d"});
  onnx::validateAndSort(b.model.graph);
  CHECK(order(b.model.graph) == std::vector<std::string>{"a", "c", "b", "d"});
}

TEST_CASE("validate: a long chain the wrong way round") {
  ModelBuilder b;
  constexpr int kCount = 50000;
  b.input("0", {1}).output(std::to_string(kCount));
  for (int i = kCount; i > 0; --i) b.node("Relu", {std::to_string(i - 1)}, {std::to_string(i)});
  onnx::validateAndSort(b.model.graph);
  CHECK(b.model.graph.nodes.front().outputs[0] == "1");
}

TEST_CASE("validate: cycles are named") {
  ModelBuilder b;
  b.input("x", {1}).output("d");
  b.node("Relu", {"x"}, {"a"}).node("Add", {"a", "c"}, {"b"}).node("Relu", {"b"}, {"c"}).node("Relu", {"c"}, {"d"});
  const auto error = errorOf([&] { onnx::validateAndSort(b.model.graph); });
  REQUIRE(error);
  const std::string text = error->what();
  CHECK(text.find("cycle") != std::string::npos);
  CHECK(text.find("b_node") != std::string::npos);
  CHECK(text.find("c_node") != std::string::npos);
  CHECK(text.find("a_node") == std::string::npos);
  CHECK(text.find("d_node") == std::string::npos);

  ModelBuilder self;
  self.input("x", {1}).output("a").node("Add", {"x", "a"}, {"a"});
  CHECK(refuses("cycle: Add \"a_node\" -> Add \"a_node\"", self));
}

TEST_CASE("validate: names made twice or never") {
  SUBCASE("by two nodes") {
    ModelBuilder b;
    b.input("x", {1}).output("y").node("Relu", {"x"}, {"y"}).node("Sigmoid", {"x"}, {"y"});
    b.model.graph.nodes[1].name = "second";
    CHECK(refuses("tensor \"y\" is made twice: by Sigmoid \"second\" and by Relu \"y_node\"", b));
  }
  SUBCASE("by one node") {
    ModelBuilder b;
    b.input("x", {1}).output("y").node("Split", {"x"}, {"y", "y"});
    CHECK(refuses("made twice", b));
  }
  SUBCASE("by a node and an input or initializer") {
    ModelBuilder b;
    b.input("x", {1}).output("x").node("Relu", {"x"}, {"x"});
    CHECK(refuses("an input or initializer", b));
    ModelBuilder c;
    c.input("x", {1}).scalar("y", 1).output("y").node("Relu", {"x"}, {"y"});
    CHECK(refuses("an input or initializer", c));
  }
  SUBCASE("two inputs") {
    ModelBuilder b;
    b.input("x", {1}).input("x", {2}).output("y").node("Relu", {"x"}, {"y"});
    CHECK(refuses("input \"x\" is declared twice", b));
  }
  SUBCASE("never") {
    ModelBuilder b;
    b.input("x", {1}).output("y").node("Add", {"x", "nowhere"}, {"y"});
    CHECK(refuses("input \"nowhere\" is made by no node", b));
  }
  SUBCASE("outputs") {
    ModelBuilder b;
    b.input("x", {1}).node("Relu", {"x"}, {"y"});
    CHECK(refuses("no outputs", b));
    b.output("z");
    CHECK(refuses("output \"z\"", b));
    b.model.graph.outputs.clear();
    b.output("y").output("y");
    CHECK(refuses("output \"y\" is declared twice", b));
  }
}

TEST_CASE("validate: absent inputs and outputs are no names") {
  ModelBuilder b;
  b.input("x", {1}).output("y");
  b.node("Clip", {"x", "", ""}, {"y"}).node("Dropout", {"x"}, {"u", ""}).node("Dropout", {"x"}, {"v", ""});
  CHECK_NOTHROW(onnx::validateAndSort(b.model.graph));
}
