#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/tensor.hpp"

namespace presisi::engine {

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

/// The float32 tensor a model takes. Each of the 256 values a byte can have is computed once, in double and rounded
/// once, so the result is the same on every machine.
/// Throws InvalidArgument when `bytes` isn't the size of the batch or a divisor is zero.
Tensor normalize(const uint8_t* pixels, size_t bytes, const ImageBatch& batch, const Normalization& normalization);

}  // namespace presisi::engine
