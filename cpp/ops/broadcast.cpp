#include "ops/broadcast.hpp"

#include <utility>

namespace presisi::ops {

namespace {

constexpr int64_t kLargestOutput = int64_t{1} << 40;  // bytes

}  // namespace

TensorType sizedType(const onnx::Node& node, DType dtype, Dims dims) {
  int64_t bytes = static_cast<int64_t>(byteSize(dtype));
  for (const int64_t dim : dims) {
    if (dim < 0) failModel(node, "the output would have a negative dimension: [" + std::to_string(dim) + "]");
    if (dim > 0 && (__builtin_mul_overflow(bytes, dim, &bytes) || bytes > kLargestOutput)) {
      throw Error(ErrorCode::OutOfMemory,
                  node.label() + ": an output of shape " + toString(dims) + " and type " + name(dtype) +
                      " is larger than the limit of 1 TiB",
                  "check the constants that the shape is computed from");
    }
  }
  return {dtype, std::move(dims)};
}

std::vector<bool> axisMask(const std::vector<int64_t>& axes, size_t rank) {
  std::vector<bool> mask(rank, false);
  for (const int64_t axis : axes) mask[static_cast<size_t>(axis)] = true;
  return mask;
}

}  // namespace presisi::ops
