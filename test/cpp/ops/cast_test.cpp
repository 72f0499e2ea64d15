#include <cstdint>
#include <limits>

#include "ops/run_node.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

NodeSpec castTo(DType dtype) { return {"Cast", {Attribute::ofInt("to", static_cast<int64_t>(dtype))}}; }

}  // namespace

TEST_CASE("Cast converts between the types we hold") {
  const Tensor x = floats({4}, {-1.9f, 0, 1.9f, 300});
  checkEqual(run(castTo(DType::Int32), {x}), ints({4}, {-1, 0, 1, 300}));
  checkEqual(run(castTo(DType::Int8), {x}), Tensor::of<int8_t>(DType::Int8, {4}, {-1, 0, 1, 127}));
  checkEqual(run(castTo(DType::Bool), {x}), bools({4}, {1, 0, 1, 1}));
  checkEqual(run(castTo(DType::Float32), {x}), x);
  checkEqual(run(castTo(DType::Float64), {x}).cast(DType::Float32), x);
  checkEqual(run(castTo(DType::Float16), {floats({2}, {1, 1e6f})}).cast(DType::Float32),
             floats({2}, {1, std::numeric_limits<float>::infinity()}));
  checkEqual(run({"CastLike"}, {x, longs({1}, {0})}), longs({4}, {-1, 0, 1, 300}));
}

TEST_CASE("Cast refuses types we don't hold") {
  const Tensor x = floats({1}, {1});
  checkFails(castTo(DType::String), {x}, ErrorCode::UnsupportedOperator, "string");
  checkFails({"Cast", {Attribute::ofInt("to", 17)}}, {x}, ErrorCode::UnsupportedOperator, "float8e4m3fn");
  checkFails({"Cast", {Attribute::ofInt("to", 22)}}, {x}, ErrorCode::UnsupportedOperator, "int4");
  for (const int64_t to : {int64_t{0}, int64_t{-1}, int64_t{99}, std::numeric_limits<int64_t>::max()}) {
    checkFails({"Cast", {Attribute::ofInt("to", to)}}, {x}, ErrorCode::InvalidModel, std::to_string(to));
  }
  checkFails({"Cast"}, {x}, ErrorCode::InvalidModel, "required");
}
