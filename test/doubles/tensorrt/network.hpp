#pragma once

#include <map>

#include "support.hpp"

namespace presisi::doubles::tensorrt {

class Network;

class TensorNode : public nvinfer1::ITensor {
 public:
  TensorNode(Network& network, std::string name, DType type, nvinfer1::Dims dims)
      : network_(network), name_(std::move(name)), type_(fromDType(type)), dims_(dims) {}

  void setName(char const* name) noexcept override;
  char const* getName() const noexcept override { return name_.c_str(); }
#if NV_TENSORRT_MAJOR >= 10
  void setDimensions(nvinfer1::Dims const& dims) noexcept override { dims_ = dims; }
#else
  void setDimensions(nvinfer1::Dims dims) noexcept override { dims_ = dims; }
#endif
  nvinfer1::Dims getDimensions() const noexcept override { return dims_; }
#if NV_TENSORRT_MAJOR <= 10
  void setType(nvinfer1::DataType type) noexcept override { type_ = type; }
  bool setDynamicRange(float min, float max) noexcept override;
  bool dynamicRangeIsSet() const noexcept override { return ranged_; }
  void resetDynamicRange() noexcept override { ranged_ = false; }
  float getDynamicRangeMin() const noexcept override { return min_; }
  float getDynamicRangeMax() const noexcept override { return max_; }
#endif
  nvinfer1::DataType getType() const noexcept override { return type_; }
  bool isNetworkInput() const noexcept override;
  bool isNetworkOutput() const noexcept override;
  nvinfer1::TensorLocation getLocation() const noexcept override { return nvinfer1::TensorLocation::kDEVICE; }
  void setAllowedFormats(nvinfer1::TensorFormats formats) noexcept override { formats_ = formats; }
  nvinfer1::TensorFormats getAllowedFormats() const noexcept override { return formats_; }
  bool isShapeTensor() const noexcept override { return false; }
  bool isExecutionTensor() const noexcept override { return true; }

 private:
  Network& network_;
  std::string name_;
  nvinfer1::DataType type_;
  nvinfer1::Dims dims_;
  nvinfer1::TensorFormats formats_ = 1;
  bool ranged_ = false;
  float min_ = 0, max_ = 0;
};

class LayerNode : public nvinfer1::ILayer {
 public:
  LayerNode(Network& network, std::string name, size_t node);

  nvinfer1::LayerType getType() const noexcept override { return type_; }
  void setName(char const* name) noexcept override { name_ = name ? name : ""; }
  char const* getName() const noexcept override { return name_.c_str(); }
  int32_t getNbInputs() const noexcept override;
  nvinfer1::ITensor* getInput(int32_t index) const noexcept override;
  int32_t getNbOutputs() const noexcept override;
  nvinfer1::ITensor* getOutput(int32_t index) const noexcept override;
#if NV_TENSORRT_MAJOR <= 10
  void setPrecision(nvinfer1::DataType type) noexcept override { precision_ = type, precisionSet_ = true; }
  nvinfer1::DataType getPrecision() const noexcept override { return precision_; }
  bool precisionIsSet() const noexcept override { return precisionSet_; }
  void resetPrecision() noexcept override { precisionSet_ = false; }
  void setOutputType(int32_t index, nvinfer1::DataType type) noexcept override { outputTypes_[index] = type; }
  bool outputTypeIsSet(int32_t index) const noexcept override { return outputTypes_.count(index) > 0; }
  void resetOutputType(int32_t index) noexcept override { outputTypes_.erase(index); }
#endif
  nvinfer1::DataType getOutputType(int32_t index) const noexcept override;
#if PRESISI_DOUBLE_SINCE_8_6
  void setMetadata(char const* metadata) noexcept override { metadata_ = metadata ? metadata : ""; }
  char const* getMetadata() const noexcept override { return metadata_.c_str(); }
#endif
  size_t node() const { return node_; }  ///< index into the model's nodes

 private:
  Network& network_;
  std::string name_, metadata_;
  size_t node_;
  nvinfer1::LayerType type_;
  nvinfer1::DataType precision_ = nvinfer1::DataType::kFLOAT;
  bool precisionSet_ = false;
  std::map<int32_t, nvinfer1::DataType> outputTypes_;
};

class Network : public nvinfer1::INetworkDefinition {
 public:
  Network(nvinfer1::IBuilder& builder, nvinfer1::ILogger& logger, nvinfer1::NetworkDefinitionCreationFlags flags)
      : builder_(builder), logger_(logger), flags_(flags) {}

  void markOutput(nvinfer1::ITensor& tensor) noexcept override;
  void unmarkOutput(nvinfer1::ITensor& tensor) noexcept override;
  int32_t getNbLayers() const noexcept override { return static_cast<int32_t>(layers_.size()); }
  nvinfer1::ILayer* getLayer(int32_t index) const noexcept override;
  int32_t getNbInputs() const noexcept override { return static_cast<int32_t>(model_.graph.inputs.size()); }
  nvinfer1::ITensor* getInput(int32_t index) const noexcept override;
  int32_t getNbOutputs() const noexcept override { return static_cast<int32_t>(model_.graph.outputs.size()); }
  nvinfer1::ITensor* getOutput(int32_t index) const noexcept override;
  void setName(char const* name) noexcept override { model_.graph.name = name ? name : ""; }
  char const* getName() const noexcept override { return model_.graph.name.c_str(); }
#if NV_TENSORRT_MAJOR >= 10
  nvinfer1::NetworkDefinitionCreationFlags getFlags() const noexcept override { return flags_; }
  bool getFlag(nvinfer1::NetworkDefinitionCreationFlag flag) const noexcept override { return has(flag); }
#endif
#if PRESISI_DOUBLE_SINCE_8_6
  nvinfer1::IBuilder& getBuilder() const noexcept override { return builder_; }
#endif

  bool explicitBatch() const;
  bool stronglyTyped() const;
  const onnx::Model& model() const { return model_; }
  nvinfer1::ILogger& logger() const { return logger_; }
  const std::vector<std::unique_ptr<LayerNode>>& layers() const { return layers_; }
  TensorNode* tensor(const std::string& name) const;
  void rename(const std::string& from, const std::string& to);
  void adopt(onnx::Model model);
  /// The model as it was after the user's changes: inputs' shapes, types of inputs and outputs.
  onnx::Model changedModel() const;

 private:
  bool has(nvinfer1::NetworkDefinitionCreationFlag flag) const { return (flags_ >> static_cast<uint32_t>(flag)) & 1; }

  nvinfer1::IBuilder& builder_;
  nvinfer1::ILogger& logger_;
  nvinfer1::NetworkDefinitionCreationFlags flags_;
  onnx::Model model_;
  std::map<std::string, std::unique_ptr<TensorNode>> tensors_;
  std::vector<std::unique_ptr<LayerNode>> layers_;
};

}  // namespace presisi::doubles::tensorrt
