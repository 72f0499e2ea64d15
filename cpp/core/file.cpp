#include "core/file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/error.hpp"

namespace presisi {

namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void fail(const std::string& action, const std::string& path, int error) {
  std::string hint;
  if (error == ENOSPC || error == EDQUOT) hint = "free some disk space, or choose another output folder";
  if (error == ENOENT) hint = "check the path; relative paths start at the current working directory";
  if (error == EACCES || error == EROFS) hint = "check the permissions of the file and its folder";
  throw Error(ErrorCode::FileSystem, "cannot " + action + " " + path + ": " + std::strerror(error), hint);
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  // Not blocking: a named pipe is refused below instead of being waited for.
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) fail("open", path, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) fail("read", path, errno);
  if (S_ISDIR(info.st_mode)) fail("read", path, EISDIR);
  if (!S_ISREG(info.st_mode)) {
    throw Error(ErrorCode::FileSystem, "cannot read " + path + ": not a regular file");
  }
  std::shared_ptr<MappedFile> file(new MappedFile());
  file->size_ = static_cast<size_t>(info.st_size);
  if (file->size_ > 0) {
    void* memory = ::mmap(nullptr, file->size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (memory == MAP_FAILED) fail("map", path, errno);
    file->data_ = static_cast<const uint8_t*>(memory);
  }
  return file;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<uint8_t*>(data_), size_);
}

void MappedFile::dropPages() const {
  // Nothing depends on it: a system that doesn't do it keeps the pages.
  if (data_ != nullptr) (void)::madvise(const_cast<uint8_t*>(data_), size_, MADV_DONTNEED);
}

void writeFileAtomically(const std::string& path, const std::vector<ByteSpan>& parts) {
  static std::atomic<unsigned> counter{0};
  const std::string temporary = path + "." + std::to_string(::getpid()) + "-" + std::to_string(counter++) + ".tmp";
  const FileDescriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (fd.get() < 0) fail("write", path, errno);
  const auto abandon = [&](int error) {
    ::unlink(temporary.c_str());
    fail("write", path, error);
  };
  for (const ByteSpan& part : parts) {
    const auto* bytes = static_cast<const uint8_t*>(part.data);
    size_t left = part.size;
    while (left > 0) {
      const ssize_t written = ::write(fd.get(), bytes, left);
      if (written < 0) {
        if (errno == EINTR) continue;
        abandon(errno);
      }
      bytes += written;
      left -= static_cast<size_t>(written);
    }
  }
  if (::fsync(fd.get()) != 0) abandon(errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0) abandon(errno);
  // The new name outlives a loss of power once its folder is on the disk. A folder that may not be read can't be
  // synced.
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const FileDescriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0 && ::fsync(directory.get()) != 0 && errno != EINVAL) fail("write", path, errno);
}

}  // namespace presisi
