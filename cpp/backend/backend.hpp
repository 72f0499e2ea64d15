#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/progress.hpp"
#include "core/stop_token.hpp"
#include "core/tensor.hpp"
#include "onnx/model.hpp"

/// The seam between presisi and what executes networks. A backend receives ONNX that already carries Q/DQ and chooses
/// no scales; calibration reads activations through exposed outputs, so nothing here knows of calibration.
namespace presisi::backend {

/// Changes whenever anything in this file does; a backend library built against another value is refused.
inline constexpr int kAbiVersion = 4;

struct Device {
  std::string name;
  std::map<std::string, std::string> properties;  ///< isa, cores, threads, memory, …: only what could be read
};

struct Probe {
  bool available = false;
  std::string reason;   ///< why not, when not available; else empty
  std::string hint;     ///< what mends it
  std::string version;  ///< of the vendor's library, e.g. `oneDNN 2.6.3`
  std::vector<Device> devices;
  std::vector<std::string> precisions;  ///< `fp32`, `fp16`, `int8`: what it accepts
  std::string int8Isa;                  ///< what executes INT8 (`avx512_vnni`, …); empty where INT8 runs emulated
  bool int8Saturates = false;           ///< INT8 multiply-add may saturate in 16 bits: weights must be kept to 7 bits
  /// What an engine built here is tied to: library version, GPU, …. Kept in engine files; see Backend::mismatch().
  std::map<std::string, std::string> identity;
};

enum class LogLevel { Error, Warning, Info, Verbose };

/// What a vendor's library says while it works. Called from any thread; must not throw. May be empty.
using LogFn = std::function<void(LogLevel, const std::string&)>;

/// What a backend wants of the graph it builds from.
struct GraphForm {
  /// fp16: FP32 arithmetic on weights stored in FP16; FP32, and the backend chooses what runs in FP16; or FP16
  /// arithmetic written into the graph.
  enum class Half { Stored, Chosen, Typed };
  Half half = Half::Stored;
  bool packedWeights = true;  ///< INT8 weights behind DequantizeLinear, else FP32 behind Quantize and Dequantize
};

struct TensorInfo {
  std::string name;
  DType dtype = DType::Undefined;
  Dims dims;           ///< -1: dynamic
  bool ranked = true;  ///< false: the model doesn't even say how many dimensions there are
};

using Feeds = std::map<std::string, Tensor>;

/// For a backend that finds INT8 ranges by itself instead of reading them from Q/DQ.
struct OwnCalibration {
  std::string method;                            ///< `entropy` or `minmax`
  std::function<bool(Feeds&)> next;              ///< the next batch; false when there is none. May throw.
  std::string cache;                             ///< what an earlier calibration kept; empty: none
  std::function<void(const std::string&)> keep;  ///< receives what is to be kept for another time
};

struct BuildOptions {
  std::string precision = "fp32";  ///< recorded and reported; the graph itself says what is INT8
  int64_t maxBatch = 1;
  int threads = 0;       ///< 0: physical cores
  std::string settings;  ///< JSON object of what only this backend knows; unknown keys are InvalidArgument
  LogFn log;
  std::shared_ptr<const OwnCalibration> calibration;  ///< null: the graph carries its scales
  /// Outputs are only counted: those of rank 4 may be handed over as [N, H, W, C], which saves turning them around.
  bool outputsInAnyOrder = false;
};

/// One step of the built engine.
struct LayerInfo {
  std::string name;
  std::string op;
  std::string requested;           ///< precision the graph asked for: `int8`, `fp32`
  std::string precision;           ///< precision it really runs in
  std::string kernel;              ///< what executes it (the vendor's implementation name, or ours)
  std::vector<std::string> fused;  ///< names of the nodes folded into it
  std::string reason;              ///< why it is not in the requested precision, where it isn't
  Dims outputDims;                 ///< at batch 1
  int64_t macs = 0;                ///< multiply-accumulates at batch 1
  int64_t weightBytes = 0;
  int64_t activationBytes = 0;  ///< read plus written at batch 1
  std::string format;           ///< memory layout of the output, where the backend says
  bool reformat = false;        ///< only changes layout or precision between two layers
};

/// Wall time of the last run, seconds, per layer where the session was made with `profile`.
struct Timing {
  double total = 0;
  std::vector<double> layers;  ///< parallel to Engine::layers(); empty without `profile`
  /// Parts of the total by name, where the device reports them: `h2d`, `compute`, `d2h`, `enqueue`.
  std::map<std::string, double> stages;
};

/// Receives each graph output the moment it exists. The tensor may look into the session's own memory: it is valid
/// during the call only. Nothing is gathered, so memory doesn't grow with the number of outputs.
using OutputSink = std::function<void(size_t outputIndex, const Tensor&)>;

/// The same of some of the samples: `first` is the first of those that the tensor has.
using PartSink = std::function<void(size_t outputIndex, int64_t first, const Tensor&)>;

/// Float32 samples of a network's only input, made when somebody is about to compute with them.
struct SampleMaker {
  std::string input;
  Dims dims;  ///< of all samples
  /// Writes samples [first, first + count). Called from several threads at once.
  std::function<void(int64_t first, int64_t count, float* into)> make;
};

/// Copies outputs, in the order of Engine::outputs().
inline OutputSink copyInto(std::vector<Tensor>& outputs) {
  return [&outputs](size_t index, const Tensor& tensor) {
    if (outputs.size() <= index) outputs.resize(index + 1);
    outputs[index] = tensor.clone();
  };
}

/// Executes one network; one thread at a time. Dynamic batch: shapes are those of the feeds.
class Session {
 public:
  virtual ~Session() = default;
  /// Throws ShapeMismatch for feeds that don't fit, Canceled, OutOfMemory.
  virtual void run(const Feeds& feeds, const OutputSink& sink, const StopToken& stop) = 0;
  /// As run(), for who takes outputs in parts: threads that have samples of their own then hand these over without
  /// waiting for one another, several at once.
  virtual void runInParts(const Feeds& feeds, const PartSink& sink, const StopToken& stop) {
    run(
        feeds, [&](size_t index, const Tensor& tensor) { sink(index, 0, tensor); }, stop);
  }
  /// As run(). Threads that have samples of their own make those themselves, just before they compute with them.
  /// Returns how many threads made samples, at the same time.
  virtual int runMade(const SampleMaker& samples, const OutputSink& sink, const StopToken& stop) {
    Tensor all = Tensor::uninitialized(DType::Float32, samples.dims);
    samples.make(0, samples.dims.at(0), all.data<float>());
    run({{samples.input, all}}, sink, stop);
    return 1;
  }
  virtual Timing lastTiming() const = 0;
  /// Bytes held for activations and scratch.
  virtual int64_t arenaBytes() const = 0;
  /// Threads that `parallel` runs on; 1 where the session has none to share.
  virtual int threads() const { return 1; }
  /// Calls `body` with 0 … parts - 1 on the session's own threads, which are awake while an output is handed over, and
  /// waits. Rethrows what it threw.
  virtual void parallel(int parts, const std::function<void(int)>& body) {
    for (int part = 0; part < parts; ++part) body(part);
  }

  /// Lets go of threads that are kept for the calling one; they come back when they are needed.
  virtual void rest() {}

  /// Outputs copied, in the order of Engine::outputs().
  std::vector<Tensor> run(const Feeds& feeds, const StopToken& stop = {}) {
    std::vector<Tensor> outputs;
    run(feeds, copyInto(outputs), stop);
    return outputs;
  }
};

struct SessionOptions {
  int threads = 0;       ///< 0: as built
  bool profile = false;  ///< time every layer
  std::string settings;  ///< JSON object of what only this backend knows; unknown keys are InvalidArgument
  LogFn log;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual const std::vector<TensorInfo>& inputs() const = 0;
  virtual const std::vector<TensorInfo>& outputs() const = 0;
  /// The backend's own part of an engine file; Backend::load() takes it back.
  virtual std::string serialize() const = 0;
  virtual std::vector<LayerInfo> layers() const = 0;
  virtual int64_t weightBytes() const = 0;
  /// The engine must outlive its sessions (hold it by shared_ptr).
  virtual std::unique_ptr<Session> createSession(const SessionOptions& options) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;
  virtual Probe probe() = 0;
  virtual GraphForm form(const BuildOptions&) const { return {}; }
  /// Why an engine made by a backend of that identity can't run on this one, and what to do; empty when it can.
  virtual std::string mismatch(const std::map<std::string, std::string>&) { return {}; }
  virtual std::shared_ptr<Engine> build(const onnx::Model& model, const BuildOptions& options,
                                        const ProgressFn& progress, const StopToken& stop) = 0;
  /// `owner` keeps the bytes alive for as long as the engine looks into them.
  virtual std::shared_ptr<Engine> load(const uint8_t* plan, size_t size, std::shared_ptr<const void> owner,
                                       const BuildOptions& options) = 0;
};

}  // namespace presisi::backend
