#include "builder.hpp"

#include <chrono>
#include <cstdlib>
#include <thread>

#include "backend/feeds.hpp"
#include "backend/reference/reference.hpp"
#include "calibration.hpp"
#include "core/error.hpp"
#include "graph/passes.hpp"
#include "onnx/writer.hpp"

namespace presisi::doubles::tensorrt {

namespace {

/// The phases of a build, told to the progress monitor where there is one. Phases close in reverse order.
class Phases {
 public:
#if NV_TENSORRT_MAJOR >= 10
  explicit Phases(const Config& config) : monitor_(config.getProgressMonitor()) {}
  ~Phases() {
    while (!open_.empty()) finish();
  }
  void start(const std::string& name, int32_t steps) {
    if (monitor_) monitor_->phaseStart(name.c_str(), open_.empty() ? nullptr : open_.back().c_str(), steps);
    open_.push_back(name);
  }
  bool step(int32_t index) { return !monitor_ || monitor_->stepComplete(open_.back().c_str(), index); }
  void finish() {
    if (monitor_) monitor_->phaseFinish(open_.back().c_str());
    open_.pop_back();
  }

 private:
  nvinfer1::IProgressMonitor* monitor_;
  std::vector<std::string> open_;
#else
  explicit Phases(const Config&) {}
  void start(const std::string&, int32_t) {}
  bool step(int32_t) { return true; }
  void finish() {}
#endif
};

std::map<std::string, Dims> shapesOf(const onnx::Model& model, const Config& config) {
  std::map<std::string, Dims> shapes;
  for (const onnx::ValueInfo& input : model.graph.inputs) {
    shapes[input.name] = input.dims;
    if (config.profiles().empty()) continue;
    const auto& extents = config.profiles()[0]->extents();
    if (const auto it = extents.find(input.name); it != extents.end()) shapes[input.name] = it->second.dims[1];
  }
  return shapes;
}

LayerWishes wishesOf(const Network& network, const Config& config) {
  LayerWishes wishes;
  wishes.stronglyTyped = network.stronglyTyped();
#if NV_TENSORRT_MAJOR <= 10
  using Flag = nvinfer1::BuilderFlag;
  wishes.half = config.getFlag(Flag::kFP16);
  // Without one of the flags a layer's precision is a hint that the builder may ignore, and this one does.
  if (!config.getFlag(Flag::kOBEY_PRECISION_CONSTRAINTS) && !config.getFlag(Flag::kPREFER_PRECISION_CONSTRAINTS)) {
    return wishes;
  }
  for (const auto& layer : network.layers()) {
    if (!layer->precisionIsSet()) continue;
    const onnx::Node& node = network.model().graph.nodes[layer->node()];
    const std::string name = node.name.empty() ? node.outputs[0] : node.name;
    if (layer->getPrecision() == nvinfer1::DataType::kFLOAT) wishes.float32.insert(name);
    if (layer->getPrecision() == nvinfer1::DataType::kHALF) {
      (config.getFlag(Flag::kFP16) ? wishes.float16 : wishes.float32).insert(name);
    }
  }
#else
  (void)config;
#endif
  return wishes;
}

Json describe(const std::vector<backend::TensorInfo>& tensors) {
  Json list = Json::array();
  for (const backend::TensorInfo& info : tensors) {
    list.push_back({{"name", info.name}, {"dtype", static_cast<int>(info.dtype)}, {"dims", info.dims}});
  }
  return list;
}

Json describe(const std::vector<const Profile*>& profiles) {
  Json list = Json::array();
  for (const Profile* profile : profiles) {
    Json inputs = Json::object();
    for (const auto& [name, extent] : profile->extents()) inputs[name] = extent.dims;
    list.push_back(inputs);
  }
  return list;
}

std::string timingKey(const LayerRow& row, const LayerPlan& plan) {
  std::string key = row.type + "|" + row.precision;
  for (const std::string& name : row.inputs) {
    const auto it = plan.dims.find(name);
    key += "|" + (it == plan.dims.end() ? "" : toString(it->second));
  }
  return key + "|" + std::to_string(row.weights);
}

/// Takes the time that choosing tactics takes; false when canceled.
bool chooseTactics(const LayerPlan& plan, const Config& config, Phases& phases) {
  const char* wish = std::getenv("PRESISI_DOUBLE_TACTIC_MS");
  const auto pause = std::chrono::milliseconds(wish ? std::atoi(wish) : 0);
  TimingCache* cache = config.getFlag(nvinfer1::BuilderFlag::kDISABLE_TIMING_CACHE) ? nullptr : config.cache();
  phases.start("Timing graph nodes", static_cast<int32_t>(plan.rows.size()));
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    const std::string key = timingKey(plan.rows[i], plan);
    if (!cache || !cache->entries.count(key)) {
#if NV_TENSORRT_MAJOR >= 10
      if (config.getFlag(nvinfer1::BuilderFlag::kERROR_ON_TIMING_CACHE_MISS)) {
        throw Error(ErrorCode::InvalidArgument, "timing cache miss for " + plan.rows[i].name);
      }
#endif
      std::this_thread::sleep_for(pause);
      if (cache) cache->entries.insert(key);
    }
    if (!phases.step(static_cast<int32_t>(i))) return false;
  }
  phases.finish();
  return true;
}

}  // namespace

#if NV_TENSORRT_MAJOR <= 10
bool Builder::platformHasFastFp16() const noexcept {
  return guarded(logger_, "platformHasFastFp16", [] {
    const Gpu gpu = currentGpu();
    return gpu.major > 5 || (gpu.major == 5 && gpu.minor == 3);
  });
}

bool Builder::platformHasFastInt8() const noexcept {
  return guarded(logger_, "platformHasFastInt8", [] {
    const Gpu gpu = currentGpu();
    return gpu.major > 6 || (gpu.major == 6 && gpu.minor == 1);
  });
}

bool Builder::platformHasTf32() const noexcept {
  return guarded(logger_, "platformHasTf32", [] { return currentGpu().major >= 8; });
}
#endif

nvinfer1::IBuilderConfig* Builder::createBuilderConfig() noexcept {
  return std::make_unique<Config>(logger_).release();
}

nvinfer1::INetworkDefinition* Builder::createNetworkV2(nvinfer1::NetworkDefinitionCreationFlags flags) noexcept {
  return std::make_unique<Network>(*this, logger_, flags).release();
}

nvinfer1::IOptimizationProfile* Builder::createOptimizationProfile() noexcept {
  profiles_.push_back(std::make_unique<Profile>());
  return profiles_.back().get();
}

std::string Builder::build(const Network& network, Config& config) const {
  const Gpu gpu = currentGpu();
  const onnx::Model model = network.changedModel();
  checkBuild(network, model, config);
  const LayerWishes wishes = wishesOf(network, config);
  Phases phases(config);
  phases.start("Building Engine", 3);

  onnx::Model typed = model;
#if NV_TENSORRT_MAJOR <= 10
  if (config.getFlag(nvinfer1::BuilderFlag::kINT8) && !hasQuantizers(model) && !network.stronglyTyped()) {
    std::set<std::string> keepFloat = wishes.float32;
    keepFloat.insert(wishes.float16.begin(), wishes.float16.end());
    typed = calibrate(model, network, config, keepFloat);
  }
#endif
  if (!phases.step(0)) return {};
  const LayerPlan layers = planLayers(typed, shapesOf(model, config), wishes);
  if (!chooseTactics(layers, config, phases)) return {};
  if (!phases.step(1)) return {};

  // FP16 is computed as FP32 here; inputs and outputs keep their types.
  const onnx::Model executable = graph::widenToFloat32(typed);
  const auto engine = backend::reference::instance().build(executable, {}, {}, {});
  bool versionCompatible = false, leanRuntime = false;
  int hardware = 0;
#if PRESISI_DOUBLE_SINCE_8_6
  versionCompatible = config.getFlag(nvinfer1::BuilderFlag::kVERSION_COMPATIBLE);
  leanRuntime = versionCompatible && !config.getFlag(nvinfer1::BuilderFlag::kEXCLUDE_LEAN_RUNTIME);
  hardware = static_cast<int>(config.getHardwareCompatibilityLevel());
#endif
  Json head{{"version", libraryVersion()},
            {"major", NV_TENSORRT_MAJOR},
            {"gpu", gpu.name},
            {"compute", {gpu.major, gpu.minor}},
            {"hardware", hardware},
            {"versionCompatible", versionCompatible},
            {"leanRuntime", leanRuntime},
            {"name", network.getName()},
            {"verbosity", static_cast<int>(config.getProfilingVerbosity())},
            {"capability", static_cast<int>(config.getEngineCapability())},
            {"refit", config.getFlag(nvinfer1::BuilderFlag::kREFIT)},
            {"profiles", describe(config.profiles())},
            {"inputs", describe(backend::describeInputs(executable))},
            {"outputs", describe(engine->outputs())},
            {"layers", toJson(layers)}};
  std::string plan = pack(kPlanMagic, head, onnx::writeModel(executable, true));
  if (!phases.step(2)) return {};
  return plan;
}

nvinfer1::IHostMemory* Builder::buildSerializedNetwork(nvinfer1::INetworkDefinition& network,
                                                       nvinfer1::IBuilderConfig& config) noexcept {
  std::unique_ptr<HostMemory> memory;
  guarded(logger_, "buildSerializedNetwork", [&] {
    std::string plan = build(static_cast<const Network&>(network), static_cast<Config&>(config));
    if (plan.empty()) {
      say(logger_, Severity::kWARNING, "the build was canceled by the progress monitor");
      return false;
    }
    memory = std::make_unique<HostMemory>(std::move(plan));
    return true;
  });
  return memory.release();
}

bool Builder::isNetworkSupported(nvinfer1::INetworkDefinition const& definition,
                                 nvinfer1::IBuilderConfig const& config) const noexcept {
  return guarded(logger_, "isNetworkSupported", [&] {
    const auto& network = static_cast<const Network&>(definition);
    checkBuild(network, network.changedModel(), static_cast<const Config&>(config));
    return true;
  });
}

}  // namespace presisi::doubles::tensorrt
