// A libFuzzer target for the readers of checkpoints.
//
//   clang++-14 -std=c++17 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -Icpp \
//     test/fuzz/checkpoint.cpp cpp/core/*.cpp cpp/checkpoint/*.cpp -o checkpoint
//   mkdir -p corpus && ./checkpoint -max_len=8192 -rss_limit_mb=2048 -max_total_time=180 corpus seeds/
//
// where seeds/ holds small .pth and .safetensors files. Have some among them saved without checksums
// (torch.serialization.set_crc32_options(False)): a change to the others mostly ends at the CRC.

#include "checkpoint/checkpoint.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "checkpoint/pickle.hpp"
#include "core/error.hpp"

using namespace presisi;

namespace {

/// A file in memory under a name that can be opened.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : fd_(::memfd_create("checkpoint", MFD_CLOEXEC)) {
    if (fd_ < 0 || ::write(fd_, data, size) != static_cast<ssize_t>(size)) std::abort();
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

template <typename F>
void expectTypedErrors(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    // A shard that an index names need not exist.
    if (error.code() != ErrorCode::InvalidModel && error.code() != ErrorCode::UnsupportedModel &&
        error.code() != ErrorCode::FileSystem) {
      std::abort();
    }
  }
}

/// Every element that a checkpoint promises is there.
uint64_t touchAll(const checkpoint::Checkpoint& checkpoint) {
  uint64_t sum = 0;
  for (const auto& [name, entry] : checkpoint.entries) {
    const Tensor tensor = checkpoint::tensor(entry);
    for (size_t i = 0; i < tensor.bytes(); ++i) sum += tensor.data<uint8_t>()[i];
  }
  return sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile file(data, size);
  volatile uint64_t sink = 0;
  expectTypedErrors([&] { sink = touchAll(checkpoint::read(file.path())); });
  // The pickle machine alone, which an archive's directory would mostly keep the input away from.
  expectTypedErrors([&] { sink = sink + checkpoint::pickle::read({data, size}, "pickle").root(); });
  return 0;
}
