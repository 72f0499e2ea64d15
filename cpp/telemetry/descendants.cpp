#include "telemetry/descendants.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <new>
#include <utility>

#include "telemetry/reader.hpp"
#include "telemetry/text_file.hpp"

namespace presisi::telemetry {
namespace {

constexpr size_t kBuffer = 16384;
constexpr size_t kPath = 4096;

/// Calls `f` with each number that is a name in a folder. Unlike opendir it takes no memory.
template <typename F>
void forEachNumber(const char* folder, F&& f) {
  const int fd = ::open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  constexpr size_t kLength = 16;  // of linux_dirent64: inode 8, offset 8, length 2, type 1, name
  constexpr size_t kName = 19;
  alignas(8) char entries[4096];
  for (;;) {
    const long got = ::syscall(SYS_getdents64, fd, entries, sizeof entries);
    if (got <= 0) break;
    for (long at = 0; at < got;) {
      uint16_t length = 0;
      std::memcpy(&length, entries + at + kLength, sizeof length);
      const char* name = entries + at + kName;
      uint64_t number = 0;
      if (parseUnsigned(name, number) && *name == '\0') f(static_cast<int>(number));
      at += length;
    }
  }
  ::close(fd);
}

}  // namespace

Descendants::Descendants(std::string root, int pid)
    : root_(std::move(root)), pid_(pid), search_(std::chrono::seconds(1), 500), buffer_(new char[kBuffer]) {
  const std::string self = std::to_string(pid);
  listsChildren_ = ::access((root_ + "/proc/" + self + "/task/" + self + "/children").c_str(), R_OK) == 0;
  found_.reserve(64);
  if (!listsChildren_) all_.reserve(1024);
}

bool Descendants::readFile(int pid, const char* file) noexcept {
  char path[kPath];
  buffer_[0] = '\0';
  std::snprintf(path, sizeof path, "%s/proc/%d/%s", root_.c_str(), pid, file);
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  size_t size = 0;
  ssize_t got = 0;
  // A list of children comes in pieces.
  while (size < kBuffer - 1 && (got = ::read(fd, buffer_.get() + size, kBuffer - 1 - size)) > 0) {
    size += static_cast<size_t>(got);
  }
  const int error = errno;
  ::close(fd);
  errno = error;
  buffer_[size] = '\0';
  return got >= 0;
}

bool Descendants::look(bool all) noexcept {
  try {
    find(all);
  } catch (const std::bad_alloc&) {
    clear();
    return false;
  }
  measure();
  return true;
}

bool Descendants::clear() noexcept {
  found_.clear();
  usage_ = {};
  return true;
}

void Descendants::find(bool all) {
  if (listsChildren_) {
    findByChildren();
    return;
  }
  const Pace::Clock::time_point began = Pace::Clock::now();
  if (!all && !search_.due(began)) return;
  findByParents();
  search_.done(began, Pace::Clock::now());
}

void Descendants::findByChildren() {
  found_.clear();
  const auto add = [this](int parent) {
    char path[kPath];
    std::snprintf(path, sizeof path, "%s/proc/%d/task", root_.c_str(), parent);
    forEachNumber(path, [this, parent](int thread) {
      char file[64];
      std::snprintf(file, sizeof file, "task/%d/children", thread);
      if (!readFile(parent, file)) return;
      const char* at = buffer_.get();
      uint64_t pid = 0;
      // What fills the buffer may end in half a number.
      while (parseUnsigned(at, pid) && *at != '\0') found_.push_back({static_cast<int>(pid), parent, -1});
    });
  };
  add(pid_);
  for (size_t i = 0; i < found_.size(); ++i) add(found_[i].pid);
}

void Descendants::findByParents() {
  all_.clear();
  char path[kPath];
  std::snprintf(path, sizeof path, "%s/proc", root_.c_str());
  forEachNumber(path, [this](int pid) {
    ProcessStat stat;
    if (readFile(pid, "stat") && parseProcessStat(buffer_.get(), stat)) {
      all_.push_back({pid, stat.parent, stat.start});
    }
  });
  found_.clear();
  const auto add = [this](int parent) {
    std::copy_if(all_.begin(), all_.end(), std::back_inserter(found_),
                 [parent](const Process& process) { return process.parent == parent; });
  };
  add(pid_);
  for (size_t i = 0; i < found_.size(); ++i) add(found_[i].pid);
}

void Descendants::measure() noexcept {
  usage_ = {};
  const auto gone = [this](Process& process) {
    ProcessStat stat;
    if (!readFile(process.pid, "stat") || !parseProcessStat(buffer_.get(), stat)) return true;
    // The number may have gone to another process meanwhile.
    if (process.start >= 0 && process.start != stat.start) return true;
    process.start = stat.start;
    usage_.user += stat.user + stat.childUser;
    usage_.system += stat.system + stat.childSystem;
    usage_.minorFaults += stat.minorFaults;
    usage_.majorFaults += stat.majorFaults;
    // One that ended counts until its parent asks for its end, and what it used becomes the parent's.
    if (stat.state != 'Z' && stat.state != 'X') {
      usage_.living += 1;
      usage_.rss += stat.rss;
    }
    if (readFile(process.pid, "io")) {
      usage_.read += numberOf(buffer_.get(), "read_bytes:");
      usage_.written += numberOf(buffer_.get(), "write_bytes:");
    } else if (errno == EACCES || errno == EPERM) {
      usage_.read = usage_.written = kAbsent;
    }
    return false;
  };
  // In this order: what a parent takes over from a child that ends meanwhile is then missing until the next look, not
  // counted twice.
  found_.erase(std::remove_if(found_.begin(), found_.end(), gone), found_.end());
}

double Descendants::pss() noexcept {
  double sum = 0;
  for (const Process& process : found_) {
    if (readFile(process.pid, "smaps_rollup")) {
      const double pss = numberOf(buffer_.get(), "Pss:");
      if (pss == pss) sum += pss;  // one that ended has no memory, and no such line
    } else if (errno == EACCES || errno == EPERM) {
      return kAbsent;
    }
  }
  return sum;
}

}  // namespace presisi::telemetry
