#pragma once

#include <NvInfer.h>

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor.hpp"
#include "hooks.h"
#include "onnx/model.hpp"

/// Inside of the TensorRT stand-in.
///
/// Environment: PRESISI_DOUBLE_TACTIC_MS="N" makes the builder take N milliseconds for each layer that isn't in the
/// timing cache.
namespace presisi::doubles::tensorrt {

using Json = nlohmann::json;
using Severity = nvinfer1::ILogger::Severity;

inline void say(nvinfer1::ILogger& logger, Severity severity, const std::string& text) noexcept {
  logger.log(severity, text.c_str());
}

/// Runs what may throw inside a function that must not: false, and the reason in the log.
bool guarded(nvinfer1::ILogger& logger, const char* where, const std::function<bool()>& work) noexcept;

Dims toDims(const nvinfer1::Dims& dims);
nvinfer1::Dims fromDims(const Dims& dims);  ///< nbDims is -1 for more than TensorRT's eight
inline nvinfer1::Dims noDims() {
  nvinfer1::Dims dims{};
  dims.nbDims = -1;
  return dims;
}

/// kFLOAT for what TensorRT of this generation has no name for (int64 before 10 is int32, as its parser makes it).
nvinfer1::DataType fromDType(DType dtype);
DType toDType(nvinfer1::DataType type);

class HostMemory : public nvinfer1::IHostMemory {
 public:
  explicit HostMemory(std::string bytes) : bytes_(std::move(bytes)) {}
  void* data() const noexcept override { return const_cast<char*>(bytes_.data()); }
  std::size_t size() const noexcept override { return bytes_.size(); }
  nvinfer1::DataType type() const noexcept override { return nvinfer1::DataType::kINT8; }

 private:
  std::string bytes_;
};

/// What plans and timing caches are tied to.
struct Gpu {
  std::string name;
  int major = 0, minor = 0;
  std::string compute() const { return std::to_string(major) + "." + std::to_string(minor); }
};
/// Throws Internal where CUDA has no device.
Gpu currentGpu();
std::string libraryVersion();  ///< `10.3.0`

/// A container of our own for plans and timing caches: magic, version of the container, JSON, bytes, checksum.
inline constexpr char kPlanMagic[5] = "dtrt";
std::string pack(const char (&magic)[5], const Json& head, const std::string& body);
/// False for anything that pack() didn't make.
bool unpack(const char (&magic)[5], const void* data, size_t size, Json& head, std::string& body);

/// A fault that the ONNX parser reports.
struct ParserFault {
  int code;  ///< nvonnxparser::ErrorCode
  std::string text;
  int node = -1;
  std::string name{}, op{};
};

/// Fills the network from ONNX. Exported for the parser's library.
DOUBLE_API bool populate(nvinfer1::INetworkDefinition& network, const void* model, size_t size, const char* path,
                         std::vector<ParserFault>& faults);
DOUBLE_API bool supportsOperator(const char* name);

}  // namespace presisi::doubles::tensorrt
