#include "backend/cpu/cpu_session.hpp"

#include <omp.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "core/error.hpp"

namespace presisi::cpu {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// A session that sees many batch sizes keeps this many arenas.
constexpr size_t kKeptPrograms = 8;

/// Zeros; in huge pages where the system has some and rounding up to them adds little.
Tensor workingMemory(int64_t bytes) {
  constexpr size_t kHugePage = 2u << 20;
  const auto size = static_cast<size_t>(bytes);
  if (size < 8 * kHugePage) return Tensor(DType::Uint8, {bytes});
  const size_t rounded = (size + kHugePage - 1) / kHugePage * kHugePage;
  void* memory = std::aligned_alloc(kHugePage, rounded);
  if (memory == nullptr)
    throw Error(ErrorCode::OutOfMemory, "could not allocate " + std::to_string(bytes) + " bytes for activations");
  ::madvise(memory, rounded, MADV_HUGEPAGE);  // without them it's slower, nothing else
  std::memset(memory, 0, size);
  const std::shared_ptr<const void> owner(memory, [](const void* p) { std::free(const_cast<void*>(p)); });
  return Tensor::view(DType::Uint8, {bytes}, memory, owner);
}

}  // namespace

/// A program with memory of its own.
struct CpuSession::Bound : Binding {
  ProgramKey key;
  std::shared_ptr<const Program> program;
  Tensor arena, scratchMemory;
  std::vector<const void*> feeds;
  std::vector<Runner> runners;

  Bound(ProgramKey k, std::shared_ptr<const Program> p) : key(std::move(k)), program(std::move(p)) {
    arena = workingMemory(program->arenaBytes);
    scratchMemory = workingMemory(program->scratchBytes);
    feeds.resize(program->feeds.size());
    for (const Step& step : program->steps) runners.push_back(step.readsFeed ? Runner() : step.bind(*this));
  }
  void* pointer(int index) const override {
    const Value& value = program->values[static_cast<size_t>(index)];
    if (value.feed >= 0) return const_cast<void*>(feeds[static_cast<size_t>(value.feed)]);
    if (!value.constant.empty()) return const_cast<void*>(value.constant.data<void>());
    return const_cast<uint8_t*>(arena.data<uint8_t>()) + program->offsets[static_cast<size_t>(index)];
  }
  void* scratch() const override { return const_cast<uint8_t*>(scratchMemory.data<uint8_t>()); }
};

CpuSession::CpuSession(std::shared_ptr<CpuEngine> engine, int threads, bool profile)
    : engine_(std::move(engine)), threads_(threads), profile_(profile) {}

CpuSession::~CpuSession() { releaseTeam(); }

void CpuSession::rest() { releaseTeam(); }

int64_t CpuSession::arenaBytes() const {
  int64_t bytes = 0;
  for (const auto& b : bound_) bytes += b->program->arenaBytes + b->program->scratchBytes;
  return bytes;
}

CpuSession::Bound& CpuSession::bound(const backend::Feeds& feeds, const StopToken& stop) {
  ProgramKey key = engine_->keyOf(feeds, threads_);
  const auto known = std::find_if(bound_.begin(), bound_.end(), [&](const auto& b) { return b->key == key; });
  if (known != bound_.end()) {
    std::rotate(bound_.begin(), known, known + 1);
  } else {
    const std::shared_ptr<const Program> program = engine_->program(key, feeds, {}, stop);
    bound_.insert(bound_.begin(), std::make_unique<Bound>(std::move(key), program));
    if (bound_.size() > kKeptPrograms) bound_.pop_back();
  }
  return *bound_.front();
}

void CpuSession::parallel(int parts, const std::function<void(int)>& body) {
  std::exception_ptr failure;
#pragma omp parallel for num_threads(threads_) schedule(static, 1)
  for (int part = 0; part < parts; ++part) {
    try {
      body(part);
    } catch (...) {
#pragma omp critical
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

void CpuSession::run(const backend::Feeds& feeds, const backend::OutputSink& sink, const StopToken& stop) {
  stop.check();
  const auto begin = Clock::now();
  omp_set_num_threads(threads_);
  Bound& b = bound(feeds, stop);
  for (size_t i = 0; i < b.feeds.size(); ++i) b.feeds[i] = feeds.at(b.program->feeds[i]).data<void>();

  timing_.layers.clear();
  const Program& program = *b.program;
  for (size_t i = 0; i < program.steps.size(); ++i) {
    const Step& step = program.steps[i];
    stop.check();
    const auto stepBegin = profile_ ? Clock::now() : Clock::time_point();
    try {
      step.readsFeed ? step.bind(b)() : b.runners[i]();
    } catch (const dnnl::error& error) {
      rethrow(error, "running " + step.info.op + " \"" + step.info.name + "\"");
    }
    if (profile_) timing_.layers.push_back(secondsSince(stepBegin));
    if (step.output >= 0 && sink) {
      const int index = step.reads[0];
      const Value& value = program.values[static_cast<size_t>(index)];
      const Dims& d = value.dims;
      const Dims asItLies = value.layout == Layout::Nhwc ? Dims{d[0], d[2], d[3], d[1]} : d;
      sink(static_cast<size_t>(step.output), Tensor::view(value.dtype, asItLies, b.pointer(index)));
    }
  }
  timing_.total = secondsSince(begin);
}

}  // namespace presisi::cpu
