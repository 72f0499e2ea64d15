#include <random>

#include "ops/run_node.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

TEST_CASE("MatMul: vectors, matrices and broadcast batches") {
  const Tensor matrix = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor left = floats({2}, {1, 10}), right = floats({3}, {1, 10, 100});
  checkEqual(run({"MatMul"}, {matrix, right}), floats({2}, {321, 654}));
  checkEqual(run({"MatMul"}, {left, matrix}), floats({3}, {41, 52, 63}));
  checkEqual(run({"MatMul"}, {right, right}), floats({}, {10101}));
  const Tensor batch = floats({2, 1, 1, 2}, {1, 2, 3, 4});
  const Tensor stack = floats({3, 2, 1}, {1, 1, 10, 1, 0, 5});
  checkEqual(run({"MatMul"}, {batch, stack}), floats({2, 3, 1, 1}, {3, 12, 10, 7, 34, 20}));
}

TEST_CASE("MatMul: integers wrap around as two's complement does") {
  const Tensor a = ints({1, 2}, {1 << 30, -3}), b = ints({2, 1}, {4, 5});
  checkEqual(run({"MatMul"}, {a, b}), ints({1, 1}, {-15}));
  const Tensor wide = longs({1, 1}, {INT64_MAX});
  checkEqual(run({"MatMul"}, {wide, longs({1, 1}, {2})}), longs({1, 1}, {-2}));
}

TEST_CASE("MatMul: a long sum keeps its precision") {
  // One and many values too small to count against it one by one: in float32 a running sum would stay at 2^24.
  const int64_t count = 1 << 16;
  Tensor a(DType::Float32, {1, count}), b(DType::Float32, {count, 1});
  for (int64_t i = 0; i < count; ++i) a.data<float>()[i] = b.data<float>()[i] = 1;
  a.data<float>()[0] = 16777216.0f;
  const double got = static_cast<double>(run({"MatMul"}, {a, b}).data<float>()[0]);
  CHECK(std::fabs(got - (16777216.0 + count - 1)) <= 256);
}

TEST_CASE("MatMul: shapes that don't multiply are refused") {
  const Tensor a(DType::Float32, {2, 3});
  checkFails({"MatMul"}, {a, a}, ErrorCode::ShapeMismatch, "3 columns against 2 rows");
  checkFails({"MatMul"}, {a, floats({}, {1})}, ErrorCode::InvalidModel, "scalar");
  checkFails({"MatMul"}, {Tensor(DType::Float32, {2, 2, 3}), Tensor(DType::Float32, {3, 3, 1})},
             ErrorCode::ShapeMismatch, "do not broadcast");
  checkFails({"MatMul"}, {a.cast(DType::Int8), a.cast(DType::Int8)}, ErrorCode::InvalidModel, "should be int32");
  checkFails({"MatMul"}, {Tensor(DType::Float32, {int64_t{1} << 40, 0}), Tensor(DType::Float32, {0, int64_t{1} << 40})},
             ErrorCode::InvalidModel, "more elements than");
  CHECK(run({"MatMul"}, {Tensor(DType::Float32, {2, 0}), Tensor(DType::Float32, {0, 3})}).toFloats() ==
        std::vector<float>(6, 0.0f));
}

TEST_CASE("Gemm: transposes, factors and a bias that broadcasts") {
  const Tensor a = floats({2, 3}, {1, 2, 3, 4, 5, 6}), b = floats({3, 2}, {1, 0, 0, 1, 2, 2});
  const Tensor product = floats({2, 2}, {7, 8, 16, 17});
  const auto flags = [](int64_t transA, int64_t transB) {
    return NodeSpec{"Gemm", {Attribute::ofInt("transA", transA), Attribute::ofInt("transB", transB)}};
  };
  const Tensor at = floats({3, 2}, {1, 4, 2, 5, 3, 6}), bt = floats({2, 3}, {1, 0, 2, 0, 1, 2});
  checkEqual(run(flags(0, 0), {a, b}), product);
  checkEqual(run(flags(1, 0), {at, b}), product);
  checkEqual(run(flags(0, 1), {a, bt}), product);
  checkEqual(run(flags(1, 1), {at, bt}), product);
  const NodeSpec scaled{"Gemm", {Attribute::ofFloat("alpha", 2), Attribute::ofFloat("beta", 0.5f)}};
  checkEqual(run(scaled, {a, b, floats({2, 1}, {2, 4})}), floats({2, 2}, {15, 17, 34, 36}));
  checkEqual(run(scaled, {a, b, floats({2}, {2, 4})}), floats({2, 2}, {15, 18, 33, 36}));
  checkFails(flags(0, 0), {a, a}, ErrorCode::ShapeMismatch, "do not multiply");
  checkFails(flags(0, 0), {a, b, Tensor(DType::Float32, {3})}, ErrorCode::ShapeMismatch, "broadcast");
  checkFails(flags(0, 0), {a, b, Tensor(DType::Float32, {3, 2, 2})}, ErrorCode::InvalidModel, "rank");
  checkFails(flags(0, 0), {Tensor(DType::Float32, {6}), b}, ErrorCode::InvalidModel, "rank 2");
}

TEST_CASE("MatMulInteger and QLinearMatMul: zero points for rows and columns") {
  const Tensor a = Tensor::of<uint8_t>(DType::Uint8, {2, 2}, {11, 7, 3, 10});
  const Tensor b = Tensor::of<int8_t>(DType::Int8, {2, 2}, {1, -2, 4, 5});
  const Tensor aZero = Tensor::of<uint8_t>(DType::Uint8, {2}, {7, 3});
  const Tensor bZero = Tensor::of<int8_t>(DType::Int8, {2}, {0, 1});
  // [4 0; 0 7] x [1 -3; 4 4]
  checkEqual(run({"MatMulInteger"}, {a, b, aZero, bZero}), ints({2, 2}, {4, -12, 28, 28}));
  const Tensor outZero = Tensor::of<uint8_t>(DType::Uint8, {}, {3});
  const Tensor rowScales = floats({2}, {1, 0.5f}), one = floats({}, {1}), four = floats({}, {4});
  // {4, -12, 14, 14} / 4, rounded half to even, plus 3, never below 0.
  checkEqual(run({"QLinearMatMul"}, {a, rowScales, aZero, b, one, bZero, four, outZero}),
             Tensor::of<uint8_t>(DType::Uint8, {2, 2}, {4, 0, 7, 7}));
  checkFails({"MatMulInteger"}, {a, b, Tensor::of<uint8_t>(DType::Uint8, {3}, {0, 0, 0})}, ErrorCode::ShapeMismatch,
             "single value or have shape [2]");
}
