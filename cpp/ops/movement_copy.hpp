#pragma once

#include <cstdint>

#include "core/tensor.hpp"

namespace presisi::ops {

/// Fills `out`, a dense array of shape `dims`, from an array that is walked with `strides` (in elements of `width`
/// bytes; 0 repeats, negative goes back). `in` is the element at index 0 of every axis.
/// What lies next to each other in both is copied as blocks, and a transposition goes tile by tile.
void copyStrided(const void* in, const Dims& dims, const Dims& strides, void* out, size_t width);

}  // namespace presisi::ops
