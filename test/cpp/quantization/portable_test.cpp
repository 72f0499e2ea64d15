#include "quantization/portable.hpp"

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "onnx/writer.hpp"
#include "support/interpreter.hpp"
#include "support/model_builder.hpp"

using namespace presisi;
using onnx::Attribute;
using test::ModelBuilder;

TEST_CASE("portable: internal operators are spelled in ONNX's own") {
  const std::pair<const char*, std::vector<Attribute>> cases[] = {
      {"Swish", {}}, {"Swish", {Attribute::ofFloat("alpha", 1.702f)}},       {"HardSwish", {}},
      {"Gelu", {}},  {"Gelu", {Attribute::ofString("approximate", "tanh")}},
  };
  for (const auto& entry : cases) {
    const char* op = entry.first;
    const std::vector<Attribute>& attributes = entry.second;
    CAPTURE(op);
    ModelBuilder b(13);
    b.input("x", {-1, 100}).node("Relu", {"x"}, {"r"}).node(op, {"x"}, {"y"}, attributes, onnx::kPresisiDomain);
    b.output("y").output("r");
    const onnx::Model lowered = quantization::lowerInternalOps(b.model);
    CHECK(lowered.opset(onnx::kPresisiDomain) == 0);
    CHECK_NOTHROW(onnx::writeModel(lowered));
    const Tensor x = b.random({3, 100}, -6, 6);
    CHECK(test::difference(test::interpret(lowered, {{"x", x}}), test::interpret(b.model, {{"x", x}})) < 1e-6);
    CHECK(lowered.graph.nodes.back().name == "y_node");
  }
}

TEST_CASE("portable: what has no spelling is refused") {
  ModelBuilder b(13);
  b.input("x", {4}).node("Mystery", {"x"}, {"y"}, {}, onnx::kPresisiDomain).output("y");
  CHECK_THROWS_WITH_AS(quantization::lowerInternalOps(b.model), doctest::Contains("Mystery"), Error);
  ModelBuilder old(8);
  old.input("x", {4}).node("Gelu", {"x"}, {"y"}, {}, onnx::kPresisiDomain).output("y");
  CHECK_THROWS_WITH_AS(quantization::lowerInternalOps(old.model), doctest::Contains("Erf"), Error);
}
