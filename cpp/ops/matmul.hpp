#pragma once

#include "ops/common.hpp"
#include "ops/gemm.hpp"

namespace presisi::ops {

/// Sizes of NumPy's matmul: [batch…, m, k] x [batch…, k, n]. A vector on the left counts as a row, on the right as a
/// column, and its axis is taken out of the result.
struct MatMulSizes {
  int64_t m = 1, n = 1, k = 1;
  Dims batch;            ///< of the result, broadcast
  Dims batchStrides[2];  ///< elements to step in A and B for one step along each batch axis
  Dims output;
};

/// Throws ShapeMismatch, InvalidModel for scalars.
MatMulSizes readMatMul(const onnx::Node& node, const Dims& a, const Dims& b);

template <typename T>
void matMul(const MatMulSizes& sizes, const T* a, const T* b, T* y, const StopToken& stop) {
  forEachIndex(sizes.batch, {sizes.batchStrides[0], sizes.batchStrides[1]},
               [&](int64_t batch, const std::vector<int64_t>& offsets) {
                 gemm<T>(sizes.m, sizes.n, sizes.k, {a + offsets[0], sizes.k}, {b + offsets[1], sizes.n},
                         {y + batch * sizes.m * sizes.n, sizes.n}, stop);
               });
}

/// Rows and columns swapped: [rows, columns] -> [columns, rows].
Tensor transposed(const Tensor& matrix);

}  // namespace presisi::ops
