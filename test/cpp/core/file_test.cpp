#include "core/file.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "support/temporary_folder.hpp"

using namespace presisi;

namespace {

/// Resident pages of mapped files, in kB.
int64_t residentFiles() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("RssFile:", 0) == 0) return std::stoll(line.substr(8));
  }
  return -1;
}

int64_t sumOf(const MappedFile& file) {
  int64_t sum = 0;
  for (size_t i = 0; i < file.size(); ++i) sum += file.data()[i];
  return sum;
}

}  // namespace

TEST_CASE("file: dropped pages leave memory, and come back as they were") {
  test::TemporaryFolder folder;
  std::string bytes(8 << 20, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
  const auto file = MappedFile::open(folder.write("large", bytes));
  const int64_t before = residentFiles();
  const int64_t sum = sumOf(*file);
  const int64_t read = residentFiles();
  file->dropPages();
  const int64_t dropped = residentFiles();
  if (before >= 0) {
    CHECK(read - before > 7000);
    CHECK(read - dropped > 7000);
  }
  CHECK(sumOf(*file) == sum);
  CHECK(MappedFile::open(folder.write("empty", ""))->size() == 0);
  CHECK_NOTHROW(MappedFile::open(folder.write("empty", ""))->dropPages());
}
