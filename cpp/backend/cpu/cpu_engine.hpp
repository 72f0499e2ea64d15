#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "backend/cpu/program.hpp"
#include "onnx/model.hpp"

namespace presisi::cpu {

/// A network on oneDNN. Programs are lowered per batch size and thread count, when first asked for, and share packed
/// weights.
class CpuEngine : public backend::Engine, public std::enable_shared_from_this<CpuEngine> {
 public:
  /// From a network as it was given.
  CpuEngine(onnx::Model model, const backend::BuildOptions& options, const ProgressFn& progress, const StopToken& stop);
  /// From a plan. `owner` keeps the bytes, which the weights look into.
  CpuEngine(const uint8_t* plan, size_t size, const std::shared_ptr<const void>& owner,
            const backend::BuildOptions& options);

  const std::vector<backend::TensorInfo>& inputs() const override { return inputs_; }
  const std::vector<backend::TensorInfo>& outputs() const override { return outputs_; }
  std::string serialize() const override;
  std::vector<backend::LayerInfo> layers() const override;
  int64_t weightBytes() const override;
  std::unique_ptr<backend::Session> createSession(const backend::SessionOptions& options) override;

  /// Checks the feeds and says which program they need.
  ProgramKey keyOf(const backend::Feeds& feeds, int threads) const;
  /// Samples [first, last) for one thread, as many at a time as the program is for.
  struct Part {
    int64_t first = 0, last = 0;
    ProgramKey key;
  };
  /// What each thread runs where every one takes some of the samples; empty where samples can't be told apart, or some
  /// threads would have nothing to do for too long. With `join` the outputs are wanted whole; else each as soon as
  /// possible, while it is in the cache.
  std::vector<Part> apart(const ProgramKey& key, bool join) const;
  /// Lowered on first use. Must be called on the thread that will run it, with its OpenMP team set.
  std::shared_ptr<const Program> program(const ProgramKey& key, const backend::Feeds& feeds, const ProgressFn& progress,
                                         const StopToken& stop);

 private:
  void lowerFirst(bool simplify, const ProgressFn& progress, const StopToken& stop);

  WeightStore weights_;
  onnx::Model model_;  ///< simplified
  backend::BuildOptions options_;
  std::vector<backend::TensorInfo> inputs_, outputs_;
  mutable std::mutex mutex_;
  /// Inputs whose values shapes depend on (a Reshape's target that is fed): a program is lowered for each of their
  /// values.
  std::set<std::string> byValue_;
  std::map<ProgramKey, std::shared_ptr<const Program>> programs_;
};

/// Ends the threads that OpenMP keeps for the calling thread; they come back when they are needed. Every thread that
/// builds or runs has a team of its own, and once there are more threads in teams than processors, libgomp lets all of
/// them sleep at every barrier instead of waiting awake: networks of many short steps then take several times as long.
void releaseTeam();

/// Physical cores of the affinity mask: two hardware threads of one core count once.
int physicalCores();

}  // namespace presisi::cpu
