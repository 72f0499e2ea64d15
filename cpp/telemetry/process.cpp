#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>

#include "telemetry/descendants.hpp"
#include "telemetry/growing.hpp"
#include "telemetry/pace.hpp"
#include "telemetry/process_stat.hpp"
#include "telemetry/reader.hpp"
#include "telemetry/text_file.hpp"

namespace presisi::telemetry {
namespace {

using namespace std::chrono_literals;

enum Column {
  User,
  System,
  Rss,
  RssPeak,
  Pss,
  Voluntary,
  Involuntary,
  MinorFaults,
  MajorFaults,
  IoRead,
  IoWritten,
  Threads,
  Children,
  kColumns
};

/// What a process used so far, its ended children included; asked at every tick.
struct Own {
  double user = kAbsent;
  double system = kAbsent;
  double childSeconds = kAbsent;  ///< CPU of ended children, contained in the two above
  double minorFaults = kAbsent;
  double majorFaults = kAbsent;
  double voluntary = kAbsent;
  double involuntary = kAbsent;
  double rss = kAbsent;
};

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

/// The process and those it started. What is cheap is read at every tick. Resident memory, which takes the kernel
/// longer than all of that, is read twenty times a second, disks and descendants ten times, and what needs long texts
/// or, for PSS, a walk through all pages, once.
class ProcessReader : public Reader {
 public:
  /// `pid` 0: this process, whose clocks getrusage() reads far finer than procfs tells them.
  ProcessReader(const Place& place, int pid, const std::string& folder, const ProcessStat& stat)
      : isThis_(pid == 0),
        statm_(folder + "/statm"),
        stat_(folder + "/stat", 1024),
        status_(folder + "/status", 4096),
        io_(folder + "/io", 512),
        smaps_(folder + "/smaps_rollup", 2048),
        descendants_(place.root, stat.pid) {
    const std::string usage = isThis_ ? "getrusage" : folder + "/stat";
    const std::string withChildren = usage + ", /proc/PID/stat of living children";
    list(User, "process.cpu.user", "s", Kind::Counter, withChildren);
    list(System, "process.cpu.system", "s", Kind::Counter, withChildren);
    list(Rss, "process.rss", "B", Kind::Gauge,
         (isThis_ ? statm_.path() : stat_.path()) + ", /proc/PID/stat of living children");
    list(RssPeak, "process.rss.peak", "B", Kind::Gauge,
         "VmHWM of " + status_.path() + ", or the largest process.rss seen");
    if (smaps_.read()) {
      list(Pss, "process.pss", "B", Kind::Gauge, smaps_.path() + ", and of living children");
    }
    if (isThis_) {
      // Procfs tells those of each thread alone, and forgets them when it ends.
      list(Voluntary, "process.switches.voluntary", "count", Kind::Counter, usage);
      list(Involuntary, "process.switches.involuntary", "count", Kind::Counter, usage);
    }
    list(MinorFaults, "process.faults.minor", "count", Kind::Counter, withChildren);
    list(MajorFaults, "process.faults.major", "count", Kind::Counter, withChildren);
    if (io_.read()) {
      list(IoRead, "process.io.read", "B", Kind::Counter, "read_bytes of " + io_.path() + ", and of living children");
      list(IoWritten, "process.io.written", "B", Kind::Counter,
           "write_bytes of " + io_.path() + ", and of living children");
    }
    list(Threads, "process.threads", "count", Kind::Gauge, "Threads of " + status_.path());
    list(Children, "process.children", "count", Kind::Gauge, "parents in /proc/PID/stat");
  }

  const std::vector<Quantity>& quantities() const override { return quantities_; }
  void read(double* values) noexcept override { collect(values, false); }
  void readAll(double* values) noexcept override { collect(values, true); }

 private:
  void list(Column column, const char* name, const char* unit, Kind kind, const std::string& sensor) {
    columns_.push_back(column);
    quantities_.push_back({name, unit, kind, "process", sensor, false});
  }

  void collect(double* values, bool all) noexcept {
    now_.fill(kAbsent);
    const Pace::Clock::time_point now = Pace::Clock::now();
    const bool often = all || often_.due(now);
    if (often) often_.done(now, now);
    const bool seldom = all || seldom_.due(now);
    if (seldom) seldom_.done(now, now);
    // Disks before the descendants, as CPU: what moves from a child to its parent in between is missing then, not
    // doubled.
    const bool io = seldom && io_.read();
    Own own = ask(often, seldom);
    const bool looked = look(own, seldom, all);
    const Descendants::Usage& others = descendants_.usage();
    const auto counter = [&](Column column, double reading, double more) {
      now_[column] = known_ ? counters_[column].settle(reading + more, looked) : kAbsent;
    };
    counter(User, own.user, others.user);
    counter(System, own.system, others.system);
    counter(MinorFaults, own.minorFaults, others.minorFaults);
    counter(MajorFaults, own.majorFaults, others.majorFaults);
    now_[Voluntary] = own.voluntary;
    now_[Involuntary] = own.involuntary;
    if (io) {
      counter(IoRead, numberOf(io_.text(), "read_bytes:"), others.read);
      counter(IoWritten, numberOf(io_.text(), "write_bytes:"), others.written);
    }
    if (known_) {
      now_[Rss] = own.rss + others.rss;
      if (now_[Rss] > largestRss_) largestRss_ = now_[Rss];
      if (seldom && !std::isnan(own.user)) now_[Children] = others.living;
    }
    if (all || rarely_.due(now)) readStatus(now);
    // It would delay the start; the last sample has it in any case.
    if (first_) {
      pss_.done(now, now);
    } else if (all || pss_.due(now)) {
      readPss();
    }
    first_ = false;
    for (size_t i = 0; i < columns_.size(); ++i) values[i] = now_[columns_[i]];
  }

  void readStatus(Pace::Clock::time_point now) noexcept {
    rarely_.done(now, now);
    if (!status_.read()) return;
    now_[Threads] = numberOf(status_.text(), "Threads:");
    const double peak = numberOf(status_.text(), "VmHWM:");
    now_[RssPeak] = peak < largestRss_ ? largestRss_ : peak;
  }

  void readPss() noexcept {
    const Pace::Clock::time_point began = Pace::Clock::now();
    if (known_ && smaps_.read()) now_[Pss] = numberOf(smaps_.text(), "Pss:") + descendants_.pss();
    pss_.done(began, Pace::Clock::now());
  }

  /// Looks for the descendants where it is time to, or where one ended: what it used is part of `own` from then on.
  /// Whether it looked.
  bool look(Own& own, bool due, bool all) noexcept {
    const bool childEnded = own.childSeconds != childSeconds_ && !descendants_.empty();
    if (std::isnan(own.user) || (!childEnded && !due)) return false;
    // Another that ends during the look would be in neither: then once more, but not for ever.
    for (int attempt = 0; attempt < 3; ++attempt) {
      childSeconds_ = own.childSeconds;
      known_ = isThis_ && hasNoChildren() ? descendants_.clear() : descendants_.look(all);
      if (descendants_.empty()) break;
      const Own later = ask(false, true);
      if (later.childSeconds == childSeconds_) break;
      const double rss = own.rss;
      own = later;
      own.rss = rss;
    }
    return true;
  }

  /// Far cheaper than to look for some.
  static bool hasNoChildren() noexcept {
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) != 0 && errno == ECHILD;
  }

  /// `rss`: with that. `children`: also those that ended lately, where none are known that could.
  Own ask(bool rss, bool children) noexcept { return isThis_ ? askThis(rss, children) : askOther(); }

  Own askThis(bool rss, bool children) noexcept {
    Own own;
    rusage self{};
    ::getrusage(RUSAGE_SELF, &self);
    if (children || !descendants_.empty()) ::getrusage(RUSAGE_CHILDREN, &ended_);
    own.user = seconds(self.ru_utime) + seconds(ended_.ru_utime);
    own.system = seconds(self.ru_stime) + seconds(ended_.ru_stime);
    own.childSeconds = seconds(ended_.ru_utime) + seconds(ended_.ru_stime);
    own.minorFaults = static_cast<double>(self.ru_minflt + ended_.ru_minflt);
    own.majorFaults = static_cast<double>(self.ru_majflt + ended_.ru_majflt);
    own.voluntary = static_cast<double>(self.ru_nvcsw);
    own.involuntary = static_cast<double>(self.ru_nivcsw);
    static const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
    uint64_t pages = 0;
    if (rss && statm_.read()) {
      const char* at = statm_.text();  // size resident shared …
      if (parseUnsigned(at, pages) && parseUnsigned(at, pages)) own.rss = static_cast<double>(pages) * page;
    }
    return own;
  }

  Own askOther() noexcept {
    Own own;
    ProcessStat stat;
    if (!stat_.read() || !parseProcessStat(stat_.text(), stat)) return own;
    own.user = stat.user + stat.childUser;
    own.system = stat.system + stat.childSystem;
    own.childSeconds = stat.childUser + stat.childSystem;
    own.minorFaults = stat.minorFaults;
    own.majorFaults = stat.majorFaults;
    own.rss = stat.rss;
    return own;
  }

  const bool isThis_;
  TextFile statm_;
  TextFile stat_;
  TextFile status_;
  TextFile io_;
  TextFile smaps_;
  Descendants descendants_;
  bool known_ = false;  ///< whether the descendants could be told at the last look
  double childSeconds_ = kAbsent;
  double largestRss_ = 0;
  rusage ended_{};  ///< of ended children, this process's
  Pace often_{50ms};
  Pace seldom_{100ms};
  Pace rarely_{1s};
  Pace pss_{1s, 2000};
  bool first_ = true;
  std::array<Growing, kColumns> counters_;
  std::array<double, kColumns> now_{};
  std::vector<Column> columns_;  ///< of the quantities
  std::vector<Quantity> quantities_;
};

}  // namespace

Source openProcess(const Place& place) {
  const bool isThis = place.root.empty() && (place.pid == 0 || place.pid == ::getpid());
  const std::string folder = place.path("/proc/") + (place.pid == 0 ? "self" : std::to_string(place.pid));
  TextFile file(folder + "/stat", 1024);
  if (!file.read()) {
    return {"process", nullptr, file.path() + ": " + errorText(file.error())};
  }
  ProcessStat stat;
  if (!parseProcessStat(file.text(), stat)) {
    return {"process", nullptr, file.path() + " is not as Linux writes it"};
  }
  return {"process", std::make_unique<ProcessReader>(place, isThis ? 0 : stat.pid, folder, stat), ""};
}

}  // namespace presisi::telemetry
