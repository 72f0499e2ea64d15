#include <limits>

#include "ops/run_node.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

NodeSpec pool(const char* op, Dims kernel, std::vector<Attribute> more = {}, size_t outputs = 1) {
  more.push_back(Attribute::ofInts("kernel_shape", std::move(kernel)));
  return {op, std::move(more), 19, outputs};
}

const float kNaN = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("MaxPool: values and indices, in both storage orders") {
  const Tensor x = floats({1, 2, 2, 3}, {1, 5, 2, 4, 3, 6, -1, -5, -2, -4, -3, -6});
  const std::vector<Tensor> rows = runAll(pool("MaxPool", {2, 2}, {}, 2), {x});
  checkEqual(rows[0], floats({1, 2, 1, 2}, {5, 6, -1, -2}));
  checkEqual(rows[1], longs({1, 2, 1, 2}, {1, 5, 6, 8}));
  const std::vector<Tensor> columns = runAll(pool("MaxPool", {2, 2}, {Attribute::ofInt("storage_order", 1)}, 2), {x});
  checkEqual(columns[1], longs({1, 2, 1, 2}, {2, 5, 6, 10}));
}

TEST_CASE("MaxPool: NaN stays, bytes are compared as bytes") {
  checkEqual(run(pool("MaxPool", {2}), {floats({1, 1, 4}, {1, kNaN, 2, 3})}), floats({1, 1, 3}, {kNaN, kNaN, 3}));
  checkEqual(run(pool("MaxPool", {2}), {Tensor::of<uint8_t>(DType::Uint8, {1, 1, 3}, {1, 200, 3})}),
             Tensor::of<uint8_t>(DType::Uint8, {1, 1, 2}, {200, 200}));
  checkEqual(run(pool("MaxPool", {2}), {Tensor::of<int8_t>(DType::Int8, {1, 1, 3}, {-128, -127, -128})}),
             Tensor::of<int8_t>(DType::Int8, {1, 1, 2}, {-127, -127}));
}

TEST_CASE("pooling: rounding up adds a window unless it starts in the padding at the end") {
  const Tensor x = floats({1, 1, 5}, {1, 2, 3, 4, 5});
  const auto up = Attribute::ofInt("ceil_mode", 1);
  checkEqual(run(pool("MaxPool", {2}, {up, Attribute::ofInts("strides", {2})}), {x}), floats({1, 1, 3}, {2, 4, 5}));
  checkEqual(run(pool("MaxPool", {2}, {Attribute::ofInts("strides", {2})}), {x}), floats({1, 1, 2}, {2, 4}));
  // Windows at -1, 2 and 5: the last would see padding alone.
  checkEqual(run(pool("MaxPool", {2}, {up, Attribute::ofInts("strides", {3}), Attribute::ofInts("pads", {1, 1})}), {x}),
             floats({1, 1, 2}, {1, 4}));
  // A window larger than the input, of which one part is there.
  checkEqual(run(pool("MaxPool", {6}, {up, Attribute::ofInts("strides", {2})}), {x}), floats({1, 1, 1}, {5}));
}

TEST_CASE("AveragePool: padding counts only where asked, and what lies past it never") {
  const Tensor x = floats({1, 1, 5}, {1, 2, 3, 6, 8});
  const auto pads = Attribute::ofInts("pads", {1, 0});
  const auto strides = Attribute::ofInts("strides", {2});
  const auto up = Attribute::ofInt("ceil_mode", 1);
  const auto include = Attribute::ofInt("count_include_pad", 1);
  const float third = 11.0f / 3;
  checkEqual(run(pool("AveragePool", {3}, {pads, strides}), {x}), floats({1, 1, 2}, {1.5f, third}), 1e-6);
  checkEqual(run(pool("AveragePool", {3}, {pads, strides, include}), {x}), floats({1, 1, 2}, {1, third}), 1e-6);
  // The last window, at 3, holds two elements and a place that is not even padding.
  checkEqual(run(pool("AveragePool", {3}, {pads, strides, include, up}), {x}), floats({1, 1, 3}, {1, third, 7}), 1e-6);
  checkEqual(run(pool("AveragePool", {2}, {Attribute::ofInts("dilations", {2})}), {x}),
             floats({1, 1, 3}, {2, 4, 5.5f}));
}

TEST_CASE("LpPool and the global pools") {
  const Tensor x = floats({1, 2, 2}, {3, -4, 0, 2});
  checkEqual(run(pool("LpPool", {2}), {x}), floats({1, 2, 1}, {5, 2}), 1e-6);
  checkEqual(run(pool("LpPool", {2}, {Attribute::ofInt("p", 1)}), {x}), floats({1, 2, 1}, {7, 2}), 1e-6);
  checkEqual(run({"GlobalAveragePool"}, {x}), floats({1, 2, 1}, {-0.5f, 1}));
  checkEqual(run({"GlobalMaxPool"}, {x}), floats({1, 2, 1}, {3, 2}));
  checkEqual(run({"GlobalLpPool"}, {x}), floats({1, 2, 1}, {5, 2}), 1e-6);
  checkEqual(run({"GlobalAveragePool"}, {x.cast(DType::Float16)}), floats({1, 2, 1}, {-0.5f, 1}).cast(DType::Float16));
}

TEST_CASE("pooling: hostile nodes are refused") {
  const Tensor x(DType::Float32, {1, 2, 4, 4});
  const auto ints = [](const char* name, Dims values) {
    return pool("MaxPool", {2, 2}, {Attribute::ofInts(name, std::move(values))});
  };
  checkFails({"MaxPool"}, {x}, ErrorCode::InvalidModel, "kernel_shape is required");
  checkFails(pool("MaxPool", {0, 2}), {x}, ErrorCode::InvalidModel, "kernel_shape should be at least 1");
  checkFails(pool("MaxPool", {2}), {x}, ErrorCode::InvalidModel, "kernel_shape should have 2");
  checkFails(pool("MaxPool", {5, 1}), {x}, ErrorCode::ShapeMismatch, "does not fit");
  checkFails(pool("MaxPool", {INT64_MAX, 1}), {x}, ErrorCode::ShapeMismatch, "does not fit");
  checkFails(pool("MaxPool", {2, 2}), {Tensor(DType::Float32, {4, 4})}, ErrorCode::InvalidModel, "rank");
  checkFails(pool("MaxPool", {2, 2}), {Tensor(DType::Int64, {1, 1, 4, 4})}, ErrorCode::InvalidModel, "int8 or uint8");
  checkFails(ints("strides", {0, 0}), {x}, ErrorCode::InvalidModel, "strides");
  checkFails(ints("dilations", {INT64_MAX, 1}), {x}, ErrorCode::InvalidModel, "overflows");
  checkFails(ints("pads", {2, 0, 0, 0}), {x}, ErrorCode::InvalidModel, "pads should be smaller than the window");
  checkFails(ints("pads", {0, 0, INT64_MAX, 0}), {x}, ErrorCode::InvalidModel, "overflows");
  checkFails(pool("MaxPool", {2, 2}, {Attribute::ofInt("storage_order", 2)}), {x}, ErrorCode::InvalidModel,
             "storage_order");
  checkFails(pool("LpPool", {2, 2}, {Attribute::ofInt("p", 0)}), {x}, ErrorCode::InvalidModel, "p should be");
  checkFails({"GlobalAveragePool"}, {Tensor(DType::Float32, {1, 2, 0})}, ErrorCode::ShapeMismatch, "nothing to pool");
  checkFails(pool("MaxPool", {2, 2}, {}, 3), {x}, ErrorCode::InvalidModel, "3 outputs");
  // A window of a thousand million elements over a few costs no more than those few.
  CHECK(run(pool("MaxPool", {1 << 30, 1}, {Attribute::ofInts("pads", {(1 << 30) - 4, 0, 0, 0})}), {x}).dims() ==
        Dims{1, 2, 1, 4});
}
