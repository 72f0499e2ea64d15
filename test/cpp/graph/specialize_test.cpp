#include <doctest/doctest.h>

#include "graph/support.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

ModelBuilder reshaping() {
  ModelBuilder b;
  b.input("x", {-1, 3, 4, 4}).output("y").ints("0d", {0}).ints("rest", {-1});
  b.initializer("index", Tensor::of<int64_t>(DType::Int64, {}, {0}));
  b.node("Relu", {"x"}, {"r"}).node("Shape", {"x"}, {"s"}).node("Gather", {"s", "index"}, {"n"});
  b.node("Unsqueeze", {"n", "0d"}, {"u"}).node("Concat", {"u", "rest"}, {"to"}, {Attribute::ofInt("axis", 0)});
  b.node("Reshape", {"r", "to"}, {"y"});
  return b;
}

}  // namespace

TEST_CASE("specialize: shape arithmetic follows the batch") {
  const onnx::Model model = reshaping().model;
  for (const int64_t batch : {1, 2, 7}) {
    const auto known = graph::specialize(model, {{"x", {batch, 3, 4, 4}}});
    CHECK(known.types.at("y").dims == Dims{batch, 48});
    CHECK(known.types.at("y").dtype == DType::Float32);
    CHECK(known.constants.at("to").toInt64s() == std::vector<int64_t>{batch, -1});
    CHECK(known.constants.count("r") == 0);
  }
}

TEST_CASE("specialize: Size, and Shape of a part") {
  ModelBuilder b;
  b.input("x", {-1, 3, 5}).output("a", DType::Int64).output("b", DType::Int64).output("c", DType::Int64);
  b.node("Size", {"x"}, {"a"}).node("Shape", {"x"}, {"b"}, {Attribute::ofInt("start", -2)});
  b.node("Shape", {"x"}, {"c"}, {Attribute::ofInt("start", 1), Attribute::ofInt("end", -1)});
  const auto known = graph::specialize(b.model, {{"x", {2, 3, 5}}});
  CHECK(known.constants.at("a").toInt64s() == std::vector<int64_t>{30});
  CHECK(known.constants.at("b").toInt64s() == std::vector<int64_t>{3, 5});
  CHECK(known.constants.at("c").toInt64s() == std::vector<int64_t>{3});
}

TEST_CASE("specialize: shapes that contradict the model") {
  const onnx::Model model = reshaping().model;
  const auto refuses = [&](const std::string& text, const std::map<std::string, Dims>& shapes) {
    return throwsError(ErrorCode::ShapeMismatch, text, [&] { graph::specialize(model, shapes); });
  };
  CHECK(refuses("input \"x\": expected shape [?, 3, 4, 4] but received [1, 4, 4, 4]", {{"x", {1, 4, 4, 4}}}));
  CHECK(refuses("but received [1, 3, 4]", {{"x", {1, 3, 4}}}));
  CHECK(refuses("but received [?, 3, 4, 4]", {{"x", {-1, 3, 4, 4}}}));
  CHECK(refuses("no shape was given for input \"x\"", {}));
  CHECK(refuses("no input", {{"x", {1, 3, 4, 4}}, {"z", {1}}}));
}

TEST_CASE("specialize: graphs that contradict themselves") {
  ModelBuilder wrongType;
  wrongType.input("x", {2}).output("y", DType::Int64).node("Relu", {"x"}, {"y"});
  CHECK(throwsError(ErrorCode::InvalidModel, "declared as int64", [&] {
    graph::specialize(wrongType.model, {{"x", {2}}});
  }));
  ModelBuilder unordered;
  unordered.input("x", {2}).output("y").node("Relu", {"a"}, {"y"}).node("Relu", {"x"}, {"a"});
  CHECK(throwsError(ErrorCode::InvalidModel, "not made before it is used", [&] {
    graph::specialize(unordered.model, {{"x", {2}}});
  }));
  ModelBuilder unknown;
  unknown.input("x", {2}).output("y").node("Magic", {"x"}, {"y"});
  CHECK(throwsError(ErrorCode::UnsupportedOperator, "Magic", [&] { graph::specialize(unknown.model, {{"x", {2}}}); }));
}

TEST_CASE("specialize: constants don't grow without bound") {
  ModelBuilder b;
  b.input("x", {1}).output("y", DType::Int64).output("z").ints("big", {int64_t{1} << 34}).ints("size", {1 << 20});
  b.initializer("value", Tensor::fromInt64({3}));
  b.node("ConstantOfShape", {"big"}, {"y"}, {Attribute::ofTensor("value", Tensor::fromInt64({3}))});
  b.node("ConstantOfShape", {"size"}, {"z"});  // 4 MiB of floats
  const auto known = graph::specialize(b.model, {{"x", {1}}});
  CHECK(known.types.at("y").dims == Dims{int64_t{1} << 34});
  CHECK(known.constants.count("y") == 0);
  CHECK(known.constants.count("z") == 0);

  ModelBuilder many;
  many.input("x", {1}).output("0", DType::Int64).ints("size", {1 << 22});  // 32 MiB of integers each
  for (int i = 0; i < 12; ++i) {
    many.node("ConstantOfShape", {"size"}, {std::to_string(i)}, {Attribute::ofTensor("value", Tensor::fromInt64({i}))});
  }
  const auto some = graph::specialize(many.model, {{"x", {1}}});
  CHECK(some.constants.size() == 1 + 8);
}

TEST_CASE("specialize: quantized weights are not taken for floats") {
  ModelBuilder b;
  b.input("x", {1, 2}).output("y").scalar("s", 0.5f).initializer("z", Tensor(DType::Int8, {}));
  b.initializer("q", Tensor(DType::Int8, {2, 2}));
  b.node("DequantizeLinear", {"q", "s", "z"}, {"w"}).node("MatMul", {"x", "w"}, {"y"});
  CHECK(graph::specialize(b.model, {{"x", {1, 2}}}).constants.count("w") == 0);
}

TEST_CASE("inputShapes: the batch where it is open") {
  ModelBuilder b;
  b.input("x", {-1, 3}).input("fixed", {2, 3}).output("y").output("z");
  b.node("Relu", {"x"}, {"y"}).node("Relu", {"fixed"}, {"z"});
  const auto shapes = graph::inputShapes(b.model, 4);
  CHECK(shapes.at("x") == Dims{4, 3});
  CHECK(shapes.at("fixed") == Dims{2, 3});
  CHECK(throwsError(ErrorCode::InvalidArgument, "batch", [&] { graph::inputShapes(b.model, 0); }));
}

TEST_CASE("inputShapes: other open axes are 1 where that will do") {
  const auto build = [](int64_t kernel) {
    ModelBuilder b;
    b.input("x", {-1, 3, -1, -1}).output("y").weight("w", {2, 3, kernel, kernel}).node("Conv", {"x", "w"}, {"y"});
    b.model.graph.inputs[0].symbols[2] = "height";
    return b.model;
  };
  CHECK(graph::inputShapes(build(1), 2).at("x") == Dims{2, 3, 1, 1});
  CHECK(throwsError(ErrorCode::ShapeMismatch, "axis 2 of input \"x\" (height) is dynamic",
                    [&] { graph::inputShapes(build(5), 2); }));
  onnx::Model shapeless = build(1);
  shapeless.graph.inputs[0].hasShape = false;
  CHECK(throwsError(ErrorCode::ShapeMismatch, "\"x\" has no shape", [&] { graph::inputShapes(shapeless, 1); }));
}
