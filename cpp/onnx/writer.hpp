#pragma once

#include <string>
#include <vector>

#include "onnx/model.hpp"

namespace presisi::onnx {

/// Serializes to ONNX's protobuf. The same model gives the same bytes. Throws InvalidArgument when the result would
/// pass protobuf's limit of 2 GiB, and InvalidArgument for nodes of the internal domain unless `allowInternal`.
std::string writeModel(const Model& model, bool allowInternal = false);

}  // namespace presisi::onnx
