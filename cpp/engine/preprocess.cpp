#include "engine/preprocess.hpp"

#include <cmath>
#include <string>

#include "core/error.hpp"

namespace presisi::engine {

namespace {

constexpr int64_t kChannels = 3;
/// Far above any network's input, far below where a product of three sides overflows.
constexpr int64_t kMaxSide = 1 << 16;
constexpr int64_t kMaxCount = 1 << 16;

using Table = std::array<float, 256>;

/// Tables in the order of the picture's channels (red first).
std::array<Table, kChannels> makeTables(const Normalization& normalization) {
  std::array<Table, kChannels> tables;
  for (size_t channel = 0; channel < kChannels; ++channel) {
    const double mean = normalization.mean[channel];
    const double deviation = normalization.std[channel];
    if (!std::isfinite(mean) || !std::isfinite(deviation) || deviation == 0 || !std::isfinite(normalization.scale)) {
      throw Error(ErrorCode::InvalidArgument, "scale, mean and std must be finite, and std not zero");
    }
    const size_t source = normalization.blueFirst ? kChannels - 1 - channel : channel;
    for (size_t byte = 0; byte < 256; ++byte) {
      tables[source][byte] = static_cast<float>((static_cast<double>(byte) * normalization.scale - mean) / deviation);
    }
  }
  return tables;
}

void requireSize(size_t bytes, const ImageBatch& batch) {
  const auto within = [](int64_t value, int64_t limit) { return value >= 1 && value <= limit; };
  if (!within(batch.count, kMaxCount) || !within(batch.height, kMaxSide) || !within(batch.width, kMaxSide)) {
    throw Error(ErrorCode::InvalidArgument, "a batch of " + std::to_string(batch.count) + " pictures of " +
                                                std::to_string(batch.width) + "x" + std::to_string(batch.height) +
                                                " pixels is empty or too large");
  }
  const uint64_t expected =
      static_cast<uint64_t>(batch.count) * static_cast<uint64_t>(batch.height * batch.width) * kChannels;
  if (bytes != expected) {
    throw Error(ErrorCode::InvalidArgument, "expected " + std::to_string(expected) + " bytes of pixels for " +
                                                std::to_string(batch.count) + " pictures, found " +
                                                std::to_string(bytes));
  }
}

}  // namespace

Tensor normalize(const uint8_t* pixels, size_t bytes, const ImageBatch& batch, const Normalization& normalization) {
  requireSize(bytes, batch);
  const std::array<Table, kChannels> tables = makeTables(normalization);
  const int64_t area = batch.height * batch.width;
  // Where the three channels of a pixel go, and how far the next pixel is.
  const int64_t stride = normalization.channelsFirst ? 1 : kChannels;
  const int64_t plane = normalization.channelsFirst ? area : 1;
  const int64_t red = normalization.blueFirst ? 2 * plane : 0;
  const int64_t blue = normalization.blueFirst ? 0 : 2 * plane;

  Tensor tensor = Tensor::uninitialized(DType::Float32, normalization.channelsFirst
                                                            ? Dims{batch.count, kChannels, batch.height, batch.width}
                                                            : Dims{batch.count, batch.height, batch.width, kChannels});
  float* out = tensor.data<float>();
  for (int64_t image = 0; image < batch.count; ++image) {
    for (int64_t i = 0; i < area; ++i, pixels += kChannels) {
      float* pixel = out + i * stride;
      pixel[red] = tables[0][pixels[0]];
      pixel[plane] = tables[1][pixels[1]];
      pixel[blue] = tables[2][pixels[2]];
    }
    out += area * kChannels;
  }
  return tensor;
}

}  // namespace presisi::engine
