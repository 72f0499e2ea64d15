#include <algorithm>
#include <limits>
#include <random>

#include "ops/run_node.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

/// Nodes whose attributes and shapes are drawn from what breaks arithmetic.
class Hostile {
 public:
  explicit Hostile(unsigned seed) : engine_(seed) {}

  size_t below(size_t count) { return engine_() % count; }

  int64_t number() {
    // Sizes in the middle are left out: they are allocated and computed, and that is right but slow.
    static const int64_t kNumbers[] = {0,
                                       1,
                                       2,
                                       3,
                                       1,
                                       2,
                                       1,
                                       1,
                                       -1,
                                       -2,
                                       5,
                                       int64_t{1} << 50,
                                       int64_t{1} << 62,
                                       INT64_MAX,
                                       INT64_MIN,
                                       -(int64_t{1} << 50)};
    return kNumbers[below(sizeof kNumbers / sizeof *kNumbers)];
  }

  float real() {
    static const float kReals[] = {0,
                                   1,
                                   2,
                                   -1,
                                   0.5f,
                                   1e15f,
                                   1e30f,
                                   -1e30f,
                                   1e-30f,
                                   std::numeric_limits<float>::infinity(),
                                   std::numeric_limits<float>::quiet_NaN()};
    return kReals[below(sizeof kReals / sizeof *kReals)];
  }

  Dims numbers(size_t most) {
    Dims values(below(most + 1));
    for (int64_t& value : values) value = number();
    return values;
  }

  Tensor tensor() {
    static const Dims kShapes[] = {{},
                                   {1},
                                   {2},
                                   {4},
                                   {0},
                                   {2, 3},
                                   {1, 2, 4},
                                   {2, 1, 3},
                                   {1, 2, 4, 4},
                                   {2, 2, 1, 1},
                                   {2, 2, 3, 3},
                                   {1, 2, 0, 3},
                                   {1, 1, 2, 2, 2},
                                   {0, int64_t{1} << 40, int64_t{1} << 40}};
    static const DType kTypes[] = {DType::Float32, DType::Float32, DType::Float32, DType::Float16, DType::Float64,
                                   DType::Int8,    DType::Uint8,   DType::Int64,   DType::Int32,   DType::Bool};
    if (below(8) == 0) return {};
    if (below(6) == 0) {
      const Dims values = numbers(8);
      return Tensor::fromInt64(values);
    }
    Tensor wide(DType::Float32, kShapes[below(sizeof kShapes / sizeof *kShapes)]);
    for (int64_t i = 0; i < wide.size(); ++i) wide.data<float>()[i] = real();
    return wide.cast(kTypes[below(sizeof kTypes / sizeof *kTypes)]);
  }

  /// Adds or replaces up to three attributes, and perhaps an input.
  void spoil(NodeSpec& spec, std::vector<Tensor>& inputs) {
    static const char* kLists[] = {"kernel_shape", "strides",        "dilations", "pads",
                                   "output_shape", "output_padding", "axes"};
    static const char* kInts[] = {"group",  "axis", "ceil_mode", "storage_order", "block_size",   "transA",
                                  "transB", "size", "p",         "antialias",     "output_dtype", "stash_type"};
    static const char* kTexts[][2] = {{"mode", "linear"},
                                      {"mode", "cubic"},
                                      {"mode", "reflect"},
                                      {"mode", "wrap"},
                                      {"auto_pad", "SAME_UPPER"},
                                      {"auto_pad", "SAME_LOWER"},
                                      {"auto_pad", "VALID"},
                                      {"coordinate_transformation_mode", "align_corners"},
                                      {"coordinate_transformation_mode", "tf_crop_and_resize"},
                                      {"coordinate_transformation_mode", "half_pixel_symmetric"},
                                      {"keep_aspect_ratio_policy", "not_larger"},
                                      {"keep_aspect_ratio_policy", "not_smaller"}};
    const auto set = [&](Attribute attribute) {
      for (Attribute& existing : spec.attributes) {
        if (existing.name == attribute.name) {
          existing = std::move(attribute);
          return;
        }
      }
      spec.attributes.push_back(std::move(attribute));
    };
    for (size_t i = below(4); i-- > 0;) {
      switch (below(3)) {
        case 0: set(Attribute::ofInts(kLists[below(7)], numbers(6))); break;
        case 1: set(Attribute::ofInt(kInts[below(12)], number())); break;
        default: {
          const auto& text = kTexts[below(12)];
          set(Attribute::ofString(text[0], text[1]));
        }
      }
    }
    if (below(3) == 0) inputs[below(inputs.size())] = tensor();
    if (below(16) == 0) inputs.push_back(tensor());
    if (below(8) == 0) spec.outputs = 1 + below(3);
  }

 private:
  std::mt19937 engine_;
};

struct Example {
  NodeSpec spec;
  std::vector<Tensor> inputs;
};

/// One good node for each operator.
std::vector<Example> examples() {
  const Tensor x(DType::Float32, {1, 2, 4, 4}), kernel(DType::Float32, {2, 2, 2, 2}), channels(DType::Float32, {2});
  const Tensor bytes = x.cast(DType::Uint8), byteKernel = kernel.cast(DType::Int8);
  const Tensor matrix(DType::Float32, {2, 2}), byteMatrix = matrix.cast(DType::Uint8);
  const Tensor one = floats({}, {1}), zero = Tensor(DType::Uint8, {}), signedZero = Tensor(DType::Int8, {});
  const Tensor scales = floats({4}, {1, 1, 2, 2});
  const auto ints = [](const char* name, Dims values) { return Attribute::ofInts(name, std::move(values)); };
  const auto window = ints("kernel_shape", {2, 2});
  return {
      {{"Conv", {ints("strides", {1, 2}), ints("pads", {1, 0, 0, 1})}}, {x, kernel, channels}},
      {{"ConvTranspose", {ints("strides", {1, 2})}}, {x, kernel, channels}},
      {{"ConvInteger"}, {bytes, byteKernel, zero, signedZero}},
      {{"QLinearConv"}, {bytes, one, zero, byteKernel, one, signedZero, one, zero}},
      {{"MaxPool", {window}, 18, 2}, {x}},
      {{"AveragePool", {window}, 19}, {x}},
      {{"LpPool", {window}, 18}, {x}},
      {{"GlobalMaxPool"}, {x}},
      {{"Pad", {}, 19}, {x, longs({8}, {0, 0, 1, 1, 0, 0, 2, 2}), one}},
      {{"Pad", {ints("pads", {0, 0, 1, 1, 0, 0, 2, 2})}, 10}, {x}},
      {{"Resize", {}, 19}, {x, Tensor{}, scales}},
      {{"Resize", {}, 19}, {x, floats({8}, {0, 0, 0, 0, 1, 1, 1, 1}), Tensor{}, longs({4}, {1, 2, 3, 7})}},
      {{"Upsample", {}, 9}, {x, scales}},
      {{"Gemm"}, {matrix, matrix, channels}},
      {{"MatMul"}, {x, x}},
      {{"MatMulInteger"}, {byteMatrix, byteMatrix, zero, zero}},
      {{"QLinearMatMul"}, {byteMatrix, one, zero, byteMatrix, one, zero, one, zero}},
      {{"Softmax", {}, 12}, {x}},
      {{"Softmax", {}, 13}, {x}},
      {{"LRN", {Attribute::ofInt("size", 3)}}, {x}},
      {{"QuantizeLinear", {}, 21}, {x, channels, Tensor(DType::Int8, {2})}},
      {{"DequantizeLinear", {}, 21}, {bytes, channels, Tensor(DType::Uint8, {2})}},
      {{"DynamicQuantizeLinear", {}, 18, 3}, {x}},
      {{"BatchNormalization"}, {x, channels, channels, channels, channels}},
      {{"InstanceNormalization"}, {x, channels, channels}},
      {{"LayerNormalization", {Attribute::ofInt("axis", 2)}, 18, 3}, {x, floats({4}, {1, 1, 1, 1})}},
  };
}

}  // namespace

TEST_CASE("operators: hostile nodes are computed or refused with a typed error") {
  Hostile hostile(7);
  for (const Example& example : examples()) {
    CAPTURE(example.spec.op);
    runAll(example.spec, example.inputs);
    int computed = 0, refused = 0;
    for (int trial = 0; trial < 2000; ++trial) {
      Example spoilt = example;
      hostile.spoil(spoilt.spec, spoilt.inputs);
      try {
        runAll(spoilt.spec, spoilt.inputs);
        ++computed;
      } catch (const Error& error) {
        REQUIRE(error.code() != ErrorCode::Internal);
        ++refused;
      }
    }
    CHECK(computed > 100);
    CHECK(refused > 100);
  }
}
