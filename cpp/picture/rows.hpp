#pragma once

#include <cstdint>

namespace presisi::picture {

/// The two passes of resampling, as one instruction set has them. Weights are multiples of 2^-22.
struct RowFunctions {
  /// `made` pixels, each of `width` neighbours from `starts[x]` on. Reads one byte beyond the last of them.
  void (*alongRow)(const uint8_t* row, const int32_t* starts, const int32_t* weights, int64_t width, int64_t made,
                   uint8_t* out);
  /// A row of `bytes`, of `width` of them that lie one below the other.
  void (*alongColumns)(const uint8_t* rows, int64_t bytes, const int32_t* weights, int64_t width, uint8_t* out);
};

extern const RowFunctions kRowsBase;
#if defined(__x86_64__)
extern const RowFunctions kRowsAvx2;
#endif

/// The widest that this processor has.
const RowFunctions& rowFunctions();

}  // namespace presisi::picture
