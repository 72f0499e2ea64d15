#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>

#include "columns.hpp"
#include "support/temporary_folder.hpp"
#include "telemetry/process_stat.hpp"
#include "telemetry/reader.hpp"

namespace presisi::telemetry {
namespace {

using test::Columns;
using test::TemporaryFolder;

/// A process in a recorded /proc. Times in ticks of 1/100 s.
struct Recorded {
  int pid = 4711;
  int parent = 1;
  std::string name = "node";
  char state = 'S';
  int user = 0;
  int system = 0;
  int childUser = 0;
  int childSystem = 0;
  int pages = 0;
  int start = 1000;
};

std::string statText(const Recorded& process) {
  char numbers[512];
  std::snprintf(numbers, sizeof numbers,
                ") %c %d 1 1 0 -1 4194304 100 10 3 1 %d %d %d %d 20 0 7 0 %d 2373202 %d 18446744073709551615 1 1 0 0\n",
                process.state, process.parent, process.user, process.system, process.childUser, process.childSystem,
                process.start, process.pages);
  return std::to_string(process.pid) + " (" + process.name + numbers;
}

std::string ioText(int read, int written) {
  return "rchar: 7674\nwchar: 698\nsyscr: 12\nsyscw: 1\nread_bytes: " + std::to_string(read) +
         "\nwrite_bytes: " + std::to_string(written) + "\ncancelled_write_bytes: 0\n";
}

void writeProcess(const TemporaryFolder& folder, const Recorded& process) {
  const std::string proc = "proc/" + std::to_string(process.pid);
  folder.write(proc + "/stat", statText(process));
  folder.write(proc + "/status", "Name:\tnode\nVmHWM:\t    2000 kB\nVmRSS:\t    1684 kB\nThreads:\t7\n");
  folder.write(proc + "/smaps_rollup",
               "1-2 ---p 00000000 00:00 0 [rollup]\nRss: 1752 kB\nPss: 358 kB\nPss_Dirty: 1 kB\n");
  folder.write(proc + "/io", ioText(4096, 8192));
}

Place placeOf(const TemporaryFolder& folder, int pid) {
  Place place;
  place.root = folder.path().string();
  place.pid = pid;
  return place;
}

double cpuOf(const Columns& columns) {
  return columns["process.cpu.user"].value() + columns["process.cpu.system"].value();
}

double seconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

void burn(double cpuSeconds) {
  const double until = seconds(CLOCK_PROCESS_CPUTIME_ID) + cpuSeconds;
  while (seconds(CLOCK_PROCESS_CPUTIME_ID) < until) {
  }
}

/// A child that works, says so, and waits to be told to end.
class Child {
 public:
  explicit Child(const std::function<void()>& work) {
    REQUIRE(::pipe(ready_) == 0);
    REQUIRE(::pipe(end_) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    char byte = 0;
    if (pid_ == 0) {
      work();
      const bool told = ::write(ready_[1], &byte, 1) == 1 && ::read(end_[0], &byte, 1) == 1;
      ::_exit(told ? 0 : 1);
    }
    REQUIRE(::read(ready_[0], &byte, 1) == 1);
  }
  ~Child() {
    for (int fd : {ready_[0], ready_[1], end_[0], end_[1]}) ::close(fd);
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  /// Ends it; it stays a zombie until reap().
  void end() {
    const char byte = 0;
    REQUIRE(::write(end_[1], &byte, 1) == 1);
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) == 0);
  }
  /// Its CPU seconds.
  double reap() {
    rusage usage{};
    int status = 0;
    REQUIRE(::wait4(pid_, &status, 0, &usage) == pid_);
    pid_ = 0;
    CHECK(status == 0);
    return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
  }

 private:
  int ready_[2] = {};
  int end_[2] = {};
  pid_t pid_ = 0;
};

TEST_CASE("numbers of /proc/PID/stat come after the last parenthesis") {
  Recorded process;
  process.name = "a) R 9 (b";
  process.state = 'D';
  process.parent = 42;
  process.user = 250;
  process.childSystem = 50;
  process.pages = 3;
  ProcessStat stat;
  REQUIRE(parseProcessStat(statText(process).c_str(), stat));
  CHECK(stat.pid == 4711);
  CHECK(stat.state == 'D');
  CHECK(stat.parent == 42);
  CHECK(stat.user == doctest::Approx(2.5));
  CHECK(stat.childSystem == doctest::Approx(0.5));
  CHECK(stat.minorFaults == 110);
  CHECK(stat.majorFaults == 4);
  CHECK(stat.threads == 7);
  CHECK(stat.start == 1000);
  CHECK(stat.rss == 3.0 * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  for (const char* wrong : {"", "4711 (node", "4711 (node)", "4711 (node) S 1 2 3\n", "(node) S 1 1 1"}) {
    CHECK_FALSE(parseProcessStat(wrong, stat));
  }
}

TEST_CASE("the process itself: CPU between two readings of its clock") {
  const Source source = openProcess({});
  REQUIRE(source.reader);
  CHECK(source.name == "process");
  Columns columns(*source.reader);
  const double before = seconds(CLOCK_PROCESS_CPUTIME_ID);
  const double first = cpuOf(columns.readAll());
  const double between = seconds(CLOCK_PROCESS_CPUTIME_ID);
  burn(0.05);
  const double burnt = seconds(CLOCK_PROCESS_CPUTIME_ID);
  const double second = cpuOf(columns.read());
  const double after = seconds(CLOCK_PROCESS_CPUTIME_ID);
  CHECK(second - first >= burnt - between - 1e-4);
  CHECK(second - first <= after - before + 1e-4);
}

TEST_CASE("the process itself: memory, faults, switches, threads") {
  const Source source = openProcess({});
  Columns columns(*source.reader);
  columns.readAll();
  const double rss = columns["process.rss"].value();
  const double faults = columns["process.faults.minor"].value();
  CHECK(rss > 1e6);
  CHECK(columns["process.rss.peak"].value() >= rss);
  CHECK(columns["process.threads"].value() >= 1);
  CHECK(columns["process.children"] == 0);
  const double switches = columns["process.switches.voluntary"].value();
  constexpr size_t kBytes = 64 << 20;
  const std::vector<char> memory(kBytes, 1);
  const timespec moment{0, 1000000};  // long enough to be put aside
  ::nanosleep(&moment, nullptr);
  columns.readAll();
  CHECK(columns["process.rss"].value() - rss > 0.9 * kBytes);
  CHECK(columns["process.rss.peak"].value() >= columns["process.rss"].value());
  CHECK(columns["process.faults.minor"].value() > faults);
  CHECK(columns["process.switches.voluntary"].value() > switches);
  if (const auto pss = columns["process.pss"]) CHECK(*pss > 0.9 * kBytes);
}

TEST_CASE("what costs much is absent in between, and there when all is asked for") {
  const Source source = openProcess({});
  Columns columns(*source.reader);
  columns.readAll();
  if (columns["process.pss"]) CHECK(columns.absent("process.pss"));  // not at the very start
  columns.read();
  for (const char* name : {"process.threads", "process.children", "process.rss.peak", "process.pss"}) {
    if (columns[name]) CHECK(columns.absent(name));
  }
  CHECK_FALSE(columns.absent("process.cpu.user"));
  CHECK_FALSE(columns.absent("process.faults.major"));
  columns.readAll();
  for (const std::string& name : columns.names()) CHECK_FALSE(columns.absent(name));
}

TEST_CASE("children count while they live, while they wait to be reaped, and after: never back, never twice") {
  const Source source = openProcess({});
  Columns columns(*source.reader);
  const double ownBefore = seconds(CLOCK_PROCESS_CPUTIME_ID);
  const double before = cpuOf(columns.readAll());
  const double rssBefore = columns["process.rss"].value();
  CHECK(columns["process.children"] == 0);

  constexpr size_t kBytes = 32 << 20;
  static volatile char* memory = nullptr;
  Child child([] {
    memory = static_cast<char*>(::malloc(kBytes));
    for (size_t i = 0; i < kBytes; i += 1024) memory[i] = 1;
    burn(0.2);
  });
  const double living = cpuOf(columns.readAll());
  CHECK(columns["process.children"] == 1);
  CHECK(living - before > 0.17);  // procfs counts in hundredths, user and system apart
  CHECK(columns["process.rss"].value() - rssBefore > 0.9 * kBytes);

  child.end();
  const double ended = cpuOf(columns.readAll());
  CHECK(ended >= living);
  CHECK(columns["process.children"] == 0);
  CHECK(columns["process.rss"].value() - rssBefore < 0.9 * kBytes);

  const double used = child.reap();
  // Not asked to look for children, it has to see by itself that one is gone.
  const double reaped = cpuOf(columns.read());
  const double own = seconds(CLOCK_PROCESS_CPUTIME_ID) - ownBefore;
  CHECK(reaped >= ended);
  CHECK(reaped - before >= used);
  CHECK(reaped - before <= own + used + 0.001);
}

TEST_CASE("grandchildren count, too") {
  const Source source = openProcess({});
  Columns columns(*source.reader);
  columns.readAll();
  Child child([] {
    int pipes[2];
    if (::pipe(pipes) != 0) ::_exit(1);
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      burn(0.1);
      char byte = 0;
      // Lives as long as the child, which closes the pipe by ending.
      const bool told = ::write(pipes[1], &byte, 1) == 1;
      while (told && ::getppid() != 1) ::usleep(1000);
      ::_exit(0);
    }
    char byte = 0;
    if (::read(pipes[0], &byte, 1) != 1) ::_exit(1);
  });
  columns.readAll();
  CHECK(columns["process.children"] == 2);
  child.end();
  child.reap();
}

TEST_CASE("with children coming and going the CPU time never steps back, and comes out right") {
  const Source source = openProcess({});
  Columns columns(*source.reader);
  const double ownBefore = seconds(CLOCK_PROCESS_CPUTIME_ID);
  const double before = cpuOf(columns.readAll());
  double last = before;
  double used = 0;
  const auto look = [&](bool all) {
    const double now = cpuOf(all ? columns.readAll() : columns.read());
    CHECK(now >= last);
    last = now;
  };
  for (int i = 0; i < 8; ++i) {
    Child child([i] { burn(0.005 * i); });
    look(i % 2 == 0);
    child.end();
    look(i % 3 == 0);
    used += child.reap();
    look(false);
  }
  look(true);
  const double own = seconds(CLOCK_PROCESS_CPUTIME_ID) - ownBefore;
  CHECK(last - before >= used);
  CHECK(last - before <= own + used + 0.001);
}

TEST_CASE("another process, as it was recorded, with its descendants") {
  for (const bool listsChildren : {false, true}) {
    CAPTURE(listsChildren);
    const TemporaryFolder folder;
    const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
    writeProcess(folder, {4711, 1, "node", 'S', 100, 50, 20, 10, 1000, 1000});
    writeProcess(folder, {4712, 4711, "python) S 1", 'R', 30, 5, 2, 1, 200, 2000});
    writeProcess(folder, {4713, 4712, "sh", 'Z', 7, 0, 0, 0, 0, 3000});
    writeProcess(folder, {4714, 1, "other", 'R', 9999, 0, 0, 0, 5000, 4000});
    folder.write("proc/uptime", "1 1\n");
    if (listsChildren) {
      folder.write("proc/4711/task/4711/children", "");
      folder.write("proc/4711/task/4720/children", "4712 ");
      folder.write("proc/4712/task/4712/children", "4713 ");
      folder.write("proc/4713/task/4713/children", "");
    }
    const Source source = openProcess(placeOf(folder, 4711));
    REQUIRE(source.reader);
    Columns columns(*source.reader);
    columns.readAll();
    columns.readAll();
    CHECK(columns["process.cpu.user"] == doctest::Approx(1.0 + 0.2 + 0.3 + 0.02 + 0.07));
    CHECK(columns["process.cpu.system"] == doctest::Approx(0.5 + 0.1 + 0.05 + 0.01));
    CHECK(columns["process.rss"] == 1200 * page);
    CHECK(columns["process.pss"] == 3 * 358 * 1024);
    CHECK(columns["process.rss.peak"] == std::max(1200 * page, 2000.0 * 1024));
    CHECK(columns["process.faults.minor"] == 330);
    CHECK(columns["process.faults.major"] == 12);
    CHECK(columns["process.io.read"] == 3 * 4096);
    CHECK(columns["process.io.written"] == 3 * 8192);
    CHECK(columns["process.threads"] == 7);
    CHECK(columns["process.children"] == 1);  // a zombie doesn't live
    // Procfs tells the switches of single threads alone.
    CHECK_FALSE(columns["process.switches.voluntary"].has_value());
  }
}

TEST_CASE("a recorded process that is left behind by its parent: what it used stays, what it uses doesn't count") {
  const TemporaryFolder folder;
  writeProcess(folder, {4711, 1, "node", 'S', 100, 0, 0, 0, 10, 1000});
  writeProcess(folder, {4712, 4711, "sh", 'S', 300, 0, 0, 0, 10, 2000});
  const Source source = openProcess(placeOf(folder, 4711));
  Columns columns(*source.reader);
  CHECK(columns.readAll()["process.cpu.user"] == doctest::Approx(4.0));
  writeProcess(folder, {4712, 1, "sh", 'S', 300, 0, 0, 0, 10, 2000});
  CHECK(columns.readAll()["process.cpu.user"] == doctest::Approx(4.0));
  writeProcess(folder, {4711, 1, "node", 'S', 110, 0, 0, 0, 10, 1000});
  writeProcess(folder, {4712, 1, "sh", 'S', 900, 0, 0, 0, 10, 2000});
  CHECK(columns.readAll()["process.cpu.user"] == doctest::Approx(4.1));
}

TEST_CASE("a pid that went to another process meanwhile isn't mistaken for the child it was") {
  const TemporaryFolder folder;
  writeProcess(folder, {4711, 1, "node", 'S', 100, 0, 0, 0, 10, 1000});
  writeProcess(folder, {4712, 4711, "sh", 'S', 300, 0, 0, 0, 10, 2000});
  const Source source = openProcess(placeOf(folder, 4711));
  Columns columns(*source.reader);
  columns.readAll();
  // Its parent took over what it used, and its number began another life.
  writeProcess(folder, {4711, 1, "node", 'S', 100, 0, 300, 0, 10, 1000});
  writeProcess(folder, {4712, 1, "other", 'S', 5000, 0, 0, 0, 9000, 7000});
  columns.read();
  CHECK(columns["process.cpu.user"] == doctest::Approx(4.0));
  CHECK(columns["process.rss"] == 10.0 * static_cast<double>(::sysconf(_SC_PAGESIZE)));
}

TEST_CASE("a process that has ended is absent, not 0") {
  const TemporaryFolder folder;
  writeProcess(folder, {4711, 1, "node", 'S', 100, 50, 0, 0, 10, 1000});
  const Source source = openProcess(placeOf(folder, 4711));
  Columns columns(*source.reader);
  columns.readAll();
  for (const char* file : {"stat", "status", "smaps_rollup", "io"}) folder.write("proc/4711/" + std::string(file), "");
  columns.readAll();
  for (const std::string& name : columns.names()) {
    CAPTURE(name);
    CHECK(columns.absent(name));
  }
}

TEST_CASE("a recording of a process itself; what the kernel doesn't have is no column") {
  const TemporaryFolder folder;
  Recorded process;
  process.user = 100;
  folder.write("proc/self/stat", statText(process));
  folder.write("proc/self/status", "VmHWM:\t    2000 kB\nThreads:\t7\n");
  const Source source = openProcess(placeOf(folder, 0));
  REQUIRE(source.reader);
  Columns columns(*source.reader);
  columns.readAll();
  CHECK(columns["process.cpu.user"] == doctest::Approx(1.0));
  CHECK_FALSE(columns["process.pss"].has_value());
  CHECK_FALSE(columns["process.io.read"].has_value());
}

TEST_CASE("no such process: a reason") {
  const TemporaryFolder folder;
  const Source none = openProcess(placeOf(folder, 4711));
  CHECK_FALSE(none.reader);
  CHECK(none.reason.find("/proc/4711/stat: No such file or directory") != std::string::npos);
  folder.write("proc/4711/stat", "garbage");
  const Source garbage = openProcess(placeOf(folder, 4711));
  CHECK_FALSE(garbage.reader);
  CHECK(garbage.reason.find("not as Linux writes it") != std::string::npos);
}

TEST_CASE("a living process by its number, until it has ended") {
  Child child([] { burn(0.1); });
  Place place;
  place.pid = child.pid();
  const Source source = openProcess(place);
  REQUIRE(source.reader);
  Columns columns(*source.reader);
  columns.readAll();
  CHECK(cpuOf(columns) > 0.07);  // in hundredths, user and system apart
  CHECK(columns["process.rss"].value() > 0);
  CHECK(columns["process.children"] == 0);
  child.end();
  child.reap();
  columns.readAll();
  CHECK(columns.absent("process.cpu.user"));
  CHECK(columns.absent("process.rss"));
}

}  // namespace
}  // namespace presisi::telemetry
