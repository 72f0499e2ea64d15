#include <algorithm>

#include "core/error.hpp"
#include "network.hpp"
#include "onnx/reader.hpp"
#include "ops/operator.hpp"

namespace presisi::doubles::tensorrt {

namespace {

// nvonnxparser::ErrorCode, which this library doesn't see.
constexpr int kInternal = 1, kDeserialize = 3, kUnsupportedGraph = 7, kUnsupportedNode = 8;

bool isZero(const Tensor& tensor) {
  const std::vector<int64_t> values = tensor.toInt64s();
  return std::all_of(values.begin(), values.end(), [](int64_t value) { return value == 0; });
}

/// Why TensorRT wouldn't take the node; empty when it would.
std::string objection(const onnx::Model& model, const onnx::Node& node) {
  const int64_t opset = model.opset(node.domain);
  if (!node.domain.empty() || !ops::find(node.domain, node.opType, opset)) {
    return "No importer registered for op: " + node.opType;
  }
  if (!node.is("QuantizeLinear") && !node.is("DequantizeLinear")) return {};
  if (node.hasInput(2)) {
    const Tensor* zeroPoint = model.graph.initializer(node.inputs[2]);
    if (!zeroPoint) return node.opType + ": the zero point must be an initializer";
    if (zeroPoint->dtype() != DType::Int8) return node.opType + ": only INT8 is supported";
    if (!isZero(*zeroPoint)) return "only symmetric quantization is supported: the zero point must be zero";
  }
#if NV_TENSORRT_MAJOR < 10
  const Tensor* constant = node.is("DequantizeLinear") ? model.graph.initializer(node.inputs[0]) : nullptr;
  if (constant && constant->dtype() == DType::Int8) {
    return "INT8 initializers are not supported: quantize the FP32 weights in the graph";
  }
#endif
  return {};
}

}  // namespace

bool supportsOperator(const char* name) {
  if (!name) return false;
  const auto& all = ops::all();
  return std::any_of(all.begin(), all.end(), [&](const ops::Operator& entry) {
    return *entry.domain == '\0' && entry.name == std::string(name);
  });
}

bool populate(nvinfer1::INetworkDefinition& definition, const void* data, size_t size, const char* path,
              std::vector<ParserFault>& faults) {
  auto& network = static_cast<Network&>(definition);
  if (!network.explicitBatch()) {
    faults.push_back({kInternal, "the network must have been created with kEXPLICIT_BATCH"});
    return false;
  }
  if (!network.layers().empty()) {
    faults.push_back({kInternal, "the network is not empty"});
    return false;
  }
  try {
    const std::string file = path ? path : "";
    const size_t slash = file.rfind('/');
    const std::string folder = file.empty() ? "" : slash == std::string::npos ? "." : file.substr(0, slash);
    onnx::Model model =
        data ? onnx::readModel(static_cast<const uint8_t*>(data), size, nullptr, folder) : onnx::readModel(file);
    for (size_t i = 0; i < model.graph.nodes.size(); ++i) {
      const onnx::Node& node = model.graph.nodes[i];
      const std::string reason = objection(model, node);
      if (reason.empty()) continue;
      faults.push_back({kUnsupportedNode, reason, static_cast<int>(i), node.name, node.opType});
#if NV_TENSORRT_MAJOR < 10
      break;  // older parsers stop at the first
#endif
    }
    if (!faults.empty()) return false;
    network.adopt(std::move(model));
    return true;
  } catch (const Error& error) {
    const bool unsupported =
        error.code() == ErrorCode::UnsupportedModel || error.code() == ErrorCode::UnsupportedOperator;
    faults.push_back({unsupported ? kUnsupportedGraph : kDeserialize, error.what()});
  } catch (const std::exception& error) {
    faults.push_back({kInternal, error.what()});
  }
  return false;
}

}  // namespace presisi::doubles::tensorrt
