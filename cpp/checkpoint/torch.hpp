#pragma once

#include <memory>
#include <string>

#include "checkpoint/checkpoint.hpp"

namespace presisi::checkpoint {

/// A zip file of torch.save (PyTorch 1.6 and later). The bytes of every storage that parameters lie in are verified.
Checkpoint readTorch(const std::string& path, const std::shared_ptr<const MappedFile>& file);

/// Whether the file is a pickle (torch.save before 1.6, or with the old format asked for) or the tar before that.
bool isTorchLegacy(const MappedFile& file);
/// Throws UnsupportedModel saying which of them it is.
[[noreturn]] void refuseTorchLegacy(const std::string& path, const MappedFile& file);

/// Takes off what wrappers put before every name, as often as they did. Part of readTorch, and of use to safetensors,
/// which are saved of wrapped models too.
void removeWrapperPrefixes(Checkpoint& checkpoint);

}  // namespace presisi::checkpoint
