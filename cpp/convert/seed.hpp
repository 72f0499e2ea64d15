#pragma once

#include <cstdint>

#include "architectures/architecture.hpp"
#include "onnx/model.hpp"

namespace presisi::convert {

/// Random parameters in an architecture's graph: the same network and seed give the same bits on every machine. Each
/// value is hashed from the seed, its parameter's name and its place, so that no parameter depends on another.
///
/// Weights are scaled by what reaches their layer, so that activations keep near unit variance through any depth, and
/// the logits of normalised images spread by about 1. Batch normalizations shift and scale a little, as trained ones
/// do, so that folding them isn't trivial.
onnx::Model withRandomWeights(const architectures::Network& network, uint64_t seed);

}  // namespace presisi::convert
