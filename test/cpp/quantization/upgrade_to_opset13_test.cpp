#include "quantization/upgrade_to_opset13.hpp"

#include <doctest/doctest.h>

#include "core/error.hpp"
#include "support/interpreter.hpp"
#include "support/model_builder.hpp"

using namespace presisi;
using onnx::Attribute;
using quantization::upgradeOpset;
using test::ModelBuilder;

namespace {

/// Upgrades and checks that the model still computes the same.
onnx::Model checked(const onnx::Model& model, const Dims& shape) {
  const onnx::Model upgraded = upgradeOpset(model);
  CHECK(upgraded.opset() == 13);
  const Tensor x = ModelBuilder().random(shape, -2, 2);
  CHECK(test::difference(test::interpret(upgraded, {{"x", x}}), test::interpret(model, {{"x", x}})) < 1e-6);
  return upgraded;
}

ModelBuilder builder(int64_t opset, const Dims& shape) {
  ModelBuilder b(opset);
  b.input("x", shape);
  return b;
}

}  // namespace

TEST_CASE("upgrade: attributes that became inputs") {
  const Dims shape = {2, 3, 4, 5};
  ModelBuilder clip = builder(7, shape);
  clip.node("Clip", {"x"}, {"y"}, {Attribute::ofFloat("min", -1), Attribute::ofFloat("max", 0.5f)}).output("y");
  const onnx::Model upgraded = checked(clip.model, shape);
  CHECK(upgraded.graph.nodes[0].inputs.size() == 3);
  CHECK(upgraded.graph.nodes[0].attributes.empty());
  ModelBuilder half = builder(7, shape);
  half.node("Clip", {"x"}, {"y"}, {Attribute::ofFloat("max", 0.5f)}).output("y");
  CHECK(checked(half.model, shape).graph.nodes[0].inputs[1].empty());

  ModelBuilder pad = builder(9, shape);
  pad.node("Pad", {"x"}, {"y"}, {Attribute::ofInts("pads", {0, 0, 1, 2, 0, 0, 3, 0}), Attribute::ofFloat("value", 7)});
  pad.output("y");
  checked(pad.model, shape);

  ModelBuilder slice = builder(9, shape);
  slice.node(
      "Slice", {"x"}, {"y"},
      {Attribute::ofInts("starts", {1, 0}), Attribute::ofInts("ends", {3, 9}), Attribute::ofInts("axes", {1, 3})});
  slice.output("y");
  checked(slice.model, shape);

  ModelBuilder squeeze = builder(11, {2, 1, 4, 5});
  squeeze.node("Squeeze", {"x"}, {"s"}, {Attribute::ofInts("axes", {1})});
  squeeze.node("Unsqueeze", {"s"}, {"u"}, {Attribute::ofInts("axes", {0, 4})});
  squeeze.node("ReduceSum", {"u"}, {"r"}, {Attribute::ofInts("axes", {2})});
  squeeze.node("Squeeze", {"r"}, {"y"}).output("y");
  checked(squeeze.model, {2, 1, 4, 5});

  ModelBuilder split = builder(11, shape);
  split.node("Split", {"x"}, {"a", "y"}, {Attribute::ofInts("split", {1, 3}), Attribute::ofInt("axis", 2)});
  split.output("y").output("a");
  checked(split.model, shape);
}

TEST_CASE("upgrade: softmax over several axes at once") {
  for (const char* op : {"Softmax", "LogSoftmax"}) {
    for (const int64_t axis : {0, 1, 2, 3}) {
      CAPTURE(axis);
      ModelBuilder b = builder(11, {2, 3, 4, 5});
      b.node(op, {"x"}, {"y"}, {Attribute::ofInt("axis", axis)}).output("y");
      CHECK(checked(b.model, {2, 3, 4, 5}).graph.nodes.size() == (axis == 3 ? 1 : 4));
    }
  }
  ModelBuilder b = builder(7, {-1, 10});
  b.node("Softmax", {"x"}, {"y"}).output("y");
  CHECK(checked(b.model, {3, 10}).graph.nodes.size() == 1);  // the classifier's: its axis is the last
}

TEST_CASE("upgrade: upsampling") {
  for (const int64_t opset : {7, 9}) {
    for (const char* mode : {"nearest", "linear"}) {
      CAPTURE(mode);
      ModelBuilder b = builder(opset, {1, 2, 3, 3});
      const std::vector<float> scales = {1, 1, 2, 2};
      if (opset == 7) {
        b.node("Upsample", {"x"}, {"y"}, {Attribute::ofString("mode", mode), Attribute::ofFloats("scales", scales)});
      } else {
        b.initializer("s", Tensor::of(DType::Float32, {4}, scales));
        b.node("Upsample", {"x", "s"}, {"y"}, {Attribute::ofString("mode", mode)});
      }
      b.output("y");
      CHECK(checked(b.model, {1, 2, 3, 3}).graph.nodes[0].opType == "Resize");
    }
  }
}

TEST_CASE("upgrade: the rest") {
  ModelBuilder b = builder(8, {2, 3, 4, 4});
  b.weight("s", {3}).weight("o", {3}).weight("m", {3}).weight("v", {3}, 0.5f, 1);
  b.node("BatchNormalization", {"x", "s", "o", "m", "v"}, {"n"}, {Attribute::ofInt("spatial", 1)});
  b.node("Dropout", {"n"}, {"d"}, {Attribute::ofFloat("ratio", 0.3f)}).node("Relu", {"d"}, {"y"}).output("y");
  const onnx::Model upgraded = checked(b.model, {2, 3, 4, 4});
  CHECK(upgraded.graph.nodes[0].find("spatial") == nullptr);
  CHECK(upgraded.graph.nodes[1].find("ratio") == nullptr);

  ModelBuilder spatial = builder(8, {2, 3});
  spatial.node("BatchNormalization", {"x", "s", "o", "m", "v"}, {"y"}, {Attribute::ofInt("spatial", 0)}).output("y");
  CHECK_THROWS_WITH_AS(upgradeOpset(spatial.model), doctest::Contains("spatial"), Error);

  ModelBuilder scan = builder(9, {2, 3});
  scan.node("Scan", {"x"}, {"y"}).output("y");
  CHECK_THROWS_WITH_AS(upgradeOpset(scan.model), doctest::Contains("Scan"), Error);

  ModelBuilder recent = builder(17, {2, 3});
  recent.node("Relu", {"x"}, {"y"}).output("y");
  CHECK(upgradeOpset(recent.model).opset() == 17);
  recent.model.opsets[""] = 6;
  CHECK_THROWS_AS(upgradeOpset(recent.model), Error);
}
