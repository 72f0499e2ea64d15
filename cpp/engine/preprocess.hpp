#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/tensor.hpp"

namespace presisi::engine {

constexpr int64_t kChannels = 3;

/// Pictures of one size, one after the other: [count, height, width, 3], bytes, red first.
struct ImageBatch {
  int64_t count = 0;
  int64_t height = 0;
  int64_t width = 0;
};

/// x = (byte · scale − mean[c]) / std[c]. `mean` and `std` are in the order of the model's channels.
struct Normalization {
  double scale = 1.0 / 255.0;
  std::array<double, 3> mean{{0, 0, 0}};
  std::array<double, 3> std{{1, 1, 1}};
  bool channelsFirst = true;  ///< NCHW, else NHWC
  bool blueFirst = false;     ///< BGR, else RGB
};

/// Turns pictures into what a model takes. Each of the 256 values a byte can have is computed once, in double and
/// rounded once, so the result is the same on every machine.
class Normalizer {
 public:
  /// Looks at `pixels`. Throws InvalidArgument when `bytes` isn't the size of the batch or a divisor is zero.
  Normalizer(const uint8_t* pixels, size_t bytes, const ImageBatch& batch, const Normalization& normalization);
  /// Of the whole batch, as the model takes it.
  Dims dims() const;
  /// Writes pictures [first, first + count) of it.
  void make(int64_t first, int64_t count, float* into) const;

 private:
  const uint8_t* pixels_;
  ImageBatch batch_;
  bool channelsFirst_, blueFirst_;
  std::array<std::array<float, 256>, kChannels> tables_;  ///< in the order of the picture's channels, red first
};

/// The whole batch. Throws as the constructor does.
Tensor normalize(const uint8_t* pixels, size_t bytes, const ImageBatch& batch, const Normalization& normalization);

}  // namespace presisi::engine
