#include "backend/tensorrt/slot.hpp"

#include "backend/tensorrt/profile.hpp"

namespace presisi::tensorrt {

namespace {

size_t bytesOf(const Binding& binding, const Dims& shape) {
  return static_cast<size_t>(elementCount(shape)) * byteSize(binding.info.dtype);
}

}  // namespace

void* LateOutput::reallocateOutput(const char*, void*, uint64_t size, uint64_t) noexcept {
  // What cudaMalloc gives is aligned to 256 bytes, more than TensorRT asks for.
  try {
    memory_.reserve(size);
    return memory_.data();
  } catch (...) {
    failure_ = std::current_exception();
    return nullptr;
  }
}

void LateOutput::notifyShape(const char*, const nvinfer1::Dims& dims) noexcept {
  try {
    dims_ = fromTensorRt(dims);
  } catch (...) {
    failure_ = std::current_exception();
  }
}

void LateOutput::start() {
  dims_.clear();
  failure_ = nullptr;
}

void Slot::reserve(const Dims& shape) {
  const size_t bytes = bytesOf(*binding, shape);
  if (mapped_) {
    zeroCopy_.reserve(bytes);
  } else {
    staging_.reserve(bytes);
    if (!binding->onHost) memory_.reserve(bytes);
  }
  shape_ = shape;
  bytes_ = bytes;
}

void Slot::reserveHost(const Dims& shape) {
  const size_t bytes = bytesOf(*binding, shape);
  mapped_ = false;
  staging_.reserve(bytes);
  shape_ = shape;
  bytes_ = bytes;
}

size_t Slot::capacity() const {
  return memory_.capacity() + staging_.capacity() + zeroCopy_.capacity() + (late ? late->capacity() : 0);
}

}  // namespace presisi::tensorrt
