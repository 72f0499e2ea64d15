#include "ops/run_node.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

NodeSpec mode(const char* name, int64_t opset = 19) { return {"Pad", {Attribute::ofString("mode", name)}, opset}; }

}  // namespace

TEST_CASE("Pad: every mode on one axis") {
  const Tensor x = floats({3}, {1, 2, 3});
  const Tensor pads = longs({2}, {2, 3});
  checkEqual(run(mode("constant"), {x, pads}), floats({8}, {0, 0, 1, 2, 3, 0, 0, 0}));
  checkEqual(run(mode("constant"), {x, pads, floats({}, {9})}), floats({8}, {9, 9, 1, 2, 3, 9, 9, 9}));
  checkEqual(run(mode("edge"), {x, pads}), floats({8}, {1, 1, 1, 2, 3, 3, 3, 3}));
  checkEqual(run(mode("reflect"), {x, pads}), floats({8}, {3, 2, 1, 2, 3, 2, 1, 2}));
  checkEqual(run(mode("wrap"), {x, pads}), floats({8}, {2, 3, 1, 2, 3, 1, 2, 3}));
  checkEqual(run(mode("constant"), {x, longs({2}, {-1, 1})}), floats({3}, {2, 3, 0}));
}

TEST_CASE("Pad: axes, from opset 18 on, and attributes, up to opset 10") {
  const Tensor x = floats({1, 2}, {1, 2});
  checkEqual(run(mode("constant"), {x, longs({2}, {1, 0}), Tensor{}, longs({1}, {-2})}), floats({2, 2}, {0, 0, 1, 2}));
  const NodeSpec old{"Pad", {Attribute::ofInts("pads", {0, 1, 0, 0}), Attribute::ofFloat("value", 5)}, 10};
  checkEqual(run(old, {x}), floats({1, 3}, {5, 1, 2}));
  checkEqual(run(mode("edge"), {Tensor::of<uint8_t>(DType::Uint8, {1}, {7}), longs({2}, {1, 1})}),
             Tensor::of<uint8_t>(DType::Uint8, {3}, {7, 7, 7}));
}

TEST_CASE("Pad: hostile nodes are refused") {
  const Tensor x = floats({2, 2}, {1, 2, 3, 4});
  const auto pads = [](std::vector<int64_t> values) { return Tensor::fromInt64(values); };
  checkFails(mode("constant"), {x, pads({1, 1})}, ErrorCode::InvalidModel, "pads should have 4 values");
  checkFails(mode("mirror"), {x, pads({0, 0, 0, 0})}, ErrorCode::InvalidModel, "mode should be");
  checkFails(mode("wrap", 18), {x, pads({0, 0, 0, 0})}, ErrorCode::InvalidModel, "mode should be");
  checkFails(mode("constant"), {x, pads({-2, 0, -1, 0})}, ErrorCode::ShapeMismatch, "take away more");
  checkFails(mode("constant"), {x, pads({INT64_MAX, 0, 1, 0})}, ErrorCode::InvalidModel, "overflows");
  checkFails(mode("constant"), {x, pads({INT64_MAX / 2, INT64_MAX / 2, 0, 0})}, ErrorCode::InvalidModel,
             "more elements than");
  checkFails(mode("edge"), {Tensor(DType::Float32, {0, 2}), pads({1, 0, 0, 0})}, ErrorCode::ShapeMismatch, "nothing");
  checkFails(mode("constant"), {x, pads({1, 1, 1, 1}), Tensor{}, longs({2}, {0, 0})}, ErrorCode::InvalidModel, "twice");
  checkFails(mode("constant"), {x, pads({1, 1}), Tensor{}, longs({1}, {2})}, ErrorCode::InvalidModel, "axes is 2");
  checkFails(mode("constant"), {x, pads({0, 0, 0, 0}), floats({2}, {1, 2})}, ErrorCode::ShapeMismatch, "single value");
  checkFails(mode("constant"), {x, floats({4}, {0, 0, 0, 0})}, ErrorCode::InvalidModel, "integers");
}

TEST_CASE("Pad: a shape that only the data tell is said to be so") {
  const onnx::Node node = nodeOf(mode("constant"), {floats({1}, {0}), longs({2}, {0, 0})});
  const ops::InferContext context{node, 19, {{DType::Float32, {1}}, {DType::Int64, {2}}}, {nullptr, nullptr}};
  try {
    ops::get(node, 19).infer(context);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::UnsupportedModel);
    CHECK(std::string(error.what()).find("input 1 (\"i1\"), which is known only as the network runs") !=
          std::string::npos);
  }
}
