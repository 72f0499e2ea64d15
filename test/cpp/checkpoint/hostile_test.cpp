#include <doctest/doctest.h>

#include <cstdlib>
#include <limits>

#include "checkpoint/archive_builder.hpp"
#include "checkpoint/checkpoint.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

using namespace presisi;
using namespace presisi::test;

namespace {

constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();

checkpoint::Checkpoint readBytes(const std::string& bytes) {
  const TemporaryFolder folder;
  return checkpoint::read(folder.write("checkpoint.pth", bytes));
}

/// Reads a file of these bytes and every array in it. True when it was refused by a typed error of the right kind;
/// anything else that is thrown passes and fails the test.
bool refusedOrRead(const std::string& bytes) {
  static const TemporaryFolder folder;
  static int count = 0;
  // Always a new file: file systems flush one that is overwritten, which takes long.
  const std::string path = folder.write(std::to_string(count++), bytes);
  const auto error = errorOf([&] {
    const auto read = checkpoint::read(path);
    for (const auto& [name, entry] : read.entries) checkpoint::tensor(entry).clone();
  });
  std::filesystem::remove(path);
  if (!error) return false;
  CHECK((error->code() == ErrorCode::InvalidModel || error->code() == ErrorCode::UnsupportedModel));
  return true;
}

bool refusesTensor(const std::string& text, int64_t offset, const std::vector<int64_t>& dims,
                   const std::vector<int64_t>& strides, ErrorCode code = ErrorCode::InvalidModel) {
  TorchFile file = smallTorchFile();
  file.root = pickled::dict({{"w", pickled::tensor(pickled::storage("FloatStorage", "0", 6), offset, dims, strides)}});
  return throwsError(code, text, [&] { readBytes(file.bytes()); });
}

std::string smallSafetensors() {
  return makeSafetensors(R"({"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
                         std::string(8, '\1'));
}

}  // namespace

TEST_CASE("a checkpoint that would run a command is refused and runs nothing") {
  const TemporaryFolder folder;
  const std::string proof = (folder.path() / "ran").string();
  TorchFile file = smallTorchFile();
  file.root = pickled::dict({{"weight", pickled::reduce(pickled::global("os", "system"),
                                                        pickled::tuple({pickled::text("touch " + proof)}))}});
  const auto error = errorOf([&] { readBytes(file.bytes()); });
  REQUIRE(error);
  CHECK(error->code() == ErrorCode::UnsupportedModel);
  CHECK(std::string(error->what()).find("the global \"os.system\"; nothing but tensors is read") != std::string::npos);
  CHECK(error->hint() == "save the state_dict alone: torch.save(model.state_dict(), path)");
  CHECK_FALSE(std::filesystem::exists(proof));
}

TEST_CASE("a tensor that reaches out of its storage is refused") {
  CHECK(refusesTensor("reaches beyond the 6 elements", 1, {2, 3}, {3, 1}));
  CHECK(refusesTensor("reaches beyond", 7, {0}, {1}));
  CHECK(refusesTensor("reaches beyond", 6, {}, {}));
  CHECK(refusesTensor("reaches beyond", -1, {1}, {1}));
  CHECK(refusesTensor("reaches beyond", 0, {2}, {6}));
  CHECK(refusesTensor("reaches beyond", 5, {2}, {-1}));
  CHECK(refusesTensor("reaches beyond", 0, {2}, {kLargest}));
  CHECK(refusesTensor("reaches beyond", kLargest, {2}, {1}));
  CHECK(refusesTensor("reaches beyond", 0, {3, 2}, {kLargest / 2, 2}));
  CHECK(refusesTensor("negative dimension", 0, {-1, 6}, {6, 1}));
  CHECK(refusesTensor("more elements than 64 bits", 0, {kLargest, kLargest}, {1, 1}));
  CHECK(refusesTensor("more elements than 64 bits", 0, {kLargest, kLargest, 0}, {1, 1, 1}));
  CHECK(refusesTensor("repeats the 6 elements", 0, {kLargest}, {0}, ErrorCode::UnsupportedModel));
  CHECK(refusesTensor("repeats the 6 elements", 0, {7}, {0}, ErrorCode::UnsupportedModel));
}

TEST_CASE("storages that are missing, of another size, or damaged are refused") {
  TorchFile file = smallTorchFile();
  SUBCASE("missing") {
    file.storages.clear();
    CHECK(throwsError(ErrorCode::InvalidModel, "\"data/0\", which is missing", [&] { readBytes(file.bytes()); }));
  }
  SUBCASE("short") {
    file.storages[0].second.pop_back();
    CHECK(throwsError(ErrorCode::InvalidModel, "FloatStorage of 6 elements, but 23 bytes",
                      [&] { readBytes(file.bytes()); }));
  }
  SUBCASE("of a size that overflows") {
    file.root = pickled::dict(
        {{"w", pickled::tensor(pickled::storage("FloatStorage", "0", (int64_t{1} << 62) + 6), 0, {6}, {1})}});
    CHECK(throwsError(ErrorCode::InvalidModel, "but 24 bytes are stored", [&] { readBytes(file.bytes()); }));
  }
  SUBCASE("a bit that flipped") {
    auto members = file.members();
    members[2].crc = 12345;
    CHECK(throwsError(ErrorCode::InvalidModel, "\"archive/data/0\" don't have the checksum",
                      [&] { readBytes(makeZip(members)); }));
  }
  SUBCASE("a key that leads elsewhere") {
    file.root =
        pickled::dict({{"w", pickled::tensor(pickled::storage("FloatStorage", "../data.pkl", 6), 0, {6}, {1})}});
    CHECK(throwsError(ErrorCode::InvalidModel, "which is missing", [&] { readBytes(file.bytes()); }));
  }
  SUBCASE("a name twice, none, or no text") {
    const std::string tensor = pickled::tensor(pickled::storage("FloatStorage", "0", 6), 0, {6}, {1});
    file.root = pickled::dict({{"w", tensor}, {"w", tensor}});
    CHECK(throwsError(ErrorCode::InvalidModel, "two tensors named \"w\"", [&] { readBytes(file.bytes()); }));
    file.root = pickled::dict({{"w", tensor}, {"", tensor}});
    CHECK(throwsError(ErrorCode::InvalidModel, "\"\" is no name", [&] { readBytes(file.bytes()); }));
    file.root = pickled::dict({{"w", tensor}, {"\xff", tensor}});
    CHECK(throwsError(ErrorCode::InvalidModel, "\"\\xff\" is no name", [&] { readBytes(file.bytes()); }));
    file.root = "}(" + pickled::text("w") + tensor + "K\x01" + tensor + "u";
    CHECK(throwsError(ErrorCode::InvalidModel, "found an integer", [&] { readBytes(file.bytes()); }));
  }
}

TEST_CASE("dicts that contain themselves or share each other are searched once") {
  TorchFile file = smallTorchFile();
  // {"model": itself, "net": itself, "x": {"y": itself}, "epoch": 1}
  file.root = "}q\x01(" + pickled::text("model") + "h\x01" + pickled::text("net") + "h\x01" + pickled::text("x") + "}" +
              pickled::text("y") + "h\x01s" + pickled::text("epoch") + "K\x01u";
  CHECK(throwsError(ErrorCode::UnsupportedModel, "a dict without tensors", [&] { readBytes(file.bytes()); }));
  // 100,000 references to a dict of 100,000 items, with parameters beside them.
  const auto many = [](const std::string& value) {
    std::string all;
    for (int i = 0; i < 100000; ++i) all += pickled::text(std::to_string(i)) + value;
    return all;
  };
  const std::string parameters = pickled::text("state_dict") + file.root;
  file = smallTorchFile();
  file.root = "}q\x01(" + many("K\x01") + "u0}(" + pickled::text("state_dict") + file.root + many("h\x01") + "u";
  const auto read = readBytes(file.bytes());
  CHECK(read.entries.size() == 1);
  CHECK(read.facts.size() <= 1000);
}

TEST_CASE("an archive that is cut anywhere is refused") {
  SUBCASE("at every byte") {
    const std::string torch = smallTorchFile().bytes();
    const std::string safetensors = smallSafetensors();
    for (const std::string& whole : {torch, safetensors}) {
      REQUIRE_FALSE(refusedOrRead(whole));
      for (size_t size = 0; size < whole.size(); ++size) {
        CAPTURE(size);
        CHECK(refusedOrRead(whole.substr(0, size)));
      }
    }
  }
  SUBCASE("at every kilobyte of a large one") {
    TorchFile file = smallTorchFile();
    file.storages.emplace_back("1", std::string(300000, 'x'));
    file.storages.emplace_back("2", std::string(50000, 'y'));
    ZipOptions options;
    options.zip64End = true;
    const std::string whole = file.bytes(options);
    REQUIRE_FALSE(refusedOrRead(whole));
    for (size_t size = 0; size < whole.size(); size += 1024) CHECK(refusedOrRead(whole.substr(0, size)));
  }
}

TEST_CASE("any byte may be any other: a typed error or a sound read") {
  ZipOptions unchecked;
  unchecked.checksums = false;
  for (const std::string& whole : {smallTorchFile().bytes(), smallTorchFile().bytes(unchecked), smallSafetensors()}) {
    for (size_t i = 0; i < whole.size(); ++i) {
      for (const unsigned char flip : {0x01, 0x80, 0xFF}) {
        std::string damaged = whole;
        damaged[i] = static_cast<char>(static_cast<unsigned char>(damaged[i]) ^ flip);
        refusedOrRead(damaged);
      }
    }
  }
}

TEST_CASE("with checksums, no changed byte of an array or of the pickle goes unnoticed") {
  const TorchFile file = smallTorchFile();
  const std::string whole = file.bytes();
  for (const std::string& part : {file.storages[0].second, file.root}) {
    const size_t start = whole.find(part);
    REQUIRE(start != std::string::npos);
    for (size_t i = start; i < start + part.size(); ++i) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ 4);
      CHECK(refusedOrRead(damaged));
    }
  }
}
