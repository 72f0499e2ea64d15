#include "engine/preprocess.hpp"

#include <cmath>
#include <string>

#include "core/error.hpp"

namespace presisi::engine {

namespace {

/// Far above any network's input, far below where a product of three sides overflows.
constexpr int64_t kMaxSide = 1 << 16;
constexpr int64_t kMaxCount = 1 << 16;

std::array<std::array<float, 256>, kChannels> makeTables(const Normalization& normalization) {
  std::array<std::array<float, 256>, kChannels> tables;
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

Normalizer::Normalizer(const uint8_t* pixels, size_t bytes, const ImageBatch& batch, const Normalization& normalization)
    : pixels_(pixels),
      batch_(batch),
      channelsFirst_(normalization.channelsFirst),
      blueFirst_(normalization.blueFirst),
      tables_(makeTables(normalization)) {
  requireSize(bytes, batch);
}

Dims Normalizer::dims() const {
  const auto& [count, height, width] = batch_;
  return channelsFirst_ ? Dims{count, kChannels, height, width} : Dims{count, height, width, kChannels};
}

void Normalizer::make(int64_t first, int64_t count, float* into) const {
  const int64_t area = batch_.height * batch_.width;
  // Where the three channels of a pixel go, and how far the next pixel is.
  const int64_t stride = channelsFirst_ ? 1 : kChannels;
  const int64_t plane = channelsFirst_ ? area : 1;
  const int64_t red = blueFirst_ ? 2 * plane : 0;
  const int64_t blue = blueFirst_ ? 0 : 2 * plane;
  const uint8_t* bytes = pixels_ + first * area * kChannels;
  for (int64_t image = 0; image < count; ++image, into += area * kChannels) {
    for (int64_t i = 0; i < area; ++i, bytes += kChannels) {
      float* pixel = into + i * stride;
      pixel[red] = tables_[0][bytes[0]];
      pixel[plane] = tables_[1][bytes[1]];
      pixel[blue] = tables_[2][bytes[2]];
    }
  }
}

Tensor normalize(const uint8_t* pixels, size_t bytes, const ImageBatch& batch, const Normalization& normalization) {
  const Normalizer normalizer(pixels, bytes, batch, normalization);
  Tensor tensor = Tensor::uninitialized(DType::Float32, normalizer.dims());
  normalizer.make(0, batch.count, tensor.data<float>());
  return tensor;
}

}  // namespace presisi::engine
