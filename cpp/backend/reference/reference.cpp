#include "backend/reference/reference.hpp"

#include <algorithm>
#include <chrono>
#include <memory>

#include "backend/feeds.hpp"
#include "backend/reference/network.hpp"
#include "onnx/reader.hpp"
#include "onnx/writer.hpp"
#include "ops/operator.hpp"

namespace presisi::backend::reference {

namespace {

/// What an engine and its sessions share; never changes once made.
struct Network {
  onnx::Model model;
  std::vector<Step> steps;
  std::vector<TensorInfo> inputs, outputs;
  int64_t maxBatch = 1;
};

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class ReferenceSession : public Session {
 public:
  ReferenceSession(std::shared_ptr<const Network> network, const SessionOptions& options)
      : network_(std::move(network)), profile_(options.profile) {}

  using Session::run;

  void run(const Feeds& feeds, const OutputSink& sink, const StopToken& stop) override {
    const auto start = Clock::now();
    validateFeeds(network_->inputs, feeds, network_->maxBatch);
    timing_ = {};
    peak_ = 0;
    // Everything the network computes is let go when this returns.
    std::map<std::string, Tensor> values = network_->model.graph.initializers;
    for (const auto& [name, feed] : feeds) values[name] = feed;
    for (const auto& [name, tensor] : values) emit(name, tensor, sink);
    int64_t live = 0;
    for (const Step& step : network_->steps) {
      stop.check();
      const auto stepStart = Clock::now();
      std::vector<Tensor> outputs = runStep(step, values, stop);
      for (size_t i = 0; i < step.node.outputs.size(); ++i) {
        if (step.node.outputs[i].empty()) continue;
        live += static_cast<int64_t>(outputs[i].bytes());
        values[step.node.outputs[i]] = outputs[i];
      }
      peak_ = std::max(peak_, live);
      outputs.clear();
      if (profile_) timing_.layers.push_back(secondsSince(stepStart));
      for (const std::string& output : step.node.outputs) {
        if (!output.empty()) emit(output, values[output], sink);
      }
      for (const std::string& name : step.release) {
        const auto it = values.find(name);
        const bool ours = network_->model.graph.initializers.count(name) == 0 && feeds.count(name) == 0;
        if (ours) live -= static_cast<int64_t>(it->second.bytes());
        values.erase(it);
      }
    }
    timing_.total = secondsSince(start);
  }

  Timing lastTiming() const override { return timing_; }
  int64_t arenaBytes() const override { return peak_; }

 private:
  void emit(const std::string& name, const Tensor& tensor, const OutputSink& sink) const {
    for (size_t i = 0; i < network_->outputs.size(); ++i) {
      if (network_->outputs[i].name == name) sink(i, tensor);
    }
  }

  std::shared_ptr<const Network> network_;
  bool profile_;
  Timing timing_;
  int64_t peak_ = 0;  ///< most bytes of activations alive at once in the last run
};

class ReferenceEngine : public Engine {
 public:
  explicit ReferenceEngine(std::shared_ptr<const Network> network) : network_(std::move(network)) {}

  const std::vector<TensorInfo>& inputs() const override { return network_->inputs; }
  const std::vector<TensorInfo>& outputs() const override { return network_->outputs; }
  std::string serialize() const override { return onnx::writeModel(network_->model, true); }
  std::vector<LayerInfo> layers() const override { return describeSteps(network_->model, network_->steps); }
  int64_t weightBytes() const override {
    int64_t total = 0;
    for (const auto& [name, tensor] : network_->model.graph.initializers) total += static_cast<int64_t>(tensor.bytes());
    return total;
  }
  std::unique_ptr<Session> createSession(const SessionOptions& options) override {
    return std::make_unique<ReferenceSession>(network_, options);
  }

 private:
  std::shared_ptr<const Network> network_;
};

class ReferenceBackend : public Backend {
 public:
  std::string name() const override { return "reference"; }

  Probe probe() override {
    Probe probe;
    probe.available = true;
    probe.version = "presisi " PRESISI_VERSION;
    probe.devices.push_back({"CPU", {{"threads", "1"}}});
    probe.precisions = {"fp32", "fp16", "int8"};
    return probe;
  }

  std::shared_ptr<Engine> build(const onnx::Model& model, const BuildOptions& options, const ProgressFn& progress,
                                const StopToken& stop) override {
    stop.check();
    if (options.maxBatch < 1) {
      throw Error(ErrorCode::InvalidArgument,
                  "expected a positive integer for maxBatch but received " + std::to_string(options.maxBatch));
    }
    ops::requireSupported(model);
    auto network = std::make_shared<Network>();
    network->model = model;
    network->steps = planSteps(model);
    network->inputs = describeInputs(model);
    network->outputs = describeOutputs(model);
    network->maxBatch = options.maxBatch;
    if (progress) progress({"build", 1, 1});
    return std::make_shared<ReferenceEngine>(std::move(network));
  }

  std::shared_ptr<Engine> load(const uint8_t* plan, size_t size, std::shared_ptr<const void> owner,
                               const BuildOptions& options) override {
    return build(onnx::readModel(plan, size, std::move(owner)), options, {}, {});
  }
};

}  // namespace

Backend& instance() {
  static ReferenceBackend backend;
  return backend;
}

}  // namespace presisi::backend::reference
