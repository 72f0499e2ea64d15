#include <doctest/doctest.h>

#include <cmath>

#include "graph/support.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

/// r = Relu of an input, so that what follows stands inside a graph.
ModelBuilder start(int64_t opset = 17) {
  ModelBuilder b(opset);
  b.input("in", {-1, 3, 4, 4}).output("y").node("Neg", {"in"}, {"x"});
  b.scalar("3", 3).scalar("0", 0).scalar("6", 6).scalar("sixth", 1.0f / 6).scalar("half", 0.5f).scalar("1", 1);
  b.scalar("root2", std::sqrt(2.0f)).scalar("1/root2", 1 / std::sqrt(2.0f));
  return b;
}

void checkBecomes(const ModelBuilder& b, const std::string& expected, double tolerance = 3e-6) {
  const onnx::Model out = graph::removeDeadCode(graph::recognise(b.model));
  CHECK(operators(out) == expected);
  CHECK(difference(b.model, out, 2) < tolerance);
  // What was recognised once is left alone.
  CHECK(whatDiffers(out, graph::recognise(out)) == "");
}

void checkStays(const ModelBuilder& b) { CHECK(whatDiffers(b.model, graph::recognise(b.model)) == ""); }

}  // namespace

TEST_CASE("recognise: swish") {
  for (const bool swapped : {false, true}) {
    ModelBuilder b = start();
    b.node("Sigmoid", {"x"}, {"s"});
    b.node("Mul", swapped ? std::vector<std::string>{"s", "x"} : std::vector<std::string>{"x", "s"}, {"y"});
    checkBecomes(b, "Neg presisi::Swish");
    CHECK(graph::recognise(b.model).opset("presisi") == 1);
    CHECK(b.model.opset("presisi") == 0);
  }
}

TEST_CASE("recognise: swish in one operator") {
  checkBecomes(start(24).node("Swish", {"x"}, {"y"}), "Neg presisi::Swish");
  checkStays(start(24).node("Swish", {"x"}, {"y"}, {Attribute::ofFloat("alpha", 1.702f)}));
}

TEST_CASE("recognise: hard swish in every spelling") {
  const auto clipped = [] {
    ModelBuilder b = start();
    b.node("Add", {"x", "3"}, {"a"}).node("Clip", {"a", "0", "6"}, {"c"});
    return b;
  };
  SUBCASE("x * (relu6(x + 3) / 6)") {
    checkBecomes(clipped().node("Div", {"c", "6"}, {"d"}).node("Mul", {"x", "d"}, {"y"}), "Neg presisi::HardSwish");
  }
  SUBCASE("(x * relu6(x + 3)) / 6") {
    checkBecomes(clipped().node("Mul", {"x", "c"}, {"m"}).node("Div", {"m", "6"}, {"y"}), "Neg presisi::HardSwish");
  }
  SUBCASE("(relu6(x + 3) * x) * (1 / 6)") {
    checkBecomes(clipped().node("Mul", {"c", "x"}, {"m"}).node("Mul", {"sixth", "m"}, {"y"}), "Neg presisi::HardSwish");
  }
  SUBCASE("x * (relu6(3 + x) * (1 / 6))") {
    ModelBuilder b = start();
    b.node("Add", {"3", "x"}, {"a"}).node("Clip", {"a", "0", "6"}, {"c"}).node("Mul", {"c", "sixth"}, {"m"});
    checkBecomes(b.node("Mul", {"m", "x"}, {"y"}), "Neg presisi::HardSwish");
  }
  SUBCASE("Clip with bounds as attributes") {
    ModelBuilder b = start(9);
    b.node("Add", {"x", "3"}, {"a"});
    b.node("Clip", {"a"}, {"c"}, {Attribute::ofFloat("min", 0), Attribute::ofFloat("max", 6)});
    checkBecomes(b.node("Mul", {"x", "c"}, {"m"}).node("Div", {"m", "6"}, {"y"}), "Neg presisi::HardSwish");
  }
  SUBCASE("x * HardSigmoid(x)") {
    ModelBuilder b = start();
    b.node("HardSigmoid", {"x"}, {"h"}, {Attribute::ofFloat("alpha", 1.0f / 6)});
    checkBecomes(b.node("Mul", {"h", "x"}, {"y"}), "Neg presisi::HardSwish");
  }
  SUBCASE("HardSwish") { checkBecomes(start().node("HardSwish", {"x"}, {"y"}), "Neg presisi::HardSwish"); }
}

TEST_CASE("recognise: hard sigmoid alone") {
  ModelBuilder b = start();
  b.node("Add", {"x", "3"}, {"a"}).node("Clip", {"a", "0", "6"}, {"c"}).node("Div", {"c", "6"}, {"y"});
  checkBecomes(b, "Neg HardSigmoid");
  // As a gate of something else it is no hard swish.
  ModelBuilder gate = start();
  gate.node("Add", {"x", "3"}, {"a"}).node("Clip", {"a", "0", "6"}, {"c"}).node("Div", {"c", "6"}, {"d"});
  checkBecomes(gate.node("Mul", {"in", "d"}, {"y"}), "Neg HardSigmoid Mul");
}

TEST_CASE("recognise: gelu in every spelling") {
  const auto erf = [](bool divides) {
    ModelBuilder b = start();
    b.node(divides ? "Div" : "Mul", {"x", divides ? "root2" : "1/root2"}, {"s"}).node("Erf", {"s"}, {"e"});
    b.node("Add", {"e", "1"}, {"p"});
    return b;
  };
  for (const bool divides : {true, false}) {
    CAPTURE(divides);
    checkBecomes(erf(divides).node("Mul", {"x", "p"}, {"m"}).node("Mul", {"m", "half"}, {"y"}), "Neg presisi::Gelu");
    checkBecomes(erf(divides).node("Mul", {"x", "half"}, {"h"}).node("Mul", {"h", "p"}, {"y"}), "Neg presisi::Gelu");
    checkBecomes(erf(divides).node("Mul", {"half", "p"}, {"h"}).node("Mul", {"h", "x"}, {"y"}), "Neg presisi::Gelu");
  }
  checkBecomes(start(20).node("Gelu", {"x"}, {"y"}), "Neg presisi::Gelu");
  checkStays(start(20).node("Gelu", {"x"}, {"y"}, {Attribute::ofString("approximate", "tanh")}));
}

TEST_CASE("recognise: what only looks like an activation function") {
  SUBCASE("the sigmoid of something else") {
    checkStays(start().node("Sigmoid", {"in"}, {"s"}).node("Mul", {"x", "s"}, {"y"}));
  }
  SUBCASE("a sigmoid that others read") {
    checkStays(
        start().output("z").node("Sigmoid", {"x"}, {"s"}).node("Mul", {"x", "s"}, {"y"}).node("Neg", {"s"}, {"z"}));
    checkStays(start().output("s").node("Sigmoid", {"x"}, {"s"}).node("Mul", {"x", "s"}, {"y"}));
  }
  SUBCASE("other constants") {
    ModelBuilder b = start();
    b.scalar("2.9", 2.9f).node("Add", {"x", "2.9"}, {"a"}).node("Clip", {"a", "0", "6"}, {"c"});
    checkStays(b.node("Mul", {"x", "c"}, {"m"}).node("Div", {"m", "6"}, {"y"}));
    ModelBuilder c = start();
    c.node("Add", {"x", "3"}, {"a"}).node("Clip", {"a", "1", "6"}, {"c"});
    checkStays(c.node("Mul", {"x", "c"}, {"m"}).node("Div", {"m", "6"}, {"y"}));
    ModelBuilder d = start();
    d.node("HardSigmoid", {"x"}, {"h"}, {Attribute::ofFloat("alpha", 0.2f)});
    checkStays(d.node("Mul", {"h", "x"}, {"y"}));
    ModelBuilder e = start();
    e.node("Sigmoid", {"x"}, {"s"}).node("Mul", {"x", "half"}, {"h"});
    checkStays(e.node("Mul", {"h", "s"}, {"y"}));
  }
  SUBCASE("six divided by the product") {
    ModelBuilder b = start();
    b.node("Add", {"x", "3"}, {"a"}).node("Clip", {"a", "0", "6"}, {"c"}).node("Mul", {"x", "c"}, {"m"});
    checkStays(b.node("Div", {"6", "m"}, {"y"}));
  }
  SUBCASE("a constant that adds dimensions") {
    ModelBuilder b = start();
    b.initializer("deep", Tensor::of<float>(DType::Float32, {1, 1, 1, 1, 1}, {6}));
    b.node("Add", {"x", "3"}, {"a"}).node("Clip", {"a", "0", "6"}, {"c"}).node("Mul", {"x", "c"}, {"m"});
    checkStays(b.node("Div", {"m", "deep"}, {"y"}));
  }
  SUBCASE("a square of the sigmoid") {
    checkStays(start().node("Sigmoid", {"x"}, {"s"}).node("Mul", {"s", "s"}, {"y"}));
  }
}

TEST_CASE("recognise: the mean over space") {
  const auto mean = [](std::vector<int64_t> axes, int64_t keep, int64_t opset) {
    ModelBuilder b = start(opset);
    if (opset < 18) {
      return b.node("ReduceMean", {"x"}, {"y"}, {Attribute::ofInts("axes", axes), Attribute::ofInt("keepdims", keep)});
    }
    return b.ints("axes", axes).node("ReduceMean", {"x", "axes"}, {"y"}, {Attribute::ofInt("keepdims", keep)});
  };
  for (const int64_t opset : {13, 18}) {
    CAPTURE(opset);
    checkBecomes(mean({2, 3}, 1, opset), "Neg GlobalAveragePool");
    checkBecomes(mean({-1, -2}, 1, opset), "Neg GlobalAveragePool");
    checkBecomes(mean({-2, 3}, 0, opset), "Neg GlobalAveragePool Flatten");
    checkStays(mean({1, 2}, 1, opset));
    checkStays(mean({2}, 1, opset));
    checkStays(mean({1, 2, 3}, 1, opset));
  }
}

TEST_CASE("recognise: a matrix product with a bias") {
  const auto product = [](const Dims& x, const Dims& bias, bool swapped) {
    ModelBuilder b;
    b.input("x", x).output("y").weight("w", {3, 5}).weight("b", bias).node("MatMul", {"x", "w"}, {"m"});
    return b.node("Add", swapped ? std::vector<std::string>{"b", "m"} : std::vector<std::string>{"m", "b"}, {"y"});
  };
  for (const bool swapped : {false, true}) {
    checkBecomes(product({-1, 3}, {5}, swapped), "Gemm");
    checkBecomes(product({-1, 3}, {1}, swapped), "Gemm");
    checkBecomes(product({-1, 3}, {}, swapped), "Gemm");
    checkStays(product({-1, 2, 3}, {5}, swapped));
    checkStays(product({4, 3}, {4, 1}, swapped));
  }
  CHECK(graph::recognise(product({-1, 3}, {5}, false).model).graph.nodes[0].name == "m_node");
}

TEST_CASE("recognise: a reshape that keeps the batch") {
  const auto flatten = [](const std::string& measured, int64_t picked) {
    ModelBuilder b = start();
    b.ints("rest", {-1}).ints("0d", {0});
    b.initializer("index", Tensor::of<int64_t>(DType::Int64, {}, {picked}));
    b.node("Shape", {measured}, {"s"}).node("Gather", {"s", "index"}, {"n"}).node("Unsqueeze", {"n", "0d"}, {"u"});
    return b.node("Concat", {"u", "rest"}, {"to"}, {Attribute::ofInt("axis", 0)}).node("Reshape", {"x", "to"}, {"y"});
  };
  checkBecomes(flatten("x", 0), "Neg Reshape");
  checkStays(flatten("in", 0));
  checkStays(flatten("x", 1));

  ModelBuilder sliced = start();
  sliced.ints("rest", {3, 16}).ints("from", {0}).ints("to", {1});
  sliced.node("Shape", {"x"}, {"s"}).node("Slice", {"s", "from", "to"}, {"n"});
  sliced.node("Concat", {"n", "rest"}, {"shape"}, {Attribute::ofInt("axis", 0)});
  checkBecomes(sliced.node("Reshape", {"x", "shape"}, {"y"}), "Neg Reshape");
}
