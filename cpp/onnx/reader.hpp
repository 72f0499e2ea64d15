#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "onnx/model.hpp"

namespace presisi::onnx {

/// Reads an ONNX file (IR 3 and later). Big tensors look into the mapped file: nothing is copied. Models of before
/// opset 7 come back in the forms of opset 7. External data is read relative to the model's folder and never from
/// outside it. Throws FileSystem; InvalidModel (truncated, corrupt, contradictory, cyclic); UnsupportedModel
/// (subgraphs, functions, …).
Model readModel(const std::string& path);

/// The same from memory. `folder` is where external data lies; empty refuses external data.
/// `owner` keeps `data` alive for tensors that look into it; null copies them.
Model readModel(const uint8_t* data, size_t size, std::shared_ptr<const void> owner, const std::string& folder = {});

/// Reads one serialized TensorProto (the format of ONNX's own test data).
Tensor readTensor(const uint8_t* data, size_t size);

}  // namespace presisi::onnx
