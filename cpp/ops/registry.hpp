#pragma once

#include <vector>

#include "ops/operator.hpp"

/// The lists that make up ops::all(): one for each file of operators.
namespace presisi::ops {

const std::vector<Operator>& convolutionOperators();
const std::vector<Operator>& poolingOperators();
const std::vector<Operator>& matmulOperators();
const std::vector<Operator>& normalizationOperators();
const std::vector<Operator>& softmaxOperators();
const std::vector<Operator>& padOperators();
const std::vector<Operator>& resizeOperators();
const std::vector<Operator>& quantizeOperators();
const std::vector<Operator>& integerOperators();

const std::vector<Operator>& elementwiseOperators();
const std::vector<Operator>& activationOperators();
const std::vector<Operator>& reduceOperators();
const std::vector<Operator>& shapeOperators();
const std::vector<Operator>& movementOperators();

}  // namespace presisi::ops
