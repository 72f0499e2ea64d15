#include <doctest/doctest.h>

#include <algorithm>

#include "graph/support.hpp"

using namespace presisi;
using namespace presisi::test;
using graph::upgradeOpset;
using onnx::Attribute;

namespace {

/// Upgrades to 13, 18 and 21 and checks each time that the model still computes the same. Gives the last.
onnx::Model checked(const onnx::Model& model, int64_t dynamic = 1, double tolerance = 1e-6) {
  onnx::Model upgraded;
  for (const int64_t opset : {13, 18, 21}) {
    if (opset < model.opset()) continue;
    CAPTURE(opset);
    upgraded = upgradeOpset(model, opset);
    CHECK(upgraded.opset() == opset);
    CHECK(upgraded.irVersion >= onnx::irVersionFor(opset));
    CHECK(difference(model, upgraded, dynamic) <= tolerance);
  }
  return upgraded;
}

ModelBuilder builder(int64_t opset, const Dims& shape, DType dtype = DType::Float32) {
  ModelBuilder b(opset);
  b.input("x", shape, dtype).output("y", dtype);
  return b;
}

const onnx::Node& firstNode(const onnx::Model& model) { return model.graph.nodes.at(0); }

bool refuses(ErrorCode code, const std::string& text, const ModelBuilder& b, int64_t opset = 13) {
  return throwsError(code, text, [&] { upgradeOpset(b.model, opset); });
}

}  // namespace

TEST_CASE("upgradeOpset: attributes that became inputs") {
  const Dims shape = {2, 3, 4, 5};
  ModelBuilder clip = builder(7, shape);
  clip.node("Clip", {"x"}, {"y"}, {Attribute::ofFloat("min", -1), Attribute::ofFloat("max", 0.5f)});
  const onnx::Model upgraded = checked(clip.model);
  CHECK(firstNode(upgraded).inputs.size() == 3);
  CHECK(firstNode(upgraded).attributes.empty());
  ModelBuilder half = builder(7, shape);
  half.node("Clip", {"x"}, {"y"}, {Attribute::ofFloat("max", 0.5f)});
  CHECK(firstNode(checked(half.model)).inputs[1].empty());

  ModelBuilder pad = builder(9, shape);
  pad.node("Pad", {"x"}, {"y"}, {Attribute::ofInts("pads", {0, 0, 1, 2, 0, 0, 3, 0}), Attribute::ofFloat("value", 7)});
  checked(pad.model);

  ModelBuilder slice = builder(9, shape);
  slice.node(
      "Slice", {"x"}, {"y"},
      {Attribute::ofInts("starts", {1, 0}), Attribute::ofInts("ends", {3, 9}), Attribute::ofInts("axes", {1, 3})});
  checked(slice.model);

  ModelBuilder squeeze = builder(11, {2, 1, 4, 5});
  squeeze.node("Squeeze", {"x"}, {"s"}, {Attribute::ofInts("axes", {1})});
  squeeze.node("Unsqueeze", {"s"}, {"u"}, {Attribute::ofInts("axes", {0, 4})});
  squeeze.node("ReduceSum", {"u"}, {"r"}, {Attribute::ofInts("axes", {2})});
  squeeze.node("Squeeze", {"r"}, {"y"});
  checked(squeeze.model);
}

TEST_CASE("upgradeOpset: inputs that were attributes have the type of the data") {
  for (const DType dtype : {DType::Float16, DType::Float64}) {
    ModelBuilder b = builder(10, {1, 2, 3}, dtype);
    b.node("Clip", {"x"}, {"c"}, {Attribute::ofFloat("min", -1), Attribute::ofFloat("max", 2)});
    b.node("Pad", {"c"}, {"y"}, {Attribute::ofInts("pads", {0, 0, 1, 0, 0, 1}), Attribute::ofFloat("value", 0.5f)});
    const onnx::Model upgraded = checked(b.model);
    for (const auto& [name, tensor] : upgraded.graph.initializers) {
      CAPTURE(name);
      CHECK((tensor.dtype() == dtype || tensor.dtype() == DType::Int64));
    }
  }
  // Nothing says what an operator that presisi doesn't have makes, unless the file does.
  ModelBuilder b = builder(10, {4});
  b.node("Det", {"x"}, {"d"}).node("Clip", {"d"}, {"y"}, {Attribute::ofFloat("min", 0)});
  CHECK(refuses(ErrorCode::UnsupportedModel, "Det", b));
}

TEST_CASE("upgradeOpset: the axes of reductions are inputs from 18 on, of sums from 13 on") {
  for (const char* op : {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
                         "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"}) {
    CAPTURE(op);
    for (const int64_t opset : {9, 12, 13, 17}) {
      CAPTURE(opset);
      ModelBuilder b = builder(opset, {2, 3, 4});
      b.node("Abs", {"x"}, {"a"});
      if (opset == 13 && op == std::string("ReduceSum")) {
        b.ints("axes", {1}).node(op, {"a", "axes"}, {"r"});
      } else {
        b.node(op, {"a"}, {"r"},
               opset < 13 || op != std::string("ReduceSum") ? std::vector<Attribute>{Attribute::ofInts("axes", {1})}
                                                            : std::vector<Attribute>{});
      }
      b.node(op, {"r"}, {"y"}, {Attribute::ofInt("keepdims", 0)});
      const onnx::Model upgraded = checked(b.model);
      CHECK(upgraded.graph.nodes[1].find("axes") == nullptr);
      CHECK(upgraded.graph.nodes[2].inputs.size() == 1);
      CHECK(upgraded.graph.nodes[2].getInt("keepdims", 1) == 0);
    }
  }
  ModelBuilder b = builder(11, {2, 3});
  b.node("ReduceMean", {"x"}, {"y"}, {Attribute::ofInts("axes", {1})});
  CHECK(firstNode(upgradeOpset(b.model, 17)).find("axes") != nullptr);
}

TEST_CASE("upgradeOpset: Split") {
  const Dims shape = {2, 3, 4, 5};
  ModelBuilder sizes = builder(11, shape);
  sizes.node("Split", {"x"}, {"a", "y"}, {Attribute::ofInts("split", {1, 3}), Attribute::ofInt("axis", 2)}).output("a");
  CHECK(firstNode(checked(sizes.model)).find("num_outputs") == nullptr);
  for (const int64_t opset : {11, 13, 17}) {
    ModelBuilder equal = builder(opset, shape);
    equal.node("Split", {"x"}, {"a", "y"}, {Attribute::ofInt("axis", 2)}).output("a");
    CHECK(firstNode(checked(equal.model)).getInt("num_outputs", 0) == 2);
    CHECK(firstNode(upgradeOpset(equal.model, 17)).find("num_outputs") == nullptr);
  }
}

TEST_CASE("upgradeOpset: softmax over several axes at once") {
  for (const char* op : {"Softmax", "LogSoftmax"}) {
    for (const int64_t axis : {0, 1, 2, 3}) {
      CAPTURE(axis);
      ModelBuilder b = builder(11, {-1, 3, 4, 5});
      b.node(op, {"x"}, {"y"}, {Attribute::ofInt("axis", axis)});
      CHECK(checked(b.model, 2).graph.nodes.size() == (axis == 3 ? 1 : 4));
    }
  }
  ModelBuilder b = builder(7, {-1, 10});
  b.node("Softmax", {"x"}, {"y"});
  CHECK(checked(b.model, 3).graph.nodes.size() == 1);  // the classifier's: its axis is the last
  ModelBuilder recent = builder(13, {2, 3, 4});
  recent.node("Softmax", {"x"}, {"y"}, {Attribute::ofInt("axis", 1)});
  CHECK(operators(checked(recent.model)) == "Softmax");
}

TEST_CASE("upgradeOpset: upsampling") {
  for (const int64_t opset : {7, 9, 10}) {
    for (const char* mode : {"nearest", "linear"}) {
      CAPTURE(mode);
      const char* op = opset == 10 ? "Resize" : "Upsample";
      ModelBuilder b = builder(opset, {1, 2, 3, 3});
      const std::vector<float> scales = {1, 1, 2, 2};
      if (opset == 7) {
        b.node(op, {"x"}, {"y"}, {Attribute::ofString("mode", mode), Attribute::ofFloats("scales", scales)});
      } else {
        b.initializer("s", Tensor::of(DType::Float32, {4}, scales));
        b.node(op, {"x", "s"}, {"y"}, {Attribute::ofString("mode", mode)});
      }
      CHECK(operators(checked(b.model)) == "Resize");
    }
  }
}

TEST_CASE("upgradeOpset: inputs of Resize that opset 11 could only leave empty") {
  ModelBuilder b = builder(11, {1, 2, 3, 3});
  b.initializer("none", Tensor(DType::Float32, {0})).ints("sizes", {1, 2, 5, 7});
  b.node("Constant", {}, {"roi"}, {Attribute::ofTensor("value", Tensor(DType::Float32, {0}))});
  b.node("Resize", {"x", "roi", "none", "sizes"}, {"y"}, {Attribute::ofString("mode", "linear")});
  const std::vector<std::string> expected = {"x", "", "", "sizes"};
  CHECK(checked(b.model).graph.nodes[1].inputs == expected);
}

TEST_CASE("upgradeOpset: coordinates of Resize that opset 13 dropped") {
  const auto resize = [](const char* mode, const char* nearest) {
    ModelBuilder b = builder(11, {1, 1, 7, 5});
    b.initializer("s", Tensor::of<float>(DType::Float32, {4}, {1, 1, 2.3f, 0.6f}));
    b.node("Resize", {"x", "", "s"}, {"y"},
           {Attribute::ofString("coordinate_transformation_mode", "tf_half_pixel_for_nn"),
            Attribute::ofString("mode", mode), Attribute::ofString("nearest_mode", nearest)});
    return b;
  };
  const onnx::Model upgraded = checked(resize("nearest", "floor").model);
  CHECK(firstNode(upgraded).getString("coordinate_transformation_mode", "") == "half_pixel");
  CHECK(refuses(ErrorCode::UnsupportedModel, "tf_half_pixel_for_nn", resize("nearest", "ceil")));
  CHECK(refuses(ErrorCode::UnsupportedModel, "tf_half_pixel_for_nn", resize("linear", "floor")));
}

TEST_CASE("upgradeOpset: BatchNormalization and Dropout") {
  ModelBuilder b = builder(8, {2, 3, 4, 4});
  b.weight("s", {3}).weight("o", {3}).weight("m", {3}).weight("v", {3}, 0.5f, 1);
  b.node("BatchNormalization", {"x", "s", "o", "m", "v"}, {"n"}, {Attribute::ofInt("spatial", 1)});
  b.node("Dropout", {"n"}, {"d", "mask"}, {Attribute::ofFloat("ratio", 0.3f)}).node("Relu", {"d"}, {"y"});
  const onnx::Model upgraded = checked(b.model);
  CHECK(firstNode(upgraded).attributes.empty());
  CHECK(upgraded.graph.nodes[1].attributes.empty());
  CHECK(upgraded.graph.nodes[1].outputs.size() == 1);

  ModelBuilder spatial = builder(8, {2, 3});
  spatial.node("BatchNormalization", {"x", "s", "o", "m", "v"}, {"y"}, {Attribute::ofInt("spatial", 0)});
  CHECK(refuses(ErrorCode::UnsupportedModel, "spatial", spatial));
  ModelBuilder training = builder(9, {2, 3});
  training.node("BatchNormalization", {"x", "s", "o", "m", "v"}, {"y", "mean", "var", "a", "b"});
  CHECK(refuses(ErrorCode::UnsupportedModel, "training", training));
  training.model.graph.nodes[0].outputs = {"y", "", "", "", ""};  // more than opset 14 has
  CHECK(firstNode(upgradeOpset(training.model, 14)).outputs.size() == 1);
  ModelBuilder mask = builder(9, {2, 3});
  mask.output("mask").node("Dropout", {"x"}, {"y", "mask"});
  CHECK(refuses(ErrorCode::UnsupportedModel, "mask", mask));
  mask.model.opsets[""] = 10;
  CHECK_NOTHROW(upgradeOpset(mask.model, 13));
}

TEST_CASE("upgradeOpset: attributes that meant nothing before do not come alive") {
  ModelBuilder b = builder(13, {2, 3, 4});
  b.ints("to", {0, -1});
  b.node("Shape", {"x"}, {"s"}, {Attribute::ofInt("start", 1)}).node("Cast", {"s"}, {"f"}, {Attribute::ofInt("to", 1)});
  b.node("ReduceMean", {"x"}, {"m"}, {Attribute::ofInt("noop_with_empty_axes", 1)});
  b.node("Add", {"f", "m"}, {"t"}).node("Split", {"t"}, {"u"}, {Attribute::ofInt("num_outputs", 3)});
  b.node("Reshape", {"u", "to"}, {"y"}, {Attribute::ofInt("allowzero", 1)});
  checked(b.model);
}

TEST_CASE("upgradeOpset: every operator there is has a known history") {
  for (const ops::Operator& op : ops::all()) {
    if (op.domain[0] != '\0' || op.sinceOpset > 21) continue;
    CAPTURE(op.name);
    ModelBuilder b = builder(std::max(op.sinceOpset, 7), {2, 3});
    b.node(op.name, {"x"}, {"y"});
    const auto error = errorOf([&] { upgradeOpset(b.model, 21); });
    CHECK((!error || std::string(error->what()).find("versions presisi knows") == std::string::npos));
  }
}

TEST_CASE("upgradeOpset: what can't be") {
  ModelBuilder b = builder(17, {2, 3});
  b.node("Relu", {"x"}, {"y"});
  CHECK(whatDiffers(upgradeOpset(b.model, 17), b.model) == "");
  CHECK(refuses(ErrorCode::InvalidArgument, "is of opset 17 already", b, 13));
  CHECK(refuses(ErrorCode::InvalidArgument, "13 to 21 but received 22", b, 22));
  CHECK(refuses(ErrorCode::InvalidArgument, "13 to 21 but received 12", b, 12));
  b.model.opsets[""] = 24;
  CHECK(upgradeOpset(b.model, 24).opset() == 24);
  CHECK(refuses(ErrorCode::InvalidArgument, "only be raised", b, 21));
  b.model.opsets[""] = 6;
  CHECK(refuses(ErrorCode::UnsupportedModel, "from opset 7 on", b));

  ModelBuilder scan = builder(9, {2, 3});
  scan.node("Scan", {"x"}, {"y"});
  CHECK(refuses(ErrorCode::UnsupportedModel, "Scan \"y_node\"", scan));
  for (const char* op : {"Clip", "Split", "Softmax", "Pad", "Resize", "Dropout", "BatchNormalization", "ReduceMean"}) {
    CAPTURE(op);
    ModelBuilder bare = builder(9, {2, 3});
    bare.node(op, {}, {"y"});
    CHECK(refuses(ErrorCode::InvalidModel, op, bare, 21));
  }
}

TEST_CASE("irVersionFor: that of the release which brought the opset") {
  CHECK(onnx::irVersionFor(7) == 3);
  CHECK(onnx::irVersionFor(9) == 4);
  CHECK(onnx::irVersionFor(13) == 7);
  CHECK(onnx::irVersionFor(17) == 8);
  CHECK(onnx::irVersionFor(20) == 9);
  CHECK(onnx::irVersionFor(21) == 10);
  CHECK(onnx::irVersionFor(24) == 12);
  ModelBuilder b = builder(13, {2, 3});
  b.node("Relu", {"x"}, {"y"});
  b.model.irVersion = 11;
  CHECK(upgradeOpset(b.model, 21).irVersion == 11);
  b.model.irVersion = 7;
  CHECK(upgradeOpset(b.model, 19).irVersion == 9);
}
