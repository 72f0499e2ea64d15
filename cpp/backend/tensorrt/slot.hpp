#pragma once

#include <exception>
#include <memory>

#include "backend/cuda/buffer.hpp"
#include "backend/tensorrt/engine.hpp"

namespace presisi::tensorrt {

/// Memory for an output whose shape only the run itself tells. Its callbacks can't throw: a failed allocation is kept.
class LateOutput final : public nvinfer1::IOutputAllocator {
 public:
  /// From 10 on TensorRT asks by reallocateOutputAsync, whose default comes here.
  void* reallocateOutput(const char* name, void* current, uint64_t size, uint64_t alignment) noexcept override;
  void notifyShape(const char* name, const nvinfer1::Dims& dims) noexcept override;

  void start();
  const Dims& dims() const { return dims_; }
  void* data() const { return memory_.data(); }
  size_t capacity() const { return memory_.capacity(); }
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  cuda::DeviceBuffer memory_;
  Dims dims_;
  std::exception_ptr failure_;
};

/// Memory of one input or output in a session: grows with the shapes that come, up to the profile's.
class Slot {
 public:
  Slot(const Binding& binding, const std::shared_ptr<cuda::PinnedPool>& pool, bool zeroCopy)
      : binding(&binding), staging_(pool), mapped_(zeroCopy && !binding.onHost) {}

  /// Makes room for this shape, on both sides.
  void reserve(const Dims& shape);
  /// Room on the host for what a late output turned out to be.
  void reserveHost(const Dims& shape);
  void* host() const { return mapped_ ? zeroCopy_.data() : staging_.data(); }
  void* device() const { return mapped_ ? zeroCopy_.device() : binding->onHost ? staging_.data() : memory_.data(); }
  size_t bytes() const { return bytes_; }
  const Dims& shape() const { return shape_; }
  bool copied() const { return !mapped_ && !binding->onHost; }  ///< host and device memory are two
  size_t capacity() const;

  const Binding* binding;
  void* bound = nullptr;             ///< address that the context knows
  std::unique_ptr<LateOutput> late;  ///< set once the output turned out to be one

 private:
  cuda::DeviceBuffer memory_;
  cuda::PinnedBuffer staging_;
  cuda::MappedBuffer zeroCopy_;
  bool mapped_;
  Dims shape_;
  size_t bytes_ = 0;
};

}  // namespace presisi::tensorrt
