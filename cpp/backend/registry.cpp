#include "backend/registry.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>

#include "backend/reference/reference.hpp"
#include "core/error.hpp"

namespace presisi::backend {

namespace {

/// libgomp's waiting threads spin for milliseconds by default, which starves whatever shares the cores: image decoding,
/// the event loop, other processes. Long enough to bridge the gap between two layers is enough. It reads its
/// environment once, as it is loaded; what the user has set stands.
class SpinCount {
 public:
  SpinCount() : ours_(getenv(kName) == nullptr && getenv("OMP_WAIT_POLICY") == nullptr) {
    if (ours_) setenv(kName, "20000", 1);
  }
  ~SpinCount() {
    if (ours_) unsetenv(kName);
  }
  SpinCount(const SpinCount&) = delete;
  SpinCount& operator=(const SpinCount&) = delete;

 private:
  static constexpr const char* kName = "GOMP_SPINCOUNT";
  bool ours_;
};

struct Registry {
  std::mutex mutex;
  std::string folder;
  std::map<std::string, Loaded> libraries;
};

/// Never destroyed: backends live as long as the process, past every static's destructor.
Registry& registry() {
  static auto* instance = std::make_unique<Registry>().release();
  return *instance;
}

constexpr const char* kReinstall = "reinstall presisi: npm rebuild presisi";

std::string missingHint(const std::string& name) {
  if (name == "cpu") return "apt-get install libdnnl-dev, then reinstall presisi";
  if (name == "tensorrt") {
    return "on a Jetson: apt-get install nvidia-jetpack; elsewhere tensorrt-dev and a CUDA toolkit, or set "
           "TENSORRT_ROOT "
           "and CUDAToolkit_ROOT; then reinstall presisi (npm rebuild presisi)";
  }
  return kReinstall;
}

bool isKnown(const std::string& name) {
  const std::vector<std::string> all = names();
  return std::find(all.begin(), all.end(), name) != all.end();
}

std::string knownNames() {
  std::string list;
  for (const std::string& name : names()) list += name + ", ";
  return list + "auto";
}

Loaded find(const std::string& name) {
  if (name == "reference") return {&reference::instance(), {}, {}};
  Registry& r = registry();
  const std::lock_guard<std::mutex> lock(r.mutex);
  const auto it = r.libraries.find(name);
  if (it != r.libraries.end()) return it->second;
  return r.libraries[name] = loadLibrary(r.folder, name);
}

/// The best available; reference always is.
std::string best() {
  for (const std::string& name : names()) {
    if (probe(name).available) return name;
  }
  return "reference";
}

}  // namespace

Loaded loadLibrary(const std::string& folder, const std::string& name) {
  const std::string file = "libpresisi_" + name + ".so";
  if (folder.empty()) return {nullptr, "the folder of backend libraries was never set", {}};
  const std::string path = folder + "/" + file;
  if (access(path.c_str(), F_OK) != 0) {
    const std::string why = name == "cpu"        ? ": presisi was built without oneDNN"
                            : name == "tensorrt" ? ": presisi was built without TensorRT"
                                                 : "";
    return {nullptr, file + " is not in " + folder + why, missingHint(name)};
  }
  const auto close = [](void* handle) { dlclose(handle); };
  const SpinCount spin;
  std::unique_ptr<void, decltype(close)> handle(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL), close);
  if (handle == nullptr) {
    const char* error = dlerror();
    return {nullptr, file + " could not be loaded: " + (error != nullptr ? error : "unknown reason"),
            missingHint(name)};
  }
  using Entry = const Library* (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(handle.get(), "presisiBackend"));
  if (entry == nullptr) return {nullptr, file + " is no backend of presisi: it has no presisiBackend", kReinstall};
  const Library* library = entry();
  if (library == nullptr || library->create == nullptr) return {nullptr, file + " offers no backend", kReinstall};
  if (library->abiVersion != kAbiVersion) {
    return {nullptr,
            file + " has ABI version " + std::to_string(library->abiVersion) + " but this presisi needs " +
                std::to_string(kAbiVersion),
            kReinstall};
  }
  if (library->version == nullptr || std::string(library->version) != PRESISI_VERSION) {
    return {nullptr,
            file + " belongs to presisi " + (library->version == nullptr ? "(unknown)" : library->version) +
                " but this is " PRESISI_VERSION,
            kReinstall};
  }
  try {
    Backend* backend = library->create();
    if (backend == nullptr) return {nullptr, file + " made no backend", kReinstall};
    handle.release();  // its code must stay for as long as the backend
    return {backend, {}, {}};
  } catch (const std::exception& error) {
    return {nullptr, file + " could not start: " + error.what(), missingHint(name)};
  }
}

void setLibraryFolder(const std::string& folder) {
  Registry& r = registry();
  const std::lock_guard<std::mutex> lock(r.mutex);
  r.folder = folder;
  // What failed may succeed there; what is loaded stays.
  for (auto it = r.libraries.begin(); it != r.libraries.end();) {
    it = it->second.backend == nullptr ? r.libraries.erase(it) : std::next(it);
  }
}

std::vector<std::string> names() { return {"tensorrt", "cpu", "reference"}; }

Probe probe(const std::string& name) {
  Probe failed;
  try {
    if (name == "auto") return probe(best());
    if (!isKnown(name)) {
      failed.reason = "no backend is called \"" + name + "\"";
      failed.hint = "use one of " + knownNames();
      return failed;
    }
    const Loaded loaded = find(name);
    if (loaded.backend != nullptr) return loaded.backend->probe();
    failed.reason = loaded.reason;
    failed.hint = loaded.hint;
  } catch (const Error& error) {
    failed.reason = error.what();
    failed.hint = error.hint();
  } catch (const std::exception& error) {
    failed.reason = error.what();
  }
  return failed;
}

Backend& get(const std::string& name) {
  if (name == "auto") return get(best());
  if (!isKnown(name)) {
    throw Error(ErrorCode::InvalidArgument,
                "expected one of " + knownNames() + " for backend but received \"" + name + "\"");
  }
  const Probe found = probe(name);
  if (!found.available) {
    throw Error(ErrorCode::BackendUnavailable, "the " + name + " backend can't be used: " + found.reason, found.hint);
  }
  return *find(name).backend;
}

}  // namespace presisi::backend
