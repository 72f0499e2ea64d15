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

// A session that sees many batch sizes keeps the memory of this many.
constexpr size_t kKeptPlans = 8;

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
class CpuSession::Bound : public Binding {
 public:
  explicit Bound(std::shared_ptr<const Program> p) : program(std::move(p)) {
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

  /// Looks at samples from `first` on.
  void feed(const backend::Feeds& all, int64_t first) {
    for (size_t i = 0; i < feeds.size(); ++i) {
      const Tensor& tensor = all.at(program->feeds[i]);
      const size_t sampleBytes = first == 0 ? 0 : tensor.bytes() / static_cast<size_t>(tensor.dims()[0]);
      feeds[i] = tensor.data<uint8_t>() + static_cast<size_t>(first) * sampleBytes;
    }
  }
  /// `times`, which may be null, gets the seconds of each step.
  void run(const backend::OutputSink& sink, const StopToken& stop, std::vector<double>* times) {
    for (size_t i = 0; i < program->steps.size(); ++i) {
      const Step& step = program->steps[i];
      stop.check();
      const auto begin = times != nullptr ? Clock::now() : Clock::time_point();
      try {
        step.readsFeed ? step.bind (*this)() : runners[i]();
      } catch (const dnnl::error& error) {
        rethrow(error, "running " + step.info.op + " \"" + step.info.name + "\"");
      }
      if (times != nullptr) times->push_back(secondsSince(begin));
      if (step.output >= 0 && sink) {
        const int index = step.reads[0];
        const Value& value = program->values[static_cast<size_t>(index)];
        const Dims& d = value.dims;
        const Dims asItLies = value.layout == Layout::Nhwc ? Dims{d[0], d[2], d[3], d[1]} : d;
        sink(static_cast<size_t>(step.output), Tensor::view(value.dtype, asItLies, pointer(index)));
      }
    }
  }
  int64_t bytes() const { return program->arenaBytes + program->scratchBytes; }

 private:
  std::shared_ptr<const Program> program;
  Tensor arena, scratchMemory;
  std::vector<const void*> feeds;
  std::vector<Runner> runners;
};

/// How feeds of some shapes are run: by one program on all threads; or, cut between samples, by one for each thread,
/// which then waits for the others once a run and not at every layer, and keeps its activations in a cache of its own.
struct CpuSession::Plan {
  ProgramKey key;
  std::vector<std::unique_ptr<Bound>> parts;
  std::vector<int64_t> firsts;  ///< the first sample of each part
};

CpuSession::CpuSession(std::shared_ptr<CpuEngine> engine, int threads, bool profile)
    : engine_(std::move(engine)), threads_(threads), profile_(profile) {}

CpuSession::~CpuSession() { releaseTeam(); }

void CpuSession::rest() { releaseTeam(); }

int64_t CpuSession::arenaBytes() const {
  int64_t bytes = 0;
  for (const auto& plan : plans_) {
    for (const auto& part : plan->parts) bytes += part->bytes();
  }
  return bytes;
}

CpuSession::Plan& CpuSession::planFor(const backend::Feeds& feeds, const StopToken& stop) {
  const ProgramKey key = engine_->keyOf(feeds, threads_);
  const auto known = std::find_if(plans_.begin(), plans_.end(), [&](const auto& p) { return p->key == key; });
  if (known != plans_.end()) {
    std::rotate(plans_.begin(), known, known + 1);
  } else {
    plans_.insert(plans_.begin(), plan(key, feeds, stop));
    if (plans_.size() > kKeptPlans) plans_.pop_back();
  }
  return *plans_.front();
}

std::unique_ptr<CpuSession::Plan> CpuSession::plan(const ProgramKey& key, const backend::Feeds& feeds,
                                                   const StopToken& stop) {
  auto made = std::make_unique<Plan>();
  made->key = key;
  const std::vector<ProgramKey> parts = profile_ ? std::vector<ProgramKey>{} : engine_->apart(key);
  if (parts.empty()) {
    omp_set_num_threads(threads_);
    made->parts.push_back(std::make_unique<Bound>(engine_->program(key, feeds, {}, stop)));
    made->firsts = {0};
    return made;
  }
  omp_set_num_threads(1);
  int64_t first = 0;
  for (const ProgramKey& part : parts) {
    made->parts.push_back(std::make_unique<Bound>(engine_->program(part, feeds, {}, stop)));
    made->firsts.push_back(first);
    first += part.shapes[0][0];
  }
  if (!crew_) crew_ = std::make_unique<Crew>(static_cast<int>(parts.size()));
  return made;
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

void CpuSession::runApart(Plan& plan, const backend::Feeds& feeds, const backend::OutputSink& sink,
                          const StopToken& stop) {
  const size_t count = engine_->outputs().size();
  std::vector<std::vector<Tensor>> pieces(count, std::vector<Tensor>(plan.parts.size()));
  crew_->run([&](int member) {
    const auto part = static_cast<size_t>(member);
    plan.parts[part]->feed(feeds, plan.firsts[part]);
    plan.parts[part]->run([&](size_t output, const Tensor& tensor) { pieces[output][part] = tensor.clone(); }, stop,
                          nullptr);
  });
  if (!sink) return;
  for (size_t output = 0; output < count; ++output) {
    Dims dims = pieces[output][0].dims();
    dims[0] = plan.key.shapes[0][0];
    Tensor joined(pieces[output][0].dtype(), dims);
    uint8_t* to = joined.data<uint8_t>();
    for (const Tensor& piece : pieces[output]) {
      std::memcpy(to, piece.data<void>(), piece.bytes());
      to += piece.bytes();
    }
    sink(output, joined);
  }
}

void CpuSession::run(const backend::Feeds& feeds, const backend::OutputSink& sink, const StopToken& stop) {
  stop.check();
  const auto begin = Clock::now();
  Plan& plan = planFor(feeds, stop);
  timing_.layers.clear();
  if (plan.parts.size() > 1) {
    runApart(plan, feeds, sink, stop);
  } else {
    omp_set_num_threads(threads_);
    plan.parts[0]->feed(feeds, 0);
    plan.parts[0]->run(sink, stop, profile_ ? &timing_.layers : nullptr);
  }
  timing_.total = secondsSince(begin);
}

}  // namespace presisi::cpu
