#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/file.hpp"
#include "core/tensor.hpp"

namespace presisi::onnx {

/// Tensors that lie in files beside the model. Each file is mapped once; the tensors keep it alive.
///
/// A model is data from strangers, so a location is a relative path that stays inside the model's folder, also after
/// links are followed.
class ExternalData {
 public:
  /// An empty `folder` refuses every request.
  explicit ExternalData(std::string folder) : folder_(std::move(folder)) {}

  /// `entries` are the tensor's `external_data`: location, offset and length in bytes, as decimal text.
  /// Throws InvalidModel naming `label`, or FileSystem when the file can't be read.
  Tensor load(const std::vector<std::pair<std::string, std::string>>& entries, DType dtype, const Dims& dims,
              const std::string& label);

 private:
  std::shared_ptr<const MappedFile> open(const std::string& location, const std::string& label);

  std::string folder_;
  std::map<std::string, std::shared_ptr<const MappedFile>> files_;  ///< by location
};

/// A tensor over `bytes` if they are aligned to its element and `owner` keeps them alive; else a copy.
Tensor viewOrCopy(DType dtype, const Dims& dims, const void* bytes, const std::shared_ptr<const void>& owner);

}  // namespace presisi::onnx
