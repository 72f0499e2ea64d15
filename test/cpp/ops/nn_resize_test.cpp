#include <limits>

#include "ops/run_node.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

/// One axis, as [1, n]: X, roi, scales, sizes.
Tensor resized(const std::vector<float>& x, int64_t size, std::vector<Attribute> attributes, int64_t opset = 19) {
  const Tensor input = floats({1, static_cast<int64_t>(x.size())}, x);
  return run({"Resize", std::move(attributes), opset}, {input, Tensor{}, Tensor{}, longs({2}, {1, size})});
}

Attribute text(const char* name, const char* value) { return Attribute::ofString(name, value); }

}  // namespace

TEST_CASE("Resize nearest: the four ways to round") {
  // Coordinates 0.5 * (i + 0.5) - 0.5 = -0.25, 0.25, 0.75, 1.25; asymmetric: 0, 0.5, 1, 1.5.
  const auto with = [](const char* nearest, const char* coordinates) {
    return resized({1, 2}, 4, {text("nearest_mode", nearest), text("coordinate_transformation_mode", coordinates)});
  };
  checkEqual(with("round_prefer_floor", "half_pixel"), floats({1, 4}, {1, 1, 2, 2}));
  checkEqual(with("floor", "half_pixel"), floats({1, 4}, {1, 1, 1, 2}));
  checkEqual(with("ceil", "half_pixel"), floats({1, 4}, {1, 2, 2, 2}));
  checkEqual(with("round_prefer_floor", "asymmetric"), floats({1, 4}, {1, 1, 2, 2}));
  checkEqual(with("round_prefer_ceil", "asymmetric"), floats({1, 4}, {1, 2, 2, 2}));
}

TEST_CASE("Resize linear: where each coordinate transformation looks") {
  const auto with = [](const char* coordinates, int64_t size) {
    return resized({0, 10, 20}, size, {text("mode", "linear"), text("coordinate_transformation_mode", coordinates)});
  };
  checkEqual(with("half_pixel", 6), floats({1, 6}, {0, 2.5f, 7.5f, 12.5f, 17.5f, 20}), 1e-6);
  checkEqual(with("align_corners", 5), floats({1, 5}, {0, 5, 10, 15, 20}), 1e-6);
  checkEqual(with("asymmetric", 6), floats({1, 6}, {0, 5, 10, 15, 20, 20}), 1e-6);
  checkEqual(with("pytorch_half_pixel", 1), floats({1, 1}, {0}), 1e-6);
  checkEqual(with("half_pixel", 1), floats({1, 1}, {10}), 1e-6);
  checkEqual(with("align_corners", 1), floats({1, 1}, {0}), 1e-6);
}

TEST_CASE("Resize: cubic reproduces a parabola away from the border, antialiasing averages") {
  const std::vector<float> squares{0, 1, 4, 9, 16, 25, 36, 49};
  const Tensor y = resized(squares, 16,
                           {text("mode", "cubic"), Attribute::ofFloat("cubic_coeff_a", -0.5f),
                            text("coordinate_transformation_mode", "asymmetric")});
  for (int64_t i = 2; i < 12; ++i) {
    const float at = static_cast<float>(i) / 2;
    CHECK(y.data<float>()[i] == doctest::Approx(at * at).epsilon(1e-6));
  }
  const Tensor z = resized({0, 0, 8, 0, 0, 0, 0, 0}, 2, {text("mode", "linear"), Attribute::ofInt("antialias", 1)});
  // Triangles 8 wide, centred on 1.5 and 5.5; weights over the taps that exist at the border are those of clamping.
  CHECK(z.data<float>()[0] == doctest::Approx(8 * 0.875 / 4).epsilon(1e-6));
  CHECK(z.data<float>()[1] == doctest::Approx(8 * 0.125 / 4).epsilon(1e-6));
}

TEST_CASE("Resize: crops, extrapolating outside the input") {
  const Tensor x = floats({1, 3}, {1, 2, 3});
  const NodeSpec spec{"Resize",
                      {text("mode", "linear"), text("coordinate_transformation_mode", "tf_crop_and_resize"),
                       Attribute::ofFloat("extrapolation_value", -7)},
                      13};
  // Coordinates 0.5 * 2 = 1, 2, 3, of which the last lies past the input.
  checkEqual(run(spec, {x, floats({4}, {0, 0.5f, 1, 1.5f}), Tensor{}, longs({2}, {1, 3})}), floats({1, 3}, {2, 3, -7}));
  checkFails(spec, {x, floats({2}, {0, 1}), Tensor{}, longs({2}, {1, 3})}, ErrorCode::ShapeMismatch, "roi");
}

TEST_CASE("Resize: axes and aspect ratio") {
  const Tensor x(DType::Float32, {1, 1, 4, 8});
  const auto dims = [&](const char* policy) {
    return run({"Resize", {Attribute::ofInts("axes", {-1, 2}), text("keep_aspect_ratio_policy", policy)}, 18},
               {x, Tensor{}, Tensor{}, longs({2}, {4, 3})})
        .dims();
  };
  CHECK(dims("stretch") == Dims{1, 1, 3, 4});
  CHECK(dims("not_larger") == Dims{1, 1, 2, 4});
  CHECK(dims("not_smaller") == Dims{1, 1, 3, 6});
}

TEST_CASE("Upsample and the first Resize: coordinates are x / scale, rounded down") {
  const Tensor x = floats({1, 2}, {1, 2});
  const Tensor scales = floats({2}, {1, 2.5f});
  const Tensor expected = floats({1, 5}, {1, 1, 1, 2, 2});
  checkEqual(run({"Upsample", {Attribute::ofFloats("scales", {1, 2.5f})}, 7}, {x}), expected);
  checkEqual(run({"Upsample", {}, 9}, {x, scales}), expected);
  checkEqual(run({"Resize", {}, 10}, {x, scales}), expected);
  CHECK(ops::find("", "Upsample", 10) == nullptr);
}

TEST_CASE("Resize: integers move without loss, and float16 follows") {
  const Tensor x = longs({1, 2}, {INT64_MAX, INT64_MIN});
  checkEqual(run({"Resize", {}, 13}, {x, Tensor{}, floats({2}, {1, 2})}),
             longs({1, 4}, {INT64_MAX, INT64_MAX, INT64_MIN, INT64_MIN}));
  const Tensor half = floats({1, 2}, {0, 1}).cast(DType::Float16);
  checkEqual(run({"Resize", {text("mode", "linear")}, 13}, {half, Tensor{}, floats({2}, {1, 2})}),
             floats({1, 4}, {0, 0.25f, 0.75f, 1}).cast(DType::Float16));
}

TEST_CASE("Resize: hostile nodes are refused") {
  const Tensor x(DType::Float32, {1, 4});
  const auto scaled = [&](std::vector<float> scales) {
    const auto count = static_cast<int64_t>(scales.size());
    return std::vector<Tensor>{x, Tensor{}, floats({count}, scales)};
  };
  const auto sized = [&](std::vector<int64_t> sizes) {
    return std::vector<Tensor>{x, Tensor{}, Tensor{}, Tensor::fromInt64(sizes)};
  };
  const NodeSpec spec{"Resize", {}, 19};
  checkFails(spec, {x}, ErrorCode::InvalidModel, "neither scales nor sizes");
  checkFails(spec, {x, Tensor{}, floats({2}, {1, 1}), longs({2}, {1, 4})}, ErrorCode::InvalidModel, "both");
  checkFails(spec, scaled({1, 0}), ErrorCode::InvalidModel, "positive");
  checkFails(spec, scaled({1, -1}), ErrorCode::InvalidModel, "positive");
  checkFails(spec, scaled({1, std::numeric_limits<float>::quiet_NaN()}), ErrorCode::InvalidModel, "positive");
  checkFails(spec, scaled({1, std::numeric_limits<float>::infinity()}), ErrorCode::InvalidModel, "positive");
  checkFails(spec, scaled({1, 1e30f}), ErrorCode::InvalidModel, "too long");
  checkFails(spec, scaled({1e15f, 1e15f}), ErrorCode::InvalidModel, "more elements than");
  checkFails(spec, scaled({1, 1, 1}), ErrorCode::ShapeMismatch, "scales should have 2");
  checkFails(spec, sized({1, -4}), ErrorCode::InvalidModel, "sizes");
  checkFails(spec, sized({1, INT64_MAX}), ErrorCode::InvalidModel, "sizes");
  checkFails(spec, sized({4}), ErrorCode::ShapeMismatch, "sizes should have 2");
  const auto fails = [&](const char* attribute, const char* value, const char* message) {
    checkFails({"Resize", {text(attribute, value)}, 19}, sized({1, 4}), ErrorCode::InvalidModel, message);
  };
  fails("mode", "area", "mode should be");
  fails("nearest_mode", "up", "nearest_mode should be one of round_prefer_floor");
  fails("coordinate_transformation_mode", "middle", "coordinate_transformation_mode should be one of half_pixel");
  fails("keep_aspect_ratio_policy", "loose", "keep_aspect_ratio_policy");
  checkFails({"Resize", {Attribute::ofInts("axes", {5})}, 19}, sized({4}), ErrorCode::InvalidModel, "axes is 5");
  const std::vector<Tensor> empty{Tensor(DType::Float32, {1, 0}), Tensor{}, Tensor{}, longs({2}, {1, 3})};
  checkFails(spec, empty, ErrorCode::ShapeMismatch, "empty axis");
  CHECK(run(spec, sized({1, 0})).dims() == Dims{1, 0});
}
