#include "backend/cpu/cpu_engine.hpp"

#include <omp.h>

#include <algorithm>
#include <tuple>

#include "backend/cpu/cpu_session.hpp"
#include "backend/cpu/lowering.hpp"
#include "backend/cpu/plan.hpp"
#include "backend/cpu/share.hpp"
#include "backend/feeds.hpp"
#include "core/error.hpp"
#include "graph/passes.hpp"

namespace presisi::cpu {

namespace {

// Programs share their weights; what each holds of its own is small. The bound is for callers that never repeat a
// shape.
constexpr size_t kKeptPrograms = 64;

/// Lets go of the team when its block ends, however it does.
struct TeamGuard {
  ~TeamGuard() { releaseTeam(); }
};

}  // namespace

CpuEngine::CpuEngine(onnx::Model model, const backend::BuildOptions& options, const ProgressFn& progress,
                     const StopToken& stop)
    : model_(std::move(model)), options_(options) {
  lowerFirst(true, progress, stop);
}

CpuEngine::CpuEngine(const uint8_t* plan, size_t size, const std::shared_ptr<const void>& owner,
                     const backend::BuildOptions& options)
    : model_(readPlan(plan, size, owner, weights_)), options_(options) {
  lowerFirst(false, {}, {});
}

void releaseTeam() { omp_pause_resource(omp_pause_soft, omp_get_initial_device()); }

/// Batch 1 is lowered now: what can't be built fails here, and the packed weights are ready.
void CpuEngine::lowerFirst(bool simplify, const ProgressFn& progress, const StopToken& stop) {
  inputs_ = backend::describeInputs(model_);
  outputs_ = backend::describeOutputs(model_);
  if (options_.threads <= 0) options_.threads = physicalCores();
  omp_set_num_threads(options_.threads);
  const TeamGuard guard;
  try {
    if (simplify) model_ = graph::simplify(model_);
    ProgramKey key;
    key.threads = options_.threads;
    const std::map<std::string, Dims> atOne = graph::inputShapes(model_, 1);
    for (const backend::TensorInfo& input : inputs_) key.shapes.push_back(atOne.at(input.name));
    program(key, {}, progress, stop);
  } catch (const Error& error) {
    // Shapes that depend on what is fed are known only then.
    for (const backend::TensorInfo& input : inputs_) {
      if (input.ranked && input.dims.size() <= 1) byValue_.insert(input.name);
    }
    if (error.code() != ErrorCode::UnsupportedModel || byValue_.empty()) throw;
    programs_.clear();
  }
}

ProgramKey CpuEngine::keyOf(const backend::Feeds& feeds, int threads) const {
  ProgramKey key;
  key.shapes = backend::validateFeeds(inputs_, feeds, options_.maxBatch);
  key.threads = threads;
  for (const std::string& name : byValue_) {
    const Tensor& value = feeds.at(name);
    key.values.append(value.data<char>(), value.bytes());
  }
  return key;
}

std::vector<CpuEngine::Part> CpuEngine::apart(const ProgramKey& key, bool join) const {
  if (key.threads == 1 || !byValue_.empty()) return {};
  // Outputs that are only counted are too many to be kept until all parts are there.
  if (join && options_.outputsInAnyOrder) return {};
  if (key.shapes.empty() || key.shapes[0].empty()) return {};
  const int64_t samples = key.shapes[0][0], threads = key.threads;
  const int64_t most = (samples + threads - 1) / threads;
  if (samples < threads || samples * 8 < most * threads * 7) return {};
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const bool counted = !key.shapes[i].empty() && key.shapes[i][0] == samples && inputs_[i].dims[0] < 0;
    if (!counted) return {};
  }
  std::vector<Part> parts;
  std::set<int64_t> counts{samples};
  for (int64_t thread = 0; thread < threads; ++thread) {
    Part part;
    std::tie(part.first, part.last) = shareOf(samples, threads, thread);
    part.key = key;
    part.key.threads = 1;
    const int64_t count = join ? part.last - part.first : 1;
    for (Dims& dims : part.key.shapes) dims[0] = count;
    counts.insert(count);
    parts.push_back(std::move(part));
  }
  for (const int64_t count : counts) {
    std::map<std::string, Dims> shapes;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      shapes[inputs_[i].name] = key.shapes[i];
      shapes[inputs_[i].name][0] = count;
    }
    try {
      if (!graph::samplesApart(model_, graph::specialize(model_, shapes), count)) return {};
    } catch (const Error&) {
      return {};  // shapes in the model that fit all samples don't fit a part
    }
  }
  return parts;
}

std::string CpuEngine::serialize() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return writePlan(model_, weights_);
}

std::shared_ptr<const Program> CpuEngine::program(const ProgramKey& key, const backend::Feeds& feeds,
                                                  const ProgressFn& progress, const StopToken& stop) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto known = programs_.find(key);
  if (known != programs_.end()) return known->second;
  std::map<std::string, Dims> shapes;
  for (size_t i = 0; i < key.shapes.size(); ++i) {
    if (byValue_.count(inputs_[i].name) == 0) shapes[inputs_[i].name] = key.shapes[i];
  }
  std::shared_ptr<const Program> made;
  if (byValue_.empty()) {
    made = std::make_shared<const Program>(
        Lowering(model_, shapes, weights_, options_.outputsInAnyOrder, progress, stop).run());
  } else {
    onnx::Model fixed = model_;
    std::vector<onnx::ValueInfo>& inputs = fixed.graph.inputs;
    inputs.erase(
        std::remove_if(inputs.begin(), inputs.end(), [&](const auto& i) { return byValue_.count(i.name) > 0; }),
        inputs.end());
    for (const std::string& name : byValue_) fixed.graph.initializers[name] = feeds.at(name).clone();
    made = std::make_shared<const Program>(
        Lowering(graph::simplify(fixed), shapes, weights_, options_.outputsInAnyOrder, progress, stop).run());
  }
  if (programs_.size() >= kKeptPrograms) programs_.erase(std::prev(programs_.end()));
  return programs_.emplace(key, std::move(made)).first->second;
}

std::vector<backend::LayerInfo> CpuEngine::layers() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  // The program made at construction: the smallest shapes with the engine's own thread count.
  std::vector<backend::LayerInfo> layers;
  for (const auto& [key, program] : programs_) {
    if (key.threads != options_.threads) continue;
    for (const Step& step : program->steps) layers.push_back(step.info);
    break;
  }
  return layers;
}

int64_t CpuEngine::weightBytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return weights_.bytes();
}

std::unique_ptr<backend::Session> CpuEngine::createSession(const backend::SessionOptions& options) {
  const int threads = options.threads > 0 ? options.threads : options_.threads;
  return std::make_unique<CpuSession>(shared_from_this(), threads, options.profile);
}

}  // namespace presisi::cpu
