#include "telemetry/text_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "telemetry/reader.hpp"

namespace presisi::telemetry {
namespace {

bool isDigit(char c) { return c >= '0' && c <= '9'; }

const char* skipBlanks(const char* at) {
  while (*at == ' ' || *at == '\t') ++at;
  return at;
}

/// `hwmon2` before `hwmon10`: runs of digits compare as numbers, and where two names are alike in that, as text.
bool naturallyBefore(const std::string& a, const std::string& b) {
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() && j < b.size()) {
    if (isDigit(a[i]) && isDigit(b[j])) {
      const size_t ai = std::min(a.find_first_not_of('0', i), a.size());
      const size_t bj = std::min(b.find_first_not_of('0', j), b.size());
      size_t aEnd = ai;
      size_t bEnd = bj;
      while (aEnd < a.size() && isDigit(a[aEnd])) ++aEnd;
      while (bEnd < b.size() && isDigit(b[bEnd])) ++bEnd;
      if (aEnd - ai != bEnd - bj) return aEnd - ai < bEnd - bj;
      const int order = a.compare(ai, aEnd - ai, b, bj, bEnd - bj);
      if (order != 0) return order < 0;
      i = aEnd;
      j = bEnd;
    } else {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i;
      ++j;
    }
  }
  return a.size() - i != b.size() - j ? a.size() - i < b.size() - j : a < b;
}

}  // namespace

bool parseUnsigned(const char*& at, uint64_t& value) noexcept {
  const char* cursor = skipBlanks(at);
  if (!isDigit(*cursor)) return false;
  uint64_t result = 0;
  for (; isDigit(*cursor); ++cursor) {
    const auto digit = static_cast<uint64_t>(*cursor - '0');
    if (result > (UINT64_MAX - digit) / 10) return false;
    result = result * 10 + digit;
  }
  at = cursor;
  value = result;
  return true;
}

bool parseDecimal(const char*& at, double& value) noexcept {
  const char* cursor = skipBlanks(at);
  const bool negative = *cursor == '-';
  if (negative || *cursor == '+') ++cursor;
  if (!isDigit(*cursor)) return false;
  double result = 0;
  for (; isDigit(*cursor); ++cursor) result = result * 10 + (*cursor - '0');
  if (cursor[0] == '.' && isDigit(cursor[1])) {
    double scale = 1;
    double decimals = 0;
    for (++cursor; isDigit(*cursor); ++cursor, scale *= 10) decimals = decimals * 10 + (*cursor - '0');
    result += decimals / scale;
  }
  at = cursor;
  value = negative ? -result : result;
  return true;
}

double numberOf(const char* text, const char* name) noexcept {
  const size_t length = std::strlen(name);
  for (const char* line = text; line && *line; line = std::strchr(line, '\n')) {
    if (*line == '\n') ++line;
    if (std::strncmp(line, name, length) != 0) continue;
    const char* at = line + length;
    double value = 0;
    if (!parseDecimal(at, value)) return kAbsent;
    return std::strncmp(at, " kB", 3) == 0 ? value * 1024 : value;
  }
  return kAbsent;
}

TextFile::TextFile(std::string path, size_t capacity)
    : path_(std::move(path)), buffer_(new char[capacity + 1]), capacity_(capacity) {
  buffer_[0] = '\0';
  fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) error_ = errno;
}

TextFile::TextFile(TextFile&& other) noexcept { *this = std::move(other); }

TextFile& TextFile::operator=(TextFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(buffer_, other.buffer_);
  std::swap(capacity_, other.capacity_);
  std::swap(size_, other.size_);
  std::swap(fd_, other.fd_);
  std::swap(error_, other.error_);
  return *this;
}

TextFile::~TextFile() {
  if (fd_ >= 0) ::close(fd_);
}

bool TextFile::read() noexcept {
  size_ = 0;
  if (!buffer_) return false;
  buffer_[0] = '\0';
  if (fd_ < 0) return false;
  // One call is enough: the kernel makes these files in one piece.
  ssize_t got = ::pread(fd_, buffer_.get(), capacity_, 0);
  if (got < 0 && errno == ENODEV) {
    // A device that went and came back (a core that was offline) has a new file behind the same path.
    const int fresh = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fresh >= 0) {
      ::close(fd_);
      fd_ = fresh;
      got = ::pread(fd_, buffer_.get(), capacity_, 0);
    } else {
      errno = ENODEV;
    }
  }
  if (got < 0) {
    error_ = errno;
    return false;
  }
  error_ = 0;
  size_ = static_cast<size_t>(got);
  buffer_[size_] = '\0';
  return true;
}

double TextFile::number() noexcept {
  double value = 0;
  if (!read()) return kAbsent;
  const char* at = text();
  return parseDecimal(at, value) ? value : kAbsent;
}

std::optional<std::string> readText(const std::string& path) {
  TextFile file(path, 65536);
  if (!file.read()) return std::nullopt;
  std::string text(file.text(), file.size());
  const size_t last = text.find_last_not_of(std::string(" \t\r\n\0", 5));
  text.resize(last == std::string::npos ? 0 : last + 1);
  return text;
}

std::vector<std::string> listFolder(const std::string& path, const std::string& prefix) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), ::closedir);
  if (!folder) return names;
  while (const dirent* entry = ::readdir(folder.get())) {
    std::string name = entry->d_name;
    if (name != "." && name != ".." && name.compare(0, prefix.size(), prefix) == 0) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end(), naturallyBefore);
  return names;
}

std::optional<int> numberAfter(const std::string& name, const std::string& prefix) {
  if (name.compare(0, prefix.size(), prefix) != 0) return std::nullopt;
  const char* at = name.c_str() + prefix.size();
  uint64_t value = 0;
  if (!isDigit(*at) || !parseUnsigned(at, value) || *at != '\0' || value > INT32_MAX) return std::nullopt;
  return static_cast<int>(value);
}

std::string errorText(int error) { return std::generic_category().message(error); }

}  // namespace presisi::telemetry
