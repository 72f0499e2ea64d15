#include "telemetry/tegrastats.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "telemetry/child_process.hpp"
#include "telemetry/tegrastats_line.hpp"
#include "telemetry/text_file.hpp"

namespace presisi::telemetry {
namespace {

using Clock = std::chrono::steady_clock;

/// A name and what the last line says of it, for all a line says.
std::vector<std::pair<Quantity, double>> describe(const TegrastatsLine& line) {
  std::vector<std::pair<Quantity, double>> all;
  const auto add = [&](const std::string& name, const char* unit, const std::string& field,
                       std::optional<double> value) {
    if (value) all.push_back({{name, unit, Kind::Gauge, "tegrastats", "tegrastats: " + field, false}, *value});
  };
  for (const auto& [rail, watts] : line.rails) add("power." + rail, "W", rail, watts);
  add("gpu.load", "share", "GR3D_FREQ", line.gpuLoad);
  // Clusters share a clock but for those that are switched off, whose clock is 0.
  const auto fastest = std::max_element(line.gpuClocks.begin(), line.gpuClocks.end());
  if (fastest != line.gpuClocks.end()) add("gpu.clock", "Hz", "GR3D_FREQ", *fastest);
  add("memory.load", "share", "EMC_FREQ", line.memoryLoad);
  for (const auto& [sensor, celsius] : line.temperatures) add("temperature." + sensor, "°C", sensor + "@", celsius);
  for (size_t i = 0; i < line.cores.size(); ++i) {
    add("clock.cpu." + std::to_string(i), "Hz", "CPU [" + std::to_string(i) + "]", line.cores[i].clock);
  }
  return all;
}

class TegrastatsReader : public Reader {
 public:
  explicit TegrastatsReader(TegrastatsOptions options)
      : options_(std::move(options)), restartsLeft_(options_.restarts), backoff_(options_.backoff) {}

  /// Why not, or empty: then the first line has come.
  std::string open() {
    if (const int error = start(Clock::now())) return options_.program + " can't be started: " + errorText(error);
    const Clock::time_point deadline = calmSince_ + options_.firstLine;
    for (;;) {
      drain(Clock::now());
      if (!quantities_.empty()) return {};
      if (!child_.isRunning()) {
        while (!child_.isGone()) poll(nullptr, 0, 1);
        return options_.program + " ended (" + child_.ending() + ") before it printed a line that is understood";
      }
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
      if (left.count() <= 0) break;
      pollfd wait{child_.output(), POLLIN, 0};
      poll(&wait, 1, static_cast<int>(left.count()));
    }
    return options_.program + " printed nothing that is understood in " + std::to_string(options_.firstLine.count()) +
           " ms";
  }

  const std::vector<Quantity>& quantities() const override { return quantities_; }
  std::chrono::nanoseconds period() const override { return options_.interval; }
  double cpuSeconds() const noexcept override { return child_.cpuSeconds(); }

  void read(double* values) noexcept override {
    const Clock::time_point now = Clock::now();
    try {
      drain(now);
      supervise(now);
    } catch (const std::bad_alloc&) {
      latest_.assign(latest_.size(), kAbsent);  // needs no memory
    }
    const bool stale = !child_.isRunning() || now - lastLine_ > 3 * options_.interval;
    for (size_t i = 0; i < latest_.size(); ++i) values[i] = stale ? kAbsent : latest_[i];
  }

 private:
  int start(Clock::time_point now) {
    pending_.clear();
    skipping_ = false;
    calmSince_ = lastLine_ = now;
    latest_.assign(latest_.size(), kAbsent);
    return child_.start({options_.program, "--interval", std::to_string(options_.interval.count())});
  }

  /// Takes what has been printed; the last whole line that is understood counts.
  void drain(Clock::time_point now) {
    std::array<char, 4096> buffer;
    // Enough for a hundred lines at a time: what prints more, without end, isn't followed.
    for (int i = 0; i < 16; ++i) {
      const size_t got = child_.read(buffer.data(), buffer.size());
      if (got == 0) return;
      for (size_t k = 0; k < got; ++k) take(buffer[k], now);
    }
  }

  void take(char c, Clock::time_point now) {
    constexpr size_t longest = 8192;  // lines have some 700 characters
    if (c != '\n') {
      if (pending_.size() >= longest) skipping_ = true;
      if (!skipping_) pending_.push_back(c);
      return;
    }
    if (!skipping_) understand(now);
    pending_.clear();
    skipping_ = false;
  }

  void understand(Clock::time_point now) {
    const std::vector<std::pair<Quantity, double>> said = describe(parseTegrastats(pending_.c_str()));
    if (said.empty()) return;
    if (quantities_.empty()) {
      for (const auto& [quantity, value] : said) quantities_.push_back(quantity);
      latest_.resize(said.size());
    }
    for (size_t i = 0; i < quantities_.size(); ++i) {
      const auto same = [&](const auto& entry) { return entry.first.name == quantities_[i].name; };
      const auto found = std::find_if(said.begin(), said.end(), same);
      latest_[i] = found != said.end() ? found->second : kAbsent;
    }
    lastLine_ = now;
  }

  void supervise(Clock::time_point now) {
    if (child_.isRunning()) {
      if (now - lastLine_ > options_.silence) child_.kill();
      if (now - calmSince_ > std::chrono::minutes(1) && restartsLeft_ < options_.restarts) {
        ++restartsLeft_;
        backoff_ = options_.backoff;
        calmSince_ = now;
      }
      waiting_ = false;
    }
    if (child_.isRunning() || !child_.isGone() || restartsLeft_ == 0) return;
    if (!waiting_) {
      waiting_ = true;
      next_ = now + backoff_;
      backoff_ *= 2;
    }
    if (now < next_) return;
    waiting_ = false;
    --restartsLeft_;
    start(now);  // what can't be started counts like what ended
  }

  TegrastatsOptions options_;
  std::vector<Quantity> quantities_;
  std::vector<double> latest_;
  ChildProcess child_;
  std::string pending_;  ///< of a line that isn't whole yet
  bool skipping_ = false;
  Clock::time_point calmSince_;  ///< it was started, or forgiven a restart
  Clock::time_point lastLine_;
  int restartsLeft_;
  std::chrono::milliseconds backoff_;
  bool waiting_ = false;
  Clock::time_point next_;
};

}  // namespace

Source runTegrastats(const TegrastatsOptions& options) noexcept {
  Source source{"tegrastats", nullptr, {}};
  auto reader = std::make_unique<TegrastatsReader>(options);
  source.reason = reader->open();
  if (source.reason.empty()) source.reader = std::move(reader);
  return source;
}

Source openTegrastats(const Place& place) {
  TegrastatsOptions options;
  if (place.tegrastats.empty() && !place.root.empty()) {
    return {"tegrastats", nullptr, place.root + " is a recording: no program of this machine can tell of it"};
  }
  options.program = findProgram(place.tegrastats.empty() ? "tegrastats" : place.tegrastats);
  if (options.program.empty()) {
    return {"tegrastats", nullptr,
            place.tegrastats.empty() ? "no tegrastats on the PATH: not a Jetson, or a container without it"
                                     : "no program is called " + place.tegrastats};
  }
  return runTegrastats(options);
}

}  // namespace presisi::telemetry
