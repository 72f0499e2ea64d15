#pragma once

#include <cstdint>
#include <vector>

namespace presisi::engine {

/// How pixels of one axis are made of fewer: of `width` neighbours each, from `starts[i]` on, weighted with
/// `weights[i · width …]`, multiples of 2^-22.
struct AxisWeights {
  int64_t count = 0;  ///< pixels that there are
  int64_t width = 0;
  const int32_t* starts = nullptr;
  int64_t made = 0;  ///< pixels that are made
  const int32_t* weights = nullptr;
};

/// [rows.count, columns.count, 3] bytes to [rows.made, columns.made, 3]: first along the rows, then along the columns,
/// rounded to 8 bits after each. Throws InvalidArgument for weights that look beyond an edge.
std::vector<uint8_t> enlarge(const uint8_t* pixels, const AxisWeights& columns, const AxisWeights& rows);

}  // namespace presisi::engine
