#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "runtime.hpp"

namespace presisi::doubles::cuda {

namespace {

constexpr size_t kPage = 4096;
// Fresh memory reads as NaN, freed memory is gone: neither passes for a result.
constexpr int kFresh = 0xFF;
constexpr size_t kFillLimit = size_t{64} << 20;

struct Memory {
  std::mutex mutex;
  std::map<uintptr_t, Range> ranges;  ///< by first address
};

Memory& memory() {
  static Memory* state = std::make_unique<Memory>().release();
  return *state;
}

size_t pages(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

/// Whether the next allocation is to fail, or the pretended device has no room.
bool exhausted(size_t bytes) {
  Device& state = device();
  {
    std::lock_guard lock(state.mutex);
    if (state.failAllocation > 0 && --state.failAllocation == 0) return true;
    if (bytes > state.gpu.memory) return true;
  }
  DoubleCudaState used{};
  countMemory(used);
  return used.deviceBytes + used.pinnedBytes + bytes > gpu().memory;
}

std::shared_ptr<uint8_t> allocate(size_t bytes) {
  void* data = std::aligned_alloc(kPage, pages(bytes));
  if (!data) return nullptr;
  if (bytes <= kFillLimit) std::memset(data, kFresh, bytes);
  return {static_cast<uint8_t*>(data), std::free};
}

cudaError_t newRange(void** out, size_t bytes, Range::Kind kind, unsigned flags) {
  if (!out) return fail(cudaErrorInvalidValue);
  if (const cudaError_t error = usable()) return fail(error);
  if (forbiddenByCapture()) return fail(cudaErrorStreamCaptureUnsupported);
  *out = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (exhausted(bytes)) return fail(cudaErrorMemoryAllocation);
  std::shared_ptr<uint8_t> backing = allocate(bytes);
  if (!backing) return fail(cudaErrorMemoryAllocation);
  void* address = backing.get();
  if (kind == Range::Kind::Device) {
    // The address the caller gets is mapped to nothing: only the device (resolve) knows where the bytes are.
    address = mmap(nullptr, pages(bytes), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED) return fail(cudaErrorMemoryAllocation);
  }
  std::lock_guard lock(memory().mutex);
  memory().ranges[reinterpret_cast<uintptr_t>(address)] = {kind, bytes, std::move(backing), flags};
  *out = address;
  return cudaSuccess;
}

/// Takes a range out of the books; false where no range of such a kind starts there.
bool remove(void* address, bool host) {
  Range range;
  {
    std::lock_guard lock(memory().mutex);
    const auto it = memory().ranges.find(reinterpret_cast<uintptr_t>(address));
    if (it == memory().ranges.end()) return false;
    const Range::Kind kind = it->second.kind;
    if (host != (kind == Range::Kind::Pinned) || kind == Range::Kind::Registered) return false;
    range = std::move(it->second);
    memory().ranges.erase(it);
  }
  if (range.kind == Range::Kind::Device) munmap(address, pages(range.bytes));
  return true;
}

cudaError_t release(void* address, bool host) {
  if (const cudaError_t error = usable()) {
    // After a fault memory is still given back, but the call reports the fault.
    if (error != device().sticky) return fail(error);
    remove(address, host);
    return fail(error);
  }
  if (!address) return cudaSuccess;
  if (forbiddenByCapture()) return fail(cudaErrorStreamCaptureUnsupported);
  drainAll();
  return fail(remove(address, host) ? cudaSuccess : cudaErrorInvalidValue);
}

bool isHostKind(Range::Kind kind) { return kind != Range::Kind::Device; }

/// Checks both ends of a copy for its direction.
cudaError_t checkCopy(const void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
  const auto fits = [&](const void* address, bool onDevice) {
    Range range{};
    if (resolve(address, bytes, &range)) return onDevice || isHostKind(range.kind);
    if (resolve(address, 1)) return false;  // starts in a range and leaves it
    return !onDevice && address != nullptr;
  };
  if (kind == cudaMemcpyDefault) {
    return to && from && (resolve(to, bytes) || !resolve(to, 1)) && (resolve(from, bytes) || !resolve(from, 1))
               ? cudaSuccess
               : cudaErrorInvalidValue;
  }
  const bool toDevice = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool fromDevice = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  return fits(to, toDevice) && fits(from, fromDevice) ? cudaSuccess : cudaErrorInvalidValue;
}

bool pageable(const void* address) { return !resolve(address, 1); }

}  // namespace

uint8_t* resolve(const void* address, size_t bytes, Range* found) {
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  std::lock_guard lock(memory().mutex);
  auto it = memory().ranges.upper_bound(wanted);
  if (it == memory().ranges.begin()) return nullptr;
  --it;
  const size_t offset = wanted - it->first;
  if (offset >= it->second.bytes || bytes > it->second.bytes - offset) return nullptr;
  if (found) *found = it->second;
  if (it->second.kind == Range::Kind::Device) return it->second.backing.get() + offset;
  return reinterpret_cast<uint8_t*>(wanted);
}

uint8_t* resolveOrHost(const void* address, size_t bytes, bool mustBeOurs) {
  if (uint8_t* host = resolve(address, bytes)) return host;
  if (mustBeOurs || !address || resolve(address, 1)) return nullptr;
  return static_cast<uint8_t*>(const_cast<void*>(address));
}

void countMemory(DoubleCudaState& state) {
  std::lock_guard lock(memory().mutex);
  for (const auto& [address, range] : memory().ranges) {
    const bool onDevice = range.kind == Range::Kind::Device || range.kind == Range::Kind::Managed;
    (onDevice ? state.deviceAllocations : state.pinnedAllocations) += 1;
    (onDevice ? state.deviceBytes : state.pinnedBytes) += range.bytes;
  }
}

}  // namespace presisi::doubles::cuda

using namespace presisi::doubles::cuda;

void* doubleCudaHostView(const void* address, size_t bytes) {
  if (uint8_t* host = resolve(address, bytes)) return host;
  ++device().invalidAccesses;
  return nullptr;
}

extern "C" {

cudaError_t cudaMalloc(void** address, size_t bytes) { return newRange(address, bytes, Range::Kind::Device, 0); }

cudaError_t cudaMallocManaged(void** address, size_t bytes, unsigned flags) {
  if (bytes == 0) return fail(cudaErrorInvalidValue);
  return newRange(address, bytes, Range::Kind::Managed, flags);
}

cudaError_t cudaFree(void* address) { return release(address, false); }

cudaError_t cudaMallocAsync(void** address, size_t bytes, cudaStream_t stream) {
  if (isCapturing(stream)) return fail(cudaErrorStreamCaptureUnsupported);
  return newRange(address, bytes, Range::Kind::Device, 0);
}

cudaError_t cudaFreeAsync(void* address, cudaStream_t stream) {
  if (!address) return fail(cudaErrorInvalidValue);
  return fail(enqueue(stream, [address] {
    if (!remove(address, false)) throw DeviceFault{cudaErrorInvalidValue};
  }));
}

cudaError_t cudaMallocHost(void** address, size_t bytes) { return cudaHostAlloc(address, bytes, cudaHostAllocDefault); }

cudaError_t cudaHostAlloc(void** address, size_t bytes, unsigned flags) {
  if (flags & ~(cudaHostAllocPortable | cudaHostAllocMapped | cudaHostAllocWriteCombined)) {
    return fail(cudaErrorInvalidValue);
  }
  return newRange(address, bytes, Range::Kind::Pinned, flags);
}

cudaError_t cudaFreeHost(void* address) { return release(address, true); }

cudaError_t cudaHostRegister(void* address, size_t bytes, unsigned flags) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!address || bytes == 0) return fail(cudaErrorInvalidValue);
  if (resolve(address, 1)) return fail(cudaErrorHostMemoryAlreadyRegistered);
  std::lock_guard lock(memory().mutex);
  memory().ranges[reinterpret_cast<uintptr_t>(address)] = {Range::Kind::Registered, bytes, nullptr, flags};
  return cudaSuccess;
}

cudaError_t cudaHostUnregister(void* address) {
  if (const cudaError_t error = usable()) return fail(error);
  drainAll();
  std::lock_guard lock(memory().mutex);
  const auto it = memory().ranges.find(reinterpret_cast<uintptr_t>(address));
  if (it == memory().ranges.end() || it->second.kind != Range::Kind::Registered) {
    return fail(cudaErrorHostMemoryNotRegistered);
  }
  memory().ranges.erase(it);
  return cudaSuccess;
}

cudaError_t cudaHostGetDevicePointer(void** out, void* address, unsigned flags) {
  if (const cudaError_t error = usable()) return fail(error);
  Range range{};
  if (!out || flags != 0 || !resolve(address, 1, &range) || !isHostKind(range.kind)) return fail(cudaErrorInvalidValue);
  *out = address;  // one address space
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* address) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!attributes) return fail(cudaErrorInvalidValue);
  auto* pointer = const_cast<void*>(address);
  Range range{};
  if (!resolve(address, 1, &range)) {
    *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, pointer};
    return cudaSuccess;
  }
  switch (range.kind) {
    case Range::Kind::Device: *attributes = {cudaMemoryTypeDevice, 0, pointer, nullptr}; break;
    case Range::Kind::Managed: *attributes = {cudaMemoryTypeManaged, 0, pointer, pointer}; break;
    default: *attributes = {cudaMemoryTypeHost, 0, pointer, pointer}; break;
  }
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  if (const cudaError_t error = usable()) return fail(error);
  if (!free || !total) return fail(cudaErrorInvalidValue);
  DoubleCudaState used{};
  countMemory(used);
  *total = gpu().memory;
  *free = *total - std::min(*total, used.deviceBytes + (gpu().integrated ? used.pinnedBytes : 0));
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (const cudaError_t error = usable()) return fail(error);
  if (bytes == 0) return cudaSuccess;
  if (const cudaError_t error = checkCopy(to, from, bytes, kind)) {
    ++device().invalidAccesses;
    return fail(error);
  }
  const bool capturing = isCapturing(stream);
  // Pageable memory: its contents are staged before the call returns, and results are there when it does.
  std::shared_ptr<std::vector<uint8_t>> staged;
  if (pageable(from) && !capturing) {
    const auto* bytesOfHost = static_cast<const uint8_t*>(from);
    staged = std::make_shared<std::vector<uint8_t>>(bytesOfHost, bytesOfHost + bytes);
  }
  const bool toOurs = !pageable(to), fromOurs = !pageable(from);
  const cudaError_t error = enqueue(stream, [to, from, bytes, staged, toOurs, fromOurs] {
    if (faulted()) return;
    uint8_t* target = resolveOrHost(to, bytes, toOurs);
    const uint8_t* source = staged ? staged->data() : resolveOrHost(from, bytes, fromOurs);
    if (!target || !source) {
      ++device().invalidAccesses;
      throw DeviceFault{cudaErrorIllegalAddress};
    }
    std::memmove(target, source, bytes);
  });
  if (error == cudaSuccess && !toOurs && !capturing) return cudaStreamSynchronize(stream);
  return fail(error);
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  return error == cudaSuccess && bytes > 0 ? cudaStreamSynchronize(nullptr) : error;
}

cudaError_t cudaMemsetAsync(void* address, int value, size_t bytes, cudaStream_t stream) {
  if (const cudaError_t error = usable()) return fail(error);
  if (bytes == 0) return cudaSuccess;
  if (!resolve(address, bytes)) {
    ++device().invalidAccesses;
    return fail(cudaErrorInvalidValue);
  }
  return fail(enqueue(stream, [address, value, bytes] {
    if (faulted()) return;
    uint8_t* target = resolve(address, bytes);
    if (!target) {
      ++device().invalidAccesses;
      throw DeviceFault{cudaErrorIllegalAddress};
    }
    std::memset(target, value, bytes);
  }));
}

cudaError_t cudaMemset(void* address, int value, size_t bytes) {
  return cudaMemsetAsync(address, value, bytes, nullptr);
}

}  // extern "C"
