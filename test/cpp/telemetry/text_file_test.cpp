#include "telemetry/text_file.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <cmath>

#include "support/temporary_folder.hpp"

namespace presisi::telemetry {
namespace {

using test::TemporaryFolder;

TEST_CASE("numbers are read where they stand, and only where they stand") {
  const char* at = " 12\t18446744073709551615 x";
  uint64_t value = 0;
  CHECK(parseUnsigned(at, value));
  CHECK(value == 12);
  CHECK(parseUnsigned(at, value));
  CHECK(value == 18446744073709551615U);
  CHECK_FALSE(parseUnsigned(at, value));
  CHECK(std::string(at) == " x");
  CHECK(value == 18446744073709551615U);

  for (const char* wrong : {"", "-1", "x1", "18446744073709551616", "99999999999999999999"}) {
    const char* cursor = wrong;
    CHECK_FALSE(parseUnsigned(cursor, value));
    CHECK(cursor == wrong);
  }
}

TEST_CASE("decimals have a sign and a dot, in every locale") {
  const auto parse = [](const char* text) {
    double value = -1;
    return parseDecimal(text, value) ? value : std::nan("");
  };
  CHECK(parse("0.52 0.58") == doctest::Approx(0.52));
  CHECK(parse("-256000\n") == -256000);
  CHECK(parse("+3") == 3);
  CHECK(parse("7.") == 7);
  CHECK(parse("1.0625") == 1.0625);
  for (const char* wrong : {"", "-", ".5", "<unknown>", "nan", "e5"}) CHECK(std::isnan(parse(wrong)));
}

TEST_CASE("a number is found by the start of its line, in bytes where it is in kB") {
  const char* text = "Name:\tx Rss: 9 kB\nRss:    1752 kB\nRssAnon: 1 kB\nThreads:\t12\nBroken: kB\n";
  CHECK(numberOf(text, "Rss:") == 1752 * 1024);
  CHECK(numberOf(text, "Threads:") == 12);
  CHECK(std::isnan(numberOf(text, "Broken:")));
  CHECK(std::isnan(numberOf(text, "Pss:")));
  CHECK(std::isnan(numberOf("", "Pss:")));
}

TEST_CASE("a file that stays open is read anew each time") {
  const TemporaryFolder folder;
  const std::string path = folder.write("value", "41\n");
  TextFile file(path, 8);
  CHECK(file.number() == 41);
  folder.write("value", "42\n");
  CHECK(file.number() == 42);
  CHECK(std::string(file.text()) == "42\n");
  folder.write("value", "0123456789");
  CHECK(file.read());
  CHECK(std::string(file.text(), file.size()) == "01234567");
  folder.write("value", "");
  CHECK(std::isnan(file.number()));
}

TEST_CASE("a file that can't be opened or read is absent and says why") {
  const TemporaryFolder folder;
  TextFile none((folder.path() / "none").string());
  CHECK_FALSE(none.read());
  CHECK(none.error() == ENOENT);
  CHECK(std::isnan(none.number()));
  CHECK(errorText(none.error()) == "No such file or directory");
  TextFile notAFile(folder.path().string());
  CHECK_FALSE(notAFile.read());
  CHECK(notAFile.error() == EISDIR);
  TextFile unset;
  CHECK_FALSE(unset.read());
  CHECK(std::string(unset.text()).empty());
}

TEST_CASE("a file can be moved while it is open") {
  const TemporaryFolder folder;
  TextFile file(folder.write("a", "1"));
  TextFile other(folder.write("b", "2"));
  other = std::move(file);
  CHECK(other.number() == 1);
}

TEST_CASE("texts lose the blanks and zeros they end in") {
  const TemporaryFolder folder;
  CHECK(readText(folder.write("name", std::string("ga10b\0", 6))) == "ga10b");
  CHECK(readText(folder.write("label", "Core 0 \n")) == "Core 0");
  CHECK(readText(folder.write("empty", "\n")) == "");
  CHECK(readText((folder.path() / "none").string()) == std::nullopt);
}

TEST_CASE("names are listed with their numbers in order") {
  const TemporaryFolder folder;
  for (const char* name : {"cpu10", "cpu2", "cpu0", "cpufreq", "other"}) folder.write(name, "");
  CHECK(listFolder(folder.path().string(), "cpu") == std::vector<std::string>{"cpu0", "cpu2", "cpu10", "cpufreq"});
  CHECK(listFolder((folder.path() / "none").string()).empty());
}

TEST_CASE("a name is a prefix and a number, or not") {
  CHECK(numberAfter("cpu12", "cpu") == 12);
  for (const char* wrong : {"cpu", "cpufreq", "cpu1x", "cpu-1", "xcpu1", "cpu99999999999"}) {
    CHECK(numberAfter(wrong, "cpu") == std::nullopt);
  }
}

}  // namespace
}  // namespace presisi::telemetry
