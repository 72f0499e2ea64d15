#include <cstdint>
#include <limits>

#include "ops/run_node.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
const float kNaN = std::numeric_limits<float>::quiet_NaN();
/// [[[1 2] [3 4]] [[5 6] [7 8]] [[9 10] [11 12]]]
Tensor counting() { return floats({3, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}); }
Attribute axes(std::vector<int64_t> values) { return Attribute::ofInts("axes", std::move(values)); }
const Attribute kDrop = Attribute::ofInt("keepdims", 0);

}  // namespace

TEST_CASE("a reduction takes any axes, in any place") {
  const Tensor x = counting();
  checkEqual(run({"ReduceSum", {axes({2})}, 11}, {x}), floats({3, 2, 1}, {3, 7, 11, 15, 19, 23}));
  checkEqual(run({"ReduceSum", {axes({1}), kDrop}, 11}, {x}), floats({3, 2}, {4, 6, 12, 14, 20, 22}));
  checkEqual(run({"ReduceSum", {axes({0}), kDrop}, 11}, {x}), floats({2, 2}, {15, 18, 21, 24}));
  checkEqual(run({"ReduceSum", {axes({0, 2}), kDrop}, 11}, {x}), floats({2}, {33, 45}));
  checkEqual(run({"ReduceSum", {axes({-1, -2}), kDrop}, 11}, {x}), floats({3}, {10, 26, 42}));
  checkEqual(run({"ReduceSum", {axes({0, 1})}, 11}, {x}), floats({1, 1, 2}, {36, 42}));
  checkEqual(run({"ReduceSum", {kDrop}, 11}, {x}), floats({}, {78}));
  checkEqual(run({"ReduceSum"}, {x}), floats({1, 1, 1}, {78}));
  checkEqual(run({"ReduceSum"}, {Tensor::scalar(3)}), Tensor::scalar(3));
}

TEST_CASE("axes are an input from opset 13 on for ReduceSum and 18 for the others") {
  const Tensor x = counting();
  const Tensor expected = floats({2}, {33, 45});
  checkEqual(run({"ReduceSum", {kDrop}, 13}, {x, longs({2}, {0, 2})}), expected);
  checkEqual(run({"ReduceMax", {axes({0, 2}), kDrop}, 17}, {x}), floats({2}, {10, 12}));
  checkEqual(run({"ReduceMax", {kDrop}, 18}, {x, longs({2}, {0, 2})}), floats({2}, {10, 12}));
  checkFails({"ReduceMax", {}, 17}, {x, longs({1}, {0})}, ErrorCode::InvalidModel, "inputs");
  checkFails({"ReduceSum"}, {x, longs({1}, {3})}, ErrorCode::InvalidModel, "3");
  checkFails({"ReduceSum"}, {x, longs({2}, {0, -3})}, ErrorCode::InvalidModel, "twice");
  checkFails({"ReduceSum"}, {x, floats({1}, {0})}, ErrorCode::InvalidModel, "integers");
  checkFails({"ReduceMean"}, {bools({1}, {1})}, ErrorCode::InvalidModel, "numeric");
}

TEST_CASE("axes that are known only at run time are refused in words") {
  const onnx::Node node = nodeOf({"ReduceSum"}, {counting(), longs({1}, {0})});
  const ops::InferContext ctx{node, 18, {{DType::Float32, {3, 2, 2}}, {DType::Int64, {1}}}, {nullptr, nullptr}};
  CHECK_THROWS_WITH_AS(ops::get(node, 18).infer(ctx), doctest::Contains("ReduceSum \"n\""), Error);
}

TEST_CASE("noop_with_empty_axes skips the reduction but not the function around it") {
  const Tensor x = floats({2}, {-3, 2});
  const Attribute noop = Attribute::ofInt("noop_with_empty_axes", 1);
  checkEqual(run({"ReduceSum", {noop}}, {x}), x);
  checkEqual(run({"ReduceSum", {noop}}, {x, longs({0}, {})}), x);
  checkEqual(run({"ReduceSumSquare", {noop}}, {x}), floats({2}, {9, 4}));
  checkEqual(run({"ReduceL1", {noop}}, {x}), floats({2}, {3, 2}));
}

TEST_CASE("every reduction") {
  const Tensor x = floats({2, 3}, {1, -2, 3, 4, 5, -6});
  const NodeSpec spec{"", {axes({1}), kDrop}, 12};
  const auto reduce = [&](const char* op, const Tensor& in) {
    NodeSpec named = spec;
    named.op = op;
    return run(named, {in});
  };
  checkEqual(reduce("ReduceSum", x), floats({2}, {2, 3}));
  checkEqual(reduce("ReduceMean", x), floats({2}, {2.f / 3, 1}), 1e-6);
  checkEqual(reduce("ReduceProd", x), floats({2}, {-6, -120}));
  checkEqual(reduce("ReduceMax", x), floats({2}, {3, 5}));
  checkEqual(reduce("ReduceMin", x), floats({2}, {-2, -6}));
  checkEqual(reduce("ReduceL1", x), floats({2}, {6, 15}));
  checkEqual(reduce("ReduceL2", x), floats({2}, {std::sqrt(14.f), std::sqrt(77.f)}), 1e-6);
  checkEqual(reduce("ReduceSumSquare", x), floats({2}, {14, 77}));
  checkEqual(reduce("ReduceLogSum", x), floats({2}, {std::log(2.f), std::log(3.f)}), 1e-6);
  checkEqual(reduce("ReduceLogSumExp", x), floats({2}, {3.13284416f, 5.31326813f}), 1e-6);
  const Tensor i = ints({2, 3}, {1, -2, 3, 4, 5, -6});
  checkEqual(reduce("ReduceSum", i), ints({2}, {2, 3}));
  checkEqual(reduce("ReduceMean", i), ints({2}, {0, 1}));
  checkEqual(reduce("ReduceMin", i), ints({2}, {-2, -6}));
  checkEqual(reduce("ReduceL1", i), ints({2}, {6, 15}));
  checkEqual(reduce("ReduceMax", x.cast(DType::Float16)), floats({2}, {3, 5}).cast(DType::Float16));
  checkEqual(run({"ReduceMax", {kDrop}, 20}, {bools({2, 2}, {0, 1, 0, 0}), longs({1}, {1})}), bools({2}, {1, 0}));
  checkEqual(run({"ReduceMin", {kDrop}, 20}, {bools({2, 2}, {0, 1, 7, 7}), longs({1}, {1})}), bools({2}, {0, 1}));
}

TEST_CASE("reductions keep their digits, and their NaN") {
  const Tensor many = floats({1 << 20}, std::vector<float>(1 << 20, 0.1f));
  CHECK(run({"ReduceSum"}, {many}).data<float>()[0] == doctest::Approx(104857.6).epsilon(1e-7));
  checkEqual(run({"ReduceL2"}, {floats({2}, {3e30f, 4e30f})}), floats({1}, {5e30f}), 1e-6);
  checkEqual(run({"ReduceLogSumExp"}, {floats({2}, {1000, 1000})}), floats({1}, {1000.69314718f}), 1e-6);
  checkEqual(run({"ReduceLogSumExp"}, {floats({2}, {-kInf, -kInf})}), floats({1}, {-kInf}));
  checkEqual(run({"ReduceLogSumExp"}, {floats({2}, {1, kInf})}), floats({1}, {kInf}));
  for (const char* op : {"ReduceMax", "ReduceMin"}) {
    checkEqual(run({op}, {floats({3}, {1, kNaN, 2})}), floats({1}, {kNaN}));
  }
}

TEST_CASE("the reduction of nothing is the neutral element") {
  const Tensor none = floats({2, 0}, {});
  const Tensor one = longs({1}, {1});
  checkEqual(run({"ReduceSum", {kDrop}}, {none, one}), floats({2}, {0, 0}));
  checkEqual(run({"ReduceProd", {kDrop}}, {none, one}), floats({2}, {1, 1}));
  checkEqual(run({"ReduceMax", {kDrop}}, {none, one}), floats({2}, {-kInf, -kInf}));
  checkEqual(run({"ReduceMin", {kDrop}}, {none, one}), floats({2}, {kInf, kInf}));
  checkEqual(run({"ReduceMean", {kDrop}}, {none, one}), floats({2}, {kNaN, kNaN}));
  checkEqual(run({"ReduceMin", {kDrop}, 20}, {bools({1, 0}, {}), one}), bools({1}, {1}));
  checkEqual(run({"ReduceSum", {kDrop}}, {none, longs({1}, {0})}), floats({0}, {}));
  checkFails({"ReduceMean"}, {ints({2, 0}, {}), one}, ErrorCode::InvalidModel, "mean of no integers");
}

TEST_CASE("ArgMax and ArgMin") {
  const Tensor x = floats({2, 3}, {2, 1, 2, 3, 10, 10});
  const Attribute last = Attribute::ofInt("select_last_index", 1);
  const Attribute axis1 = Attribute::ofInt("axis", 1);
  checkEqual(run({"ArgMax", {axis1}}, {x}), longs({2, 1}, {0, 1}));
  checkEqual(run({"ArgMax", {axis1, kDrop, last}}, {x}), longs({2}, {2, 2}));
  checkEqual(run({"ArgMin", {axis1, kDrop}}, {x}), longs({2}, {1, 0}));
  checkEqual(run({"ArgMax"}, {x}), longs({1, 3}, {1, 1, 1}));
  checkEqual(run({"ArgMin", {Attribute::ofInt("axis", -1)}}, {x.cast(DType::Uint8)}), longs({2, 1}, {1, 0}));
  checkEqual(run({"ArgMax", {kDrop}}, {floats({4}, {1, kNaN, 9, kNaN})}), longs({}, {1}));
  checkFails({"ArgMax", {Attribute::ofInt("axis", 2)}}, {x}, ErrorCode::InvalidModel, "axis");
  checkFails({"ArgMax", {axis1}}, {floats({2, 0}, {})}, ErrorCode::InvalidModel, "nothing");
}
