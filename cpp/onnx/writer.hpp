#pragma once

#include <cstddef>
#include <string>

#include "onnx/model.hpp"

namespace presisi::onnx {

/// Serializes to ONNX's protobuf. The same model gives the same bytes. Throws InvalidArgument when the result would
/// pass protobuf's limit of 2 GiB, and InvalidArgument for nodes of the internal domain unless `allowInternal`.
std::string writeModel(const Model& model, bool allowInternal = false);

/// Writes the bytes of `writeModel(model)` to a file, atomically. The weights go from the tensors to the file without a
/// copy in between. Throws as `writeModel` does, before anything is written, and FileSystem.
void writeModelFile(const Model& model, const std::string& path);

/// How many bytes that file has. Throws as `writeModel` does: for asking before long work whether it will do.
size_t writtenSize(const Model& model);

}  // namespace presisi::onnx
