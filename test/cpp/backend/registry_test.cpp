#include "backend/registry.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

using namespace presisi;
using namespace presisi::test;

namespace {

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Some shared library that is no backend: the C library this program has loaded.
std::string anyLibrary() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const size_t path = line.find('/');
    if (path != std::string::npos && mentions(line, "/libc.so") && mentions(line, " r-xp ")) return line.substr(path);
  }
  return {};
}

}  // namespace

TEST_CASE("registry: reference is always there, and so auto always finds one") {
  CHECK(backend::get("reference").name() == "reference");
  const backend::Probe probe = backend::probe("reference");
  CHECK(probe.available);
  CHECK(probe.reason.empty());
  CHECK(std::count(probe.precisions.begin(), probe.precisions.end(), "int8") == 1);
  CHECK(backend::probe("auto").available);
  const std::vector<std::string> names = backend::names();
  CHECK(std::count(names.begin(), names.end(), backend::get("auto").name()) == 1);
}

TEST_CASE("registry: an unknown name says which there are") {
  const backend::Probe probe = backend::probe("../../evil");
  CHECK_FALSE(probe.available);
  CHECK(mentions(probe.reason, "\"../../evil\""));
  CHECK(mentions(probe.hint, "cpu, reference, auto"));
  CHECK(throwsError(ErrorCode::InvalidArgument, "cpu, reference, auto", [] { backend::get("gpu"); }));
}

TEST_CASE("registry: a library that is missing is said to be, with what mends it") {
  const TemporaryFolder folder;
  const backend::Loaded loaded = backend::loadLibrary(folder.path(), "cpu");
  CHECK(loaded.backend == nullptr);
  CHECK(mentions(loaded.reason, "libpresisi_cpu.so is not in " + folder.path().string()));
  CHECK(mentions(loaded.reason, "built without oneDNN"));
  CHECK(mentions(loaded.hint, "apt-get install libdnnl-dev"));
  CHECK(mentions(backend::loadLibrary("", "cpu").reason, "folder"));
}

TEST_CASE("registry: a file that is no library gives the loader's own reason") {
  const TemporaryFolder folder;
  folder.write("libpresisi_cpu.so", "this is not an ELF file");
  const backend::Loaded loaded = backend::loadLibrary(folder.path(), "cpu");
  CHECK(loaded.backend == nullptr);
  CHECK(mentions(loaded.reason, "could not be loaded: "));
  CHECK(mentions(loaded.reason, folder.path().string()));
}

TEST_CASE("registry: a library that is no backend is refused") {
  const std::string library = anyLibrary();
  REQUIRE_FALSE(library.empty());
  const TemporaryFolder folder;
  std::filesystem::create_symlink(library, folder.path() / "libpresisi_cpu.so");
  const backend::Loaded loaded = backend::loadLibrary(folder.path(), "cpu");
  CHECK(loaded.backend == nullptr);
  CHECK(mentions(loaded.reason, "has no presisiBackend"));
}

TEST_CASE("registry: many threads may ask at once") {
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 50; ++k) {
        backend::probe("cpu");
        answered += backend::probe("auto").available;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(answered == 400);
}

#ifdef PRESISI_FIXTURES
TEST_CASE("registry: a backend library of another build is refused, one of this build is used") {
  const std::string fixtures = PRESISI_FIXTURES;
  const auto load = [&](const char* variant) { return backend::loadLibrary(fixtures + "/" + variant, "cpu"); };
  const backend::Loaded abi = load("other_abi");
  CHECK(abi.backend == nullptr);
  CHECK(mentions(abi.reason, "has ABI version 4711 but this presisi needs " + std::to_string(backend::kAbiVersion)));
  const backend::Loaded version = load("other_version");
  CHECK(version.backend == nullptr);
  CHECK(mentions(version.reason, "belongs to presisi 0.0.0-other but this is " PRESISI_VERSION));
  const backend::Loaded empty = load("no_backend");
  CHECK(empty.backend == nullptr);
  CHECK(mentions(empty.reason, "made no backend"));
  const backend::Loaded throwing = load("throwing");
  CHECK(throwing.backend == nullptr);
  CHECK(mentions(throwing.reason, "could not start: no such processor"));
  const backend::Loaded good = load("good");
  REQUIRE(good.backend != nullptr);
  CHECK(good.backend->name() == "fixture");
}
#endif
