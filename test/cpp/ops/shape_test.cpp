#include <cstdint>
#include <limits>

#include "ops/run_node.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

const Tensor& six() {
  static const Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  return x;
}
Tensor shaped(Dims dims) { return floats(std::move(dims), {1, 2, 3, 4, 5, 6}); }

}  // namespace

TEST_CASE("Reshape copies, computes and counts axes") {
  checkEqual(run({"Reshape"}, {six(), longs({2}, {3, 2})}), shaped({3, 2}));
  checkEqual(run({"Reshape"}, {six(), longs({2}, {-1, 2})}), shaped({3, 2}));
  checkEqual(run({"Reshape"}, {six(), longs({3}, {0, -1, 1})}), shaped({2, 3, 1}));
  checkEqual(run({"Reshape"}, {Tensor::scalar(7), longs({1}, {-1})}), floats({1}, {7}));
  checkEqual(run({"Reshape"}, {floats({1}, {7}), longs({0}, {})}), Tensor::scalar(7));
  const Attribute allowZero = Attribute::ofInt("allowzero", 1);
  checkEqual(run({"Reshape", {allowZero}}, {floats({0, 3}, {}), longs({2}, {3, 0})}), floats({3, 0}, {}));
  checkEqual(run({"Reshape"}, {floats({0, 3}, {}), longs({2}, {0, 3})}), floats({0, 3}, {}));
  checkFails({"Reshape"}, {six(), longs({1}, {5})}, ErrorCode::ShapeMismatch, "[2, 3]");
  checkFails({"Reshape"}, {six(), longs({2}, {-1, 4})}, ErrorCode::ShapeMismatch);
  checkFails({"Reshape"}, {six(), longs({2}, {-1, -1})}, ErrorCode::InvalidModel, "more than one -1");
  checkFails({"Reshape"}, {six(), longs({1}, {-2})}, ErrorCode::InvalidModel, "-2");
  checkFails({"Reshape"}, {six(), longs({3}, {2, 3, 0})}, ErrorCode::ShapeMismatch, "axis 2");
  checkFails({"Reshape"}, {six(), longs({2}, {INT64_MAX, INT64_MAX})}, ErrorCode::InvalidModel, "64 bits");
  checkFails({"Reshape", {allowZero}}, {floats({0, 3}, {}), longs({2}, {0, -1})}, ErrorCode::ShapeMismatch);
  checkFails({"Reshape"}, {six(), floats({1}, {6})}, ErrorCode::InvalidModel, "integers");
  checkFails({"Reshape"}, {six(), longs({1, 1}, {6})}, ErrorCode::InvalidModel, "rank");
}

TEST_CASE("a shape that is not known before the run is refused in words") {
  const onnx::Node node = nodeOf({"Reshape"}, {six(), longs({1}, {6})});
  const ops::InferContext ctx{node, 18, {{DType::Float32, {2, 3}}, {DType::Int64, {1}}}, {nullptr, nullptr}};
  CHECK_THROWS_WITH_AS(ops::get(node, 18).infer(ctx), doctest::Contains("Reshape \"n\""), Error);
}

TEST_CASE("Flatten") {
  const Tensor x = shaped({1, 2, 3});
  checkEqual(run({"Flatten"}, {x}), shaped({1, 6}));
  checkEqual(run({"Flatten", {Attribute::ofInt("axis", 2)}}, {x}), shaped({2, 3}));
  checkEqual(run({"Flatten", {Attribute::ofInt("axis", 3)}}, {x}), shaped({6, 1}));
  checkEqual(run({"Flatten", {Attribute::ofInt("axis", -1)}}, {x}), shaped({2, 3}));
  checkEqual(run({"Flatten", {Attribute::ofInt("axis", 0)}}, {Tensor::scalar(1)}), floats({1, 1}, {1}));
  checkFails({"Flatten", {Attribute::ofInt("axis", 4)}}, {x}, ErrorCode::InvalidModel, "4");
}

TEST_CASE("Squeeze and Unsqueeze, with the axes in either place") {
  const Tensor x = shaped({1, 2, 1, 3});
  checkEqual(run({"Squeeze"}, {x}), shaped({2, 3}));
  checkEqual(run({"Squeeze"}, {x, longs({1}, {-2})}), shaped({1, 2, 3}));
  checkEqual(run({"Squeeze"}, {x, longs({0}, {})}), x);
  checkEqual(run({"Squeeze", {Attribute::ofInts("axes", {0, 2})}, 11}, {x}), shaped({2, 3}));
  checkEqual(run({"Squeeze", {}, 11}, {x}), shaped({2, 3}));
  checkEqual(run({"Unsqueeze"}, {six(), longs({2}, {3, 0})}), shaped({1, 2, 3, 1}));
  checkEqual(run({"Unsqueeze"}, {six(), longs({1}, {-1})}), shaped({2, 3, 1}));
  checkEqual(run({"Unsqueeze", {Attribute::ofInts("axes", {1})}, 11}, {six()}), shaped({2, 1, 3}));
  checkFails({"Squeeze"}, {x, longs({1}, {1})}, ErrorCode::ShapeMismatch, "axis 1");
  checkFails({"Squeeze"}, {x, longs({1}, {4})}, ErrorCode::InvalidModel);
  checkFails({"Unsqueeze"}, {six(), longs({2}, {0, 0})}, ErrorCode::InvalidModel, "twice");
  checkFails({"Unsqueeze"}, {six(), longs({1}, {INT64_MIN})}, ErrorCode::InvalidModel);
  checkFails({"Unsqueeze", {}, 11}, {six()}, ErrorCode::InvalidModel, "required");
}

TEST_CASE("Identity and Dropout hand the data on") {
  checkEqual(run({"Identity"}, {six()}), six());
  const auto both = runAll({"Dropout", {}, 13, 2}, {six(), Tensor::scalar(0.5f), bools({}, {0})});
  checkEqual(both.at(0), six());
  checkEqual(both.at(1), bools({2, 3}, {1, 1, 1, 1, 1, 1}));
  checkEqual(runAll({"Dropout", {Attribute::ofFloat("ratio", 0.3f)}, 7, 2}, {six()}).at(1),
             floats({2, 3}, {1, 1, 1, 1, 1, 1}));
  checkFails({"Dropout"}, {six(), Tensor::scalar(0.5f), bools({}, {1})}, ErrorCode::UnsupportedOperator,
             "training_mode");
  checkFails({"Dropout", {}, 13, 3}, {six()}, ErrorCode::InvalidModel, "outputs");
}

TEST_CASE("Constant reads the one attribute that holds the value") {
  checkEqual(run({"Constant", {Attribute::ofTensor("value", six())}}, {}), six());
  checkEqual(run({"Constant", {Attribute::ofFloat("value_float", 2)}}, {}), Tensor::scalar(2));
  checkEqual(run({"Constant", {Attribute::ofFloats("value_floats", {2, 3})}}, {}), floats({2}, {2, 3}));
  checkEqual(run({"Constant", {Attribute::ofInt("value_int", 4)}}, {}), longs({}, {4}));
  checkEqual(run({"Constant", {Attribute::ofInts("value_ints", {4, 5})}}, {}), longs({2}, {4, 5}));
  checkFails({"Constant"}, {}, ErrorCode::InvalidModel, "found 0");
  checkFails({"Constant", {Attribute::ofInt("value_int", 4), Attribute::ofFloat("value_float", 2)}}, {},
             ErrorCode::InvalidModel, "found 2");
  checkFails({"Constant", {Attribute::ofInt("value", 4)}}, {}, ErrorCode::InvalidModel, "tensor");
  checkFails({"Constant", {Attribute::ofInt("value_float", 4)}}, {}, ErrorCode::InvalidModel, "float");
  checkFails({"Constant", {Attribute::ofString("value_string", "x")}}, {}, ErrorCode::UnsupportedOperator,
             "value_string");
}

TEST_CASE("ConstantOfShape") {
  checkEqual(run({"ConstantOfShape"}, {longs({2}, {1, 2})}), floats({1, 2}, {0, 0}));
  checkEqual(run({"ConstantOfShape", {Attribute::ofTensor("value", longs({1}, {9}))}}, {longs({1}, {3})}),
             longs({3}, {9, 9, 9}));
  checkEqual(run({"ConstantOfShape"}, {longs({0}, {})}), Tensor::scalar(0));
  checkEqual(run({"ConstantOfShape"}, {longs({2}, {0, 4})}), floats({0, 4}, {}));
  checkFails({"ConstantOfShape"}, {longs({1}, {-1})}, ErrorCode::InvalidModel, "negative");
  checkFails({"ConstantOfShape"}, {longs({2}, {INT64_MAX, 2})}, ErrorCode::OutOfMemory, "1 TiB");
  checkFails({"ConstantOfShape"}, {longs({1}, {int64_t{1} << 40})}, ErrorCode::OutOfMemory, "1 TiB");
  checkFails({"ConstantOfShape"}, {longs({3}, {0, INT64_MAX, INT64_MAX})}, ErrorCode::OutOfMemory, "1 TiB");
  checkFails({"ConstantOfShape", {Attribute::ofTensor("value", six())}}, {longs({1}, {3})}, ErrorCode::InvalidModel,
             "one element");
}

TEST_CASE("Shape and Size") {
  const Tensor x = shaped({1, 2, 3});
  const auto shape = [&](int64_t start, int64_t end, int64_t opset = 15) {
    return run({"Shape", {Attribute::ofInt("start", start), Attribute::ofInt("end", end)}, opset}, {x});
  };
  checkEqual(run({"Shape"}, {x}), longs({3}, {1, 2, 3}));
  checkEqual(shape(1, 3), longs({2}, {2, 3}));
  checkEqual(shape(-1, 99), longs({1}, {3}));
  checkEqual(shape(INT64_MIN, -1), longs({2}, {1, 2}));
  checkEqual(shape(2, 1), longs({0}, {}));
  checkEqual(shape(1, 2, 14), longs({3}, {1, 2, 3}));
  checkEqual(run({"Size"}, {x}), longs({}, {6}));
  checkEqual(run({"Shape"}, {Tensor::scalar(1)}), longs({0}, {}));
}

TEST_CASE("Range") {
  const auto range = [](int64_t a, int64_t b, int64_t c) {
    return run({"Range"}, {longs({}, {a}), longs({}, {b}), longs({}, {c})});
  };
  checkEqual(range(1, 10, 3), longs({3}, {1, 4, 7}));
  checkEqual(range(10, 1, -4), longs({3}, {10, 6, 2}));
  checkEqual(range(1, 1, 1), longs({0}, {}));
  checkEqual(range(5, 1, 1), longs({0}, {}));
  CHECK(range(INT64_MIN, INT64_MAX, INT64_MAX).dims() == Dims{3});
  CHECK(range(INT64_MAX, INT64_MIN, INT64_MIN).dims() == Dims{2});
  checkEqual(run({"Range"}, {Tensor::scalar(1), Tensor::scalar(2), Tensor::scalar(0.4f)}), floats({3}, {1, 1.4f, 1.8f}),
             1e-6);
  checkFails({"Range"}, {longs({}, {0}), longs({}, {1}), longs({}, {0})}, ErrorCode::InvalidModel, "delta");
  checkFails({"Range"}, {longs({}, {INT64_MIN}), longs({}, {INT64_MAX}), longs({}, {1})}, ErrorCode::OutOfMemory,
             "1 TiB");
  checkFails({"Range"}, {Tensor::scalar(0), Tensor::scalar(1), Tensor::scalar(0)}, ErrorCode::InvalidModel, "finite");
  checkFails({"Range"}, {Tensor::scalar(0), Tensor::scalar(std::nanf("")), Tensor::scalar(1)}, ErrorCode::InvalidModel,
             "finite");
  checkFails({"Range"}, {Tensor::scalar(0), Tensor::scalar(1e30f), Tensor::scalar(1e-3f)}, ErrorCode::OutOfMemory,
             "1 TiB");
  checkFails({"Range"}, {longs({2}, {0, 1}), longs({}, {1}), longs({}, {1})}, ErrorCode::ShapeMismatch, "scalar");
}
