#include <limits>

#include "ops/run_node.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

Tensor int8s(Dims dims, const std::vector<int8_t>& values) { return Tensor::of(DType::Int8, std::move(dims), values); }
Tensor uint8s(Dims dims, const std::vector<uint8_t>& values) {
  return Tensor::of(DType::Uint8, std::move(dims), values);
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("QuantizeLinear: halves go to the even neighbour, and everything is clamped") {
  const Tensor x = floats({10}, {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 1000, -1000, kInfinity, -kInfinity});
  const Tensor one = floats({}, {1});
  checkEqual(run({"QuantizeLinear"}, {x, one, int8s({}, {0})}),
             int8s({10}, {0, 2, 2, 0, -2, -2, 127, -128, 127, -128}));
  // Rounding comes before the zero point.
  checkEqual(run({"QuantizeLinear"}, {x, one, uint8s({}, {3})}), uint8s({10}, {3, 5, 5, 3, 1, 1, 255, 0, 255, 0}));
  checkEqual(run({"QuantizeLinear"}, {x, one}), uint8s({10}, {0, 2, 2, 0, 0, 0, 255, 0, 255, 0}));
  // A NaN and a scale of 0 give some value, not undefined behaviour.
  const Tensor nan = floats({2}, {std::numeric_limits<float>::quiet_NaN(), 0});
  checkEqual(run({"QuantizeLinear"}, {nan, floats({}, {0}), int8s({}, {0})}), int8s({2}, {-128, -128}));
}

TEST_CASE("QuantizeLinear: a scale per channel, per block, and wider integers") {
  const Tensor x = floats({2, 4}, {1, 2, 3, 4, 10, 20, 30, 40});
  const auto axis = [](int64_t value) { return Attribute::ofInt("axis", value); };
  checkEqual(run({"QuantizeLinear", {axis(0)}}, {x, floats({2}, {1, 10}), int8s({2}, {0, 1})}),
             int8s({2, 4}, {1, 2, 3, 4, 2, 3, 4, 5}));
  checkEqual(run({"QuantizeLinear", {axis(-1)}}, {x, floats({4}, {1, 2, 3, 4})}),
             uint8s({2, 4}, {1, 1, 1, 1, 10, 10, 10, 10}));
  const NodeSpec blocked{"QuantizeLinear", {axis(1), Attribute::ofInt("block_size", 3)}, 21};
  checkEqual(run(blocked, {x, floats({2, 2}, {1, 2, 10, 40})}), uint8s({2, 4}, {1, 2, 3, 2, 1, 2, 3, 1}));
  const NodeSpec wide{"QuantizeLinear", {Attribute::ofInt("output_dtype", static_cast<int64_t>(DType::Int16))}, 21};
  checkEqual(run(wide, {floats({2}, {300, -1e9f}), floats({}, {1})}),
             Tensor::of<int16_t>(DType::Int16, {2}, {300, -32768}));
}

TEST_CASE("DequantizeLinear: undoes it, from every integer type") {
  const Tensor scale = floats({}, {0.5f});
  checkEqual(run({"DequantizeLinear"}, {int8s({3}, {-128, 0, 127}), scale, int8s({}, {-128})}),
             floats({3}, {0, 64, 127.5f}));
  checkEqual(run({"DequantizeLinear"}, {uint8s({2}, {0, 255}), scale, uint8s({}, {255})}), floats({2}, {-127.5f, 0}));
  checkEqual(run({"DequantizeLinear"}, {ints({2}, {INT32_MIN, INT32_MAX}), scale, ints({}, {INT32_MAX})}),
             floats({2}, {-2147483648.0f, 0}));
  const NodeSpec blocked{"DequantizeLinear", {Attribute::ofInt("axis", 0), Attribute::ofInt("block_size", 2)}, 21};
  checkEqual(run(blocked, {int8s({3, 2}, {1, 2, 3, 4, 5, 6}), floats({2, 2}, {1, 10, 2, 20})}),
             floats({3, 2}, {1, 20, 3, 40, 10, 120}));
  checkEqual(run({"DequantizeLinear", {}, 19}, {int8s({1}, {3}), scale.cast(DType::Float16)}),
             floats({1}, {1.5f}).cast(DType::Float16));
}

TEST_CASE("DynamicQuantizeLinear: the range always holds zero") {
  const std::vector<Tensor> outputs = runAll({"DynamicQuantizeLinear", {}, 18, 3}, {floats({3}, {0, 2, -3})});
  checkEqual(outputs[0], uint8s({3}, {153, 255, 0}));
  checkEqual(outputs[1], floats({}, {5.0f / 255}), 1e-7);
  checkEqual(outputs[2], uint8s({}, {153}));
  checkEqual(runAll({"DynamicQuantizeLinear", {}, 18, 3}, {floats({2}, {0, 0})})[0], uint8s({2}, {0, 0}));
}

TEST_CASE("quantization: nodes that contradict themselves are refused") {
  const Tensor x(DType::Float32, {2, 3});
  const Tensor one = floats({}, {1});
  checkFails({"QuantizeLinear"}, {x}, ErrorCode::InvalidModel, "2 to 3 inputs");
  checkFails({"QuantizeLinear"}, {x, floats({2}, {1, 1})}, ErrorCode::ShapeMismatch, "shape [3] for axis 1");
  checkFails({"QuantizeLinear", {}, 10}, {x, floats({3}, {1, 1, 1})}, ErrorCode::ShapeMismatch, "before opset 13");
  checkFails({"QuantizeLinear", {Attribute::ofInt("axis", 2)}}, {x, floats({3}, {1, 1, 1})}, ErrorCode::InvalidModel,
             "axis");
  checkFails({"QuantizeLinear"}, {x, floats({3}, {1, 1, 1}), int8s({2}, {0, 0})}, ErrorCode::ShapeMismatch,
             "zero point");
  checkFails({"QuantizeLinear"}, {x, one, ints({}, {0})}, ErrorCode::UnsupportedOperator, "quantizing to int32");
  checkFails({"QuantizeLinear"}, {x.cast(DType::Int64), one}, ErrorCode::InvalidModel, "should be int32");
  checkFails({"DequantizeLinear"}, {x, one}, ErrorCode::InvalidModel, "should be int8");
  checkFails({"DequantizeLinear"}, {int8s({1}, {1}), one, uint8s({}, {0})}, ErrorCode::InvalidModel, "is uint8 but");
  const auto block = [](int64_t size) {
    return NodeSpec{"QuantizeLinear", {Attribute::ofInt("block_size", size)}, 21};
  };
  checkFails(block(-1), {x, one}, ErrorCode::InvalidModel, "block_size");
  checkFails(block(2), {x, one}, ErrorCode::ShapeMismatch, "need a scale of shape [2, 2]");
}
