#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "ops/common.hpp"

namespace presisi::ops {

/// The type of an output whose size the model chose. Refuses, before anybody allocates, what could only be an attack or
/// a mistake: more than 1 TiB, counting empty axes as 1 so that strides can't overflow either.
TensorType sizedType(const onnx::Node& node, DType dtype, Dims dims);

/// Which of `rank` axes are among `axes` (normalised).
std::vector<bool> axisMask(const std::vector<int64_t>& axes, size_t rank);

/// How N arrays are read, row by row, to fill one output they all broadcast to. Axes of length 1 are dropped and
/// neighbours that every array walks alike are merged, so that equal shapes become one long row, and in a row each
/// array either stands still (stride 0) or moves by 1.
template <size_t N>
class BroadcastPlan {
 public:
  BroadcastPlan(const Dims& out, const std::array<Dims, N>& inputs) {
    std::array<Dims, N> full;
    for (size_t k = 0; k < N; ++k) full[k] = broadcastStrides(inputs[k], out);
    for (size_t axis = 0; axis < out.size(); ++axis) {
      if (out[axis] == 1) continue;
      std::array<int64_t, N> stride;
      for (size_t k = 0; k < N; ++k) stride[k] = full[k][axis];
      bool merges = !dims_.empty();
      for (size_t k = 0; k < N && merges; ++k) merges = strides_.back()[k] == stride[k] * out[axis];
      if (merges) {
        dims_.back() *= out[axis];
        strides_.back() = stride;
      } else {
        dims_.push_back(out[axis]);
        strides_.push_back(stride);
      }
    }
    if (dims_.empty()) {
      dims_.push_back(1);
      strides_.emplace_back();
      strides_.back().fill(1);
    }
  }

  int64_t rowLength() const { return dims_.back(); }
  bool moves(size_t input) const { return strides_.back()[input] != 0; }

  /// Calls f(offset into the output, offsets into the inputs) at the start of each row.
  template <typename F>
  void forEachRow(F&& f) const {
    const int64_t total = elementCount(dims_);
    const size_t outer = dims_.size() - 1;
    Dims index(outer, 0);
    std::array<int64_t, N> offsets{};
    for (int64_t out = 0; out < total; out += rowLength()) {
      f(out, offsets);
      for (size_t axis = outer; axis-- > 0;) {
        if (++index[axis] < dims_[axis]) {
          for (size_t k = 0; k < N; ++k) offsets[k] += strides_[axis][k];
          break;
        }
        index[axis] = 0;
        for (size_t k = 0; k < N; ++k) offsets[k] -= strides_[axis][k] * (dims_[axis] - 1);
      }
    }
  }

 private:
  Dims dims_;
  std::vector<std::array<int64_t, N>> strides_;
};

/// out = op(a, b), broadcasting. `out` may be `a` where `a` has the output's shape.
template <typename R, typename A, typename B, typename Op>
void broadcastBinary(const Dims& outDims, const Dims& aDims, const A* a, const Dims& bDims, const B* b, R* out, Op op) {
  const BroadcastPlan<2> plan(outDims, {aDims, bDims});
  const int64_t n = plan.rowLength();
  if (plan.moves(0) && plan.moves(1)) {
    plan.forEachRow([&](int64_t at, const std::array<int64_t, 2>& offset) {
      R* row = out + at;
      const A* x = a + offset[0];
      const B* y = b + offset[1];
      for (int64_t i = 0; i < n; ++i) row[i] = op(x[i], y[i]);
    });
  } else if (plan.moves(0)) {
    plan.forEachRow([&](int64_t at, const std::array<int64_t, 2>& offset) {
      R* row = out + at;
      const A* x = a + offset[0];
      const B y = b[offset[1]];
      for (int64_t i = 0; i < n; ++i) row[i] = op(x[i], y);
    });
  } else {
    plan.forEachRow([&](int64_t at, const std::array<int64_t, 2>& offset) {
      R* row = out + at;
      const A x = a[offset[0]];
      const B* y = b + offset[1];
      for (int64_t i = 0; i < n; ++i) row[i] = op(x, y[i]);
    });
  }
}

}  // namespace presisi::ops
