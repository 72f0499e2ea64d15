#pragma once

#include <string>
#include <vector>

#include "backend/backend.hpp"

namespace presisi::backend {

/// Where backend libraries (`libpresisi_<name>.so`) are looked for: the addon's own folder. Set once at start.
void setLibraryFolder(const std::string& folder);

/// `reference` is always there; `cpu` and others are libraries loaded on first use. Best first.
std::vector<std::string> names();

/// Why a backend can't be used is in the probe, never thrown.
Probe probe(const std::string& name);

/// Throws BackendUnavailable with the reason and the hint of the probe, InvalidArgument for an unknown name.
/// `auto` is the best available. The backend lives as long as the process.
Backend& get(const std::string& name);

/// What a backend library exports: `extern "C" const presisi::backend::Library* presisiBackend();`
struct Library {
  int abiVersion;
  const char* version;  ///< presisi's own version, which must match exactly
  Backend* (*create)();
};

/// What came of looking for a backend library: the backend, which lives as long as the process, or why there is none.
struct Loaded {
  Backend* backend = nullptr;
  std::string reason, hint;
};

/// Loads `libpresisi_<name>.so` from a folder. Never throws, and keeps nothing of a library it refuses.
Loaded loadLibrary(const std::string& folder, const std::string& name);

}  // namespace presisi::backend
