#include <random>

#include "ops/run_node.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

Tensor random(const Dims& dims, std::mt19937& engine) {
  Tensor tensor(DType::Float32, dims);
  for (int64_t i = 0; i < tensor.size(); ++i) {
    tensor.data<float>()[i] = static_cast<float>(static_cast<int>(engine() % 2001) - 1000) / 500;
  }
  return tensor;
}

struct Setting {
  Dims x, w;
  int64_t group;
  Dims strides, dilations, begin, end;
};

double at(const Tensor& t, const Dims& index) {
  int64_t offset = 0;
  for (size_t i = 0; i < index.size(); ++i) {
    if (index[i] < 0 || index[i] >= t.dim(i)) return 0;
    offset = offset * t.dim(i) + index[i];
  }
  return static_cast<double>(t.data<float>()[offset]);
}

/// Visits all indices of an array of that shape, in row-major order.
template <typename F>
void visit(const Dims& dims, F&& f) {
  Dims index(dims.size(), 0);
  const int64_t total = elementCount(dims);
  for (int64_t i = 0; i < total; ++i) {
    f(index);
    for (size_t axis = dims.size(); axis-- > 0;) {
      if (++index[axis] < dims[axis]) break;
      index[axis] = 0;
    }
  }
}

/// The definition, element by element.
std::vector<double> convolveByDefinition(const Setting& s, const Tensor& x, const Tensor& w, const Dims& out) {
  std::vector<double> result;
  const int64_t channels = s.w[1], filtersPerGroup = s.w[0] / s.group;
  const Dims kernel(s.w.begin() + 2, s.w.end());
  visit(out, [&](const Dims& y) {
    double sum = 0;
    for (int64_t c = 0; c < channels; ++c) {
      visit(kernel, [&](const Dims& k) {
        Dims from{y[0], y[1] / filtersPerGroup * channels + c}, weight{y[1], c};
        for (size_t i = 0; i < kernel.size(); ++i) {
          from.push_back(y[i + 2] * s.strides[i] - s.begin[i] + k[i] * s.dilations[i]);
          weight.push_back(k[i]);
        }
        sum += at(x, from) * at(w, weight);
      });
    }
    result.push_back(sum);
  });
  return result;
}

Dims joined(Dims a, const Dims& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

NodeSpec convSpec(const Setting& s, const char* op = "Conv") {
  return {op,
          {Attribute::ofInt("group", s.group), Attribute::ofInts("strides", s.strides),
           Attribute::ofInts("dilations", s.dilations), Attribute::ofInts("pads", joined(s.begin, s.end))}};
}

const Setting kSettings[] = {
    {{2, 3, 9}, {4, 3, 3}, 1, {2}, {2}, {1}, {3}},
    {{1, 4, 7, 6}, {6, 2, 3, 2}, 2, {1, 2}, {2, 1}, {0, 2}, {1, 0}},
    {{2, 5, 6, 6}, {5, 1, 3, 3}, 5, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {{1, 3, 5, 5}, {8, 3, 1, 1}, 1, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
    {{1, 3, 5, 5}, {8, 3, 1, 1}, 1, {2, 2}, {1, 1}, {0, 0}, {0, 0}},
    {{1, 2, 4, 5, 6}, {3, 2, 2, 3, 2}, 1, {2, 1, 3}, {1, 1, 2}, {1, 0, 2}, {0, 2, 1}},
    // More taps than one im2col tile holds, and more outputs than one block of the product.
    {{1, 40, 40, 40}, {3, 40, 5, 5}, 1, {1, 1}, {1, 1}, {2, 2}, {2, 2}},
};

}  // namespace

TEST_CASE("Conv: 1-D to 3-D, grouped, dilated, strided and unevenly padded, equals the definition") {
  std::mt19937 engine(1);
  for (const Setting& s : kSettings) {
    const Tensor x = random(s.x, engine), w = random(s.w, engine), bias = random({s.w[0]}, engine);
    const Tensor y = run(convSpec(s), {x, w, bias});
    const std::vector<double> expected = convolveByDefinition(s, x, w, y.dims());
    const int64_t plane = y.size() / y.dim(0) / y.dim(1);
    for (int64_t i = 0; i < y.size(); ++i) {
      const double wanted =
          expected[static_cast<size_t>(i)] + static_cast<double>(bias.data<float>()[i / plane % s.w[0]]);
      const double got = static_cast<double>(y.data<float>()[i]);
      REQUIRE(std::fabs(got - wanted) <= 1e-4 * (1 + std::fabs(wanted)));
    }
  }
}

TEST_CASE("ConvTranspose is the adjoint of Conv: <conv(x), y> = <x, transposed(y)>") {
  std::mt19937 engine(2);
  for (const Setting& s : kSettings) {
    const Tensor x = random(s.x, engine), w = random(s.w, engine);
    const Tensor convolved = run(convSpec(s), {x, w});
    const Tensor y = random(convolved.dims(), engine);
    NodeSpec spec = convSpec(s, "ConvTranspose");
    // The size of x is lost where the stride doesn't divide: output_padding gives it back.
    Dims extra;
    for (size_t i = 0; i < s.strides.size(); ++i) {
      const int64_t reach = (s.w[i + 2] - 1) * s.dilations[i] + 1;
      extra.push_back((s.x[i + 2] + s.begin[i] + s.end[i] - reach) % s.strides[i]);
    }
    spec.attributes.push_back(Attribute::ofInts("output_padding", extra));
    const Tensor back = run(spec, {y, w});
    REQUIRE(toString(back.dims()) == toString(x.dims()));
    double left = 0, right = 0, size = 0;
    for (int64_t i = 0; i < y.size(); ++i) {
      left += static_cast<double>(convolved.data<float>()[i]) * static_cast<double>(y.data<float>()[i]);
      size += std::fabs(static_cast<double>(convolved.data<float>()[i]));
    }
    for (int64_t i = 0; i < x.size(); ++i) {
      right += static_cast<double>(back.data<float>()[i]) * static_cast<double>(x.data<float>()[i]);
    }
    CHECK(std::fabs(left - right) <= 1e-5 * size);
  }
}

TEST_CASE("Conv: auto_pad keeps ceil(input / stride), the odd element at the end or at the beginning") {
  const Tensor x = floats({1, 1, 4}, {1, 2, 3, 4});
  const Tensor w = floats({1, 1, 2}, {1, 10});
  const auto spec = [](const char* mode) { return NodeSpec{"Conv", {Attribute::ofString("auto_pad", mode)}}; };
  checkEqual(run(spec("SAME_UPPER"), {x, w}), floats({1, 1, 4}, {21, 32, 43, 4}));
  checkEqual(run(spec("SAME_LOWER"), {x, w}), floats({1, 1, 4}, {10, 21, 32, 43}));
  checkEqual(run(spec("VALID"), {x, w}), floats({1, 1, 3}, {21, 32, 43}));
  checkFails(spec("SAME"), {x, w}, ErrorCode::InvalidModel, "auto_pad should be");
}

TEST_CASE("Conv: float16 and float64 follow") {
  const Tensor x = floats({1, 1, 3}, {1, 2, 3}), w = floats({1, 1, 2}, {0.5f, 2});
  const Tensor expected = floats({1, 1, 2}, {4.5f, 7});
  for (const DType type : {DType::Float16, DType::Bfloat16, DType::Float64}) {
    checkEqual(run({"Conv"}, {x.cast(type), w.cast(type)}), expected.cast(type));
  }
}

TEST_CASE("Conv: an empty batch gives an empty result") {
  CHECK(run({"Conv"}, {Tensor(DType::Float32, {0, 2, 5, 5}), Tensor(DType::Float32, {3, 2, 3, 3})}).dims() ==
        Dims{0, 3, 3, 3});
}

TEST_CASE("Conv: hostile nodes are refused") {
  const Tensor x(DType::Float32, {1, 4, 6, 6}), w(DType::Float32, {8, 4, 3, 3});
  const auto ints = [](const char* name, Dims values) {
    return NodeSpec{"Conv", {Attribute::ofInts(name, std::move(values))}};
  };
  const auto group = [](int64_t value) { return NodeSpec{"Conv", {Attribute::ofInt("group", value)}}; };
  constexpr int64_t kHuge = INT64_MAX;
  checkFails({"Conv"}, {x}, ErrorCode::InvalidModel, "expected 2 to 3 inputs");
  checkFails({"Conv"}, {Tensor{}, w}, ErrorCode::InvalidModel, "input 0 is required");
  checkFails({"Conv"}, {Tensor(DType::Int32, {1, 4, 6, 6}), w}, ErrorCode::InvalidModel, "floating-point");
  checkFails({"Conv"}, {x, w.cast(DType::Float16)}, ErrorCode::InvalidModel, "is float16 but");
  checkFails({"Conv"}, {Tensor(DType::Float32, {4, 6}), Tensor(DType::Float32, {8, 4})}, ErrorCode::InvalidModel,
             "rank");
  checkFails({"Conv"}, {x, Tensor(DType::Float32, {8, 4, 3})}, ErrorCode::ShapeMismatch, "rank");
  checkFails({"Conv"}, {x, Tensor(DType::Float32, {8, 3, 3, 3})}, ErrorCode::ShapeMismatch, "4 channels");
  checkFails({"Conv"}, {x, Tensor(DType::Float32, {8, 4, 0, 3})}, ErrorCode::InvalidModel, "kernel is empty");
  checkFails({"Conv"}, {x, w, Tensor(DType::Float32, {7})}, ErrorCode::ShapeMismatch, "bias of shape [8]");
  checkFails(group(0), {x, w}, ErrorCode::InvalidModel, "group");
  checkFails(group(-1), {x, w}, ErrorCode::InvalidModel, "group");
  checkFails(group(INT64_MIN), {x, w}, ErrorCode::InvalidModel, "group");
  checkFails(group(3), {x, w}, ErrorCode::ShapeMismatch, "3 groups");
  checkFails(ints("strides", {0, 1}), {x, w}, ErrorCode::InvalidModel, "strides should be at least 1");
  checkFails(ints("strides", {1, -2}), {x, w}, ErrorCode::InvalidModel, "strides");
  checkFails(ints("strides", {1}), {x, w}, ErrorCode::InvalidModel, "strides should have 2 values");
  checkFails(ints("dilations", {0, 1}), {x, w}, ErrorCode::InvalidModel, "dilations");
  checkFails(ints("dilations", {kHuge, 1}), {x, w}, ErrorCode::InvalidModel, "overflows");
  checkFails(ints("dilations", {1 << 30, 1}), {x, w}, ErrorCode::ShapeMismatch, "does not fit");
  checkFails(ints("pads", {-1, 0, 0, 0}), {x, w}, ErrorCode::InvalidModel, "pads");
  checkFails(ints("pads", {kHuge, 0, kHuge, 0}), {x, w}, ErrorCode::InvalidModel, "overflows");
  checkFails(ints("pads", {kHuge / 4, 0, 0, kHuge / 4}), {x, w}, ErrorCode::InvalidModel, "more elements than");
  checkFails(ints("kernel_shape", {5, 5}), {x, w}, ErrorCode::ShapeMismatch, "kernel_shape");
  // An enormous stride is fine: one position.
  CHECK(run(ints("strides", {kHuge, kHuge}), {x, w}).dims() == Dims{1, 8, 1, 1});
}

TEST_CASE("ConvTranspose: output_shape and auto_pad choose the pads") {
  const Tensor x(DType::Float32, {1, 1, 3, 3}), w(DType::Float32, {1, 2, 3, 3});
  const auto shape = [&](std::vector<Attribute> attributes) {
    attributes.push_back(Attribute::ofInts("strides", {3, 2}));
    return run({"ConvTranspose", std::move(attributes)}, {x, w}).dims();
  };
  CHECK(shape({}) == Dims{1, 2, 9, 7});
  CHECK(shape({Attribute::ofInts("output_shape", {10, 8}), Attribute::ofInts("output_padding", {1, 1})}) ==
        Dims{1, 2, 10, 8});
  CHECK(shape({Attribute::ofInts("output_shape", {8, 6})}) == Dims{1, 2, 8, 6});
  CHECK(shape({Attribute::ofString("auto_pad", "SAME_UPPER")}) == Dims{1, 2, 9, 6});
  CHECK(shape({Attribute::ofInts("pads", {1, 1, 1, 1})}) == Dims{1, 2, 7, 5});
}

TEST_CASE("ConvTranspose: hostile nodes are refused") {
  const Tensor x(DType::Float32, {1, 4, 3, 3}), w(DType::Float32, {4, 2, 3, 3});
  const auto ints = [](const char* name, Dims values) {
    return NodeSpec{"ConvTranspose", {Attribute::ofInts(name, std::move(values))}};
  };
  checkFails({"ConvTranspose"}, {x, Tensor(DType::Float32, {3, 2, 3, 3})}, ErrorCode::ShapeMismatch, "do not fit");
  checkFails({"ConvTranspose", {Attribute::ofInt("group", 0)}}, {x, w}, ErrorCode::InvalidModel, "group");
  checkFails({"ConvTranspose", {Attribute::ofInt("group", 3)}}, {x, w}, ErrorCode::InvalidModel, "group");
  checkFails(ints("pads", {9, 9, 9, 9}), {x, w}, ErrorCode::ShapeMismatch, "leave nothing");
  checkFails(ints("output_padding", {1, 1}), {x, w}, ErrorCode::InvalidModel, "output_padding");
  checkFails(ints("output_padding", {-1, 0}), {x, w}, ErrorCode::InvalidModel, "output_padding");
  checkFails(ints("output_shape", {0, 5}), {x, w}, ErrorCode::InvalidModel, "output_shape");
  checkFails(ints("output_shape", {50, 5}), {x, w}, ErrorCode::InvalidModel, "larger than");
  checkFails(ints("output_shape", {5}), {x, w}, ErrorCode::InvalidModel, "2 values");
  checkFails(ints("strides", {INT64_MAX, 1}), {x, w}, ErrorCode::InvalidModel, "overflows");
}

TEST_CASE("ConvInteger and QLinearConv: exact sums with zero points, requantized half to even") {
  const Tensor x = Tensor::of<uint8_t>(DType::Uint8, {1, 1, 3}, {2, 3, 255});
  const Tensor w = Tensor::of<int8_t>(DType::Int8, {2, 1, 1}, {127, -128});
  const Tensor xZero = Tensor::of<uint8_t>(DType::Uint8, {}, {3});
  const Tensor wZero = Tensor::of<int8_t>(DType::Int8, {2}, {0, -1});
  checkEqual(run({"ConvInteger"}, {x, w, xZero, wZero}), ints({1, 2, 3}, {-127, 0, 127 * 252, 127, 0, -127 * 252}));

  const Tensor one = floats({}, {1}), half = floats({}, {0.5f});
  const Tensor weightScales = floats({2}, {1, 0.25f});
  const Tensor unit = Tensor::of<int8_t>(DType::Int8, {2, 1, 1}, {1, 6});
  const Tensor none = Tensor::of<int8_t>(DType::Int8, {}, {0});
  const Tensor outZero = Tensor::of<int8_t>(DType::Int8, {}, {-1});
  const Tensor bias = ints({2}, {0, -3});
  // Sums -1, 0, 252 and 6 * that - 3; times 0.5 * {1, 0.25}: -0.5 -> 0, 126; -9/8, -3/8, 1509/8 -> 127.
  checkEqual(run({"QLinearConv"}, {x, half, xZero, unit, weightScales, none, one, outZero, bias}),
             Tensor::of<int8_t>(DType::Int8, {1, 2, 3}, {-1, -1, 125, -2, -1, 127}));

  checkFails({"ConvInteger"}, {x, w, Tensor::of<uint8_t>(DType::Uint8, {3}, {1, 2, 3})}, ErrorCode::ShapeMismatch,
             "single value");
  checkFails({"ConvInteger"}, {x, w, none}, ErrorCode::InvalidModel, "is int8 but");
  checkFails({"ConvInteger"}, {x, w.cast(DType::Int32)}, ErrorCode::InvalidModel, "int8 or uint8");
}
