#pragma once

#include <vector>

#include "backend/backend.hpp"
#include "onnx/model.hpp"

namespace presisi::backend {

/// The graph's inputs and outputs as the seam describes them. Output shapes are inferred: a dimension that follows the
/// batch is -1.
std::vector<TensorInfo> describeInputs(const onnx::Model& model);
std::vector<TensorInfo> describeOutputs(const onnx::Model& model);

/// Checks names, types and shapes; throws ShapeMismatch with what was expected and what was received. Gives the feeds'
/// shapes in the order of `inputs`. `maxBatch` bounds a dynamic first dimension.
std::vector<Dims> validateFeeds(const std::vector<TensorInfo>& inputs, const Feeds& feeds, int64_t maxBatch);

}  // namespace presisi::backend
