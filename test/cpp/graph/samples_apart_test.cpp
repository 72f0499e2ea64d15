#include <doctest/doctest.h>

#include "graph/support.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

bool apart(const onnx::Model& model, int64_t count, const Dims& sample) {
  Dims dims{count};
  dims.insert(dims.end(), sample.begin(), sample.end());
  return graph::samplesApart(model, graph::specialize(model, {{"x", dims}}), count);
}

/// x -> (nodes) -> y, for samples of 4x6.
ModelBuilder over(const std::vector<std::vector<std::string>>& nodes) {
  ModelBuilder b;
  b.input("x", {-1, 4, 6}).output("y");
  b.initializer("row", Tensor(DType::Float32, {6})).initializer("one", Tensor(DType::Float32, {1, 4, 6}));
  b.initializer("four", Tensor(DType::Float32, {4, 4, 6})).initializer("square", Tensor(DType::Float32, {6, 6}));
  b.initializer("squares", Tensor(DType::Float32, {4, 6, 6}))
      .initializer("scale", Tensor::of<float>(DType::Float32, {}, {0.5f}));
  b.initializer("zero", Tensor(DType::Int8, {}));
  b.ints("keep", {0, -1})
      .ints("merge", {-1, 6})
      .ints("eight", {8, -1})
      .ints("to4", {4, -1})
      .ints("axis0", {0})
      .ints("axis1", {1})
      .ints("axis2", {2});
  b.ints("-3", {-3});
  for (const std::vector<std::string>& n : nodes) {
    b.node(n[0], {n.begin() + 1, n.end() - 1}, {n.back()});
  }
  return b;
}

bool isApart(const std::vector<std::vector<std::string>>& nodes, int64_t count = 4) {
  return apart(over(nodes).model, count, {4, 6});
}

}  // namespace

TEST_CASE("samplesApart: element by element") {
  CHECK(isApart({{"Relu", "x", "y"}}));
  CHECK(isApart({{"Add", "x", "row", "y"}}));
  CHECK(isApart({{"Add", "one", "x", "y"}}));
  CHECK(isApart({{"Relu", "x", "a"}, {"Mul", "x", "a", "y"}}));
  // Four rows of constants, one for each sample: a sample's place matters.
  CHECK_FALSE(isApart({{"Add", "x", "four", "y"}}));
  // [4, 4, 6] + [4, 6]: the samples of one lie along the second dimension of the other.
  CHECK_FALSE(isApart({{"ReduceSum", "x", "axis1", "a"}, {"Squeeze", "a", "axis1", "b"}, {"Add", "x", "b", "y"}}));
}

TEST_CASE("samplesApart: shapes") {
  CHECK(isApart({{"Reshape", "x", "keep", "y"}}));
  CHECK(isApart({{"Flatten", "x", "y"}}));
  CHECK_FALSE(isApart({{"Reshape", "x", "merge", "y"}}));
  CHECK_FALSE(isApart({{"Reshape", "x", "eight", "y"}}));
  // Written for four samples: right for them, not for two.
  CHECK(isApart({{"Reshape", "x", "to4", "y"}}, 4));
  CHECK_FALSE(isApart({{"Reshape", "x", "to4", "y"}}, 2));
  CHECK_FALSE(isApart({{"Unsqueeze", "x", "axis0", "y"}}));
  CHECK(isApart({{"Unsqueeze", "x", "axis2", "y"}}));
}

TEST_CASE("samplesApart: what a network makes of its shapes") {
  // Reshape may use them,
  CHECK(isApart({{"Shape", "x", "s"}, {"Reshape", "x", "s", "y"}}));
  // but arithmetic would tell how many samples there are.
  ModelBuilder b = over({{"Shape", "x", "s"}, {"ReduceSum", "s", "axis0", "m"}});
  b.node("Cast", {"m"}, {"f"}, {Attribute::ofInt("to", 1)}).node("Mul", {"x", "f"}, {"y"});
  CHECK_FALSE(apart(b.model, 4, {4, 6}));
}

TEST_CASE("samplesApart: sums and products") {
  CHECK(isApart({{"ReduceSum", "x", "axis2", "y"}}));
  CHECK_FALSE(isApart({{"ReduceSum", "x", "axis0", "y"}}));
  CHECK_FALSE(isApart({{"ReduceSum", "x", "-3", "y"}}));
  CHECK_FALSE(isApart({{"ReduceSum", "x", "y"}}));
  CHECK(isApart({{"MatMul", "x", "square", "y"}}));
  CHECK_FALSE(isApart({{"MatMul", "x", "squares", "y"}}));
  CHECK(isApart({{"Flatten", "x", "a"}, {"Softmax", "a", "y"}}));
}

TEST_CASE("samplesApart: axes") {
  const auto with = [](const char* op, Attribute attribute, const std::vector<std::string>& inputs = {"x"}) {
    ModelBuilder b = over({});
    b.node(op, inputs, {"y"}, {std::move(attribute)});
    return apart(b.model, 4, {4, 6});
  };
  CHECK(with("Concat", Attribute::ofInt("axis", 1), {"x", "x"}));
  CHECK_FALSE(with("Concat", Attribute::ofInt("axis", 0), {"x", "x"}));
  CHECK_FALSE(with("Concat", Attribute::ofInt("axis", -3), {"x", "x"}));
  CHECK_FALSE(with("Concat", Attribute::ofInt("axis", 1), {"x", "four"}));
  CHECK(with("Softmax", Attribute::ofInt("axis", -1)));
  CHECK_FALSE(with("Softmax", Attribute::ofInt("axis", 0)));
  CHECK(with("Transpose", Attribute::ofInts("perm", {0, 2, 1})));
  CHECK_FALSE(with("Transpose", Attribute::ofInts("perm", {1, 0, 2})));
  CHECK_FALSE(isApart({{"Transpose", "x", "y"}}));
}

TEST_CASE("samplesApart: integers") {
  CHECK(isApart({{"QuantizeLinear", "x", "scale", "zero", "q"}, {"DequantizeLinear", "q", "scale", "zero", "y"}}));
  ModelBuilder b = over({});
  b.initializer("scales", Tensor::of<float>(DType::Float32, {4}, {1, 2, 3, 4}))
      .initializer("zeros", Tensor(DType::Int8, {4}));
  const onnx::Model model = b.model;
  const auto along = [&](int64_t axis) {
    ModelBuilder q = b;
    q.node("QuantizeLinear", {"x", "scales", "zeros"}, {"q"}, {Attribute::ofInt("axis", axis)});
    q.node("DequantizeLinear", {"q", "scales", "zeros"}, {"y"}, {Attribute::ofInt("axis", axis)});
    return apart(q.model, 4, {4, 6});
  };
  CHECK(along(1));
  CHECK_FALSE(along(0));
}

TEST_CASE("samplesApart: no where it is not known, or there is nothing to cut") {
  CHECK_FALSE(isApart({{"Slice", "x", "axis0", "axis2", "axis2", "y"}}));
  ModelBuilder constant;
  constant.input("x", {-1, 4, 6}).output("y").initializer("y", Tensor(DType::Float32, {4}));
  CHECK_FALSE(apart(constant.model, 4, {4, 6}));
}
