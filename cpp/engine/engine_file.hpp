#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/file.hpp"

namespace presisi::engine {

/// One file: a fixed header, metadata as JSON, and the backend's plan, aligned and checksummed.
///
/// offset  size  field (little-endian)
///      0     8  magic "PRESISI\n"
///      8     4  format version
///     12     4  header bytes (64)
///     16     8  metadata offset        24  8  metadata bytes
///     32     8  plan offset (4096-aligned)  40  8  plan bytes
///     48     8  XXH64 of the metadata     56  8  XXH64 of the plan
///
/// XXH64 and not XXH3, which gave other values before its library's 0.8, as Ubuntu 20.04 has it.
inline constexpr uint32_t kFormatVersion = 2;

struct EngineFile {
  std::string backend;   ///< from the metadata
  std::string metadata;  ///< the JSON as it was written
  const uint8_t* plan = nullptr;
  size_t planBytes = 0;
  std::shared_ptr<const MappedFile> file;
};

/// Atomic: see writeFileAtomically. `metadata` is a JSON object with at least `backend` and `version` (strings).
void writeEngineFile(const std::string& path, const std::string& metadata, const std::string& plan);

/// Whether the file begins as an engine does. Throws FileSystem.
bool isEngineFile(const std::string& path);

/// Throws FileSystem; InvalidEngine (not an engine, truncated, damaged: says which part); IncompatibleEngine (other
/// format version).
EngineFile readEngineFile(const std::string& path);

}  // namespace presisi::engine
