#include "checkpoint/zip.hpp"

#include <doctest/doctest.h>

#include "checkpoint/archive_builder.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

using namespace presisi;
using namespace presisi::test;
using checkpoint::ZipArchive;

namespace {

ZipArchive open(const std::string& bytes) {
  const TemporaryFolder folder;
  return ZipArchive(MappedFile::open(folder.write("a.zip", bytes)), "a.zip");
}

ZipMember member(const std::string& name, const std::string& bytes) {
  ZipMember out;
  out.name = name;
  out.bytes = bytes;
  return out;
}

std::string contents(const ZipArchive& archive, const std::string& name) {
  const auto* found = archive.find(name);
  REQUIRE(found != nullptr);
  const auto view = archive.read(*found);
  return {reinterpret_cast<const char*>(view.data), view.size};
}

bool refuses(const std::string& text, const std::string& bytes) {
  return throwsError(ErrorCode::InvalidModel, text, [&] { open(bytes); });
}

}  // namespace

TEST_CASE("the CRC-32 is that of zip files, for every length of rest") {
  const auto crc = [](const std::string& text) {
    return checkpoint::crc32(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  };
  CHECK(crc("") == 0);
  CHECK(crc("123456789") == 0xCBF43926u);  // the check value of the CRC catalogues
  CHECK(crc("The quick brown fox jumps over the lazy dog") == 0x414FA339u);
  // Bit by bit, from the definition.
  for (size_t size = 0; size < 40; ++size) {
    std::string text;
    for (size_t i = 0; i < size; ++i) text += static_cast<char>(i * 37 + 11);
    uint32_t expected = ~0u;
    for (const char c : text) {
      expected ^= static_cast<uint8_t>(c);
      for (int bit = 0; bit < 8; ++bit) expected = (expected >> 1) ^ ((expected & 1) != 0 ? 0xEDB88320u : 0u);
    }
    CHECK(crc(text) == ~expected);
  }
}

TEST_CASE("members are found by name, with and without ZIP64 fields, descriptors and a comment") {
  for (const bool zip64 : {false, true}) {
    for (const bool descriptor : {false, true}) {
      for (const bool zip64End : {false, true}) {
        std::vector<ZipMember> members = {member("x/b", "second"), member("x/a", "first"), member("x/empty", "")};
        for (auto& m : members) {
          m.zip64 = zip64;
          m.descriptor = descriptor;
        }
        ZipOptions options;
        options.zip64End = zip64End;
        options.comment = zip64 ? "a comment with PK\5\6 in it" : "";
        const ZipArchive archive = open(makeZip(members, options));
        CHECK(archive.members().size() == 3);
        CHECK(archive.members()[0].name == "x/b");
        CHECK(contents(archive, "x/a") == "first");
        CHECK(contents(archive, "x/b") == "second");
        CHECK(contents(archive, "x/empty").empty());
        CHECK(archive.find("x/c") == nullptr);
        CHECK(archive.find("x") == nullptr);
      }
    }
  }
  CHECK(open(makeZip({})).members().empty());
}

TEST_CASE("checksums are verified, unless an archive was saved without any") {
  std::vector<ZipMember> members = {member("a", "first"), member("b", "second")};
  members[1].crc = 0;
  const ZipArchive one = open(makeZip(members));
  CHECK(one.hasChecksums());
  CHECK(contents(one, "a") == "first");
  CHECK(
      throwsError(ErrorCode::InvalidModel, "member \"b\" don't have the checksum", [&] { one.read(*one.find("b")); }));
  members[1].crc = {};
  ZipOptions options;
  options.checksums = false;
  const ZipArchive none = open(makeZip(members, options));
  CHECK_FALSE(none.hasChecksums());
  CHECK(contents(none, "b") == "second");
}

TEST_CASE("compressed and encrypted members are named") {
  std::vector<ZipMember> members = {member("a", "first"), member("b", "second")};
  members[1].method = 8;
  members[1].size = 1u << 30;  // what it claims to unpack to
  members[1].packed = 6;
  const ZipArchive archive = open(makeZip(members));
  CHECK(
      throwsError(ErrorCode::UnsupportedModel, "\"b\" is compressed (zip method 8)", [&] { archive.requireStored(); }));
  members[0].flags = 1;
  CHECK(throwsError(ErrorCode::UnsupportedModel, "\"a\" is encrypted", [&] { open(makeZip(members)); }));
}

TEST_CASE("sizes and offsets that lie are refused") {
  const auto with = [](auto change) {
    std::vector<ZipMember> members = {member("a", "first"), member("b", "second")};
    change(members);
    return makeZip(members);
  };
  CHECK(refuses("reaches beyond", with([](auto& m) { m[1].size = 7000; })));
  CHECK(refuses("reaches beyond", with([](auto& m) { m[0].header = 1u << 20; })));
  CHECK(refuses("reaches beyond", with([](auto& m) {
                  m[1].zip64 = true;
                  m[1].size = ~uint64_t{0} - 10;
                })));
  CHECK(refuses("reaches beyond", with([](auto& m) {
                  m[1].zip64 = true;
                  m[1].header = ~uint64_t{0} - 10;
                })));
  CHECK(refuses("stored, yet of", with([](auto& m) { m[1].packed = 1; })));
  CHECK(refuses("\"a\" and \"b\" overlap", with([](auto& m) {
                  m[0].descriptor = true;
                  m[0].size = 60;
                })));
  CHECK(refuses("two members named \"a\"", with([](auto& m) { m[1].name = "a"; })));
  CHECK(refuses("contradict each other", with([](auto& m) { m[1].localName = "c"; })));
  CHECK(refuses("is not at offset 3", with([](auto& m) { m[0].header = 3; })));
  // The same local header twice: the second copy of the name must overlap the first.
  CHECK(refuses("", with([](auto& m) {
                  m[1] = m[0];
                  m[1].header = 0;
                })));
}

TEST_CASE("a directory that lies is refused") {
  const std::vector<ZipMember> members = {member("a", "first")};
  const auto with = [&](auto change) {
    ZipOptions options;
    change(options);
    return makeZip(members, options);
  };
  for (const bool zip64End : {false, true}) {
    const uint64_t most = zip64End ? ~uint64_t{0} : 0xFFFE;
    CHECK(refuses("can't list", with([&](auto& o) {
                    o.zip64End = zip64End;
                    o.count = most;
                  })));
    CHECK(refuses("should span", with([&](auto& o) {
                    o.zip64End = zip64End;
                    o.directoryOffset = most;
                  })));
    CHECK(refuses("should span", with([&](auto& o) {
                    o.zip64End = zip64End;
                    o.directorySize = most;
                  })));
    CHECK(refuses("more than its members need", with([&](auto& o) {
                    o.zip64End = zip64End;
                    o.count = 0;
                  })));
  }
  CHECK(refuses("at least 22 bytes", "PK\3\4"));
  CHECK(refuses("is missing", "PK\3\4" + std::string(70000, 'x')));
  std::string bytes = makeZip(members, [] {
    ZipOptions options;
    options.zip64End = true;
    return options;
  }());
  bytes.replace(bytes.size() - 22 - 20 + 8, 8, std::string(8, '\xff'));
  CHECK(refuses("ZIP64 directory record is not at", bytes));
  // A saturated size without the field that has the real one.
  std::string saturated = makeZip(members);
  const size_t directory = saturated.find("PK\1\2");
  saturated.replace(directory + 20, 8, std::string(8, '\xff'));
  CHECK(refuses("ZIP64 sizes", saturated));
}
