#include "engine/preprocess.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/error.hpp"

using presisi::Dims;
using presisi::Error;
using presisi::ErrorCode;
using presisi::Tensor;
using presisi::engine::ImageBatch;
using presisi::engine::Normalization;
using presisi::engine::normalize;

namespace {

/// Two pictures of 2 x 1 pixels; every byte differs.
const std::vector<uint8_t> kPixels = {0, 10, 20, 30, 40, 50, 100, 110, 120, 253, 254, 255};
const ImageBatch kShape{2, 1, 2};

Normalization imagenet() {
  Normalization normalization;
  normalization.mean = {{0.485, 0.456, 0.406}};
  normalization.std = {{0.229, 0.224, 0.225}};
  return normalization;
}

float expected(int byte, size_t channel) {
  const Normalization n = imagenet();
  return static_cast<float>((byte * n.scale - n.mean[channel]) / n.std[channel]);
}

void checkValues(const Tensor& tensor, const std::vector<float>& values) {
  REQUIRE(tensor.size() == static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i) {
    CAPTURE(i);
    CHECK(tensor.data<float>()[i] == values[i]);
  }
}

ErrorCode codeOf(size_t bytes, const ImageBatch& shape, const Normalization& normalization) {
  try {
    normalize(kPixels.data(), bytes, shape, normalization);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::Internal;
}

}  // namespace

TEST_CASE("normalize: planes of red, green and blue") {
  const Tensor tensor = normalize(kPixels.data(), kPixels.size(), kShape, imagenet());
  CHECK(tensor.dims() == Dims{2, 3, 1, 2});
  checkValues(tensor, {expected(0, 0), expected(30, 0), expected(10, 1), expected(40, 1), expected(20, 2),
                       expected(50, 2), expected(100, 0), expected(253, 0), expected(110, 1), expected(254, 1),
                       expected(120, 2), expected(255, 2)});
}

TEST_CASE("normalize: mean and std follow the model's channels when blue is first") {
  Normalization normalization = imagenet();
  normalization.blueFirst = true;
  const Tensor tensor = normalize(kPixels.data(), 6, {1, 1, 2}, normalization);
  checkValues(tensor,
              {expected(20, 0), expected(50, 0), expected(10, 1), expected(40, 1), expected(0, 2), expected(30, 2)});
}

TEST_CASE("normalize: channels last") {
  Normalization normalization = imagenet();
  normalization.channelsFirst = false;
  const Tensor tensor = normalize(kPixels.data(), 6, {1, 1, 2}, normalization);
  CHECK(tensor.dims() == Dims{1, 1, 2, 3});
  checkValues(tensor,
              {expected(0, 0), expected(10, 1), expected(20, 2), expected(30, 0), expected(40, 1), expected(50, 2)});
  normalization.blueFirst = true;
  checkValues(normalize(kPixels.data(), 3, {1, 1, 1}, normalization),
              {expected(20, 0), expected(10, 1), expected(0, 2)});
}

TEST_CASE("normalize: some pictures of a batch") {
  for (const bool channelsFirst : {true, false}) {
    Normalization normalization = imagenet();
    normalization.channelsFirst = channelsFirst;
    const Tensor whole = normalize(kPixels.data(), kPixels.size(), kShape, normalization);
    const presisi::engine::Normalizer normalizer(kPixels.data(), kPixels.size(), kShape, normalization);
    CHECK(normalizer.dims() == whole.dims());
    std::vector<float> second(6);
    normalizer.make(1, 1, second.data());
    CHECK(second == std::vector<float>(whole.data<float>() + 6, whole.data<float>() + 12));
  }
}

TEST_CASE("normalize: what doesn't fit is refused") {
  CHECK(codeOf(kPixels.size() - 1, kShape, imagenet()) == ErrorCode::InvalidArgument);
  CHECK(codeOf(kPixels.size(), {0, 1, 2}, imagenet()) == ErrorCode::InvalidArgument);
  CHECK(codeOf(kPixels.size(), {2, -1, -2}, imagenet()) == ErrorCode::InvalidArgument);
  CHECK(codeOf(kPixels.size(), {2, std::numeric_limits<int64_t>::max(), 2}, imagenet()) == ErrorCode::InvalidArgument);
  Normalization bad = imagenet();
  bad.std[1] = 0;
  CHECK(codeOf(kPixels.size(), kShape, bad) == ErrorCode::InvalidArgument);
  bad = imagenet();
  bad.mean[2] = std::nan("");
  CHECK(codeOf(kPixels.size(), kShape, bad) == ErrorCode::InvalidArgument);
}
