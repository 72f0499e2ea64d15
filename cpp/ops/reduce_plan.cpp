#include "ops/broadcast.hpp"
#include "ops/reduce.hpp"

namespace presisi::ops {

ReducePlan::ReducePlan(const Dims& dims, const std::vector<int64_t>& axes) {
  const std::vector<bool> mask = axisMask(axes, dims.size());
  int64_t outStride = 1;
  std::vector<Axis> runs;  // innermost first
  for (size_t axis = dims.size(); axis-- > 0;) {
    const bool reduced = mask[axis];
    const int64_t length = dims[axis];
    total *= length;
    if (reduced) count *= length;
    if (length == 1) continue;
    if (!runs.empty() && (runs.back().outStride == 0) == reduced) {
      runs.back().length *= length;
    } else {
      runs.push_back({length, reduced ? 0 : outStride});
    }
    if (!reduced) outStride *= length;
  }
  if (runs.empty()) return;
  inner = runs.front();
  outer.assign(runs.rbegin(), runs.rend() - 1);
}

}  // namespace presisi::ops
