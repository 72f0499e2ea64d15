#include <doctest/doctest.h>

#include "graph/support.hpp"
#include "onnx/writer.hpp"
#include "support/bytes.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

/// A small network with a bit of everything that exporters write.
onnx::Model network() {
  ModelBuilder b;
  b.input("x", {-1, 3, 8, 8}).output("y");
  b.weight("w0", {8, 3, 3, 3}).weight("w1", {16, 8}).weight("w2", {4, 16}).weight("b1", {16}).scalar("3", 3);
  b.scalar("0", 0).scalar("6", 6).ints("0d", {0}).ints("rest", {-1});
  for (const char* p : {"scale", "shift", "mean", "var"}) b.weight(p, {8}, 0.1f, 1);
  b.initializer("index", Tensor::of<int64_t>(DType::Int64, {}, {0}));
  b.node("Identity", {"x"}, {"i"}).node("Conv", {"i", "w0"}, {"c"}, {Attribute::ofInts("strides", {2, 2})});
  b.node("BatchNormalization", {"c", "scale", "shift", "mean", "var"}, {"n"});
  b.node("Add", {"n", "3"}, {"p"}).node("Clip", {"p", "0", "6"}, {"q"}).node("Div", {"q", "6"}, {"d"});
  b.node("Mul", {"n", "d"}, {"h"});
  b.node("ReduceMean", {"h"}, {"g"}, {Attribute::ofInts("axes", {2, 3}), Attribute::ofInt("keepdims", 1)});
  b.node("Shape", {"g"}, {"s"}).node("Gather", {"s", "index"}, {"k"}).node("Unsqueeze", {"k", "0d"}, {"u"});
  b.node("Concat", {"u", "rest"}, {"to"}, {Attribute::ofInt("axis", 0)}).node("Reshape", {"g", "to"}, {"f"});
  b.node("Transpose", {"w1"}, {"w1t"}).node("MatMul", {"f", "w1t0"}, {"m"}).node("Add", {"m", "b1"}, {"a"});
  b.model.graph.nodes[b.model.graph.nodes.size() - 2].inputs[1] = "w1t";
  b.model.graph.initializers["w1"] = b.random({16, 8});
  b.node("Sigmoid", {"a"}, {"t"}).node("Mul", {"a", "t"}, {"v"});
  b.node("Gemm", {"v", "w2"}, {"y"}, {Attribute::ofInt("transB", 1)});
  return b.model;
}

}  // namespace

TEST_CASE("simplify: everything together, for every batch") {
  const onnx::Model model = network();
  const onnx::Model out = graph::simplify(model);
  CHECK(operators(out) == "Conv presisi::HardSwish GlobalAveragePool Reshape Gemm presisi::Swish Gemm");
  for (const int64_t batch : {1, 3}) CHECK(difference(model, out, batch) < 1e-5);
  CHECK(graph::specialize(out, graph::inputShapes(out, 9)).types.at("y").dims == Dims{9, 4});
}

TEST_CASE("simplify: is a fixed point, also through a file") {
  const onnx::Model once = graph::simplify(network());
  CHECK(whatDiffers(once, graph::simplify(once)) == "");
  CHECK(whatDiffers(once, graph::simplify(readBytes(onnx::writeModel(once, true)))) == "");
}

TEST_CASE("simplify: the batch survives where a shape can't be written down") {
  ModelBuilder b;
  b.input("x", {-1, 6, 2}).output("y").ints("rest", {3, 4}).initializer("index", Tensor::fromInt64({0}));
  // The batch comes from another tensor than the one reshaped.
  b.node("Shape", {"x"}, {"s"}).node("Gather", {"s", "index"}, {"n"});
  b.node("Concat", {"n", "rest"}, {"to"}, {Attribute::ofInt("axis", 0)});
  b.node("Relu", {"x"}, {"r"}).node("Reshape", {"r", "to"}, {"y"});
  const onnx::Model out = graph::simplify(b.model);
  for (const int64_t batch : {1, 2, 5}) {
    CHECK(difference(b.model, out, batch) == 0);
    CHECK(graph::specialize(out, graph::inputShapes(out, batch)).types.at("y").dims == Dims{batch, 3, 4});
  }
}

TEST_CASE("simplify: Q/DQ stays where it is") {
  ModelBuilder b;
  b.input("x", {-1, 4}).output("y").weight("w", {4, 4}).weight("c", {4}).scalar("s", 0.02f);
  b.initializer("z", Tensor(DType::Int8, {}));
  b.node("QuantizeLinear", {"x", "s", "z"}, {"qx"}).node("DequantizeLinear", {"qx", "s", "z"}, {"dx"});
  b.node("QuantizeLinear", {"w", "s", "z"}, {"qw"}).node("DequantizeLinear", {"qw", "s", "z"}, {"dw"});
  b.node("MatMul", {"dx", "dw"}, {"m"}).node("Add", {"m", "c"}, {"y"});
  const onnx::Model out = graph::simplify(b.model);
  CHECK(operators(out) == "QuantizeLinear DequantizeLinear DequantizeLinear MatMul Add");
  CHECK(out.graph.initializer("qw")->dtype() == DType::Int8);
  CHECK(difference(b.model, out) == 0);
}

TEST_CASE("simplify: refuses what it can't know, and what can't be") {
  ModelBuilder unknown;
  unknown.input("x", {1}).output("y").node("Magic", {"x"}, {"a"}).node("Trick", {"a"}, {"y"});
  const auto error = errorOf([&] { graph::simplify(unknown.model); });
  REQUIRE(error);
  CHECK(error->code() == ErrorCode::UnsupportedOperator);
  CHECK(std::string(error->what()).find("Magic") != std::string::npos);
  CHECK(std::string(error->what()).find("Trick") != std::string::npos);

  ModelBuilder wrong;
  wrong.input("x", {2, 3}).output("y").weight("w", {4, 5}).node("MatMul", {"x", "w"}, {"y"});
  const auto mismatch = errorOf([&] { graph::simplify(wrong.model); });
  REQUIRE(mismatch);
  CHECK(std::string(mismatch->what()).find("MatMul \"y_node\"") != std::string::npos);
}
