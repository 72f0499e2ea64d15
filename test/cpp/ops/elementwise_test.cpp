#include <cstdint>
#include <limits>

#include "ops/run_node.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
const float kNaN = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("arithmetic broadcasts in both directions") {
  const Tensor column = floats({2, 1}, {10, 20});
  const Tensor row = floats({3}, {1, 2, 3});
  checkEqual(run({"Add"}, {column, row}), floats({2, 3}, {11, 12, 13, 21, 22, 23}));
  checkEqual(run({"Sub"}, {row, column}), floats({2, 3}, {-9, -8, -7, -19, -18, -17}));
  checkEqual(run({"Mul"}, {column, Tensor::scalar(0.5f)}), floats({2, 1}, {5, 10}));
  checkEqual(run({"Div"}, {Tensor::scalar(6), row}), floats({3}, {6, 3, 2}));
  checkEqual(run({"Add"}, {Tensor::scalar(1), Tensor::scalar(2)}), Tensor::scalar(3));
  checkEqual(run({"Add"}, {floats({0, 3}, {}), row}), floats({0, 3}, {}));
  // Rows that no two axes can be merged into: [2,1,2] with [1,3,1].
  checkEqual(run({"Mul"}, {floats({2, 1, 2}, {1, 2, 3, 4}), floats({1, 3, 1}, {1, 10, 100})}),
             floats({2, 3, 2}, {1, 2, 10, 20, 100, 200, 3, 4, 30, 40, 300, 400}));
}

TEST_CASE("arithmetic refuses what does not belong together") {
  checkFails({"Add"}, {floats({2}, {1, 2}), floats({3}, {1, 2, 3})}, ErrorCode::ShapeMismatch, "[2] and [3]");
  checkFails({"Add"}, {floats({1}, {1}), ints({1}, {1})}, ErrorCode::InvalidModel, "int32");
  checkFails({"Add"}, {floats({1}, {1})}, ErrorCode::InvalidModel, "2 inputs");
  checkFails({"Mul"}, {bools({1}, {1}), bools({1}, {1})}, ErrorCode::InvalidModel, "bool");
  const int64_t big = int64_t{1} << 25;
  // Inference alone must refuse, before anybody allocates.
  const onnx::Node node = nodeOf({"Add"}, {Tensor::scalar(0), Tensor::scalar(0)});
  const ops::InferContext ctx{node, 18, {{DType::Float32, {big, 1}}, {DType::Float32, {1, big}}}, {nullptr, nullptr}};
  CHECK_THROWS_WITH_AS(ops::get(node, 18).infer(ctx), doctest::Contains("1 TiB"), Error);
}

TEST_CASE("float16 and bfloat16 compute in float32") {
  const Tensor a = floats({3}, {1.5f, 2048, 1e-3f});
  for (const DType dtype : {DType::Float16, DType::Bfloat16}) {
    const Tensor narrow = a.cast(dtype);
    checkEqual(run({"Add"}, {narrow, narrow}),
               run({"Add"}, {narrow.cast(DType::Float32), narrow.cast(DType::Float32)}).cast(dtype));
    checkEqual(run({"Less"}, {narrow, Tensor::scalar(2).cast(dtype)}), bools({3}, {1, 0, 1}));
    checkEqual(run({"Sqrt"}, {narrow}).cast(DType::Float32), run({"Sqrt"}, {a}), 0.01);
  }
}

TEST_CASE("integers wrap, truncate and never trap") {
  checkEqual(
      run({"Add"}, {Tensor::of<int8_t>(DType::Int8, {2}, {127, -128}), Tensor::of<int8_t>(DType::Int8, {2}, {1, -1})}),
      Tensor::of<int8_t>(DType::Int8, {2}, {-128, 127}));
  checkEqual(run({"Mul"}, {Tensor::of<uint16_t>(DType::Uint16, {1}, {65535}),
                           Tensor::of<uint16_t>(DType::Uint16, {1}, {65535})}),
             Tensor::of<uint16_t>(DType::Uint16, {1}, {1}));
  checkEqual(run({"Div"}, {ints({4}, {7, -7, 7, -7}), ints({4}, {2, 2, -2, -2})}), ints({4}, {3, -3, -3, 3}));
  checkEqual(run({"Div"}, {ints({1}, {INT32_MIN}), ints({1}, {-1})}), ints({1}, {INT32_MIN}));
  const Tensor smallest = longs({1}, {INT64_MIN});
  CHECK(run({"Div"}, {smallest, longs({}, {-1})}).data<int64_t>()[0] == INT64_MIN);
  CHECK(run({"Mod"}, {smallest, longs({}, {-1})}).data<int64_t>()[0] == 0);
  CHECK(run({"Neg"}, {smallest}).data<int64_t>()[0] == INT64_MIN);
  CHECK(run({"Abs"}, {smallest}).data<int64_t>()[0] == INT64_MIN);
  checkFails({"Div"}, {ints({2}, {1, 2}), ints({2}, {1, 0})}, ErrorCode::InvalidModel, "zero");
  checkFails({"Mod"}, {ints({2}, {1, 2}), ints({2}, {1, 0})}, ErrorCode::InvalidModel, "zero");
  checkEqual(run({"Div"}, {floats({2}, {1, -1}), Tensor::scalar(0)}), floats({2}, {kInf, -kInf}));
}

TEST_CASE("Mod takes the divisor's sign, or with fmod the dividend's") {
  const Tensor a = ints({4}, {7, -7, 7, -7});
  const Tensor b = ints({4}, {3, 3, -3, -3});
  checkEqual(run({"Mod"}, {a, b}), ints({4}, {1, 2, -2, -1}));
  checkEqual(run({"Mod", {Attribute::ofInt("fmod", 1)}}, {a, b}), ints({4}, {1, -1, 1, -1}));
  checkEqual(run({"Mod", {Attribute::ofInt("fmod", 1)}}, {floats({2}, {5.5f, -5.5f}), Tensor::scalar(2)}),
             floats({2}, {1.5f, -1.5f}));
  checkEqual(run({"Mod"}, {Tensor::of<uint64_t>(DType::Uint64, {1}, {UINT64_MAX}),
                           Tensor::of<uint64_t>(DType::Uint64, {}, {10})}),
             Tensor::of<uint64_t>(DType::Uint64, {1}, {5}));
  checkFails({"Mod"}, {floats({1}, {1}), floats({1}, {1})}, ErrorCode::InvalidModel, "fmod");
  checkFails({"Mod", {Attribute::ofInt("fmod", 7)}}, {a, b}, ErrorCode::InvalidModel, "fmod");
}

TEST_CASE("Pow mixes types from opset 12 on") {
  checkEqual(run({"Pow"}, {floats({3}, {2, -3, 4}), Tensor::scalar(2)}), floats({3}, {4, 9, 16}));
  checkEqual(run({"Pow"}, {floats({3}, {2, -3, 4}), longs({3}, {3, 3, -1})}), floats({3}, {8, -27, 0.25f}));
  checkEqual(run({"Pow"}, {floats({2}, {4, 9}), Tensor::scalar(0.5f)}), floats({2}, {2, 3}), 1e-6);
  CHECK(run({"Pow"}, {longs({1}, {3}), longs({1}, {39})}).data<int64_t>()[0] == 4052555153018976267);
  checkEqual(run({"Pow"}, {ints({4}, {2, 1, -1, -1}), ints({4}, {-1, -5, -3, -2})}), ints({4}, {0, 1, -1, 1}));
  checkEqual(run({"Pow"}, {ints({3}, {2, 10, 3}), floats({3}, {10, 30, 0.5f})}), ints({3}, {1024, INT32_MAX, 1}));
  checkEqual(run({"Pow"}, {ints({1}, {2}), Tensor::of<uint64_t>(DType::Uint64, {1}, {31})}), ints({1}, {INT32_MIN}));
  checkFails({"Pow"}, {ints({1}, {0}), ints({1}, {-1})}, ErrorCode::InvalidModel, "zero");
  checkFails({"Pow", {}, 11}, {floats({1}, {2}), longs({1}, {2})}, ErrorCode::InvalidModel, "int64");
}

TEST_CASE("variadic operators broadcast across all inputs") {
  const Tensor a = floats({1}, {1});
  const Tensor b = floats({2, 1}, {5, -5});
  const Tensor c = floats({3}, {0, 2, 9});
  checkEqual(run({"Sum"}, {a, b, c}), floats({2, 3}, {6, 8, 15, -4, -2, 5}));
  checkEqual(run({"Mean"}, {a, b, c}), floats({2, 3}, {2, 8.f / 3, 5, -4.f / 3, -2.f / 3, 5.f / 3}), 1e-6);
  checkEqual(run({"Max"}, {a, b, c}), floats({2, 3}, {5, 5, 9, 1, 2, 9}));
  checkEqual(run({"Min"}, {a, b, c}), floats({2, 3}, {0, 1, 1, -5, -5, -5}));
  checkEqual(run({"Max"}, {b}), b);
  checkEqual(run({"Min"}, {Tensor::of<uint64_t>(DType::Uint64, {2}, {UINT64_MAX, 1}),
                           Tensor::of<uint64_t>(DType::Uint64, {}, {7})}),
             Tensor::of<uint64_t>(DType::Uint64, {2}, {7, 1}));
  checkFails({"Sum"}, {}, ErrorCode::InvalidModel);
  checkFails({"Sum"}, {a, Tensor(), b}, ErrorCode::InvalidModel, "absent");
  checkFails({"Mean"}, {ints({1}, {1})}, ErrorCode::InvalidModel, "floating");
}

TEST_CASE("Max and Min let a NaN through from either side") {
  const Tensor a = floats({3}, {kNaN, 1, 2});
  const Tensor b = floats({3}, {1, kNaN, 3});
  checkEqual(run({"Max"}, {a, b}), floats({3}, {kNaN, kNaN, 3}));
  checkEqual(run({"Min"}, {a, b}), floats({3}, {kNaN, kNaN, 2}));
  checkEqual(run({"Max"}, {a, b, Tensor::scalar(0)}), floats({3}, {kNaN, kNaN, 3}));
}

TEST_CASE("comparisons and logic give bools") {
  const Tensor a = ints({3}, {1, 2, 3});
  const Tensor two = ints({}, {2});
  checkEqual(run({"Equal"}, {a, two}), bools({3}, {0, 1, 0}));
  checkEqual(run({"Greater"}, {a, two}), bools({3}, {0, 0, 1}));
  checkEqual(run({"Less"}, {a, two}), bools({3}, {1, 0, 0}));
  checkEqual(run({"GreaterOrEqual"}, {a, two}), bools({3}, {0, 1, 1}));
  checkEqual(run({"LessOrEqual"}, {a, two}), bools({3}, {1, 1, 0}));
  checkEqual(run({"Equal"}, {floats({1}, {kNaN}), floats({1}, {kNaN})}), bools({1}, {0}));
  const Tensor x = bools({4}, {0, 0, 1, 255});
  const Tensor y = bools({4}, {0, 1, 0, 1});
  checkEqual(run({"And"}, {x, y}), bools({4}, {0, 0, 0, 1}));
  checkEqual(run({"Or"}, {x, y}), bools({4}, {0, 1, 1, 1}));
  checkEqual(run({"Xor"}, {x, y}), bools({4}, {0, 1, 1, 0}));
  checkEqual(run({"Not"}, {x}), bools({4}, {1, 1, 0, 0}));
  checkFails({"And"}, {a, a}, ErrorCode::InvalidModel, "bool");
  checkFails({"Not"}, {a}, ErrorCode::InvalidModel, "bool");
  checkFails({"Less"}, {x, y}, ErrorCode::InvalidModel, "numeric");
}

TEST_CASE("IsNaN and IsInf") {
  const Tensor x = floats({4}, {kNaN, kInf, -kInf, 0});
  checkEqual(run({"IsNaN"}, {x}), bools({4}, {1, 0, 0, 0}));
  checkEqual(run({"IsInf"}, {x}), bools({4}, {0, 1, 1, 0}));
  checkEqual(run({"IsInf", {Attribute::ofInt("detect_negative", 0)}}, {x}), bools({4}, {0, 1, 0, 0}));
  checkEqual(run({"IsInf", {Attribute::ofInt("detect_positive", 0)}}, {x.cast(DType::Float64)}),
             bools({4}, {0, 0, 1, 0}));
}

TEST_CASE("Where broadcasts three ways and moves any type") {
  const Tensor condition = bools({2, 1}, {1, 0});
  checkEqual(run({"Where"}, {condition, floats({3}, {1, 2, 3}), Tensor::scalar(-1)}),
             floats({2, 3}, {1, 2, 3, -1, -1, -1}));
  checkEqual(run({"Where"}, {bools({2}, {0, 9}), longs({}, {1}), longs({2}, {7, 8})}), longs({2}, {7, 1}));
  checkEqual(run({"Where"}, {condition, bools({1}, {1}), bools({1}, {0})}), bools({2, 1}, {1, 0}));
  checkFails({"Where"}, {floats({1}, {1}), floats({1}, {1}), floats({1}, {1})}, ErrorCode::InvalidModel, "bool");
  checkFails({"Where"}, {condition, floats({1}, {1}), ints({1}, {1})}, ErrorCode::InvalidModel);
  checkFails({"Where"}, {condition, floats({3}, {1, 2, 3}), floats({2}, {1, 2})}, ErrorCode::ShapeMismatch);
}

TEST_CASE("functions of one tensor") {
  const Tensor x = floats({4}, {0.25f, 1, 4, 9});
  checkEqual(run({"Sqrt"}, {x}), floats({4}, {0.5f, 1, 2, 3}));
  checkEqual(run({"Reciprocal"}, {x}), floats({4}, {4, 1, 0.25f, 1.f / 9}));
  checkEqual(run({"Log"}, {run({"Exp"}, {x})}), x, 1e-6);
  checkEqual(run({"Sin"}, {floats({2}, {0, 1})}), floats({2}, {0, 0.84147098f}), 1e-6);
  checkEqual(run({"Cos"}, {floats({2}, {0, 1})}), floats({2}, {1, 0.54030231f}), 1e-6);
  checkEqual(run({"Erf"}, {floats({5}, {0, 0.5f, -0.5f, 30, -kInf})}),
             floats({5}, {0, 0.52049988f, -0.52049988f, 1, -1}), 1e-6);
  const Tensor y = floats({4}, {-1.5f, -0.2f, 0.2f, 1.5f});
  checkEqual(run({"Floor"}, {y}), floats({4}, {-2, -1, 0, 1}));
  checkEqual(run({"Ceil"}, {y}), floats({4}, {-1, 0, 1, 2}));
  checkEqual(run({"Neg"}, {y}), floats({4}, {1.5f, 0.2f, -0.2f, -1.5f}));
  checkEqual(run({"Abs"}, {y}), floats({4}, {1.5f, 0.2f, 0.2f, 1.5f}));
  checkEqual(run({"Sign"}, {floats({4}, {-3, 0, 5, kNaN})}), floats({4}, {-1, 0, 1, kNaN}));
  checkEqual(run({"Sign"}, {Tensor::of<uint8_t>(DType::Uint8, {2}, {0, 200})}),
             Tensor::of<uint8_t>(DType::Uint8, {2}, {0, 1}));
  checkFails({"Sqrt"}, {ints({1}, {4})}, ErrorCode::InvalidModel, "floating");
  checkFails({"Neg"}, {Tensor::of<uint8_t>(DType::Uint8, {1}, {1})}, ErrorCode::InvalidModel, "signed");
}

TEST_CASE("Round breaks ties to even and keeps the sign of zero") {
  const Tensor rounded = run({"Round"}, {floats({8}, {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 0.49999997f, 8388609.f})});
  checkEqual(rounded, floats({8}, {0, 2, 2, 0, -2, -2, 0, 8388609.f}));
  CHECK(std::signbit(rounded.data<float>()[3]));
}
