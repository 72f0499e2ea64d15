#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "core/tensor.hpp"

namespace presisi::cpu {

/// Where the elements of a packed tensor lie, in terms of our own, so that it can be read with another version of
/// oneDNN or on another CPU: the tensor is padded, cut into blocks along some axes, and the blocks are nested.
struct BlockedLayout {
  Dims dims, padded;  ///< as oneDNN sees the tensor; a grouped convolution's weights have five
  Dims strides;       ///< in elements, from block to block along each axis
  std::vector<std::pair<int, int64_t>> blocks;  ///< axis and length, from the outermost to the innermost
};

/// Elements from the first to the one behind the last, padding included.
int64_t extent(const BlockedLayout& layout);
/// Row-major again: a tensor of the same type and dimensions as `packed`, whose memory lies in that layout.
Tensor unpack(const Tensor& packed, const BlockedLayout& layout);
/// The way back, as one row of `extent()` elements; padding is 0.
Tensor pack(const Tensor& plain, const BlockedLayout& layout);

}  // namespace presisi::cpu
