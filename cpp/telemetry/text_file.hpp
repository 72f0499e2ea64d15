#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// The small files of procfs and sysfs: opened once, read again and again without allocating.
namespace presisi::telemetry {

/// Read a number at `at` after blanks and move `at` past it. False, with `at` and `value` untouched, where there is
/// none or where it doesn't fit. A dot separates decimals in every locale.
bool parseUnsigned(const char*& at, uint64_t& value) noexcept;
bool parseDecimal(const char*& at, double& value) noexcept;  ///< sign and decimals allowed, no exponent

/// The number of the line that starts with `name` (`VmHWM:`), in bytes where it is in kB; kAbsent where there is none.
double numberOf(const char* text, const char* name) noexcept;

/// Stays open, so that reading again is one system call.
class TextFile {
 public:
  TextFile() = default;
  /// Opens it; what is longer than `capacity` bytes is cut off there.
  explicit TextFile(std::string path, size_t capacity = 128);
  TextFile(TextFile&& other) noexcept;
  TextFile& operator=(TextFile&& other) noexcept;
  ~TextFile();

  const std::string& path() const { return path_; }
  /// Reads it anew into `text()`. False where it can't be read now: then `text()` is empty and `error()` an errno.
  bool read() noexcept;
  /// Reads it anew: the number it starts with, kAbsent where there is none.
  double number() noexcept;
  const char* text() const noexcept { return buffer_ ? buffer_.get() : ""; }  ///< ends in a zero
  size_t size() const noexcept { return size_; }
  int error() const noexcept { return error_; }

 private:
  std::string path_;
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  int fd_ = -1;
  int error_ = 0;
};

/// All of a small file, without the blanks and zeros it ends in; nothing where it can't be read.
std::optional<std::string> readText(const std::string& path);

/// Names in a folder that start with `prefix`, those with numbers in their order (`hwmon2` before `hwmon10`); empty
/// where the folder can't be read.
std::vector<std::string> listFolder(const std::string& path, const std::string& prefix = "");

/// The number a name ends in after `prefix` (`cpu12` after `cpu`: 12); nothing where it is not just that.
std::optional<int> numberAfter(const std::string& name, const std::string& prefix);

/// What an errno says, as the end of a reason: `Permission denied`.
std::string errorText(int error);

}  // namespace presisi::telemetry
