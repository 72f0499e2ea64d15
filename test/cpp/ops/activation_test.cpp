#include <limits>

#include "ops/run_node.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
const float kNaN = std::numeric_limits<float>::quiet_NaN();
const Tensor& samples() {
  static const Tensor x = floats({5}, {-2, -0.5f, 0, 0.5f, 3});
  return x;
}

}  // namespace

TEST_CASE("piecewise linear activations") {
  const Tensor& x = samples();
  checkEqual(run({"Relu"}, {x}), floats({5}, {0, 0, 0, 0.5f, 3}));
  checkEqual(run({"Relu"}, {ints({3}, {-4, 0, 4})}), ints({3}, {0, 0, 4}));
  checkEqual(run({"LeakyRelu"}, {x}), floats({5}, {-0.02f, -0.005f, 0, 0.5f, 3}), 1e-7);
  checkEqual(run({"LeakyRelu", {Attribute::ofFloat("alpha", 0.5f)}}, {x}), floats({5}, {-1, -0.25f, 0, 0.5f, 3}));
  checkEqual(run({"ThresholdedRelu"}, {x}), floats({5}, {0, 0, 0, 0, 3}));
  checkEqual(run({"ThresholdedRelu", {Attribute::ofFloat("alpha", 0.25f)}}, {x}), floats({5}, {0, 0, 0, 0.5f, 3}));
  checkEqual(run({"HardSigmoid"}, {x}), floats({5}, {0.1f, 0.4f, 0.5f, 0.6f, 1}), 1e-6);
  checkEqual(run({"HardSigmoid", {Attribute::ofFloat("alpha", 1), Attribute::ofFloat("beta", 0)}}, {x}),
             floats({5}, {0, 0, 0, 0.5f, 1}));
  checkEqual(run({"HardSwish"}, {floats({5}, {-4, -3, 0, 3, 1.5f})}), floats({5}, {0, 0, 0, 3, 1.125f}), 1e-6);
}

TEST_CASE("a NaN stays a NaN in every activation") {
  for (const char* op : {"Relu", "LeakyRelu", "ThresholdedRelu", "HardSigmoid", "HardSwish", "Elu", "Selu", "Celu",
                         "Softplus", "Softsign", "Mish", "Sigmoid", "Tanh", "Clip"}) {
    CAPTURE(op);
    CHECK(std::isnan(run({op}, {floats({1}, {kNaN})}).data<float>()[0]));
  }
}

TEST_CASE("smooth activations, against values computed in high precision") {
  const Tensor x = floats({3}, {-1, 0, 2});
  checkEqual(run({"Sigmoid"}, {x}), floats({3}, {0.26894142f, 0.5f, 0.88079708f}), 1e-6);
  checkEqual(run({"Tanh"}, {x}), floats({3}, {-0.76159416f, 0, 0.96402758f}), 1e-6);
  checkEqual(run({"Elu"}, {x}), floats({3}, {-0.63212056f, 0, 2}), 1e-6);
  checkEqual(run({"Elu", {Attribute::ofFloat("alpha", 2)}}, {x}), floats({3}, {-1.26424112f, 0, 2}), 1e-6);
  checkEqual(run({"Selu"}, {x}), floats({3}, {-1.11133074f, 0, 2.10140205f}), 1e-6);
  checkEqual(run({"Celu", {Attribute::ofFloat("alpha", 2)}}, {x}), floats({3}, {-0.78693868f, 0, 2}), 1e-6);
  checkEqual(run({"Softplus"}, {x}), floats({3}, {0.31326169f, 0.69314718f, 2.12692801f}), 1e-6);
  checkEqual(run({"Softsign"}, {x}), floats({3}, {-0.5f, 0, 2.f / 3}), 1e-6);
  checkEqual(run({"Mish"}, {x}), floats({3}, {-0.30340147f, 0, 1.94395896f}), 1e-6);
  checkEqual(run({"Gelu", {}, 20}, {x}), floats({3}, {-0.15865525f, 0, 1.95449974f}), 1e-6);
  checkEqual(run({"Gelu", {Attribute::ofString("approximate", "tanh")}, 20}, {x}),
             floats({3}, {-0.15880801f, 0, 1.95459769f}), 1e-6);
  checkEqual(run({"Swish", {}, 24}, {x}), floats({3}, {-0.26894142f, 0, 1.76159416f}), 1e-6);
  checkFails({"Gelu", {Attribute::ofString("approximate", "sigmoid")}, 20}, {x}, ErrorCode::InvalidModel, "sigmoid");
  checkFails({"Sigmoid"}, {ints({1}, {1})}, ErrorCode::InvalidModel, "floating");
}

TEST_CASE("the fused activations of our own domain") {
  const Tensor x = floats({3}, {-1, 0, 2});
  const auto own = [](const char* op, std::vector<Attribute> attributes = {}) {
    return NodeSpec{op, std::move(attributes), 1, 1, onnx::kPresisiDomain};
  };
  checkEqual(run(own("Swish"), {x}), floats({3}, {-0.26894142f, 0, 1.76159416f}), 1e-6);
  checkEqual(run(own("Swish", {Attribute::ofFloat("alpha", 2)}), {x}), floats({3}, {-0.11920292f, 0, 1.96402758f}),
             1e-6);
  checkEqual(run(own("HardSwish"), {x}), run({"HardSwish"}, {x}));
  checkEqual(run(own("Gelu"), {x}), run({"Gelu", {}, 20}, {x}));
}

TEST_CASE("activations hold where exp overflows") {
  const Tensor x = floats({6}, {-kInf, -200, -90, 90, 200, kInf});
  const Tensor s = run({"Sigmoid"}, {x});
  checkEqual(s, floats({6}, {0, 0, 8.19401e-40f, 1, 1, 1}), 1e-38);
  CHECK(s.data<float>()[2] == doctest::Approx(8.19401e-40).epsilon(1e-4));
  checkEqual(run({"Tanh"}, {x}), floats({6}, {-1, -1, -1, 1, 1, 1}));
  checkEqual(run({"Softplus"}, {x}), floats({6}, {0, 0, 0, 90, 200, kInf}), 1e-7);
  checkEqual(run({"Elu"}, {x}), floats({6}, {-1, -1, -1, 90, 200, kInf}));
  CHECK(run({"Gelu", {}, 20}, {floats({1}, {-6})}).data<float>()[0] == doctest::Approx(-5.919e-9).epsilon(1e-3));
}

TEST_CASE("activations in float16 and float64") {
  const Tensor x = samples();
  checkEqual(run({"Sigmoid"}, {x.cast(DType::Float64)}).cast(DType::Float32), run({"Sigmoid"}, {x}), 1e-6);
  checkEqual(run({"Sigmoid"}, {x.cast(DType::Float16)}), run({"Sigmoid"}, {x}).cast(DType::Float16));
  checkEqual(run({"Selu"}, {x.cast(DType::Float64)}).cast(DType::Float32), run({"Selu"}, {x}), 1e-6);
}

TEST_CASE("PRelu's slope broadcasts to the input, not the other way") {
  const Tensor x = floats({1, 2, 2}, {-1, 2, -3, -4});
  checkEqual(run({"PRelu"}, {x, floats({2, 1}, {0.5f, 0.25f})}), floats({1, 2, 2}, {-0.5f, 2, -0.75f, -1}));
  checkEqual(run({"PRelu"}, {ints({2}, {-3, 3}), ints({1}, {2})}), ints({2}, {-6, 3}));
  checkFails({"PRelu"}, {floats({2}, {1, 2}), floats({2, 2}, {1, 1, 1, 1})}, ErrorCode::ShapeMismatch, "slope");
  checkFails({"PRelu"}, {floats({2}, {1, 2}), floats({3}, {1, 1, 1})}, ErrorCode::ShapeMismatch);
}

TEST_CASE("Clip: attributes before opset 11, inputs after") {
  const Tensor& x = samples();
  const std::vector<Attribute> bounds = {Attribute::ofFloat("min", -1), Attribute::ofFloat("max", 1)};
  checkEqual(run({"Clip", bounds, 10}, {x}), floats({5}, {-1, -0.5f, 0, 0.5f, 1}));
  checkEqual(run({"Clip", {Attribute::ofFloat("max", 1)}, 7}, {x}), floats({5}, {-2, -0.5f, 0, 0.5f, 1}));
  checkEqual(run({"Clip"}, {x, Tensor::scalar(-1), Tensor::scalar(1)}), floats({5}, {-1, -0.5f, 0, 0.5f, 1}));
  checkEqual(run({"Clip"}, {x, Tensor(), Tensor::scalar(0)}), floats({5}, {-2, -0.5f, 0, 0, 0}));
  checkEqual(run({"Clip"}, {x}), x);
  checkEqual(run({"Clip"}, {floats({2}, {-kInf, kInf})}), floats({2}, {-kInf, kInf}));
  checkEqual(run({"Clip"}, {ints({3}, {-9, 0, 9}), ints({}, {-1}), ints({1}, {1})}), ints({3}, {-1, 0, 1}));
  // Crossed bounds: the upper one wins.
  checkEqual(run({"Clip"}, {x, Tensor::scalar(2), Tensor::scalar(1)}), floats({5}, {1, 1, 1, 1, 1}));
  checkFails({"Clip"}, {x, floats({2}, {0, 1})}, ErrorCode::ShapeMismatch, "scalar");
  checkFails({"Clip"}, {x, ints({}, {0})}, ErrorCode::InvalidModel, "int32");
  checkFails({"Clip", {}, 10}, {ints({1}, {1})}, ErrorCode::InvalidModel, "floating");
}
