#include "backend/tensorrt/builder.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "backend/tensorrt/calibrator.hpp"
#include "backend/tensorrt/config.hpp"
#include "backend/tensorrt/parser.hpp"
#include "backend/tensorrt/profile.hpp"
#include "backend/tensorrt/progress.hpp"
#include "backend/tensorrt/timing_cache.hpp"
#include "core/error.hpp"
#include "onnx/writer.hpp"
#include "quantization/portable.hpp"

namespace presisi::tensorrt {

namespace {

onnx::Model prepared(const onnx::Model& model) {
  const auto internal = [](const onnx::Node& node) { return node.domain == onnx::kPresisiDomain; };
  const bool lower = std::any_of(model.graph.nodes.begin(), model.graph.nodes.end(), internal);
  onnx::Model result = lower ? quantization::lowerInternalOps(model) : model;
  nameNodes(result);
  return result;
}

/// As the network has them, which may differ from the model: TensorRT 8 turns INT64 inputs into INT32.
std::vector<backend::TensorInfo> inputsOf(const nvinfer1::INetworkDefinition& network) {
  std::vector<backend::TensorInfo> inputs;
  for (int32_t i = 0; i < network.getNbInputs(); ++i) {
    const nvinfer1::ITensor* tensor = network.getInput(i);
    const std::optional<DType> dtype = api::toDType(tensor->getType());
    if (!dtype)
      throw Error(ErrorCode::UnsupportedModel, std::string("input \"") + tensor->getName() +
                                                   "\" has a type "
                                                   "that presisi can't feed");
    inputs.push_back({tensor->getName(), *dtype, fromTensorRt(tensor->getDimensions()), true});
  }
  return inputs;
}

/// TensorRT's own calibration, for as long as a build takes.
struct Calibration {
  Calibration(const backend::BuildOptions& options, const nvinfer1::INetworkDefinition& network, Logger& logger,
              const ProgressFn& progress, const StopToken& stop)
      : feed(options.calibration, inputsOf(network), logger, progress, stop),
        calibrator(makeCalibrator(options.calibration->method, feed)) {}
  CalibrationFeed feed;
  std::unique_ptr<api::AnyCalibrator> calibrator;
};

/// One build; its parts refer to each other, and go in the reverse order.
class Build {
 public:
  Build(const onnx::Model& model, const backend::BuildOptions& options,
        const std::map<std::string, std::string>& identity, Logger& logger, const ProgressFn& progress,
        const StopToken& stop)
      : model_(prepared(model)),
        options_(options),
        settings_(parseBuildSettings(options.settings)),
        identity_(identity),
        logger_(logger),
        progress_(progress),
        stop_(stop),
        monitor_(progress, stop),
        kind_{options.precision, hasScales(model_), options.calibration != nullptr} {
    requireConsistent(kind_, settings_);
  }

  BuiltPlan run() {
    stop_.check();
    const std::map<std::string, Profile> profiles = chooseProfiles(model_, settings_, options_.maxBatch);
    builder_.reset(
        require(nvinfer1::createInferBuilder(logger_), logger_, ErrorCode::BackendUnavailable, "creating a builder"));
    network_.reset(require(builder_->createNetworkV2(api::networkFlags(settings_.stronglyTyped)), logger_,
                           ErrorCode::Internal, "creating a network"));
    const std::string bytes = onnx::writeModel(model_);
    const std::unique_ptr<nvonnxparser::IParser> parser = parse(bytes, model_, *network_, logger_);
    stop_.check();
    config_.reset(
        require(builder_->createBuilderConfig(), logger_, ErrorCode::Internal, "creating a builder's configuration"));
    configure(*config_, *builder_, kind_, settings_);
    constrain(*config_, *network_, settings_);
    addProfile(profiles);
    if (kind_.ownCalibration) calibrate(!profiles.empty());
    api::setProgressMonitor(*config_, &monitor_);
    TimingCache times(settings_.timingCache, identity_, *config_, logger_);
    const Plan plan = build();
    times.save();
    return {plan, nodeFacts(model_, options_.precision, kind_.ownCalibration)};
  }

 private:
  nvinfer1::IOptimizationProfile& newProfile() {
    return *require(builder_->createOptimizationProfile(), logger_, ErrorCode::Internal, "creating a profile");
  }

  void addProfile(const std::map<std::string, Profile>& profiles) {
    if (profiles.empty()) return;
    nvinfer1::IOptimizationProfile& profile = newProfile();  // the builder's own
    setShapes(profiles, profile);
    require(profile.isValid() && config_->addOptimizationProfile(&profile) >= 0, logger_, ErrorCode::InvalidArgument,
            "adding the shapes to build for");
  }

  void calibrate(bool dynamic) {
    calibration_.emplace(options_, *network_, logger_, progress_, stop_);
    if (options_.calibration->method != "entropy" && settings_.dlaCore) {
      throw Error(ErrorCode::InvalidArgument, "a DLA accepts calibration by entropy only");
    }
    const std::map<std::string, Dims> shapes = calibration_->feed.shapes();
    if (dynamic && !shapes.empty()) {
      nvinfer1::IOptimizationProfile& profile = newProfile();
      std::map<std::string, Profile> fixed;
      for (const auto& [name, dims] : shapes) fixed[name] = {dims, dims, dims};
      setShapes(fixed, profile);
      require(api::setCalibrationProfile(*config_, &profile), logger_, ErrorCode::InvalidCalibration,
              "setting the shapes to calibrate at");
    }
    api::setCalibrator(*config_, calibration_->calibrator.get());
  }

  Plan build() {
    stop_.check();
    logger_.takeErrors();  // what was objected to before was dealt with
    const Logger::Listener signs(logger_, signsOfLife());
    const std::shared_ptr<nvinfer1::IHostMemory> memory(builder_->buildSerializedNetwork(*network_, *config_));
    if (calibration_) calibration_->feed.rethrow();
    stop_.check();
    if (!memory || memory->size() == 0) {
      throw logger_.failure(
          ErrorCode::UnsupportedModel, "building the engine",
          "where it finds no implementation for a layer, a larger workspaceBytes may help, or another "
          "precision");
    }
    return {static_cast<const uint8_t*>(memory->data()), memory->size(), memory};
  }

  /// Where no monitor tells how far the build is, each message shows that it goes on.
  backend::LogFn signsOfLife() const {
    if (api::hasProgressMonitor || !progress_) return {};
    return [this, messages = 0](backend::LogLevel, const std::string&) mutable {
      progress_({"build", static_cast<double>(++messages), 0});
    };
  }

  onnx::Model model_;
  const backend::BuildOptions& options_;
  BuildSettings settings_;
  const std::map<std::string, std::string>& identity_;
  Logger& logger_;
  const ProgressFn& progress_;
  const StopToken& stop_;
  BuildProgress monitor_;
  BuildKind kind_;
  std::optional<Calibration> calibration_;
  std::unique_ptr<nvinfer1::IBuilder> builder_;
  std::unique_ptr<nvinfer1::INetworkDefinition> network_;
  std::unique_ptr<nvinfer1::IBuilderConfig> config_;
};

}  // namespace

BuiltPlan buildPlan(const onnx::Model& model, const backend::BuildOptions& options,
                    const std::map<std::string, std::string>& identity, Logger& logger, const ProgressFn& progress,
                    const StopToken& stop) {
  return Build(model, options, identity, logger, progress, stop).run();
}

}  // namespace presisi::tensorrt
