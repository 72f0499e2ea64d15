#pragma once

#include "backend/backend.hpp"

/// Executes the ONNX graph as it is, node by node, in plain loops: the oracle that other backends are tested against,
/// and what runs where nothing faster is installed.
namespace presisi::backend::reference {

Backend& instance();

}  // namespace presisi::backend::reference
