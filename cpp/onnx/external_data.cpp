#include "onnx/external_data.hpp"

#include <cstring>
#include <filesystem>
#include <system_error>

#include "core/error.hpp"

namespace presisi::onnx {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void refuse(const std::string& label, const std::string& reason, const std::string& hint = {}) {
  throw Error(ErrorCode::InvalidModel, label + ": " + reason, hint);
}

uint64_t parseBytes(const std::string& text, const char* what, const std::string& label) {
  uint64_t value = 0;
  bool good = !text.empty();
  for (const char c : text) {
    good = good && c >= '0' && c <= '9' && !__builtin_mul_overflow(value, uint64_t{10}, &value) &&
           !__builtin_add_overflow(value, static_cast<uint64_t>(c - '0'), &value);
  }
  if (!good) {
    refuse(label,
           std::string("expected a number of bytes as ") + what + " of its external data but found \"" + text + "\"");
  }
  return value;
}

/// Whether `path` is `folder` or inside it; both canonical.
bool isInside(const fs::path& path, const fs::path& folder) {
  auto part = path.begin();
  for (const fs::path& expected : folder) {
    if (expected.empty()) continue;  // a trailing separator
    if (part == path.end() || *part != expected) return false;
    ++part;
  }
  return true;
}

}  // namespace

std::shared_ptr<const MappedFile> ExternalData::open(const std::string& location, const std::string& label) {
  const auto known = files_.find(location);
  if (known != files_.end()) return known->second;

  const fs::path relative = fs::path(location).lexically_normal();
  if (location.empty() || location.find('\0') != std::string::npos || relative.is_absolute() ||
      *relative.begin() == "..") {
    refuse(label, "expected the location of its external data to be a path inside the model's folder but found \"" +
                      location + "\"");
  }
  const fs::path folder = folder_;
  std::error_code error;
  const fs::path root = fs::canonical(folder, error);
  if (error) throw Error(ErrorCode::FileSystem, "cannot read the folder " + folder_ + ": " + error.message());
  const fs::path file = fs::canonical(root / relative, error);
  if (error) {
    throw Error(ErrorCode::FileSystem,
                label + ": cannot open its external data " + (folder / relative).string() + ": " + error.message(),
                "keep the files that came with the model beside it");
  }
  if (!isInside(file, root)) {
    refuse(label, "its external data \"" + location + "\" is a link that leads out of the model's folder",
           "copy the file itself beside the model");
  }
  // Before opening: to open a named pipe would wait for its writer.
  if (!fs::is_regular_file(file, error)) {
    refuse(label, "its external data \"" + location + "\" is not a regular file");
  }
  auto mapped = MappedFile::open(file.string());
  files_.emplace(location, mapped);
  return mapped;
}

Tensor ExternalData::load(const std::vector<std::pair<std::string, std::string>>& entries, DType dtype,
                          const Dims& dims, const std::string& label) {
  std::string location;
  uint64_t offset = 0;
  const uint64_t bytes = static_cast<uint64_t>(elementCount(dims)) * byteSize(dtype);
  for (const auto& [key, value] : entries) {
    if (key == "location") location = value;
    if (key == "offset") offset = parseBytes(value, "offset", label);
    if (key == "length") {
      const uint64_t length = parseBytes(value, "length", label);
      if (length != bytes) {
        refuse(label, "expected " + std::to_string(bytes) + " bytes of external data for shape " + toString(dims) +
                          " of " + name(dtype) + " but its length is " + std::to_string(length));
      }
    }
  }
  if (folder_.empty()) {
    throw Error(ErrorCode::InvalidModel, label + ": its data lies in another file, \"" + location + "\"",
                "load the model from its file, not from memory, so that the file beside it can be found");
  }
  const auto file = open(location, label);
  if (offset > file->size() || bytes > file->size() - offset) {
    refuse(label,
           "expected " + std::to_string(bytes) + " bytes at offset " + std::to_string(offset) + " of \"" + location +
               "\" but the file has " + std::to_string(file->size()),
           "the file may be incomplete: fetch it again");
  }
  return viewOrCopy(dtype, dims, file->data() + offset, file);
}

Tensor viewOrCopy(DType dtype, const Dims& dims, const void* bytes, const std::shared_ptr<const void>& owner) {
  const bool aligned = reinterpret_cast<uintptr_t>(bytes) % byteSize(dtype) == 0;
  if (owner != nullptr && aligned && bytes != nullptr) return Tensor::view(dtype, dims, bytes, owner);
  Tensor copy(dtype, dims);
  if (copy.bytes() > 0) std::memcpy(copy.data<void>(), bytes, copy.bytes());
  return copy;
}

}  // namespace presisi::onnx
