#pragma once

#include <vector>

#include "ops/common.hpp"

/// The parts that movementOperators() joins.
namespace presisi::ops {

const std::vector<Operator>& joinOperators();    ///< Concat, Split: whole blocks side by side
const std::vector<Operator>& gatherOperators();  ///< Gather, GatherElements: by index
const std::vector<Operator>& sliceOperators();   ///< Slice

}  // namespace presisi::ops
