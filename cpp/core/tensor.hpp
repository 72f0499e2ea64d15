#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/dtype.hpp"

namespace presisi {

using Dims = std::vector<int64_t>;

/// Product of the dimensions; 1 for a scalar. Throws InvalidModel when a dimension is negative or the product
/// overflows.
int64_t elementCount(const Dims& dims);

/// `[1, 3, 224, 224]`; a negative dimension prints as `?`.
std::string toString(const Dims& dims);

/// A dense row-major array. Copies share the storage (reference counted); `clone()` makes a deep copy.
/// The storage may belong to somebody else (a mapped file, a typed array): then it must be treated as read-only.
class Tensor {
 public:
  /// Bytes to which owned storage is aligned: a cache line, and the width of an AVX-512 register.
  static constexpr size_t kAlignment = 64;

  Tensor() = default;
  /// Zero-filled, owned. Throws OutOfMemory.
  Tensor(DType dtype, Dims dims);
  /// Owned, and not filled with anything: for whoever writes every element. Throws OutOfMemory.
  static Tensor uninitialized(DType dtype, Dims dims);
  /// Looks at memory of `owner` (may be null when the caller guarantees the lifetime). `bytes()` must be there.
  static Tensor view(DType dtype, Dims dims, const void* data, std::shared_ptr<const void> owner = nullptr);
  template <typename T>
  static Tensor of(DType dtype, Dims dims, const std::vector<T>& values);
  static Tensor scalar(float value);
  static Tensor fromInt64(const std::vector<int64_t>& values);  ///< 1-D int64

  DType dtype() const { return dtype_; }
  const Dims& dims() const { return dims_; }
  int64_t dim(size_t axis) const { return dims_[axis]; }
  size_t rank() const { return dims_.size(); }
  int64_t size() const { return size_; }  ///< elements
  size_t bytes() const { return static_cast<size_t>(size_) * byteSize(dtype_); }
  bool empty() const { return dtype_ == DType::Undefined; }  ///< no tensor at all (an absent optional input)

  template <typename T>
  T* data() {
    return static_cast<T*>(data_);
  }
  template <typename T>
  const T* data() const {
    return static_cast<const T*>(data_);
  }

  Tensor clone() const;
  /// Same storage, other dimensions of the same element count.
  Tensor reshaped(Dims dims) const;
  /// A converted copy (numeric casts as ONNX Cast: float to integer truncates, saturating at the type's limits).
  Tensor cast(DType to) const;
  /// Values as int64, from any integer type; throws InvalidModel otherwise. For shapes, axes and the like.
  std::vector<int64_t> toInt64s() const;
  /// Values as float, from any numeric type.
  std::vector<float> toFloats() const;

 private:
  DType dtype_ = DType::Undefined;
  Dims dims_;
  int64_t size_ = 0;
  void* data_ = nullptr;
  std::shared_ptr<const void> owner_;
};

template <typename T>
Tensor Tensor::of(DType dtype, Dims dims, const std::vector<T>& values) {
  Tensor tensor(dtype, std::move(dims));
  T* out = tensor.data<T>();
  for (int64_t i = 0; i < tensor.size(); ++i) out[i] = values[static_cast<size_t>(i)];
  return tensor;
}

}  // namespace presisi
