#include "core/tensor.hpp"

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "core/error.hpp"

namespace presisi {

int64_t elementCount(const Dims& dims) {
  int64_t count = 1;
  for (const int64_t dim : dims) {
    if (dim < 0) throw Error(ErrorCode::InvalidModel, "negative dimension in shape " + toString(dims));
    if (__builtin_mul_overflow(count, dim, &count)) {
      throw Error(ErrorCode::InvalidModel, "shape " + toString(dims) + " has more elements than 64 bits can count");
    }
  }
  return count;
}

std::string toString(const Dims& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i > 0) text += ", ";
    text += dims[i] < 0 ? "?" : std::to_string(dims[i]);
  }
  return text + "]";
}

namespace {

/// Linux promises more than there is and kills who takes it: what can't fit is refused here.
size_t physicalMemory() {
  static const size_t bytes = [] {
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const long page = ::sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? static_cast<size_t>(pages) * static_cast<size_t>(page)
                                 : std::numeric_limits<size_t>::max() / 2;
  }();
  return bytes;
}

}  // namespace

Tensor::Tensor(DType dtype, Dims dims) : Tensor(uninitialized(dtype, std::move(dims))) {
  std::memset(data_, 0, bytes());
}

Tensor Tensor::uninitialized(DType dtype, Dims dims) {
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.size_ = elementCount(dims);
  tensor.dims_ = std::move(dims);
  const size_t width = byteSize(dtype);
  if (width == 0)
    throw Error(ErrorCode::UnsupportedModel, std::string("no tensor can hold elements of type ") + name(dtype));
  size_t total = 0;
  const auto elements = static_cast<size_t>(tensor.size_);
  if (__builtin_mul_overflow(elements, width, &total) || total > physicalMemory()) {
    throw Error(ErrorCode::OutOfMemory, "tensor of shape " + toString(tensor.dims_) + " does not fit in memory");
  }
  const size_t rounded = (total + kAlignment) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, rounded);
  if (memory == nullptr) {
    throw Error(ErrorCode::OutOfMemory, "could not allocate " + std::to_string(total) +
                                            " bytes for a tensor of shape " + toString(tensor.dims_));
  }
  tensor.data_ = memory;
  tensor.owner_ = std::shared_ptr<const void>(memory, [](const void* p) { std::free(const_cast<void*>(p)); });
  return tensor;
}

Tensor Tensor::view(DType dtype, Dims dims, const void* data, std::shared_ptr<const void> owner) {
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.size_ = elementCount(dims);
  tensor.dims_ = std::move(dims);
  tensor.data_ = const_cast<void*>(data);
  tensor.owner_ = std::move(owner);
  return tensor;
}

Tensor Tensor::scalar(float value) { return of<float>(DType::Float32, {}, {value}); }

Tensor Tensor::fromInt64(const std::vector<int64_t>& values) {
  return of<int64_t>(DType::Int64, {static_cast<int64_t>(values.size())}, values);
}

Tensor Tensor::clone() const {
  if (empty()) return {};
  Tensor copy(dtype_, dims_);
  if (bytes() > 0) std::memcpy(copy.data_, data_, bytes());
  return copy;
}

Tensor Tensor::reshaped(Dims dims) const {
  if (elementCount(dims) != size_) {
    throw Error(ErrorCode::InvalidModel, "cannot reshape " + toString(dims_) + " to " + toString(dims));
  }
  Tensor other = *this;
  other.dims_ = std::move(dims);
  return other;
}

namespace {

template <typename To, typename From>
To convert(From value) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (std::isnan(value)) return 0;
    // Compared in double: the limits of 64-bit types round up there, hence >=.
    const double wide = static_cast<double>(value);
    if (wide >= static_cast<double>(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
    if (wide <= static_cast<double>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

/// Calls `f(i -> value)` with an accessor of the tensor's natural C++ type.
template <typename F>
void withReader(const Tensor& t, F&& f) {
  switch (t.dtype()) {
    case DType::Float32: return f([p = t.data<float>()](int64_t i) { return p[i]; });
    case DType::Float64: return f([p = t.data<double>()](int64_t i) { return p[i]; });
    case DType::Float16: return f([p = t.data<uint16_t>()](int64_t i) { return halfToFloat(p[i]); });
    case DType::Bfloat16: return f([p = t.data<uint16_t>()](int64_t i) { return bfloat16ToFloat(p[i]); });
    case DType::Uint8: return f([p = t.data<uint8_t>()](int64_t i) { return p[i]; });
    case DType::Int8: return f([p = t.data<int8_t>()](int64_t i) { return p[i]; });
    case DType::Uint16: return f([p = t.data<uint16_t>()](int64_t i) { return p[i]; });
    case DType::Int16: return f([p = t.data<int16_t>()](int64_t i) { return p[i]; });
    case DType::Int32: return f([p = t.data<int32_t>()](int64_t i) { return p[i]; });
    case DType::Uint32: return f([p = t.data<uint32_t>()](int64_t i) { return p[i]; });
    case DType::Int64: return f([p = t.data<int64_t>()](int64_t i) { return p[i]; });
    case DType::Uint64: return f([p = t.data<uint64_t>()](int64_t i) { return p[i]; });
    case DType::Bool: return f([p = t.data<uint8_t>()](int64_t i) { return static_cast<uint8_t>(p[i] != 0); });
    default: throw Error(ErrorCode::UnsupportedModel, std::string("no values of type ") + name(t.dtype()));
  }
}

template <typename To, typename Reader>
void fill(Tensor& out, Reader read) {
  To* data = out.data<To>();
  for (int64_t i = 0; i < out.size(); ++i) data[i] = convert<To>(read(i));
}

}  // namespace

Tensor Tensor::cast(DType to) const {
  if (to == dtype_) return *this;
  Tensor out(to, dims_);
  withReader(*this, [&](auto read) {
    switch (to) {
      case DType::Float32: return fill<float>(out, read);
      case DType::Float64: return fill<double>(out, read);
      case DType::Float16:
        for (int64_t i = 0; i < size_; ++i) out.data<uint16_t>()[i] = floatToHalf(static_cast<float>(read(i)));
        return;
      case DType::Bfloat16:
        for (int64_t i = 0; i < size_; ++i) out.data<uint16_t>()[i] = floatToBfloat16(static_cast<float>(read(i)));
        return;
      case DType::Bool:
        for (int64_t i = 0; i < size_; ++i) out.data<uint8_t>()[i] = read(i) != 0;
        return;
      case DType::Uint8: return fill<uint8_t>(out, read);
      case DType::Int8: return fill<int8_t>(out, read);
      case DType::Uint16: return fill<uint16_t>(out, read);
      case DType::Int16: return fill<int16_t>(out, read);
      case DType::Int32: return fill<int32_t>(out, read);
      case DType::Uint32: return fill<uint32_t>(out, read);
      case DType::Int64: return fill<int64_t>(out, read);
      case DType::Uint64: return fill<uint64_t>(out, read);
      default: throw Error(ErrorCode::UnsupportedModel, std::string("cannot cast to ") + name(to));
    }
  });
  return out;
}

std::vector<int64_t> Tensor::toInt64s() const {
  switch (dtype_) {
    case DType::Float32:
    case DType::Float64:
    case DType::Float16:
    case DType::Bfloat16:
    case DType::Undefined:
    case DType::String:
      throw Error(ErrorCode::InvalidModel, std::string("expected integers but found ") + name(dtype_));
    default: break;
  }
  const Tensor wide = cast(DType::Int64);
  return {wide.data<int64_t>(), wide.data<int64_t>() + wide.size()};
}

std::vector<float> Tensor::toFloats() const {
  const Tensor wide = cast(DType::Float32);
  return {wide.data<float>(), wide.data<float>() + wide.size()};
}

}  // namespace presisi
