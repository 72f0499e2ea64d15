#pragma once

#include <string_view>

#include "onnx/model.hpp"
#include "onnx/reader_tensor.hpp"

namespace presisi::onnx {

/// Reads a GraphProto as it stands; see validateAndSort() for what must hold afterwards.
Graph readGraph(std::string_view bytes, const Source& source);

/// `ai.onnx` is another spelling of ONNX's own, empty domain.
std::string normalDomain(std::string domain);

}  // namespace presisi::onnx
