#pragma once

#include <memory>
#include <string>

#include "checkpoint/checkpoint.hpp"

namespace presisi::checkpoint {

/// A header of at most 100 MB, as the format says.
inline constexpr uint64_t kMostHeaderBytes = 100000000;

bool isSafetensors(const MappedFile& file);
/// Whether it is the JSON file that says in which of its shards each tensor lies.
bool isSafetensorsIndex(const MappedFile& file);

Checkpoint readSafetensors(const std::string& path, const std::shared_ptr<const MappedFile>& file);
Checkpoint readSafetensorsIndex(const std::string& path, const MappedFile& file);

}  // namespace presisi::checkpoint
