#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace presisi {

/// A whole file mapped read-only. Shared so that tensors can look into it and keep it alive.
class MappedFile {
 public:
  /// Throws FileSystem naming the path and the reason (missing, a directory, no permission, …).
  static std::shared_ptr<const MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  /// Takes what has been read out of the process's resident memory; it comes back, unchanged, where it is read again.
  void dropPages() const;

 private:
  MappedFile() = default;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

/// A piece of memory to write; the parts of a file are written one after the other.
struct ByteSpan {
  const void* data;
  size_t size;
};

/// Writes the parts to a temporary file beside `path`, fsyncs and renames: readers see the old file or the new one,
/// never a part, and a failure (no space, no permission) leaves nothing behind. What was written outlives a loss of
/// power. Throws FileSystem.
void writeFileAtomically(const std::string& path, const std::vector<ByteSpan>& parts);

}  // namespace presisi
