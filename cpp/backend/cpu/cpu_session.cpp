#include "backend/cpu/cpu_session.hpp"

#include <omp.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>

#include "core/error.hpp"

namespace presisi::cpu {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// A session that sees many batch sizes keeps the memory of this many.
constexpr size_t kKeptPlans = 8;

/// Longer than from one run to the next where they follow one another, shorter than anybody's turn on a processor.
constexpr std::chrono::microseconds kAwake(200);

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
  /// Has samples [first, first + count) made, and looks at those.
  void make(const backend::SampleMaker& samples, int64_t first, int64_t count) {
    if (made.empty()) {
      Dims dims = samples.dims;
      dims[0] = count;
      made = Tensor::uninitialized(DType::Float32, dims);
    }
    samples.make(first, count, made.data<float>());
    feeds[0] = made.data<void>();
  }
  /// On the calling thread and its OpenMP team. `times`, which may be null, gets the seconds of each step.
  void run(const backend::OutputSink& sink, const StopToken& stop, std::vector<double>* times) {
    for (size_t i = 0; i < runners.size(); ++i) {
      if (program->steps[i].readsFeed) runners[i] = program->steps[i].bind(*this);
    }
    for (size_t i = 0; i < runners.size();) {
      const size_t first = i;
      while (i < runners.size() && std::holds_alternative<Together>(runners[i])) ++i;
      if (i > first) {
        runTogether(first, i, stop, times);
      } else {
        runAlone(i++, sink, stop, times);
      }
    }
  }
  int64_t bytes() const { return program->arenaBytes + program->scratchBytes + static_cast<int64_t>(made.bytes()); }

 private:
  void runAlone(size_t index, const backend::OutputSink& sink, const StopToken& stop, std::vector<double>* times) {
    const Step& step = program->steps[index];
    stop.check();
    const auto begin = Clock::now();
    try {
      std::get<Alone>(runners[index])();
    } catch (const dnnl::error& error) {
      rethrow(error, "running " + step.info.op + " \"" + step.info.name + "\"");
    }
    if (times != nullptr) times->push_back(secondsSince(begin));
    if (step.output >= 0 && sink) {
      const int output = step.reads[0];
      const Value& value = program->values[static_cast<size_t>(output)];
      const Dims& d = value.dims;
      const Dims asItLies = value.layout == Layout::Nhwc ? Dims{d[0], d[2], d[3], d[1]} : d;
      sink(static_cast<size_t>(step.output), Tensor::view(value.dtype, asItLies, pointer(output)));
    }
  }

  /// Steps [first, last), between which threads wait for one another and nothing else: starting a team and ending it
  /// takes several times as long.
  void runTogether(size_t first, size_t last, const StopToken& stop, std::vector<double>* times) {
    Meeting meeting;
    const auto take = [&](const Team& team) {
      try {
        for (size_t i = first; i < last; ++i) {
          const auto begin = Clock::now();
          if (team.index == 0) stop.check();
          std::get<Together>(runners[i])(team);
          if (i + 1 < last || times != nullptr) team.wait();
          if (team.index == 0 && times != nullptr) times->push_back(secondsSince(begin));
        }
      } catch (const Meeting::Broken&) {  // whoever left has said why
      } catch (...) {
        meeting.leave(std::current_exception());
      }
    };
#pragma omp parallel if (omp_get_max_threads() > 1)
    take({omp_get_thread_num(), omp_get_num_threads(), &meeting});
    if (meeting.failure()) std::rethrow_exception(meeting.failure());
  }

  std::shared_ptr<const Program> program;
  Tensor arena, scratchMemory;
  Tensor made;  ///< where it was had make samples
  std::vector<const void*> feeds;
  std::vector<Runner> runners;
};

/// How feeds of some shapes are run: by one program on all threads; or, cut between samples, by one for each thread,
/// which then waits for the others once a run and not at every layer, and keeps its activations in a cache of its own.
struct CpuSession::Plan {
  ProgramKey key;
  bool join = true;  ///< for outputs that are wanted whole
  struct Part {
    int64_t first, last, step;  ///< samples, and how many at a time
    std::unique_ptr<Bound> bound;
  };
  std::vector<Part> parts;
};

CpuSession::CpuSession(std::shared_ptr<CpuEngine> engine, int threads, bool profile)
    : engine_(std::move(engine)), threads_(threads), profile_(profile) {}

CpuSession::~CpuSession() { releaseTeam(); }

void CpuSession::rest() { releaseTeam(); }

int64_t CpuSession::arenaBytes() const {
  int64_t bytes = 0;
  for (const auto& plan : plans_) {
    for (const Plan::Part& part : plan->parts) bytes += part.bound->bytes();
  }
  return bytes;
}

CpuSession::Plan& CpuSession::planFor(const backend::Feeds& feeds, bool join, const StopToken& stop) {
  const ProgramKey key = engine_->keyOf(feeds, threads_);
  const auto known =
      std::find_if(plans_.begin(), plans_.end(), [&](const auto& p) { return p->key == key && p->join == join; });
  if (known != plans_.end()) {
    std::rotate(plans_.begin(), known, known + 1);
  } else {
    plans_.insert(plans_.begin(), plan(key, join, feeds, stop));
    if (plans_.size() > kKeptPlans) plans_.pop_back();
  }
  return *plans_.front();
}

std::unique_ptr<CpuSession::Plan> CpuSession::plan(const ProgramKey& key, bool join, const backend::Feeds& feeds,
                                                   const StopToken& stop) {
  auto made = std::make_unique<Plan>();
  made->key = key;
  made->join = join;
  const auto parts = profile_ ? std::vector<CpuEngine::Part>{} : engine_->apart(key, join);
  omp_set_num_threads(parts.empty() ? threads_ : 1);
  for (const CpuEngine::Part& part : parts) {
    made->parts.push_back({part.first, part.last, part.key.shapes[0][0],
                           std::make_unique<Bound>(engine_->program(part.key, feeds, {}, stop))});
  }
  if (parts.empty()) made->parts.push_back({0, 1, 1, std::make_unique<Bound>(engine_->program(key, feeds, {}, stop))});
  if (!parts.empty() && !pool_) pool_ = std::make_unique<WorkerPool>(static_cast<int>(parts.size()), kAwake);
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

void CpuSession::execute(Plan& plan, const Feeder& feed, const backend::PartSink& sink, const StopToken& stop) {
  const auto begin = Clock::now();
  timing_.layers.clear();
  const auto run = [&](int index) {
    const Plan::Part& part = plan.parts[static_cast<size_t>(index)];
    for (int64_t first = part.first; first < part.last; first += part.step) {
      feed(*part.bound, first, part.step);
      part.bound->run([&](size_t output, const Tensor& tensor) { sink(output, first, tensor); }, stop,
                      profile_ ? &timing_.layers : nullptr);
    }
  };
  if (plan.parts.size() > 1) {
    pool_->run(static_cast<int>(plan.parts.size()), [&](int part) {
      omp_set_num_threads(1);
      run(part);
    });
  } else {
    omp_set_num_threads(threads_);
    run(0);
  }
  timing_.total = secondsSince(begin);
}

void CpuSession::run(const backend::Feeds& feeds, const backend::OutputSink& sink, const StopToken& stop) {
  stop.check();
  executeJoined(
      planFor(feeds, true, stop), [&](Bound& bound, int64_t first, int64_t) { bound.feed(feeds, first); }, sink, stop);
}

int CpuSession::runMade(const backend::SampleMaker& samples, const backend::OutputSink& sink, const StopToken& stop) {
  stop.check();
  // Plans are made for shapes; only inputs with fewer dimensions than samples have are ever looked at then.
  const backend::Feeds shapes{{samples.input, Tensor::view(DType::Float32, samples.dims, nullptr)}};
  Plan& plan = planFor(shapes, true, stop);
  if (plan.parts.size() == 1) return Session::runMade(samples, sink, stop);
  executeJoined(
      plan, [&](Bound& bound, int64_t first, int64_t count) { bound.make(samples, first, count); }, sink, stop);
  return static_cast<int>(plan.parts.size());
}

void CpuSession::executeJoined(Plan& plan, const Feeder& feed, const backend::OutputSink& sink, const StopToken& stop) {
  const auto handOver = [&](size_t output, const Tensor& tensor) {
    if (sink) sink(output, tensor);
  };
  if (plan.parts.size() == 1) {
    execute(
        plan, feed, [&](size_t output, int64_t, const Tensor& tensor) { handOver(output, tensor); }, stop);
    return;
  }
  std::vector<std::map<int64_t, Tensor>> pieces(engine_->outputs().size());  // by first sample
  std::mutex mutex;
  execute(
      plan, feed,
      [&](size_t output, int64_t first, const Tensor& tensor) {
        Tensor piece = tensor.clone();
        const std::lock_guard<std::mutex> lock(mutex);
        pieces[output].emplace(first, std::move(piece));
      },
      stop);
  for (size_t output = 0; output < pieces.size(); ++output) {
    const Tensor& head = pieces[output].at(0);
    Dims dims = head.dims();
    dims[0] = plan.key.shapes[0][0];
    Tensor joined(head.dtype(), dims);
    uint8_t* to = joined.data<uint8_t>();
    for (const auto& [first, piece] : pieces[output]) {
      std::memcpy(to, piece.data<void>(), piece.bytes());
      to += piece.bytes();
    }
    handOver(output, joined);
  }
}

void CpuSession::runInParts(const backend::Feeds& feeds, const backend::PartSink& sink, const StopToken& stop) {
  stop.check();
  execute(
      planFor(feeds, false, stop), [&](Bound& bound, int64_t first, int64_t) { bound.feed(feeds, first); }, sink, stop);
}

}  // namespace presisi::cpu
