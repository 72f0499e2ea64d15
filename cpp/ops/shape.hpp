#pragma once

#include <cstring>
#include <vector>

#include "ops/common.hpp"

/// The parts that shapeOperators() joins.
namespace presisi::ops {

const std::vector<Operator>& castOperators();  ///< Cast, CastLike
const std::vector<Operator>&
constantOperators();  ///< Constant, ConstantOfShape, Range, Shape, Size: values out of nothing

/// The bytes of `in` into `out`, which has as many.
inline void copyBytes(const Tensor& in, Tensor& out) {
  if (out.bytes() > 0) std::memcpy(out.data<uint8_t>(), in.data<uint8_t>(), out.bytes());
}

}  // namespace presisi::ops
