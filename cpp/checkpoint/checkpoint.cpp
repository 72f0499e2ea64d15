#include "checkpoint/checkpoint.hpp"

#include <algorithm>
#include <cstring>

#include "checkpoint/bytes.hpp"
#include "checkpoint/safetensors.hpp"
#include "checkpoint/torch.hpp"

namespace presisi::checkpoint {

namespace {

constexpr uint32_t kZipMagic = 0x04034B50;  // PK\3\4

FileKind kindOf(const MappedFile& file) {
  if (file.size() >= 4 && load<uint32_t>(file.data()) == kZipMagic) return FileKind::Torch;
  if (isTorchLegacy(file)) return FileKind::TorchLegacy;
  if (isSafetensors(file)) return FileKind::Safetensors;
  if (isSafetensorsIndex(file)) return FileKind::SafetensorsIndex;
  return FileKind::Other;
}

Checkpoint readFile(const std::string& path) {
  const auto file = MappedFile::open(path);
  switch (kindOf(*file)) {
    case FileKind::Torch: return readTorch(path, file);
    case FileKind::TorchLegacy: refuseTorchLegacy(path, *file);
    case FileKind::Safetensors: return readSafetensors(path, file);
    case FileKind::SafetensorsIndex: return readSafetensorsIndex(path, *file);
    case FileKind::Other: break;
  }
  throw Error(ErrorCode::InvalidModel,
              path + ": expected a PyTorch checkpoint or safetensors, but it begins as neither",
              "checkpoints are files of torch.save, .safetensors, and the .safetensors.index.json of sharded ones");
}

/// Copies the elements of axis `axis` and the axes behind it, one after the other. Rank is bounded by the readers.
uint8_t* gather(const Entry& entry, size_t width, size_t axis, const uint8_t* from, uint8_t* to) {
  if (axis == entry.dims.size()) {
    std::memcpy(to, from, width);
    return to + width;
  }
  const int64_t step = entry.strides[axis] * static_cast<int64_t>(width);
  if (axis + 1 == entry.dims.size() && entry.strides[axis] == 1) {
    const size_t bytes = static_cast<size_t>(entry.dims[axis]) * width;
    std::memcpy(to, from, bytes);
    return to + bytes;
  }
  for (int64_t i = 0; i < entry.dims[axis]; ++i) to = gather(entry, width, axis + 1, from + i * step, to);
  return to;
}

}  // namespace

bool Entry::isDense() const {
  if (std::find(dims.begin(), dims.end(), 0) != dims.end()) return true;
  int64_t expected = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    if (dims[i] != 1 && strides[i] != expected) return false;
    expected *= dims[i];
  }
  return true;
}

FileKind kindOf(const std::string& path) { return kindOf(*MappedFile::open(path)); }

Checkpoint read(const std::string& path) {
  Checkpoint checkpoint = readFile(path);
  removeWrapperPrefixes(checkpoint);
  return checkpoint;
}

Tensor tensor(const Entry& entry) {
  const size_t width = byteSize(entry.dtype);
  const int64_t count = elementCount(entry.dims);
  const bool aligned = reinterpret_cast<uintptr_t>(entry.data) % width == 0;
  if (count > 0 && entry.isDense() && aligned) return Tensor::view(entry.dtype, entry.dims, entry.data, entry.file);
  Tensor copy(entry.dtype, entry.dims);
  if (count == 0) return copy;
  if (entry.isDense()) {
    std::memcpy(copy.data<uint8_t>(), entry.data, copy.bytes());
  } else {
    gather(entry, width, 0, entry.data, copy.data<uint8_t>());
  }
  return copy;
}

const char* name(Checkpoint::Format format) {
  return format == Checkpoint::Format::PyTorch ? "PyTorch" : "safetensors";
}

}  // namespace presisi::checkpoint
