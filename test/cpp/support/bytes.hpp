#pragma once

#include <cstring>
#include <string>

#include "onnx/reader.hpp"

namespace presisi::test {

inline onnx::Model readBytes(const std::string& bytes, const std::string& folder = {}) {
  return onnx::readModel(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), nullptr, folder);
}

inline Tensor readTensorBytes(const std::string& bytes) {
  return onnx::readTensor(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

}  // namespace presisi::test
