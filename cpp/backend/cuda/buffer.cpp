#include "backend/cuda/buffer.hpp"

#include <algorithm>
#include <utility>

namespace presisi::cuda {

namespace {

/// Pinned blocks come in multiples of a page, so that sizes that differ by little share blocks.
size_t roundedToPages(size_t bytes) {
  constexpr size_t kPage = 4096;
  return bytes > SIZE_MAX - kPage ? bytes : std::max(bytes + kPage - 1, kPage) / kPage * kPage;
}

}  // namespace

void DeviceBuffer::reserve(size_t bytes) {
  if (memory_ && bytes <= capacity_) return;
  memory_.reset();
  capacity_ = 0;
  void* memory = nullptr;
  bytes = std::max<size_t>(bytes, 1);
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status != cudaSuccess) failAllocation(status, "device", bytes);
  memory_.reset(memory);
  capacity_ = bytes;
}

size_t PinnedPool::idleBytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return idleBytes_;
}

PinnedPool::Block PinnedPool::take(size_t& bytes) {
  bytes = roundedToPages(bytes);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto fits = idle_.lower_bound(bytes);
    // A block of more than twice the size would be missed by someone who needs it.
    if (fits != idle_.end() && fits->first / 2 <= bytes) {
      bytes = fits->first;
      Block block = std::move(fits->second);
      idleBytes_ -= bytes;
      idle_.erase(fits);
      return block;
    }
  }
  void* memory = nullptr;
  const cudaError_t status = cudaHostAlloc(&memory, bytes, cudaHostAllocDefault);
  if (status != cudaSuccess) failAllocation(status, "pinned host", bytes);
  return Block(memory);
}

void PinnedPool::give(Block block, size_t bytes) noexcept {
  try {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (bytes > limit_ || idleBytes_ > limit_ - bytes) return;
    idle_.emplace(bytes, std::move(block));
    idleBytes_ += bytes;
  } catch (...) {
    // No memory for the list: the block goes back to the system.
  }
}

void PinnedBuffer::reserve(size_t bytes) {
  if (block_ && bytes <= capacity_) return;
  release();
  block_ = pool_->take(bytes);
  capacity_ = bytes;
}

void PinnedBuffer::release() noexcept {
  if (block_) pool_->give(std::move(block_), capacity_);
  block_.reset();
  capacity_ = 0;
}

void MappedBuffer::reserve(size_t bytes) {
  if (memory_ && bytes <= capacity_) return;
  memory_.reset();
  device_ = nullptr;
  capacity_ = 0;
  void* memory = nullptr;
  bytes = roundedToPages(bytes);
  const cudaError_t status = cudaHostAlloc(&memory, bytes, cudaHostAllocMapped);
  if (status != cudaSuccess) failAllocation(status, "mapped host", bytes);
  memory_.reset(memory);
  void* device = nullptr;
  check(cudaHostGetDevicePointer(&device, memory, 0), "mapping host memory into the device");
  device_ = device;
  capacity_ = bytes;
}

}  // namespace presisi::cuda
