#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/cpu_engine.hpp"
#include "core/worker_pool.hpp"

namespace presisi::cpu {

class CpuSession : public backend::Session {
 public:
  CpuSession(std::shared_ptr<CpuEngine> engine, int threads, bool profile);
  ~CpuSession() override;
  void run(const backend::Feeds& feeds, const backend::OutputSink& sink, const StopToken& stop) override;
  void runInParts(const backend::Feeds& feeds, const backend::PartSink& sink, const StopToken& stop) override;
  int runMade(const backend::SampleMaker& samples, const backend::OutputSink& sink, const StopToken& stop) override;
  backend::Timing lastTiming() const override { return timing_; }
  int64_t arenaBytes() const override;
  int threads() const override { return threads_; }
  void rest() override;
  void parallel(int parts, const std::function<void(int)>& body) override;

 private:
  class Bound;
  struct Plan;
  /// Has a program look at samples [first, first + count).
  using Feeder = std::function<void(Bound& bound, int64_t first, int64_t count)>;
  Plan& planFor(const backend::Feeds& feeds, bool join, const StopToken& stop);
  std::unique_ptr<Plan> plan(const ProgramKey& key, bool join, const backend::Feeds& feeds, const StopToken& stop);
  void execute(Plan& plan, const Feeder& feed, const backend::PartSink& sink, const StopToken& stop);
  /// The same, with each output as a whole.
  void executeJoined(Plan& plan, const Feeder& feed, const backend::OutputSink& sink, const StopToken& stop);

  std::shared_ptr<CpuEngine> engine_;
  int threads_;
  bool profile_;
  backend::Timing timing_;
  std::vector<std::unique_ptr<Plan>> plans_;  ///< most recently used first
  std::unique_ptr<WorkerPool> pool_;          ///< from the first plan in parts
};

}  // namespace presisi::cpu
