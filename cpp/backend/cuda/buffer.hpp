#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>

#include "backend/cuda/error.hpp"

namespace presisi::cuda {

/// Device memory. Grows, never shrinks; what it held is lost when it grows.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(size_t bytes) { reserve(bytes); }
  /// Makes room for at least one byte, since vendors' libraries refuse null addresses. The old memory goes first, so
  /// that both needn't fit at once. Throws OutOfMemory, and is empty then.
  void reserve(size_t bytes);
  void* data() const { return memory_.get(); }
  size_t capacity() const { return capacity_; }

 private:
  struct Free {
    void operator()(void* memory) const { static_cast<void>(cudaFree(memory)); }
  };
  std::unique_ptr<void, Free> memory_;
  size_t capacity_ = 0;
};

/// Page-locked host memory, which copies to and from the device at full speed and beside other work. Taking it from the
/// system is slow (it locks pages), so what is given back is kept for the next taker, up to a limit. Thread-safe.
class PinnedPool : public std::enable_shared_from_this<PinnedPool> {
 public:
  /// `keptBytes`: how much may lie idle.
  static std::shared_ptr<PinnedPool> create(size_t keptBytes = 256u << 20) {
    return std::shared_ptr<PinnedPool>(new PinnedPool(keptBytes));
  }
  size_t idleBytes() const;

 private:
  friend class PinnedBuffer;
  struct Free {
    void operator()(void* memory) const { static_cast<void>(cudaFreeHost(memory)); }
  };
  using Block = std::unique_ptr<void, Free>;
  explicit PinnedPool(size_t keptBytes) : limit_(keptBytes) {}
  Block take(size_t& bytes);
  void give(Block block, size_t bytes) noexcept;

  mutable std::mutex mutex_;
  std::multimap<size_t, Block> idle_;
  size_t idleBytes_ = 0;
  const size_t limit_;
};

/// A block of a pool. Grows, never shrinks; what it held is lost when it grows.
class PinnedBuffer {
 public:
  explicit PinnedBuffer(std::shared_ptr<PinnedPool> pool) : pool_(std::move(pool)) {}
  PinnedBuffer(PinnedBuffer&&) = default;
  PinnedBuffer& operator=(PinnedBuffer&&) = delete;
  ~PinnedBuffer() { release(); }
  void reserve(size_t bytes);
  void* data() const { return block_.get(); }
  size_t capacity() const { return capacity_; }

 private:
  void release() noexcept;

  std::shared_ptr<PinnedPool> pool_;
  PinnedPool::Block block_;
  size_t capacity_ = 0;
};

/// Host memory that the device reads and writes in place. On an integrated GPU, which shares memory with the CPU, this
/// saves the copies; elsewhere each access crosses the bus.
class MappedBuffer {
 public:
  void reserve(size_t bytes);
  void* data() const { return memory_.get(); }  ///< for the CPU
  void* device() const { return device_; }      ///< the same memory as the device addresses it
  size_t capacity() const { return capacity_; }

 private:
  struct Free {
    void operator()(void* memory) const { static_cast<void>(cudaFreeHost(memory)); }
  };
  std::unique_ptr<void, Free> memory_;
  void* device_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace presisi::cuda
