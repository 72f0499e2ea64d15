#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "backend/cuda/graph.hpp"
#include "backend/cuda/stream.hpp"
#include "backend/tensorrt/engine.hpp"
#include "backend/tensorrt/slot.hpp"

namespace presisi::tensorrt {

/// The times that TensorRT reports for each layer of a run.
class LayerTimes final : public nvinfer1::IProfiler {
 public:
  explicit LayerTimes(const std::vector<backend::LayerInfo>& layers);
  void reportLayerTime(const char* layer, float milliseconds) noexcept override;
  void start() { std::fill(seconds_.begin(), seconds_.end(), 0.0); }
  const std::vector<double>& seconds() const { return seconds_; }

 private:
  std::map<std::string, size_t> byName_;
  std::vector<double> seconds_;
};

/// A stream, a context and the memory of one network. Inputs go through pinned staging memory to the device and outputs
/// back; on a GPU that shares the CPU's memory it works on host memory in place.
class TensorRtSession final : public backend::Session {
 public:
  /// Throws InvalidArgument for settings, OutOfMemory.
  TensorRtSession(const TensorRtEngine& engine, const backend::SessionOptions& options);
  ~TensorRtSession() override;
  TensorRtSession(const TensorRtSession&) = delete;
  TensorRtSession& operator=(const TensorRtSession&) = delete;

  void run(const backend::Feeds& feeds, const backend::OutputSink& sink, const StopToken& stop) override;
  using backend::Session::run;
  backend::Timing lastTiming() const override { return timing_; }
  int64_t arenaBytes() const override;

 private:
  void settle();
  bool setInputs(const backend::Feeds& feeds);
  void prepareOutputs();
  void bind(Slot& slot);
  void enqueue(bool upload);
  void compute();
  bool launchNetwork();
  void wait(const StopToken& stop);
  void fetchLate();
  void deliver(const backend::OutputSink& sink);
  void noteTiming(double total, bool uploaded);

  SessionSettings settings_;
  Logger& logger_;  ///< the engine's: TensorRT speaks of a context through the logger of its runtime
  Logger::Listener listener_;
  bool zeroCopy_ = false;
  bool hostInputs_ = false;  ///< some inputs are shapes: output shapes may change with every run
  cuda::Stream stream_;
  cuda::Event begun_, uploaded_, computed_, done_;
  std::vector<Slot> inputs_, outputs_;
  std::vector<backend::TensorInfo> inputInfos_;
  std::unique_ptr<LayerTimes> layerTimes_;
  backend::Timing timing_;
  double enqueueSeconds_ = 0;
  bool inFlight_ = false;  ///< a run was left while the device worked: its memory is in use
  bool prepared_ = false;  ///< the context has the shapes and addresses of the slots
  bool warm_ = false;      ///< the network ran once with these shapes, which a capture presupposes
  bool graphAllowed_ = false;
  TensorRtEngine::Context context_;
  cuda::Graph graph_;
};

}  // namespace presisi::tensorrt
