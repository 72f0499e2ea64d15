#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/file.hpp"
#include "core/tensor.hpp"

/// Trained weights as frameworks save them. A file is mapped and described; no array is copied before it is asked for
/// (what PyTorch saved with checksums is verified at once), and nothing in a file is ever executed.
namespace presisi::checkpoint {

/// One array of a checkpoint: where its elements lie in the mapped file. Everything was checked against the file's
/// size: `data` and every element that dims and strides reach are inside the array's storage.
struct Entry {
  DType dtype = DType::Undefined;
  Dims dims;
  Dims strides;  ///< in elements; row-major for what is dense
  const uint8_t* data = nullptr;
  std::shared_ptr<const MappedFile> file;  ///< keeps `data` alive

  bool isDense() const;  ///< row-major without gaps
};

struct Checkpoint {
  enum class Format { PyTorch, Safetensors };
  Format format = Format::PyTorch;
  /// Where in the file the parameters lay: `state_dict`, `model`, …; empty when at its top.
  std::string section;
  /// By name. A prefix that wrappers put before every name (`module.` of DataParallel, `_orig_mod.` of torch.compile)
  /// is taken off.
  std::map<std::string, Entry> entries;
  /// Plain facts kept beside the parameters: safetensors' `__metadata__`, and the strings and numbers beside a
  /// state_dict (`arch`, `epoch`, …).
  std::map<std::string, std::string> facts;
  /// The files read: one, or an index and its shards.
  std::vector<std::string> files;
};

/// What a file is, by its content. Throws FileSystem.
enum class FileKind { Torch, TorchLegacy, Safetensors, SafetensorsIndex, Other };
FileKind kindOf(const std::string& path);

/// Reads a `.pth`/`.pt` (PyTorch's zip, 1.6 and later), a `.safetensors`, or the index file of a sharded one.
/// Throws FileSystem; InvalidModel for what is truncated, corrupt or contradicts itself; UnsupportedModel for what is
/// sound but not read (the legacy format, a pickled module, an element type), with a hint how to save it anew.
Checkpoint read(const std::string& path);

/// The array's elements in its own type, row-major: a view of the file where they lie so and are aligned, else a copy.
Tensor tensor(const Entry& entry);

/// `PyTorch`, `safetensors`, for messages and metadata.
const char* name(Checkpoint::Format format);

}  // namespace presisi::checkpoint
