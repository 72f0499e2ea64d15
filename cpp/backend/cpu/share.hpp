#pragma once

#include <cstdint>
#include <utility>

namespace presisi::cpu {

/// Cuts `total` into `parts` of neighbours and gives part `index` as [begin, end).
inline std::pair<int64_t, int64_t> shareOf(int64_t total, int64_t parts, int64_t index) {
  return {total * index / parts, total * (index + 1) / parts};
}

}  // namespace presisi::cpu
