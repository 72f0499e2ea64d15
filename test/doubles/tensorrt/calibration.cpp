#include "calibration.hpp"

#include <algorithm>

#include "backend/reference/reference.hpp"
#include "calibration/calibrator.hpp"
#include "core/error.hpp"
#include "graph/passes.hpp"
#include "quantization/quantize.hpp"

#if NV_TENSORRT_MAJOR <= 10

namespace presisi::doubles::tensorrt {

namespace {

using Thresholds = std::map<std::string, calibration::Threshold>;

struct Algorithm {
  const char* cacheName;
  calibration::SolveOptions solve;
};

Algorithm algorithmOf(nvinfer1::CalibrationAlgoType type) {
  using Type = nvinfer1::CalibrationAlgoType;
  switch (type) {
    case Type::kENTROPY_CALIBRATION: return {"EntropyCalibration", {calibration::Method::Entropy}};
    case Type::kMINMAX_CALIBRATION: return {"MinMaxCalibration", {calibration::Method::MinMax}};
    case Type::kLEGACY_CALIBRATION: return {"LegacyCalibration", {calibration::Method::Percentile}};
    default: return {"EntropyCalibration2", {calibration::Method::Entropy}};
  }
}

/// Shapes of a calibration batch: of the calibration profile's kOPT, else of the first profile's.
std::map<std::string, Dims> batchShapes(const onnx::Model& model, Config& config) {
  const auto* profile = static_cast<const Profile*>(config.getCalibrationProfile());
  if (!profile && !config.profiles().empty()) profile = config.profiles()[0];
  std::map<std::string, Dims> shapes;
  for (const onnx::ValueInfo& input : model.graph.inputs) {
    Dims dims = input.dims;
    if (std::any_of(dims.begin(), dims.end(), [](int64_t dim) { return dim < 0; })) {
      if (!profile || !profile->extents().count(input.name)) {
        throw Error(ErrorCode::InvalidCalibration, "Calibration failure: no calibration profile for " + input.name);
      }
      dims = profile->extents().at(input.name).dims[1];
    }
    shapes[input.name] = dims;
  }
  return shapes;
}

/// The thresholds of a cache; nothing where it was made by another version or algorithm, which TensorRT passes over.
bool fromCache(const std::string& text, const char* algorithm, Thresholds& thresholds) {
  calibration::TensorRtCache cache;
  try {
    cache = calibration::parseTensorRtCache(text);
  } catch (const Error&) {
    return false;
  }
  if (cache.version != NV_TENSORRT_VERSION || cache.algorithm != algorithm) return false;
  for (const auto& [name, scale] : cache.scales) thresholds[name].amax = scale * 127;
  return true;
}

Thresholds runCalibrator(const onnx::Model& model, const std::vector<std::string>& tensors,
                         nvinfer1::IInt8Calibrator& calibrator, Config& config) {
  const Algorithm algorithm = algorithmOf(calibrator.getAlgorithm());
  Thresholds thresholds;
  std::size_t length = 0;
  const void* cached = calibrator.readCalibrationCache(length);
  if (cached && length > 0) {
    if (fromCache({static_cast<const char*>(cached), length}, algorithm.cacheName, thresholds)) return thresholds;
  }
  calibrator.getBatchSize();
  const std::map<std::string, Dims> shapes = batchShapes(model, config);
  int64_t batch = 1;
  std::vector<const char*> names;
  for (const onnx::ValueInfo& input : model.graph.inputs) {
    names.push_back(input.name.c_str());
    const Dims& dims = shapes.at(input.name);
    if (!dims.empty()) batch = std::max(batch, dims[0]);
  }
  calibration::Calibrator collector(model, tensors, backend::reference::instance(), 1, batch, {}, {});
  int batches = 0;
  for (;; ++batches) {
    std::vector<void*> bindings(names.size(), nullptr);
    if (!calibrator.getBatch(bindings.data(), names.data(), static_cast<int32_t>(names.size()))) break;
    backend::Feeds feeds;
    for (size_t i = 0; i < names.size(); ++i) {
      const onnx::ValueInfo& input = model.graph.inputs[i];
      const Dims& dims = shapes.at(input.name);
      const size_t bytes = static_cast<size_t>(elementCount(dims)) * byteSize(input.dtype);
      const void* host = doubleCudaHostView(bindings[i], bytes);
      if (!host) {
        throw Error(ErrorCode::InvalidCalibration, "Calibration failure: the binding of " + input.name +
                                                       " is no device memory of " + std::to_string(bytes) + " bytes");
      }
      feeds[input.name] = Tensor::view(input.dtype, dims, host);
    }
    collector.collect(feeds, {});
  }
  if (batches == 0)
    throw Error(ErrorCode::InvalidCalibration, "Calibration failure occurred with no scaling factors detected");
  thresholds = collector.solve(algorithm.solve, {}, {});
  calibration::Table table;
  table.thresholds = thresholds;
  const std::string text = calibration::toTensorRtCache(table, NV_TENSORRT_VERSION, algorithm.cacheName);
  calibrator.writeCalibrationCache(text.data(), text.size());
  return thresholds;
}

Thresholds setRanges(const std::vector<std::string>& tensors, const Network& network) {
  Thresholds thresholds;
  for (const std::string& name : tensors) {
    const TensorNode* tensor = network.tensor(name);
    if (!tensor || !tensor->dynamicRangeIsSet()) continue;
    const float low = tensor->getDynamicRangeMin(), high = tensor->getDynamicRangeMax();
    thresholds[name] = {std::max(std::abs(low), std::abs(high)), low, high, 0};
  }
  return thresholds;
}

}  // namespace

onnx::Model calibrate(const onnx::Model& original, const Network& network, Config& config,
                      const std::set<std::string>& keepFloat) {
  const onnx::Model model = graph::simplify(original);
  quantization::Options options;
  for (const onnx::Node& node : model.graph.nodes) {
    const std::string& name = node.name.empty() ? node.outputs[0] : node.name;
    if (keepFloat.count(name)) options.keepFloat.push_back(name);
  }
  std::vector<std::string> tensors = quantization::activationsToCalibrate(model, options);
  nvinfer1::IInt8Calibrator* calibrator = config.getInt8Calibrator();
  if (!calibrator) {
    say(config.logger(), Severity::kWARNING,
        "Calibrator is not being used. Users must provide dynamic range for all tensors that are not Int32 or Bool.");
  }
  const Thresholds thresholds =
      calibrator ? runCalibrator(model, tensors, *calibrator, config) : setRanges(tensors, network);
  // Readers of a tensor without a range run in floating point.
  for (bool changed = true; changed;) {
    changed = false;
    for (const std::string& tensor : tensors) {
      if (thresholds.count(tensor)) continue;
      say(config.logger(), Severity::kWARNING,
          "Missing scale and zero-point for tensor " + tensor +
              ", expect fall back to non-int8 implementation for any layer consuming or producing given tensor");
      for (const onnx::Node& node : model.graph.nodes) {
        const std::string& name = node.name.empty() ? node.outputs[0] : node.name;
        const bool concerned = std::count(node.inputs.begin(), node.inputs.end(), tensor) > 0 ||
                               std::count(node.outputs.begin(), node.outputs.end(), tensor) > 0;
        const bool kept = std::count(options.keepFloat.begin(), options.keepFloat.end(), name) > 0;
        if (!concerned || kept) continue;
        options.keepFloat.push_back(name);
        changed = true;
      }
    }
    if (changed) tensors = quantization::activationsToCalibrate(model, options);
  }
  return quantization::insertQdq(model, thresholds, options).model;
}

}  // namespace presisi::doubles::tensorrt

#endif
