#include <algorithm>
#include <cstdint>
#include <numeric>

#include "ops/run_node.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

/// 0, 1, 2, … in the given shape.
Tensor counting(Dims dims) {
  Tensor x(DType::Float32, std::move(dims));
  std::iota(x.data<float>(), x.data<float>() + x.size(), 0.0f);
  return x;
}

Attribute axis(int64_t value) { return Attribute::ofInt("axis", value); }

Tensor slice(const Tensor& x, std::vector<int64_t> starts, std::vector<int64_t> ends, std::vector<int64_t> axes,
             std::vector<int64_t> steps) {
  return run({"Slice"}, {x, Tensor::fromInt64(starts), Tensor::fromInt64(ends), Tensor::fromInt64(axes),
                         Tensor::fromInt64(steps)});
}

}  // namespace

TEST_CASE("Transpose of every permutation agrees with the definition") {
  const Tensor x = counting({3, 4, 5, 37});  // the last axis is longer than a tile
  std::vector<int64_t> perm = {0, 1, 2, 3};
  do {
    const Tensor y = run({"Transpose", {Attribute::ofInts("perm", perm)}}, {x});
    bool right = true;
    Dims at(4);
    int64_t i = 0;
    for (at[0] = 0; at[0] < y.dim(0); ++at[0])
      for (at[1] = 0; at[1] < y.dim(1); ++at[1])
        for (at[2] = 0; at[2] < y.dim(2); ++at[2])
          for (at[3] = 0; at[3] < y.dim(3); ++at[3], ++i) {
            Dims from(4);
            for (size_t k = 0; k < 4; ++k) from[static_cast<size_t>(perm[k])] = at[k];
            const int64_t source = ((from[0] * 4 + from[1]) * 5 + from[2]) * 37 + from[3];
            right = right && y.data<float>()[i] == static_cast<float>(source);
          }
    CAPTURE(toString(perm));
    CHECK(right);
  } while (std::next_permutation(perm.begin(), perm.end()));
}

TEST_CASE("Transpose moves every width, and refuses what is no permutation") {
  checkEqual(run({"Transpose"}, {counting({2, 3})}), floats({3, 2}, {0, 3, 1, 4, 2, 5}));
  for (const DType dtype : {DType::Int8, DType::Float16, DType::Int32, DType::Float64}) {
    checkEqual(run({"Transpose"}, {counting({2, 3}).cast(dtype)}), floats({3, 2}, {0, 3, 1, 4, 2, 5}).cast(dtype));
  }
  checkEqual(run({"Transpose"}, {Tensor::scalar(3)}), Tensor::scalar(3));
  checkEqual(run({"Transpose"}, {floats({0, 2}, {})}), floats({2, 0}, {}));
  checkFails({"Transpose", {Attribute::ofInts("perm", {0})}}, {counting({2, 3})}, ErrorCode::InvalidModel, "perm");
  checkFails({"Transpose", {Attribute::ofInts("perm", {0, 0})}}, {counting({2, 3})}, ErrorCode::InvalidModel, "twice");
  checkFails({"Transpose", {Attribute::ofInts("perm", {0, 2})}}, {counting({2, 3})}, ErrorCode::InvalidModel, "perm");
}

TEST_CASE("Concat joins along any axis") {
  const Tensor a = floats({2, 1}, {1, 2});
  const Tensor b = floats({2, 2}, {3, 4, 5, 6});
  checkEqual(run({"Concat", {axis(1)}}, {a, b}), floats({2, 3}, {1, 3, 4, 2, 5, 6}));
  checkEqual(run({"Concat", {axis(-2)}}, {b, b}), floats({4, 2}, {3, 4, 5, 6, 3, 4, 5, 6}));
  checkEqual(run({"Concat", {axis(1)}}, {floats({2, 0}, {}), b}), b);
  checkEqual(run({"Concat", {axis(0)}}, {a}), a);
  checkFails({"Concat", {axis(0)}}, {a, b}, ErrorCode::ShapeMismatch, "[2, 2]");
  checkFails({"Concat", {axis(0)}}, {a, floats({2}, {1, 2})}, ErrorCode::ShapeMismatch);
  checkFails({"Concat", {axis(2)}}, {a, b}, ErrorCode::InvalidModel, "axis");
  checkFails({"Concat", {axis(0)}}, {a, ints({2, 1}, {1, 2})}, ErrorCode::InvalidModel, "int32");
  checkFails({"Concat"}, {a, b}, ErrorCode::InvalidModel, "required");
  checkFails({"Concat", {axis(0)}}, {Tensor::scalar(1), Tensor::scalar(2)}, ErrorCode::InvalidModel, "axis");
}

TEST_CASE("Split: sizes by attribute, by input, or equal") {
  const Tensor x = counting({2, 5});
  const Tensor left = floats({2, 2}, {0, 1, 5, 6});
  const Tensor right = floats({2, 3}, {2, 3, 4, 7, 8, 9});
  const auto given = runAll({"Split", {axis(1), Attribute::ofInts("split", {2, 3})}, 11, 2}, {x});
  checkEqual(given.at(0), left);
  checkEqual(given.at(1), right);
  const auto input = runAll({"Split", {axis(-1)}, 13, 2}, {x, longs({2}, {2, 3})});
  checkEqual(input.at(1), right);
  const auto equal = runAll({"Split", {}, 13, 2}, {x});
  checkEqual(equal.at(1), floats({1, 5}, {5, 6, 7, 8, 9}));
  const auto uneven = runAll({"Split", {axis(1), Attribute::ofInt("num_outputs", 2)}, 18, 2}, {x});
  checkEqual(uneven.at(0), floats({2, 3}, {0, 1, 2, 5, 6, 7}));
  checkEqual(uneven.at(1), floats({2, 2}, {3, 4, 8, 9}));
  checkFails({"Split", {axis(1)}, 13, 2}, {x}, ErrorCode::ShapeMismatch, "equal");
  checkFails({"Split", {axis(1)}, 13, 2}, {x, longs({2}, {2, 2})}, ErrorCode::ShapeMismatch, "[2, 2]");
  checkFails({"Split", {axis(1)}, 13, 2}, {x, longs({2}, {-1, 6})}, ErrorCode::InvalidModel, "-1");
  checkFails({"Split", {axis(1)}, 13, 2}, {x, longs({2}, {INT64_MAX, INT64_MAX})}, ErrorCode::InvalidModel, "64 bits");
  checkFails({"Split", {axis(1)}, 13, 3}, {x, longs({2}, {2, 3})}, ErrorCode::InvalidModel, "outputs");
  checkFails({"Split", {axis(1), Attribute::ofInt("num_outputs", 3)}, 18, 2}, {x}, ErrorCode::InvalidModel,
             "num_outputs");
}

TEST_CASE("Split leaves out what nobody wants") {
  onnx::Node node = nodeOf({"Split", {}, 13, 3}, {counting({3})});
  node.outputs[1].clear();
  const auto parts = ops::evaluate(node, 13, {counting({3})});
  checkEqual(parts.at(0), floats({1}, {0}));
  CHECK(parts.at(1).empty());
  checkEqual(parts.at(2), floats({1}, {2}));
}

TEST_CASE("Slice forwards, backwards and out of bounds") {
  const Tensor x = counting({4, 5});
  checkEqual(slice(x, {1}, {3}, {0}, {1}), floats({2, 5}, {5, 6, 7, 8, 9, 10, 11, 12, 13, 14}));
  checkEqual(slice(x, {0, 1}, {4, 5}, {0, 1}, {2, 3}), floats({2, 2}, {1, 4, 11, 14}));
  checkEqual(slice(x, {-1}, {INT64_MIN}, {1}, {-2}), floats({4, 3}, {4, 2, 0, 9, 7, 5, 14, 12, 10, 19, 17, 15}));
  checkEqual(slice(x, {-1, -1}, {-100, -100}, {0, 1}, {-3, -4}), floats({2, 2}, {19, 15, 4, 0}));
  checkEqual(slice(x, {1}, {INT64_MAX}, {-1}, {INT64_MAX}), floats({4, 1}, {1, 6, 11, 16}));
  checkEqual(slice(x, {INT64_MIN}, {2}, {1}, {1}), floats({4, 2}, {0, 1, 5, 6, 10, 11, 15, 16}));
  checkEqual(slice(x, {3}, {INT64_MIN}, {0}, {INT64_MIN}), floats({1, 5}, {15, 16, 17, 18, 19}));
  checkEqual(slice(x, {3}, {1}, {0}, {1}), floats({0, 5}, {}));
  checkEqual(slice(floats({0}, {}), {5}, {-7}, {0}, {-1}), floats({0}, {}));
  checkEqual(run({"Slice"}, {x, longs({2}, {1, 2}), longs({2}, {2, 4})}), floats({1, 2}, {7, 8}));
  checkEqual(
      run({"Slice",
           {Attribute::ofInts("starts", {-2}), Attribute::ofInts("ends", {1000}), Attribute::ofInts("axes", {1})},
           9},
          {x}),
      floats({4, 2}, {3, 4, 8, 9, 13, 14, 18, 19}));
  checkEqual(slice(ints({3}, {1, 2, 3}), {2}, {-4}, {0}, {-1}), ints({3}, {3, 2, 1}));
}

TEST_CASE("Slice refuses contradictions") {
  const Tensor x = counting({4, 5});
  const auto fails = [&](std::vector<int64_t> starts, std::vector<int64_t> ends, std::vector<int64_t> axes,
                         std::vector<int64_t> steps, const char* part) {
    checkFails(
        {"Slice"},
        {x, Tensor::fromInt64(starts), Tensor::fromInt64(ends), Tensor::fromInt64(axes), Tensor::fromInt64(steps)},
        ErrorCode::InvalidModel, part);
  };
  fails({0}, {1}, {0}, {0}, "step");
  fails({0}, {1}, {2}, {1}, "axes");
  fails({0, 0}, {1, 1}, {0, -2}, {1, 1}, "twice");
  fails({0}, {1, 2}, {0}, {1}, "one length");
  checkFails({"Slice"}, {x, longs({3}, {0, 0, 0}), longs({3}, {1, 1, 1})}, ErrorCode::InvalidModel, "one length");
  checkFails({"Slice", {Attribute::ofInts("starts", {0})}, 9}, {x}, ErrorCode::InvalidModel, "ends");
}

TEST_CASE("Gather and GatherElements") {
  const Tensor x = counting({3, 2});
  checkEqual(run({"Gather"}, {x, longs({2}, {2, -3})}), floats({2, 2}, {4, 5, 0, 1}));
  checkEqual(run({"Gather", {axis(1)}}, {x, ints({1, 2}, {1, 0})}), floats({3, 1, 2}, {1, 0, 3, 2, 5, 4}));
  checkEqual(run({"Gather"}, {x, longs({}, {1})}), floats({2}, {2, 3}));
  checkEqual(run({"Gather"}, {longs({3}, {7, 8, 9}), longs({}, {-1})}), longs({}, {9}));
  checkEqual(run({"Gather"}, {x, longs({0}, {})}), floats({0, 2}, {}));
  checkEqual(run({"GatherElements", {axis(1)}}, {x, longs({2, 3}, {0, 1, 0, -1, -2, 1})}),
             floats({2, 3}, {0, 1, 0, 3, 2, 3}));
  checkFails({"Gather"}, {x, longs({1}, {3})}, ErrorCode::InvalidModel, "3");
  checkFails({"Gather"}, {x, longs({1}, {INT64_MIN})}, ErrorCode::InvalidModel);
  checkFails({"Gather"}, {floats({0}, {}), longs({1}, {0})}, ErrorCode::InvalidModel);
  checkFails({"Gather"}, {x, floats({1}, {0})}, ErrorCode::InvalidModel, "int32 or int64");
  checkFails({"Gather"}, {Tensor::scalar(1), longs({1}, {0})}, ErrorCode::InvalidModel, "axis");
  checkFails({"GatherElements"}, {x, longs({1, 3}, {0, 0, 0})}, ErrorCode::ShapeMismatch);
  checkFails({"GatherElements"}, {x, longs({1}, {0})}, ErrorCode::ShapeMismatch);
}

TEST_CASE("Expand and Tile repeat") {
  const Tensor column = floats({2, 1}, {1, 2});
  checkEqual(run({"Expand"}, {column, longs({2}, {2, 3})}), floats({2, 3}, {1, 1, 1, 2, 2, 2}));
  checkEqual(run({"Expand"}, {column, longs({3}, {2, 1, 1})}), floats({2, 2, 1}, {1, 2, 1, 2}));
  checkEqual(run({"Expand"}, {column, longs({1}, {1})}), column);
  checkEqual(run({"Expand"}, {column, longs({2}, {2, 0})}), floats({2, 0}, {}));
  checkEqual(run({"Tile"}, {floats({2, 2}, {1, 2, 3, 4}), longs({2}, {2, 2})}),
             floats({4, 4}, {1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4}));
  checkEqual(run({"Tile"}, {column, longs({2}, {0, 1})}), floats({0, 1}, {}));
  checkFails({"Expand"}, {floats({2}, {1, 2}), longs({1}, {3})}, ErrorCode::ShapeMismatch, "[2] and [3]");
  checkFails({"Expand"}, {column, longs({2}, {2, -1})}, ErrorCode::InvalidModel, "negative");
  checkFails({"Expand"}, {column, longs({3}, {INT64_MAX, 2, 1})}, ErrorCode::OutOfMemory, "1 TiB");
  checkFails({"Tile"}, {column, longs({1}, {2})}, ErrorCode::ShapeMismatch, "repeats");
  checkFails({"Tile"}, {column, longs({2}, {-1, 1})}, ErrorCode::InvalidModel, "-1");
  checkFails({"Tile"}, {column, longs({2}, {INT64_MAX, 1})}, ErrorCode::InvalidModel, "64 bits");
  checkFails({"Tile"}, {column, longs({2}, {int64_t{1} << 50, 1})}, ErrorCode::OutOfMemory, "1 TiB");
}

TEST_CASE("DepthToSpace and SpaceToDepth undo each other") {
  const Tensor x = counting({1, 8, 1, 2});
  const Attribute two = Attribute::ofInt("blocksize", 2);
  const Tensor dcr = run({"DepthToSpace", {two}}, {x});
  checkEqual(dcr, floats({1, 2, 2, 4}, {0, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15}));
  checkEqual(run({"SpaceToDepth", {two}}, {dcr}), x);
  checkEqual(run({"DepthToSpace", {two, Attribute::ofString("mode", "CRD")}}, {x}),
             floats({1, 2, 2, 4}, {0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15}));
  checkFails({"DepthToSpace", {Attribute::ofInt("blocksize", 3)}}, {x}, ErrorCode::ShapeMismatch, "channels");
  checkFails({"DepthToSpace", {Attribute::ofInt("blocksize", INT64_MAX)}}, {x}, ErrorCode::InvalidModel, "64 bits");
  checkFails({"DepthToSpace"}, {x}, ErrorCode::InvalidModel, "blocksize");
  checkFails({"DepthToSpace", {two, Attribute::ofString("mode", "XYZ")}}, {x}, ErrorCode::InvalidModel, "XYZ");
  checkFails({"SpaceToDepth", {two}}, {x}, ErrorCode::ShapeMismatch, "blocksize");
  checkFails({"SpaceToDepth", {two}}, {counting({2, 2})}, ErrorCode::InvalidModel, "rank");
}
