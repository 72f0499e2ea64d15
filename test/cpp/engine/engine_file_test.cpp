#include "engine/engine_file.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "core/error.hpp"
#include "support/temporary_folder.hpp"

using namespace presisi::engine;
using presisi::Error;
using presisi::ErrorCode;

namespace {

/// A path in a folder of its own; both go with the object.
class TemporaryFile {
 public:
  const std::string& path() const { return path_; }

  std::string read() const {
    std::ifstream in(path_, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }
  void write(const std::string& bytes) const { std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes; }

 private:
  presisi::test::TemporaryFolder folder_;
  std::string path_ = (folder_.path() / "model.engine").string();
};

/// Places to damage: every byte that means something, and some of the padding, which is all alike.
std::vector<size_t> places(size_t size) {
  std::vector<size_t> all;
  for (size_t at = 0; at<size; at += at> 160 && at < 4000 ? 160 : 1) all.push_back(at);
  return all;
}

const std::string kMetadata = R"({"backend": "cpu", "version": "0.1.0", "precision": "int8"})";

/// What reading the bytes gives: Internal when it succeeds.
ErrorCode codeOf(const TemporaryFile& file, const std::string& bytes) {
  file.write(bytes);
  try {
    readEngineFile(file.path());
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::Internal;
}

std::string withField(std::string bytes, size_t offset, uint64_t value, int size) {
  for (int i = 0; i < size; ++i) bytes[offset + static_cast<size_t>(i)] = static_cast<char>(value >> (8 * i));
  return bytes;
}

}  // namespace

TEST_CASE("engine file: what was written comes back, aligned") {
  const TemporaryFile file;
  for (const size_t size : {0u, 1u, 4096u, 100001u}) {
    CAPTURE(size);
    std::string plan(size, '\0');
    for (size_t i = 0; i < size; ++i) plan[i] = static_cast<char>(i * 31);
    writeEngineFile(file.path(), kMetadata, plan);
    const EngineFile engine = readEngineFile(file.path());
    CHECK(engine.backend == "cpu");
    CHECK(engine.metadata == kMetadata);
    REQUIRE(engine.planBytes == size);
    CHECK(std::memcmp(engine.plan, plan.data(), size) == 0);
    CHECK(reinterpret_cast<uintptr_t>(engine.plan) % 4096 == 0);
    CHECK(file.read().size() == 4096 + size);
  }
}

TEST_CASE("engine file: truncated anywhere") {
  const TemporaryFile file;
  writeEngineFile(file.path(), kMetadata, std::string(300, 'p'));
  const std::string whole = file.read();
  for (const size_t size : places(whole.size())) {
    if (codeOf(file, whole.substr(0, size)) != ErrorCode::InvalidEngine) FAIL("truncated to ", size, " bytes");
  }
  CHECK(codeOf(file, whole + "x") == ErrorCode::InvalidEngine);
  CHECK(codeOf(file, whole) == ErrorCode::Internal);
}

TEST_CASE("engine file: any flipped bit is found") {
  const TemporaryFile file;
  writeEngineFile(file.path(), kMetadata, std::string(300, 'p'));
  const std::string whole = file.read();
  for (const size_t at : places(whole.size())) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    const ErrorCode code = codeOf(file, damaged);
    const bool isVersion = at >= 8 && at < 12;
    if (code != (isVersion ? ErrorCode::IncompatibleEngine : ErrorCode::InvalidEngine)) FAIL("flip at ", at);
  }
}

TEST_CASE("engine file: headers that lie about sizes") {
  const TemporaryFile file;
  writeEngineFile(file.path(), kMetadata, std::string(300, 'p'));
  const std::string whole = file.read();
  for (const size_t offset : {16u, 24u, 32u, 40u}) {
    for (const uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{63}, uint64_t{4095}, uint64_t{1} << 32,
                                 uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{0} - 4095, ~uint64_t{0} - 64}) {
      CAPTURE(offset);
      CAPTURE(value);
      CHECK(codeOf(file, withField(whole, offset, value, 8)) == ErrorCode::InvalidEngine);
    }
  }
  CHECK(codeOf(file, withField(whole, 12, 0, 4)) == ErrorCode::InvalidEngine);
  CHECK(codeOf(file, withField(whole, 12, 0xffffffff, 4)) == ErrorCode::InvalidEngine);
  CHECK(codeOf(file, withField(whole, 8, kFormatVersion + 1, 4)) == ErrorCode::IncompatibleEngine);
}

TEST_CASE("engine file: metadata has to say what it is for") {
  const TemporaryFile file;
  for (const char* metadata : {"", "{", "[]", "{}", R"({"backend": "cpu"})", R"({"backend": 1, "version": "1"})",
                               R"({"backend": "cpu", "version": null})", "\xff"}) {
    CAPTURE(metadata);
    CHECK_THROWS_AS(writeEngineFile(file.path(), metadata, "plan"), Error);
  }
  CHECK_THROWS_AS(readEngineFile(file.path()), Error);  // nothing was left behind
}

TEST_CASE("engine file: other files and none") {
  const TemporaryFile file;
  CHECK(codeOf(file, "") == ErrorCode::InvalidEngine);
  CHECK(codeOf(file, std::string(10000, '\0')) == ErrorCode::InvalidEngine);
  CHECK_THROWS_WITH_AS(readEngineFile(file.path() + ".missing"), doctest::Contains(".missing"), Error);
}
