#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/tensor.hpp"
#include "onnx/external_data.hpp"

namespace presisi::onnx {

/// Where the bytes of a model come from.
struct Source {
  std::shared_ptr<const void> owner;  ///< keeps them alive; null: tensors must copy
  ExternalData* external;             ///< never null
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// More dimensions than this no operator has; the bound keeps hostile shapes short.
inline constexpr size_t kMaxRank = 32;

/// Reads a TensorProto. `where` stands in errors for the name of a tensor that has none.
NamedTensor readTensorProto(std::string_view bytes, const Source& source, const std::string& where);

/// The element type for ONNX's number; throws UnsupportedModel naming `label` for what we don't hold.
DType readElementType(int64_t number, const std::string& label);

}  // namespace presisi::onnx
