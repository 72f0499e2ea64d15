#include "quantization/quantize.hpp"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <tuple>

#include "core/error.hpp"
#include "graph/passes.hpp"
#include "quantization/names.hpp"
#include "quantization/placement.hpp"
#include "quantization/weights.hpp"

namespace presisi::quantization {

namespace {

using calibration::Threshold;
using Thresholds = std::map<std::string, Threshold>;

constexpr int64_t kPerAxisOpset = 13;  // QuantizeLinear and DequantizeLinear know `axis` from here on

std::vector<std::string> sourcesInGraphOrder(const onnx::Graph& graph, const Placement& placement) {
  std::set<std::string> sources;
  for (const ScaleGroup& group : placement.groups) sources.insert(group.sources.begin(), group.sources.end());
  std::vector<std::string> ordered;
  const auto take = [&](const std::string& tensor) {
    if (sources.count(tensor) > 0) ordered.push_back(tensor);
  };
  for (const onnx::ValueInfo& input : graph.inputs) take(input.name);
  for (const onnx::Node& node : graph.nodes) {
    for (const std::string& output : node.outputs) take(output);
  }
  return ordered;
}

void requireThresholds(const std::vector<std::string>& tensors, const Thresholds& thresholds) {
  constexpr size_t kListed = 10;
  std::string missing;
  size_t count = 0;
  for (const std::string& tensor : tensors) {
    const auto it = thresholds.find(tensor);
    if (it == thresholds.end()) {
      if (++count <= kListed) missing += (count > 1 ? ", \"" : "\"") + tensor + "\"";
      continue;
    }
    const Threshold& t = it->second;
    if (!std::isfinite(t.amax) || t.amax < 0 || std::isnan(t.min)) {
      throw Error(ErrorCode::InvalidCalibration, "expected a finite threshold of 0 or more for the activation \"" +
                                                     tensor + "\" but found " + std::to_string(t.amax));
    }
  }
  if (count > kListed) missing += " and " + std::to_string(count - kListed) + " more";
  if (count > 0) {
    throw Error(ErrorCode::InvalidCalibration, std::to_string(count) + " activations have no threshold: " + missing,
                "the calibration was made for another model or with other options; calibrate again");
  }
}

struct ActivationScale {
  float scale;
  DType dtype;
};

ActivationScale scaleOf(const ScaleGroup& group, const Thresholds& thresholds, const Options& options) {
  float amax = 0;
  bool negative = false;
  for (const std::string& source : group.sources) {
    const Threshold& threshold = thresholds.at(source);
    amax = std::max(amax, threshold.amax);
    negative = negative || threshold.min < 0;
  }
  const bool isUnsigned = options.unsignedActivations && !negative;
  // A tensor that was nothing but zeros has no scale of its own: take it for one of [-1, 1]. Scales stay normal
  // numbers, as for weights.
  const float scale = (amax == 0 ? 1.0f : amax) / (isUnsigned ? 255.0f : 127.0f);
  return {std::max(scale, FLT_MIN), isUnsigned ? DType::Uint8 : DType::Int8};
}

/// Writes the new graph: nodes in their order, each with the Q/DQ pairs it needs before it and makes after it.
class Inserter {
 public:
  Inserter(onnx::Model model, const Placement& placement, const Thresholds& thresholds, const Options& options)
      : model_(std::move(model)),
        placement_(placement),
        thresholds_(thresholds),
        options_(options),
        names_(model_.graph) {}

  onnx::Model insert() {
    std::vector<onnx::Node> old;
    old.swap(model_.graph.nodes);
    nameActivations();
    for (const onnx::ValueInfo& input : model_.graph.inputs) appendActivation(input.name);
    for (int i = 0; i < static_cast<int>(old.size()); ++i) {
      onnx::Node node = std::move(old[static_cast<size_t>(i)]);
      for (int input = 0; input < static_cast<int>(node.inputs.size()); ++input) {
        std::string& tensor = node.inputs[static_cast<size_t>(input)];
        const auto weight = placement_.weights.find({i, input});
        if (weight != placement_.weights.end()) {
          const bool alone = placement_.alone.count(weight->first) > 0;
          // Only products of integers saturate.
          const WeightKey key{tensor, weight->second, weightLevels(options_.reduceRange && !alone)};
          tensor = alone && !options_.packWeights ? roundedWeight(key) : appendWeight(key);
          continue;
        }
        const auto activation = placement_.activations.find(tensor);
        if (activation != placement_.activations.end() && activation->second.count({i, input}) > 0) {
          tensor = pairs_.at(tensor).dequantized;
        }
      }
      const std::vector<std::string> outputs = node.outputs;
      model_.graph.nodes.push_back(std::move(node));
      for (const std::string& output : outputs) appendActivation(output);
    }
    dropUnusedWeights();
    return std::move(model_);
  }

 private:
  struct Pair {
    std::string quantized;
    std::string dequantized;
    std::string scale;
    std::string zeroPoint;
  };

  Pair makePair(const std::string& tensor) {
    return {names_.make(tensor + "_quantized"), names_.make(tensor + "_dequantized"), names_.make(tensor + "_scale"),
            names_.make(tensor + "_zero_point")};
  }

  void nameActivations() {
    for (const auto& [tensor, edges] : placement_.activations) pairs_[tensor] = makePair(tensor);
  }

  onnx::Node makeNode(const char* op, const std::string& input, const Pair& pair, const std::string& output) {
    onnx::Node node;
    node.name = names_.make(output + "_" + op);
    node.opType = op;
    node.inputs = {input, pair.scale, pair.zeroPoint};
    node.outputs = {output};
    return node;
  }

  void appendActivation(const std::string& tensor) {
    const auto found = pairs_.find(tensor);
    if (found == pairs_.end()) return;
    const Pair& pair = found->second;
    const ScaleGroup& group = placement_.groups[placement_.groupOf.at(tensor)];
    const ActivationScale scale = scaleOf(group, thresholds_, options_);
    model_.graph.initializers[pair.scale] = Tensor::scalar(scale.scale);
    model_.graph.initializers[pair.zeroPoint] = Tensor(scale.dtype, {});
    model_.graph.nodes.push_back(makeNode("QuantizeLinear", tensor, pair, pair.quantized));
    model_.graph.nodes.push_back(makeNode("DequantizeLinear", pair.quantized, pair, pair.dequantized));
  }

  /// Name, channel axis and levels.
  using WeightKey = std::tuple<std::string, int64_t, int>;

  /// The dequantized weight; made once for all nodes that share the weight and its axis.
  std::string appendWeight(const WeightKey& key) {
    const auto [entry, isNew] = weights_.try_emplace(key);
    if (!isNew) return entry->second;
    const auto& [name, axis, levels] = entry->first;
    const Pair pair = makePair(name);
    entry->second = pair.dequantized;
    const Tensor weight = model_.graph.initializers.at(name);
    const std::vector<float> scales = weightScales(weight, axis, levels);
    const Dims shape = axis == kPerTensor ? Dims{} : Dims{static_cast<int64_t>(scales.size())};
    model_.graph.initializers[pair.scale] = Tensor::of(DType::Float32, shape, scales);
    model_.graph.initializers[pair.zeroPoint] = Tensor(DType::Int8, shape);
    const int64_t channelAxis = axis;  // lambdas don't capture structured bindings
    const auto append = [&](const char* op, const std::string& input, const std::string& output) {
      onnx::Node node = makeNode(op, input, pair, output);
      if (channelAxis != kPerTensor) node.set(onnx::Attribute::ofInt("axis", channelAxis));
      model_.graph.nodes.push_back(std::move(node));
    };
    if (options_.packWeights) {
      model_.graph.initializers[pair.quantized] = quantizeWeight(weight, scales, axis, levels);
      replaced_.insert(name);
    } else {
      append("QuantizeLinear", name, pair.quantized);
    }
    append("DequantizeLinear", pair.quantized, pair.dequantized);
    return pair.dequantized;
  }

  /// What INT8 weights stand for, as an FP32 constant; made once as well.
  std::string roundedWeight(const WeightKey& key) {
    const auto [entry, isNew] = rounded_.try_emplace(key);
    if (!isNew) return entry->second;
    const auto& [name, axis, levels] = entry->first;
    entry->second = names_.make(name + "_rounded");
    replaced_.insert(name);
    const Tensor weight = model_.graph.initializers.at(name);
    const std::vector<float> scales = weightScales(weight, axis, levels);
    const Tensor quantized = quantizeWeight(weight, scales, axis, levels);
    model_.graph.initializers[entry->second] = dequantizeWeight(quantized, scales, axis);
    return entry->second;
  }

  /// FP32 weights in whose place others were put, unless another node reads them.
  void dropUnusedWeights() {
    const onnx::Links links(model_.graph);
    for (const std::string& name : replaced_) {
      if (links.consumers(name).empty() && !links.isOutput(name)) model_.graph.initializers.erase(name);
    }
  }

  onnx::Model model_;
  const Placement& placement_;
  const Thresholds& thresholds_;
  const Options& options_;
  NameMaker names_;
  std::map<std::string, Pair> pairs_;
  std::map<WeightKey, std::string> weights_, rounded_;
  std::set<std::string> replaced_;
};

}  // namespace

std::vector<std::string> activationsToCalibrate(const onnx::Model& model, const Options& options) {
  return sourcesInGraphOrder(model.graph, place(model, options));
}

Result insertQdq(const onnx::Model& model, const std::map<std::string, calibration::Threshold>& thresholds,
                 const Options& options) {
  onnx::Model upgraded = graph::upgradeOpset(model, std::max(model.opset(), kPerAxisOpset));
  upgraded.irVersion = std::max(upgraded.irVersion, onnx::irVersionFor(kPerAxisOpset));
  Placement placement = place(upgraded, options);
  requireThresholds(sourcesInGraphOrder(upgraded.graph, placement), thresholds);
  Result result;
  result.model = Inserter(std::move(upgraded), placement, thresholds, options).insert();
  result.decisions = std::move(placement.decisions);
  return result;
}

}  // namespace presisi::quantization
