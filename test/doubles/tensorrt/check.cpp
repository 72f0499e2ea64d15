#include <algorithm>

#include "builder.hpp"
#include "core/error.hpp"

namespace presisi::doubles::tensorrt {

namespace {

constexpr size_t kLeastWorkspace = 1024;  // less, and no tactic fits

[[noreturn]] void refuse(const std::string& text) { throw Error(ErrorCode::InvalidArgument, text); }

void checkProfiles(const onnx::Model& model, const Config& config) {
  for (const onnx::ValueInfo& input : model.graph.inputs) {
    const bool dynamic = std::any_of(input.dims.begin(), input.dims.end(), [](int64_t dim) { return dim < 0; });
    if (dynamic && config.profiles().empty()) {
      refuse("Network has dynamic or shape inputs, but no optimization profile has been defined.");
    }
    for (size_t p = 0; p < config.profiles().size(); ++p) {
      const auto& extents = config.profiles()[p]->extents();
      const auto it = extents.find(input.name);
      const std::string where = "optimization profile " + std::to_string(p) + ", input " + input.name + ": ";
      if (it == extents.end()) {
        if (dynamic) refuse(where + "is missing dimensions for the dynamic input");
        continue;
      }
      for (const Dims& dims : it->second.dims) {
        if (dims.size() != input.dims.size()) refuse(where + "has another number of dimensions than the network");
        for (size_t i = 0; i < dims.size(); ++i) {
          if (input.dims[i] >= 0 && input.dims[i] != dims[i]) {
            refuse(where + toString(dims) + " contradicts the static dimensions " + toString(input.dims));
          }
        }
      }
    }
  }
}

void checkTypes(const Network& network, const onnx::Model& model, const Config& config) {
#if NV_TENSORRT_MAJOR <= 10
  using Flag = nvinfer1::BuilderFlag;
  if (network.stronglyTyped()) {
    if (config.getFlag(Flag::kFP16) || config.getFlag(Flag::kINT8)) {
      refuse("precision flags are not allowed for a strongly typed network");
    }
    return;
  }
  if (hasQuantizers(model) && !config.getFlag(Flag::kINT8)) {
    refuse("Int8 precision has been set for a layer or layer output, but int8 is not configured in the builder");
  }
  const auto& initializers = model.graph.initializers;
  const auto half = [](const onnx::ValueInfo& info) { return info.dtype == DType::Float16; };
  const bool usesHalf = std::any_of(model.graph.inputs.begin(), model.graph.inputs.end(), half) ||
                        std::any_of(initializers.begin(), initializers.end(),
                                    [](const auto& entry) { return entry.second.dtype() == DType::Float16; });
  if (usesHalf && !config.getFlag(Flag::kFP16)) {
    refuse("fp16 precision has been set for a layer or layer output, but fp16 is not configured in the builder");
  }
#else
  (void)network, (void)model, (void)config;
#endif
}

void checkDla(const Network& network, const Config& config) {
  for (const auto& layer : network.layers()) {
    if (config.getDeviceType(layer.get()) != nvinfer1::DeviceType::kDLA) continue;
    if (doubleCudaDlaCores() == 0) refuse("DLA validation failed: the platform has no DLA core");
    if (config.getDLACore() >= doubleCudaDlaCores()) refuse("DLA core index is out of range");
#if NV_TENSORRT_MAJOR <= 10
    if (!config.getFlag(nvinfer1::BuilderFlag::kFP16) && !config.getFlag(nvinfer1::BuilderFlag::kINT8)) {
      refuse("DLA only supports FP16 and INT8 precision");
    }
#endif
    if (!config.canRunOnDLA(layer.get()) && !config.getFlag(nvinfer1::BuilderFlag::kGPU_FALLBACK)) {
      refuse(std::string("Layer (") + layer->getName() + ") cannot run on DLA, and GPU fallback is not allowed");
    }
  }
}

}  // namespace

bool hasQuantizers(const onnx::Model& model) {
  return std::any_of(model.graph.nodes.begin(), model.graph.nodes.end(),
                     [](const onnx::Node& node) { return node.is("QuantizeLinear") || node.is("DequantizeLinear"); });
}

void checkBuild(const Network& network, const onnx::Model& model, const Config& config) {
  if (!network.explicitBatch()) refuse("the network must have an explicit batch dimension");
  if (network.layers().empty()) refuse("Network must have at least one layer");
  if (model.graph.outputs.empty()) refuse("Network must have at least one output");
  checkProfiles(model, config);
  checkTypes(network, model, config);
  checkDla(network, config);
  if (config.getMemoryPoolLimit(nvinfer1::MemoryPoolType::kWORKSPACE) < kLeastWorkspace) {
    refuse(std::string("Could not find any implementation for node ") + network.layers()[0]->getName() +
           ": the workspace is too small");
  }
}

}  // namespace presisi::doubles::tensorrt
