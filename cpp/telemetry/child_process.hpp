#pragma once

#include <sys/types.h>

#include <atomic>
#include <string>
#include <vector>

namespace presisi::telemetry {

/// A program whose output is read while it runs, without ever waiting for it. It ends with this object, and soon after
/// this process however that ends: the pipe it writes to is closed then, and writing to it kills it.
class ChildProcess {
 public:
  ChildProcess() = default;
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// Starts a program; the one before must be gone. An errno, 0 where it runs.
  int start(const std::vector<std::string>& command);
  bool isRunning() const noexcept { return output_ >= 0; }
  /// Whether nothing of it is left, not even the entry in the process table.
  bool isGone() noexcept;
  /// The pipe, to wait for; -1 where it doesn't run.
  int output() const noexcept { return output_; }
  /// What it has printed: bytes, 0 where there is nothing now or it has ended (isRunning says which).
  size_t read(char* buffer, size_t size) noexcept;
  /// Ends it, its own children included, without waiting: isGone says when that has happened.
  void kill() noexcept;
  /// How the last one ended, for people: `exit status 1`, `signal 9`.
  std::string ending() const;
  /// CPU time of all that were started, seconds. From any thread.
  double cpuSeconds() const noexcept;

 private:
  bool reap(int options) noexcept;

  int output_ = -1;
  std::atomic<pid_t> pid_{0};
  int status_ = 0;
  std::atomic<double> endedCpu_{0};
};

/// Where a program is: a path as it is, a name on the PATH; empty where there is none that can be run.
std::string findProgram(const std::string& name);

}  // namespace presisi::telemetry
