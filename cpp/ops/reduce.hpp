#pragma once

#include <cstdint>
#include <vector>

#include "ops/common.hpp"

namespace presisi::ops {

/// ArgMax and ArgMin, which reduceOperators() joins to its own.
const std::vector<Operator>& argOperators();

/// An array seen as alternating runs of kept and reduced axes; axes of length 1 are dropped, neighbours of one kind
/// merged.
struct ReducePlan {
  struct Axis {
    int64_t length;
    int64_t outStride;  ///< elements of the output to step; 0 along a reduced axis
  };

  ReducePlan(const Dims& dims, const std::vector<int64_t>& axes);

  bool innerReduced() const { return inner.outStride == 0; }

  std::vector<Axis> outer;
  Axis inner{1, 1};
  int64_t total = 1;  ///< elements of the input
  int64_t count = 1;  ///< elements reduced to one

  /// Calls f(offset into the input, offset into the output) at the start of each run along the inner axis.
  template <typename F>
  void forEachRow(F&& f) const {
    Dims index(outer.size(), 0);
    int64_t out = 0;
    for (int64_t in = 0; in < total; in += inner.length) {
      f(in, out);
      for (size_t axis = outer.size(); axis-- > 0;) {
        out += outer[axis].outStride;
        if (++index[axis] < outer[axis].length) break;
        out -= outer[axis].outStride * outer[axis].length;
        index[axis] = 0;
      }
    }
  }
};

}  // namespace presisi::ops
