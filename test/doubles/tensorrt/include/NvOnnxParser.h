#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "NvInfer.h"

#define NV_ONNX_PARSER_MAJOR 0
#define NV_ONNX_PARSER_MINOR 1
#define NV_ONNX_PARSER_PATCH 0
static constexpr int32_t NV_ONNX_PARSER_VERSION =
    (NV_ONNX_PARSER_MAJOR * 10000) + (NV_ONNX_PARSER_MINOR * 100) + NV_ONNX_PARSER_PATCH;

// Since 9 the parser's functions are noexcept.
#if NV_TENSORRT_MAJOR >= 10
#define PRESISI_DOUBLE_NOEXCEPT noexcept
#else
#define PRESISI_DOUBLE_NOEXCEPT
#endif

namespace nvonnxparser {

enum class ErrorCode : int {
  kSUCCESS = 0,
  kINTERNAL_ERROR = 1,
  kMEM_ALLOC_FAILED = 2,
  kMODEL_DESERIALIZE_FAILED = 3,
  kINVALID_VALUE = 4,
  kINVALID_GRAPH = 5,
  kINVALID_NODE = 6,
  kUNSUPPORTED_GRAPH = 7,
  kUNSUPPORTED_NODE = 8,
#if NV_TENSORRT_MAJOR >= 10
  kUNSUPPORTED_NODE_ATTR = 9,
  kUNSUPPORTED_NODE_INPUT = 10,
  kUNSUPPORTED_NODE_DATATYPE = 11,
  kUNSUPPORTED_NODE_DYNAMIC = 12,
  kUNSUPPORTED_NODE_SHAPE = 13,
  kREFIT_FAILED = 14,
#endif
};

#if PRESISI_DOUBLE_SINCE_8_6
using OnnxParserFlags = uint32_t;
enum class OnnxParserFlag : int32_t { kNATIVE_INSTANCENORM = 0 };
#endif

class IParserError {
 public:
  virtual ErrorCode code() const = 0;
  virtual char const* desc() const = 0;
  virtual char const* file() const = 0;
  virtual int line() const = 0;
  virtual char const* func() const = 0;
  virtual int node() const = 0;
#if NV_TENSORRT_MAJOR >= 10
  virtual char const* nodeName() const = 0;
  virtual char const* nodeOperator() const = 0;
  virtual char const* const* localFunctionStack() const = 0;
  virtual int32_t localFunctionStackSize() const = 0;
#endif

 protected:
  virtual ~IParserError() {}
};

class IParser {
 public:
  virtual bool parse(void const* serialized_onnx_model, size_t serialized_onnx_model_size,
                     const char* model_path = nullptr) PRESISI_DOUBLE_NOEXCEPT = 0;
  virtual bool parseFromFile(const char* onnxModelFile, int verbosity) PRESISI_DOUBLE_NOEXCEPT = 0;
  virtual bool supportsOperator(const char* op_name) const PRESISI_DOUBLE_NOEXCEPT = 0;
  virtual int getNbErrors() const PRESISI_DOUBLE_NOEXCEPT = 0;
  virtual IParserError const* getError(int index) const PRESISI_DOUBLE_NOEXCEPT = 0;
  virtual void clearErrors() PRESISI_DOUBLE_NOEXCEPT = 0;
  virtual ~IParser() noexcept = default;
#if PRESISI_DOUBLE_SINCE_8_6
  virtual void setFlags(OnnxParserFlags onnxParserFlags) noexcept = 0;
  virtual OnnxParserFlags getFlags() const noexcept = 0;
  virtual void clearFlag(OnnxParserFlag onnxParserFlag) noexcept = 0;
  virtual void setFlag(OnnxParserFlag onnxParserFlag) noexcept = 0;
  virtual bool getFlag(OnnxParserFlag onnxParserFlag) const noexcept = 0;
#endif
};

}  // namespace nvonnxparser

extern "C" TENSORRTAPI void* createNvOnnxParser_INTERNAL(void* network, void* logger,
                                                         int version) PRESISI_DOUBLE_NOEXCEPT;
extern "C" TENSORRTAPI int getNvOnnxParserVersion() PRESISI_DOUBLE_NOEXCEPT;

namespace nvonnxparser {
namespace {
inline IParser* createParser(nvinfer1::INetworkDefinition& network, nvinfer1::ILogger& logger) PRESISI_DOUBLE_NOEXCEPT {
  return static_cast<IParser*>(createNvOnnxParser_INTERNAL(&network, &logger, NV_ONNX_PARSER_VERSION));
}
}  // namespace
}  // namespace nvonnxparser
