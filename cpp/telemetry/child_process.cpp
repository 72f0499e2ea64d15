#include "telemetry/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace presisi::telemetry {
namespace {

class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

class Attributes {
 public:
  Attributes() { posix_spawnattr_init(&attributes_); }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  posix_spawnattr_t* get() { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

ChildProcess::~ChildProcess() {
  kill();
  if (pid_ != 0) reap(0);
}

int ChildProcess::start(const std::vector<std::string>& command) {
  int ends[2];
  // Closed on exec, both: whatever else this process starts must not keep the pipe open.
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  FileActions actions;
  posix_spawn_file_actions_adddup2(actions.get(), ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(actions.get(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(actions.get(), STDERR_FILENO, "/dev/null", O_WRONLY, 0);

  Attributes attributes;
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(attributes.get(), &none);
  // Node ignores SIGPIPE, and what is ignored stays so in a child: it would go on printing to nobody.
  sigset_t defaults;
  sigemptyset(&defaults);
  for (const int signal : {SIGPIPE, SIGTERM, SIGINT, SIGHUP}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigdefault(attributes.get(), &defaults);
  // A group of its own, so that its children end with it, and Ctrl-C in a terminal is for us to handle.
  posix_spawnattr_setpgroup(attributes.get(), 0);
  posix_spawnattr_setflags(attributes.get(), POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);

  std::vector<char*> arguments;
  for (const std::string& part : command) arguments.push_back(const_cast<char*>(part.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, arguments[0], actions.get(), attributes.get(), arguments.data(), environ);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    return error;
  }
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  output_ = ends[0];
  pid_ = pid;
  return 0;
}

size_t ChildProcess::read(char* buffer, size_t size) noexcept {
  if (output_ < 0) return 0;
  ssize_t got = 0;
  do {
    got = ::read(output_, buffer, size);
  } while (got < 0 && errno == EINTR);
  if (got > 0) return static_cast<size_t>(got);
  if (got == 0 || errno != EAGAIN) kill();
  return 0;
}

void ChildProcess::kill() noexcept {
  if (output_ >= 0) close(output_);
  output_ = -1;
  // Not waited for yet, so the number is still its own, and its group's, though it may have ended.
  if (pid_ > 0) ::kill(-pid_, SIGKILL);
}

bool ChildProcess::isGone() noexcept { return output_ < 0 && (pid_ == 0 || reap(WNOHANG)); }

bool ChildProcess::reap(int options) noexcept {
  rusage usage{};
  pid_t got = 0;
  do {
    got = wait4(pid_, &status_, options, &usage);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return false;
  // Where somebody else has waited for it (ECHILD), what it used isn't known.
  if (got > 0) endedCpu_ = endedCpu_ + seconds(usage.ru_utime) + seconds(usage.ru_stime);
  pid_ = 0;
  return true;
}

std::string ChildProcess::ending() const {
  if (WIFSIGNALED(status_)) return "signal " + std::to_string(WTERMSIG(status_));
  return "exit status " + std::to_string(WEXITSTATUS(status_));
}

double ChildProcess::cpuSeconds() const noexcept {
  double running = 0;
  clockid_t clock{};
  timespec time{};
  const pid_t pid = pid_;
  if (pid != 0 && clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &time) == 0) {
    running = static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  }
  return endedCpu_ + running;
}

std::string findProgram(const std::string& name) {
  if (name.find('/') != std::string::npos) return access(name.c_str(), X_OK) == 0 ? name : "";
  const char* path = std::getenv("PATH");
  const std::string folders = path != nullptr ? path : "/usr/bin:/bin";
  for (size_t begin = 0; begin <= folders.size();) {
    const size_t end = std::min(folders.find(':', begin), folders.size());
    const std::string candidate = folders.substr(begin, end - begin) + "/" + name;
    if (end > begin && access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return {};
}

}  // namespace presisi::telemetry
