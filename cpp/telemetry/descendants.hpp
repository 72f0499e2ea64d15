#pragma once

#include <memory>
#include <string>
#include <vector>

#include "telemetry/pace.hpp"
#include "telemetry/process_stat.hpp"

namespace presisi::telemetry {

/// The processes that a process started, those that these started, and so on, as far as they live. One whose parent
/// ended before it is not found any more: it has become a child of another process.
class Descendants {
 public:
  /// What they use together. CPU, faults and disks with what their own ended children used.
  struct Usage {
    double living = 0;
    double user = 0;  ///< seconds
    double system = 0;
    double minorFaults = 0;
    double majorFaults = 0;
    double rss = 0;   ///< bytes
    double read = 0;  ///< bytes; not a number where one of them may not be asked
    double written = 0;
  };

  Descendants(std::string root, int pid);

  /// Forgets them all: there are none. True.
  bool clear() noexcept;
  /// Looks for them and adds up what they use. False, with nothing known, where that can't be told.
  bool look(bool all) noexcept;
  const Usage& usage() const { return usage_; }
  bool empty() const { return found_.empty(); }
  /// Bytes, shared pages counted by share; not a number where one of them may not be asked.
  double pss() noexcept;

 private:
  struct Process {
    int pid;
    int parent;
    double start;  ///< negative: not known yet
  };

  void find(bool all);
  void findByChildren();
  void findByParents();
  void measure() noexcept;
  bool readFile(int pid, const char* file) noexcept;

  const std::string root_;
  const int pid_;
  bool listsChildren_ = false;  ///< whether this kernel lists the children of a thread
  Pace search_;                 ///< of looking through all processes, where it doesn't
  std::vector<Process> found_;  ///< parents before their children
  std::vector<Process> all_;
  Usage usage_;
  std::unique_ptr<char[]> buffer_;
};

}  // namespace presisi::telemetry
