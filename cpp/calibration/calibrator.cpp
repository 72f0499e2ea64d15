#include "calibration/calibrator.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <set>
#include <thread>

#include "core/error.hpp"
#include "core/trace.hpp"
#include "core/worker_pool.hpp"
#include "graph/passes.hpp"

namespace presisi::calibration {

namespace {

/// Values that pay for waking a thread: some 50 microseconds of counting.
constexpr int64_t kValuesPerPart = 64 * 1024;

int threadCount(int asked) {
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  return asked > 0 ? std::min(asked, cores) : cores;
}

std::string sampleRange(uint64_t first, uint64_t count) {
  if (count <= 1) return "sample " + std::to_string(first);
  return "samples " + std::to_string(first) + " to " + std::to_string(first + count - 1);
}

void requireFloat(const std::string& name, const Tensor& tensor) {
  if (tensor.dtype() == DType::Float32) return;
  throw Error(ErrorCode::UnsupportedModel,
              "expected float32 values in the activation \"" + name + "\" but found " + presisi::name(tensor.dtype()));
}

}  // namespace

struct Calibrator::Impl {
  explicit Impl(int threads) : pool(threads) {}

  void add(const std::string& name, Histogram& histogram, const Tensor& tensor);
  void addPart(const std::string& name, Histogram& histogram, int64_t first, const Tensor& tensor);
  /// The tensor is of `count` samples, from the batch's `first` on.
  void requireFinite(const std::string& name, const Histogram& histogram, int64_t first, int64_t count,
                     const Tensor& tensor) const;

  std::shared_ptr<backend::Engine> engine;
  std::unique_ptr<backend::Session> session;
  std::map<std::string, Histogram> histograms;
  std::vector<std::pair<std::string, Histogram*>> inputs;   ///< graph inputs to calibrate: read from the feeds
  std::vector<std::pair<std::string, Histogram*>> outputs;  ///< by output index; null where nobody asked
  WorkerPool pool;
  uint64_t samples = 0;
  uint64_t batch = 0;  ///< samples of the batch in work
  std::mutex counted;  ///< taken to change a histogram that parts of a batch go into
  bool usable = true;  ///< false while a batch is counted, and after one that failed halfway
};

Calibrator::Calibrator(const onnx::Model& model, std::vector<std::string> tensors, backend::Backend& backend,
                       int threads, int64_t maxBatch, const ProgressFn& progress, const StopToken& stop)
    : impl_(std::make_unique<Impl>(threadCount(threads))) {
  std::set<std::string> graphInputs;
  for (const onnx::ValueInfo& input : model.graph.inputs) graphInputs.insert(input.name);
  std::vector<std::string> exposed;
  for (std::string& name : tensors) {
    const auto [entry, added] = impl_->histograms.try_emplace(name);
    if (!added) continue;
    if (graphInputs.count(name) > 0) {
      impl_->inputs.emplace_back(name, &entry->second);
    } else {
      exposed.push_back(std::move(name));
    }
  }

  backend::BuildOptions options;
  options.precision = "fp32";
  options.maxBatch = maxBatch;
  options.threads = threads;
  options.outputsInAnyOrder = true;
  impl_->engine = backend.build(graph::exposeTensors(model, exposed), options, progress, stop);
  for (const backend::TensorInfo& output : impl_->engine->outputs()) {
    const auto entry = impl_->histograms.find(output.name);
    const bool asked = entry != impl_->histograms.end() && graphInputs.count(output.name) == 0;
    impl_->outputs.emplace_back(output.name, asked ? &entry->second : nullptr);
  }
  for (const std::string& name : exposed) {
    const auto made = std::find_if(impl_->outputs.begin(), impl_->outputs.end(),
                                   [&](const auto& output) { return output.first == name; });
    if (made == impl_->outputs.end()) {
      throw Error(ErrorCode::Internal, "backend " + backend.name() + " doesn't give the tensor \"" + name + "\"");
    }
  }
  backend::SessionOptions sessionOptions;
  sessionOptions.threads = threads;
  impl_->session = impl_->engine->createSession(sessionOptions);
}

Calibrator::~Calibrator() = default;

void Calibrator::collect(const backend::Feeds& feeds, const StopToken& stop) {
  if (!impl_->usable) {
    throw Error(ErrorCode::InvalidCalibration, "a batch failed or was canceled halfway: its values are counted in part",
                "start the calibration again");
  }
  if (feeds.empty()) throw Error(ErrorCode::InvalidCalibration, "expected feeds for a calibration batch, found none");
  const Tensor& first = feeds.begin()->second;
  const int64_t batch = first.rank() > 0 ? first.dim(0) : 1;
  if (batch < 1) throw Error(ErrorCode::InvalidCalibration, "expected at least one sample in a calibration batch");

  impl_->batch = static_cast<uint64_t>(batch);
  for (const auto& [name, histogram] : impl_->inputs) {
    const auto feed = feeds.find(name);
    if (feed == feeds.end()) {
      throw Error(ErrorCode::ShapeMismatch, "expected a tensor for the input \"" + name + "\"");
    }
  }
  const std::thread::id here = std::this_thread::get_id();
  Span span("run");
  impl_->session->runInParts(
      feeds,
      [&](size_t index, int64_t first, const Tensor& tensor) {
        const auto& [name, histogram] = impl_->outputs.at(index);
        if (histogram == nullptr) return;
        // Where threads have samples of their own, this one's phases stand for all.
        const bool timed = std::this_thread::get_id() == here;
        if (timed) span.next("collect");
        if (tensor.rank() == 0 || tensor.dim(0) == batch) {
          impl_->add(name, *histogram, tensor);
        } else {
          impl_->addPart(name, *histogram, first, tensor);
        }
        if (timed) span.next("run");
      },
      stop);
  span.next("collect");
  // After the run, which has checked the feeds against the model.
  for (const auto& [name, histogram] : impl_->inputs) impl_->add(name, *histogram, feeds.at(name));
  impl_->samples += impl_->batch;
  impl_->usable = true;
}

void Calibrator::Impl::add(const std::string& name, Histogram& histogram, const Tensor& tensor) {
  requireFloat(name, tensor);
  usable = false;
  const float* values = tensor.data<float>();
  const int64_t count = tensor.size();
  // The session's threads are awake between two of its steps, and would contend with the pool's.
  const bool own = session->threads() > 1;
  const int threads = own ? session->threads() : pool.size();
  const int parts = static_cast<int>(std::min<int64_t>(threads, count / kValuesPerPart));
  if (parts <= 1) {
    histogram.add(values, count);
  } else {
    std::vector<Histogram> partial(static_cast<size_t>(parts));
    const auto share = [&](int part) {
      const int64_t from = count * part / parts;
      const int64_t to = count * (part + 1) / parts;
      partial[static_cast<size_t>(part)].add(values + from, to - from);
    };
    own ? session->parallel(parts, share) : pool.run(parts, share);
    for (const Histogram& part : partial) histogram.merge(part);
  }
  requireFinite(name, histogram, 0, static_cast<int64_t>(batch), tensor);
}

void Calibrator::Impl::addPart(const std::string& name, Histogram& histogram, int64_t first, const Tensor& tensor) {
  requireFloat(name, tensor);
  Histogram part;
  part.add(tensor.data<float>(), tensor.size());
  const std::lock_guard<std::mutex> lock(counted);
  usable = false;
  histogram.merge(part);
  requireFinite(name, part, first, tensor.dim(0), tensor);
}

void Calibrator::Impl::requireFinite(const std::string& name, const Histogram& histogram, int64_t first, int64_t count,
                                     const Tensor& tensor) const {
  if (histogram.notANumber() + histogram.infinite() == 0) return;
  const float* values = tensor.data<float>();
  int64_t where = 0;
  while (where < tensor.size() && std::isfinite(values[where])) ++where;
  const uint64_t from = samples + static_cast<uint64_t>(first);
  std::string message = "activation \"" + name + "\" has " + std::to_string(histogram.notANumber()) + " NaN and " +
                        std::to_string(histogram.infinite()) + " infinite values in " +
                        sampleRange(from, static_cast<uint64_t>(count));
  if (count > 1 && tensor.rank() > 0 && tensor.dim(0) == count && where < tensor.size()) {
    message += ", the first in sample " +
               std::to_string(from + static_cast<uint64_t>(where / (tensor.size() / tensor.dim(0))));
  }
  throw Error(ErrorCode::InvalidCalibration, message,
              "check that sample and its preprocessing, and that the model's weights are finite");
}

uint64_t Calibrator::samples() const { return impl_->samples; }

const std::map<std::string, Histogram>& Calibrator::histograms() const { return impl_->histograms; }

std::map<std::string, Threshold> Calibrator::solve(const SolveOptions& options, const ProgressFn& progress,
                                                   const StopToken& stop) const {
  if (!impl_->usable) {
    throw Error(ErrorCode::InvalidCalibration, "a batch failed or was canceled halfway: its values are counted in part",
                "start the calibration again");
  }
  if (impl_->samples == 0) {
    throw Error(ErrorCode::InvalidCalibration, "no calibration data was collected",
                "give some hundred samples of the data the model will see");
  }
  std::map<std::string, Threshold> thresholds;
  std::vector<std::pair<const Histogram*, Threshold*>> work;
  for (const auto& [name, histogram] : impl_->histograms) work.emplace_back(&histogram, &thresholds[name]);
  // A few tensors at a time, so that progress and stop are heard from this thread.
  const size_t step = static_cast<size_t>(impl_->pool.size());
  for (size_t start = 0; start < work.size(); start += step) {
    stop.check();
    const size_t size = std::min(step, work.size() - start);
    impl_->pool.run(static_cast<int>(size), [&](int i) {
      const auto& [histogram, threshold] = work[start + static_cast<size_t>(i)];
      *threshold = {calibration::solve(*histogram, options), histogram->min(), histogram->max(), histogram->total()};
    });
    if (progress) progress({"solve", static_cast<double>(start + size), static_cast<double>(work.size())});
  }
  return thresholds;
}

}  // namespace presisi::calibration
