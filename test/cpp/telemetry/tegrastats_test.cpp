#include "telemetry/tegrastats.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "support/temporary_folder.hpp"
#include "telemetry/readings.hpp"

using namespace presisi;
using namespace presisi::telemetry;
using namespace presisi::test;

namespace {

using std::chrono::milliseconds;

std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Whether a process does nothing any more: it is gone, or only waits for somebody to ask how it ended.
bool hasEnded(pid_t pid) {
  const std::string stat = slurp("/proc/" + std::to_string(pid) + "/stat");
  const size_t name = stat.rfind(')');
  return name == std::string::npos || stat[name + 2] == 'Z';
}

/// A program in place of tegrastats. It notes its number and arguments, and then prints what the test feeds it.
class Fake {
 public:
  Fake() : Fake("exec cat '$FEED'\n") {}
  explicit Fake(const std::string& body) {
    feedPath_ = (folder_.path() / "feed").string();
    mkfifo(feedPath_.c_str(), 0600);
    connect();
    std::string script = "#!/bin/sh\necho \"$$ $*\" >>'$LOG'\n" + body;
    replace(script, "$LOG", (folder_.path() / "log").string());
    replace(script, "$FEED", feedPath_);
    program_ = folder_.write("tegrastats", script);
    chmod(program_.c_str(), 0700);
  }
  ~Fake() { hangUp(); }
  Fake(const Fake&) = delete;
  Fake& operator=(const Fake&) = delete;

  TegrastatsOptions options() const {
    TegrastatsOptions options;
    options.program = program_;
    options.interval = milliseconds(20000);  // so long are values valid that no stall of the machine ages them
    options.firstLine = milliseconds(20000);
    options.silence = milliseconds(60000);
    options.backoff = milliseconds(1);
    return options;
  }
  void print(const std::string& text) const {
    CHECK(write(feed_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  /// The one that runs sees the end of what is fed, and ends; the next one can be fed.
  void die() {
    const pid_t pid = lastPid();
    hangUp();
    CHECK(eventually([&] { return hasEnded(pid); }));
    connect();
  }
  /// What each start noted: its number and its arguments.
  std::vector<std::string> starts() const {
    std::istringstream log(slurp(folder_.path() / "log"));
    std::vector<std::string> lines;
    for (std::string line; std::getline(log, line);) lines.push_back(line);
    return lines;
  }
  pid_t lastPid() const { return std::stoi(starts().back()); }
  const std::string& program() const { return program_; }

 private:
  // Open for both, so that neither opening nor writing waits for the other side.
  void connect() { feed_ = ::open(feedPath_.c_str(), O_RDWR | O_CLOEXEC); }
  void hangUp() { close(feed_); }
  static void replace(std::string& text, const std::string& what, const std::string& with) {
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what))
      text.replace(at, what.size(), with);
  }

  TemporaryFolder folder_;
  std::string feedPath_;
  std::string program_;
  int feed_ = -1;
};

constexpr const char* kLine =
    "RAM 1/2MB CPU [5%@1224,off] EMC_FREQ 10%@1600 GR3D_FREQ 50%@[600,1300] PMIC@50C CPU@40C GPU 463/463 VDD_IN "
    "6140/5510\n";

}  // namespace

TEST_CASE("tegrastats: what the first line says is what there is to read") {
  const Fake fake;
  fake.print(std::string("garbage\n\n") + kLine);
  const Source source = runTegrastats(fake.options());
  INFO(source.reason);
  REQUIRE(source.reader);
  CHECK(readings(*source.reader) == std::map<std::string, double>{{"power.GPU", 0.463},
                                                                  {"power.VDD_IN", 6.14},
                                                                  {"gpu.load", 0.5},
                                                                  {"gpu.clock", 1.3e9},
                                                                  {"memory.load", 0.1},
                                                                  {"temperature.CPU", 40},
                                                                  {"clock.cpu.0", 1.224e9}});
  const Quantity& input = *find(*source.reader, "power.VDD_IN");
  CHECK(input.unit == "W");
  CHECK(input.source == "tegrastats");
  CHECK(input.sensor == "tegrastats: VDD_IN");
  CHECK(source.reader->period() == milliseconds(20000));
  REQUIRE(fake.starts().size() == 1);
  CHECK(mentions(fake.starts()[0], " --interval 20000"));
}

TEST_CASE("tegrastats: lines in pieces, several at once, and lines that lack something") {
  Fake fake;
  fake.print("GR3D_FREQ 50% VDD_IN 1000/1000\n");
  const Source source = runTegrastats(fake.options());
  REQUIRE(source.reader);
  Reader& reader = *source.reader;
  CHECK(names(reader) == std::vector<std::string>{"power.VDD_IN", "gpu.load"});
  fake.print("GR3D_FREQ 60% VDD_IN 2000/1000\nGR3D_FREQ 70% VDD_IN 3000/1000\nGR3D_FREQ 8");
  CHECK(eventually([&] {
    return readings(reader) == std::map<std::string, double>{{"power.VDD_IN", 3}, {"gpu.load", 0.7}};
  }));
  fake.print("0% VDD_IN 4000/10");
  fake.print("00\n");
  CHECK(eventually([&] {
    return readings(reader) == std::map<std::string, double>{{"power.VDD_IN", 4}, {"gpu.load", 0.8}};
  }));
  fake.print("VDD_IN 5000/1000 VDD_NEW 5/5\n");
  CHECK(eventually([&] { return readings(reader) == std::map<std::string, double>{{"power.VDD_IN", 5}}; }));
  // One without end is no line, and what follows it is one.
  fake.print(std::string(50000, 'x') + " VDD_IN 9/9\nVDD_IN 6000/6000\n");
  CHECK(eventually([&] { return readings(reader) == std::map<std::string, double>{{"power.VDD_IN", 6}}; }));
}

TEST_CASE("tegrastats: what it said three intervals ago isn't told any more") {
  const Fake fake;
  TegrastatsOptions options = fake.options();
  options.interval = milliseconds(500);
  fake.print(kLine);
  const Source source = runTegrastats(options);
  REQUIRE(source.reader);
  CHECK(readings(*source.reader).size() == 7);
  CHECK(eventually([&] { return readings(*source.reader).empty(); }));
  // Nothing has happened to it.
  CHECK_FALSE(hasEnded(fake.lastPid()));
  fake.print(kLine);
  CHECK(eventually([&] { return readings(*source.reader).size() == 7; }));
  CHECK(fake.starts().size() == 1);
}

TEST_CASE("tegrastats: one that stays silent is replaced") {
  const Fake fake;
  TegrastatsOptions options = fake.options();
  options.silence = milliseconds(2000);
  fake.print(kLine);
  const Source source = runTegrastats(options);
  REQUIRE(source.reader);
  const pid_t silent = fake.lastPid();
  CHECK(eventually([&] { return readings(*source.reader).empty() && fake.starts().size() >= 2; }));
  CHECK(hasEnded(silent));
  fake.print(kLine);
  CHECK(eventually([&] { return readings(*source.reader).size() == 7; }));
}

TEST_CASE("tegrastats: one that has died says nothing, however new its last line is") {
  Fake fake;
  TegrastatsOptions options = fake.options();
  options.interval = std::chrono::hours(1);
  options.silence = std::chrono::hours(1);
  options.restarts = 0;
  fake.print(kLine);
  const Source source = runTegrastats(options);
  REQUIRE(source.reader);
  CHECK(readings(*source.reader).size() == 7);
  fake.die();
  CHECK(eventually([&] { return readings(*source.reader).empty(); }));
}

TEST_CASE("tegrastats: one that dies gives nothing, is started again, and in the end is given up") {
  Fake fake;
  TegrastatsOptions options = fake.options();
  options.restarts = 2;
  fake.print(kLine);
  const Source source = runTegrastats(options);
  REQUIRE(source.reader);
  for (size_t start = 2; start <= 3; ++start) {
    const pid_t dead = fake.lastPid();
    fake.die();
    CHECK(eventually([&] { return readings(*source.reader).empty(); }));
    CHECK(eventually([&] { return readings(*source.reader).empty() && fake.starts().size() == start; }));
    CHECK(hasEnded(dead));
    CHECK(fake.lastPid() != dead);
    fake.print(kLine);
    CHECK(eventually([&] { return readings(*source.reader).size() == 7; }));
  }
  fake.die();
  CHECK(eventually([&] { return readings(*source.reader).empty(); }));
  fake.print(kLine);
  bool absent = true;
  const auto until = std::chrono::steady_clock::now() + milliseconds(200);
  while (std::chrono::steady_clock::now() < until) absent = absent && readings(*source.reader).empty();
  CHECK(absent);
  CHECK(fake.starts().size() == 3);
}

TEST_CASE("tegrastats: the program and what it started end with the reader, and leave nothing behind") {
  const Fake fake("echo 'VDD_IN 5000/5000'\nsleep 1000 &\necho \"$!\" >>'$LOG'\necho 'VDD_IN 5000/5000'\nwait\n");
  Source source = runTegrastats(fake.options());
  REQUIRE(source.reader);
  REQUIRE(eventually([&] { return fake.starts().size() == 2; }));
  const pid_t script = std::stoi(fake.starts()[0]);
  const pid_t child = fake.lastPid();
  CHECK_FALSE(hasEnded(script));
  CHECK_FALSE(hasEnded(child));
  CHECK(eventually([&] { return source.reader->cpuSeconds() > 0; }));
  source.reader.reset();
  // Asked how it ended already, so not even a zombie.
  CHECK(kill(script, 0) == -1);
  CHECK(eventually([&] { return hasEnded(child); }));
}

TEST_CASE("tegrastats: the program ends when this process dies without a word, though it ignored SIGPIPE") {
  const Fake fake("while :; do echo 'VDD_IN 5000/5000'; sleep 0.01; done\n");
  const pid_t presisi = fork();
  REQUIRE(presisi >= 0);
  if (presisi == 0) {
    signal(SIGPIPE, SIG_IGN);
    const Source source = runTegrastats(fake.options());
    raise(SIGKILL);
  }
  int status = 0;
  REQUIRE(waitpid(presisi, &status, 0) == presisi);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(fake.starts().size() == 1);
  CHECK(eventually([&] { return hasEnded(fake.lastPid()); }));
}

TEST_CASE("tegrastats: its files are closed in other programs") {
  const Fake fake;
  fake.print(kLine);
  const Source source = runTegrastats(fake.options());
  REQUIRE(source.reader);
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (gone || target.compare(0, 5, "pipe:") != 0) continue;
    const int fd = std::stoi(entry.path().filename());
    // The pipe of the reader is the only one that doesn't block.
    if ((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0) CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  }
}

TEST_CASE("tegrastats: why there is none") {
  Place place;
  place.tegrastats = "/nowhere/tegrastats";
  CHECK(openTegrastats(place).reason == "no program is called /nowhere/tegrastats");
  place.tegrastats.clear();
  place.root = "/recorded";
  CHECK(mentions(openTegrastats(place).reason, "/recorded is a recording"));

  const Fake ends("echo 'tegrastats: no such device'\nexit 3\n");
  const Source ended = runTegrastats(ends.options());
  CHECK_FALSE(ended.reader);
  CHECK(ended.reason == ends.program() + " ended (exit status 3) before it printed a line that is understood");

  const Fake silent;
  silent.print("not a line of it\n");
  TegrastatsOptions options = silent.options();
  options.firstLine = milliseconds(50);
  const Source waited = runTegrastats(options);
  CHECK_FALSE(waited.reader);
  CHECK(waited.reason == silent.program() + " printed nothing that is understood in 50 ms");

  options.program = silent.program() + "/no";
  CHECK(mentions(runTegrastats(options).reason, "can't be started: "));
}

TEST_CASE("tegrastats: a program of the user's choice is run as tegrastats would be") {
  const Fake fake;
  fake.print(kLine);
  Place place;
  place.root = recordings() + "/orin-nano";
  place.tegrastats = fake.program();
  const Source source = openTegrastats(place);
  REQUIRE(source.reader);
  CHECK(readings(*source.reader).at("power.VDD_IN") == doctest::Approx(6.14));
}
