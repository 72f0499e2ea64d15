#include <doctest/doctest.h>

#include "graph/support.hpp"
#include "onnx/writer.hpp"
#include "support/bytes.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

TEST_CASE("exposeTensors: tensors become outputs, once and behind those there are") {
  ModelBuilder b;
  b.input("x", {-1, 3, 4, 4}).output("y").weight("w", {2, 3, 3, 3});
  b.node("Conv", {"x", "w"}, {"c"}).node("Shape", {"c"}, {"s"}).node("Relu", {"c"}, {"y"});
  const onnx::Model out = graph::exposeTensors(b.model, {"s", "c", "y", "c"});
  REQUIRE(out.graph.outputs.size() == 3);
  CHECK(out.graph.outputs[0].name == "y");
  CHECK(out.graph.outputs[1].name == "s");
  CHECK(out.graph.outputs[1].dtype == DType::Int64);
  CHECK(out.graph.outputs[1].dims == Dims{4});
  CHECK(out.graph.outputs[2].name == "c");
  CHECK(out.graph.outputs[2].dtype == DType::Float32);
  CHECK(out.graph.outputs[2].dims == Dims{-1, 2, 2, 2});
  CHECK(interpret(out, feedsFor(out, 2)).at("c").dims() == Dims{2, 2, 2, 2});
  CHECK(whatDiffers(out, readBytes(onnx::writeModel(out))) == "");
}

TEST_CASE("exposeTensors: names that no node makes") {
  ModelBuilder b;
  b.input("x", {1}).output("y").node("Relu", {"x"}, {"y"});
  for (const char* bad : {"x", "z", ""}) {
    CHECK(throwsError(ErrorCode::InvalidArgument, "that a node makes", [&] { graph::exposeTensors(b.model, {bad}); }));
  }
}
