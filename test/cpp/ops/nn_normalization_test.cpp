#include "ops/run_node.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

TEST_CASE("BatchNormalization: with the statistics of training, per channel") {
  const Tensor x = floats({1, 2, 2}, {1, 3, 10, 20});
  const std::vector<Tensor> inputs{x, floats({2}, {2, 1}), floats({2}, {0, 5}), floats({2}, {1, 10}),
                                   floats({2}, {4, 25})};
  const NodeSpec spec{"BatchNormalization", {Attribute::ofFloat("epsilon", 0)}};
  checkEqual(run(spec, inputs), floats({1, 2, 2}, {0, 2, 5, 7}), 1e-6);
  NodeSpec old = spec;
  old.opset = 9;
  checkEqual(run(old, inputs), floats({1, 2, 2}, {0, 2, 5, 7}), 1e-6);
  checkFails({"BatchNormalization", {Attribute::ofInt("training_mode", 1)}}, inputs, ErrorCode::UnsupportedOperator,
             "training_mode");
  checkFails({"BatchNormalization", {}, 9, 5}, inputs, ErrorCode::UnsupportedOperator, "training");
  checkFails({"BatchNormalization", {Attribute::ofInt("spatial", 0)}, 7}, inputs, ErrorCode::UnsupportedOperator,
             "spatial");
  std::vector<Tensor> wrong = inputs;
  wrong[3] = Tensor(DType::Float32, {3});
  checkFails(spec, wrong, ErrorCode::ShapeMismatch, "shape [2]");
}

TEST_CASE("LayerNormalization: rows have mean 0 and variance 1, then scale and bias; the statistics are outputs") {
  const Tensor x = floats({2, 4}, {1, 3, 5, 7, -2, -2, 2, 2});
  const Tensor scale = floats({4}, {1, 1, 2, 2}), bias = floats({4}, {0, 1, 0, 1});
  const std::vector<Tensor> outputs =
      runAll({"LayerNormalization", {Attribute::ofFloat("epsilon", 0)}, 17, 3}, {x, scale, bias});
  const float r = 1 / std::sqrt(5.0f);
  checkEqual(outputs[0], floats({2, 4}, {-3 * r, 1 - r, 2 * r, 1 + 6 * r, -1, 0, 2, 3}), 1e-6);
  checkEqual(outputs[1], floats({2, 1}, {4, 0}), 1e-6);
  checkEqual(outputs[2], floats({2, 1}, {r, 0.5f}), 1e-6);
  checkFails({"LayerNormalization", {Attribute::ofInt("axis", 2)}, 17}, {x, scale}, ErrorCode::InvalidModel, "axis");
  checkFails({"LayerNormalization", {}, 17}, {x, Tensor(DType::Float32, {3})}, ErrorCode::ShapeMismatch, "broadcast");
  checkFails({"LayerNormalization", {Attribute::ofInt("stash_type", 10)}, 17}, {x, scale},
             ErrorCode::UnsupportedOperator, "stash_type");
}

TEST_CASE("InstanceNormalization: each channel of each image by itself") {
  const Tensor x = floats({1, 2, 2}, {1, 3, 10, 10});
  checkEqual(run({"InstanceNormalization", {Attribute::ofFloat("epsilon", 1e-9f)}},
                 {x, floats({2}, {3, 1}), floats({2}, {0, 7})}),
             floats({1, 2, 2}, {-3, 3, 7, 7}), 1e-5);
  checkFails({"InstanceNormalization"}, {x, Tensor(DType::Float32, {1}), Tensor(DType::Float32, {2})},
             ErrorCode::ShapeMismatch, "shape [2]");
}

TEST_CASE("LRN: an even size reaches one channel further ahead than back") {
  const Tensor x = floats({1, 4, 1}, {1, 2, 3, 4});
  const NodeSpec spec{"LRN",
                      {Attribute::ofInt("size", 2), Attribute::ofFloat("alpha", 2), Attribute::ofFloat("beta", 1),
                       Attribute::ofFloat("bias", 1)}};
  checkEqual(run(spec, {x}), floats({1, 4, 1}, {1.0f / 6, 2.0f / 14, 3.0f / 26, 4.0f / 17}), 1e-6);
  checkFails({"LRN"}, {x}, ErrorCode::InvalidModel, "size is required");
  checkFails({"LRN", {Attribute::ofInt("size", 0)}}, {x}, ErrorCode::InvalidModel, "size");
  CHECK(run({"LRN", {Attribute::ofInt("size", INT64_MAX)}}, {x}).dims() == x.dims());
}

TEST_CASE("Softmax: along one axis from opset 13 on, over everything from the axis on before") {
  const Tensor x = floats({1, 2, 2}, {0, 0, 0, std::log(5.0f)});
  const auto axis = Attribute::ofInt("axis", 1);
  checkEqual(run({"Softmax", {axis}, 13}, {x}), floats({1, 2, 2}, {0.5f, 1.0f / 6, 0.5f, 5.0f / 6}), 1e-6);
  checkEqual(run({"Softmax", {axis}, 12}, {x}), floats({1, 2, 2}, {0.125f, 0.125f, 0.125f, 0.625f}), 1e-6);
  checkEqual(run({"Softmax", {}, 13}, {x}), floats({1, 2, 2}, {0.5f, 0.5f, 1.0f / 6, 5.0f / 6}), 1e-6);
  checkEqual(run({"LogSoftmax", {}, 13}, {floats({2}, {1000, 1000})}), floats({2}, {-std::log(2.0f), -std::log(2.0f)}),
             1e-6);
  checkFails({"Softmax", {Attribute::ofInt("axis", 3)}, 13}, {x}, ErrorCode::InvalidModel, "axis is 3");
  checkFails({"Softmax", {Attribute::ofInt("axis", INT64_MIN)}, 12}, {x}, ErrorCode::InvalidModel, "axis");
}
