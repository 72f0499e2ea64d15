#include <NvOnnxParser.h>

#include <memory>
#include <string>

#include "support.hpp"

using presisi::doubles::tensorrt::ParserFault;
using presisi::doubles::tensorrt::populate;

namespace {

class ParserError : public nvonnxparser::IParserError {
 public:
  explicit ParserError(ParserFault fault) : fault_(std::move(fault)) {}
  ~ParserError() override = default;
  nvonnxparser::ErrorCode code() const override { return static_cast<nvonnxparser::ErrorCode>(fault_.code); }
  char const* desc() const override { return fault_.text.c_str(); }
  char const* file() const override { return __FILE__; }
  int line() const override { return __LINE__; }
  char const* func() const override { return "parse"; }
  int node() const override { return fault_.node; }
#if NV_TENSORRT_MAJOR >= 10
  char const* nodeName() const override { return fault_.name.c_str(); }
  char const* nodeOperator() const override { return fault_.op.c_str(); }
  char const* const* localFunctionStack() const override { return nullptr; }
  int32_t localFunctionStackSize() const override { return 0; }
#endif

 private:
  ParserFault fault_;
};

class Parser : public nvonnxparser::IParser {
 public:
  Parser(nvinfer1::INetworkDefinition& network, nvinfer1::ILogger& logger) : network_(network), logger_(logger) {}

  bool parse(void const* model, size_t size, const char* path) PRESISI_DOUBLE_NOEXCEPT override {
    return take(model ? model : "", size, path);
  }
  bool parseFromFile(const char* file, int) PRESISI_DOUBLE_NOEXCEPT override { return take(nullptr, 0, file); }
  bool supportsOperator(const char* name) const PRESISI_DOUBLE_NOEXCEPT override {
    return presisi::doubles::tensorrt::supportsOperator(name);
  }
  int getNbErrors() const PRESISI_DOUBLE_NOEXCEPT override { return static_cast<int>(errors_.size()); }
  nvonnxparser::IParserError const* getError(int index) const PRESISI_DOUBLE_NOEXCEPT override {
    return index >= 0 && index < getNbErrors() ? errors_[static_cast<size_t>(index)].get() : nullptr;
  }
  void clearErrors() PRESISI_DOUBLE_NOEXCEPT override { errors_.clear(); }
#if PRESISI_DOUBLE_SINCE_8_6
  void setFlags(nvonnxparser::OnnxParserFlags flags) noexcept override { flags_ = flags; }
  nvonnxparser::OnnxParserFlags getFlags() const noexcept override { return flags_; }
  void clearFlag(nvonnxparser::OnnxParserFlag flag) noexcept override { flags_ &= ~bit(flag); }
  void setFlag(nvonnxparser::OnnxParserFlag flag) noexcept override { flags_ |= bit(flag); }
  bool getFlag(nvonnxparser::OnnxParserFlag flag) const noexcept override { return (flags_ & bit(flag)) != 0; }
#endif

 private:
#if PRESISI_DOUBLE_SINCE_8_6
  static uint32_t bit(nvonnxparser::OnnxParserFlag flag) { return 1U << static_cast<uint32_t>(flag); }
  nvonnxparser::OnnxParserFlags flags_ = 0;
#endif

  bool take(const void* model, size_t size, const char* path) {
    std::vector<ParserFault> faults;
    const bool good = populate(network_, model, size, path, faults);
    for (ParserFault& fault : faults) {
      const std::string at = fault.node < 0 ? "" : "node " + std::to_string(fault.node) + " [" + fault.op + "]: ";
      logger_.log(nvinfer1::ILogger::Severity::kERROR, ("In node import: " + at + fault.text).c_str());
      errors_.push_back(std::make_unique<ParserError>(std::move(fault)));
    }
    return good;
  }

  nvinfer1::INetworkDefinition& network_;
  nvinfer1::ILogger& logger_;
  std::vector<std::unique_ptr<ParserError>> errors_;
};

}  // namespace

extern "C" {

__attribute__((visibility("default"))) void* createNvOnnxParser_INTERNAL(void* network, void* logger,
                                                                         int) PRESISI_DOUBLE_NOEXCEPT {
  if (!network || !logger) return nullptr;
  nvonnxparser::IParser* parser = std::make_unique<Parser>(*static_cast<nvinfer1::INetworkDefinition*>(network),
                                                           *static_cast<nvinfer1::ILogger*>(logger))
                                      .release();
  return parser;
}

__attribute__((visibility("default"))) int getNvOnnxParserVersion() PRESISI_DOUBLE_NOEXCEPT {
  return NV_ONNX_PARSER_VERSION;
}
}
