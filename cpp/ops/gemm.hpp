#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "core/stop_token.hpp"

namespace presisi::ops {

/// A row-major matrix inside a larger array: `stride` elements from one row to the next.
template <typename T>
struct Matrix {
  T* data;
  int64_t stride;
};

/// C[m, n] += A[m, k] * B[k, n].
/// Sums are kept apart for blocks of k before they are added up, so the rounding error of float32 grows with
/// k / block + block instead of k. Integers are unsigned types: their overflow is defined, and two's complement makes
/// the sum right for signed values.
template <typename T>
void gemm(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, Matrix<T> c, const StopToken& stop) {
  static_assert(std::is_floating_point_v<T> || (std::is_unsigned_v<T> && sizeof(T) >= sizeof(int)),
                "narrow and signed integers could overflow");
  constexpr int64_t kColumns = 256;  // one block of B, kColumns x kDepth, stays in the second-level cache
  constexpr int64_t kDepth = 128;
  constexpr int64_t kRowsPerCheck = 256;
  for (int64_t column = 0; column < n; column += kColumns) {
    const int64_t width = std::min(kColumns, n - column);
    for (int64_t depth = 0; depth < k; depth += kDepth) {
      const int64_t end = std::min(depth + kDepth, k);
      for (int64_t row = 0; row < m; ++row) {
        if (row % kRowsPerCheck == 0) stop.check();
        T sum[kColumns] = {};
        const T* factors = a.data + row * a.stride;
        int64_t i = depth;
        for (; i + 4 <= end; i += 4) {
          const T f0 = factors[i], f1 = factors[i + 1], f2 = factors[i + 2], f3 = factors[i + 3];
          const T* b0 = b.data + i * b.stride + column;
          const T* b1 = b0 + b.stride;
          const T* b2 = b1 + b.stride;
          const T* b3 = b2 + b.stride;
          for (int64_t j = 0; j < width; ++j) sum[j] += f0 * b0[j] + f1 * b1[j] + f2 * b2[j] + f3 * b3[j];
        }
        for (; i < end; ++i) {
          const T f = factors[i];
          const T* line = b.data + i * b.stride + column;
          for (int64_t j = 0; j < width; ++j) sum[j] += f * line[j];
        }
        T* out = c.data + row * c.stride + column;
        for (int64_t j = 0; j < width; ++j) out[j] += sum[j];
      }
    }
  }
}

}  // namespace presisi::ops
