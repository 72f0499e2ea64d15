#include <doctest/doctest.h>

#include "graph/support.hpp"
#include "onnx/writer.hpp"
#include "support/bytes.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

/// What an exporter writes around a block: constants to fold, no-ops, a batch norm, a spelled-out activation.
ModelBuilder network(DType dtype) {
  ModelBuilder b;
  b.input("x", {-1, 3, 8, 8}, dtype).output("y", dtype).output("n", DType::Int64);
  b.weight("conv.weight", {8, 3, 3, 3}).weight("half", {1}, 0.5f, 0.6f).weight("unused", {7});
  for (const char* p : {"scale", "shift", "mean", "var"}) b.weight(p, {8}, 0.1f, 1);
  b.ints("rest", {-1}).ints("zero", {0});
  b.node("Identity", {"x"}, {"i"}).node("Conv", {"i", "conv.weight"}, {"c"});
  b.node("BatchNormalization", {"c", "scale", "shift", "mean", "var"}, {"b"});
  b.node("Dropout", {"b"}, {"d"}).node("Sigmoid", {"d"}, {"s"}).node("Mul", {"d", "s"}, {"m"});
  b.node("Add", {"half", "half"}, {"one"}).node("Mul", {"m", "one"}, {"k"});
  b.node("Shape", {"k"}, {"dims"}).node("Gather", {"dims", "zero"}, {"n"});
  b.node("Concat", {"n", "rest"}, {"to"}, {Attribute::ofInt("axis", 0)}).node("Reshape", {"k", "to"}, {"y"});
  for (auto& [name, tensor] : b.model.graph.initializers) {
    if (tensor.dtype() == DType::Float32) tensor = tensor.cast(dtype);
  }
  return b;
}

}  // namespace

TEST_CASE("tidy: constants, no-ops and batch norms go, the operators stay ONNX's own") {
  for (const DType dtype : {DType::Float32, DType::Float16}) {
    CAPTURE(name(dtype));
    const onnx::Model model = network(dtype).model;
    const onnx::Model out = graph::tidy(model);
    CHECK(operators(out) == "Conv Sigmoid Mul Mul Shape Gather Concat Reshape");
    CHECK(out.graph.inputs[0].dims[0] == -1);
    for (const int64_t batch : {1, 3}) CHECK(difference(model, out, batch) < (dtype == DType::Float32 ? 1e-6 : 4e-3));
    for (const auto& [name, tensor] : out.graph.initializers) {
      CAPTURE(name);
      CHECK((tensor.dtype() == dtype || tensor.dtype() == DType::Int64));
    }
    CHECK(out.graph.initializer("unused") == nullptr);
    CHECK(out.graph.initializer("conv.bias") != nullptr);
    CHECK(whatDiffers(out, readBytes(onnx::writeModel(out))) == "");
    CHECK(whatDiffers(out, graph::tidy(out)) == "");
  }
}

TEST_CASE("tidy: weights stay as they are stored") {
  ModelBuilder b;
  b.input("x", {2, 3, 4, 4}).output("y").weight("w", {4, 3, 1, 1}).scalar("s", 0.01f);
  b.initializer("h", b.random({4, 4, 1, 1}).cast(DType::Float16)).initializer("z", Tensor(DType::Int8, {}));
  b.node("QuantizeLinear", {"w", "s", "z"}, {"q"}).node("DequantizeLinear", {"q", "s", "z"}, {"wq"});
  b.node("Cast", {"h"}, {"wh"}, {Attribute::ofInt("to", static_cast<int64_t>(DType::Float32))});
  b.node("Conv", {"x", "wq"}, {"c"}).node("Conv", {"c", "wh"}, {"y"});
  const onnx::Model out = graph::tidy(b.model);
  CHECK(whatDiffers(out, b.model) == "");
}

TEST_CASE("tidy: operators outside the set stay, and what is around them is tidied") {
  ModelBuilder b;
  b.input("x", {3, 3}).output("y").scalar("one", 1);
  b.node("Identity", {"x"}, {"i"}).node("Det", {"i"}, {"d"}).node("Add", {"one", "one"}, {"two"});
  b.node("Mul", {"d", "two"}, {"y"});
  CHECK(operators(graph::tidy(b.model)) == "Det Mul");
}

TEST_CASE("tidy: a file of the oldest kind becomes one that others read") {
  ModelBuilder b(9);
  b.model.irVersion = 3;
  b.input("x", {1, 2}).output("y").weight("w", {2}).node("Add", {"x", "w"}, {"y"});
  CHECK(graph::tidy(b.model).irVersion == 4);
}
