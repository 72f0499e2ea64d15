#pragma once

#include "config.hpp"
#include "layers.hpp"
#include "network.hpp"

namespace presisi::doubles::tensorrt {

class Builder : public nvinfer1::IBuilder {
 public:
  explicit Builder(nvinfer1::ILogger& logger) : logger_(logger) {}

#if NV_TENSORRT_MAJOR <= 10
  bool platformHasFastFp16() const noexcept override;
  bool platformHasFastInt8() const noexcept override;
  bool platformHasTf32() const noexcept override;
#endif
  int32_t getMaxDLABatchSize() const noexcept override { return doubleCudaDlaCores() > 0 ? 4096 : 0; }
  int32_t getNbDLACores() const noexcept override { return doubleCudaDlaCores(); }
  nvinfer1::IBuilderConfig* createBuilderConfig() noexcept override;
  nvinfer1::INetworkDefinition* createNetworkV2(nvinfer1::NetworkDefinitionCreationFlags flags) noexcept override;
  nvinfer1::IOptimizationProfile* createOptimizationProfile() noexcept override;
  void reset() noexcept override { profiles_.clear(); }
  nvinfer1::IHostMemory* buildSerializedNetwork(nvinfer1::INetworkDefinition& network,
                                                nvinfer1::IBuilderConfig& config) noexcept override;
  bool isNetworkSupported(nvinfer1::INetworkDefinition const& network,
                          nvinfer1::IBuilderConfig const& config) const noexcept override;
  nvinfer1::ILogger* getLogger() const noexcept override { return &logger_; }
  bool setMaxThreads(int32_t count) noexcept override { return count >= 1 ? (threads_ = count, true) : false; }
  int32_t getMaxThreads() const noexcept override { return threads_; }

 private:
  /// Throws presisi::Error with what the builder would log; an empty plan: canceled.
  std::string build(const Network& network, Config& config) const;

  nvinfer1::ILogger& logger_;
  std::vector<std::unique_ptr<Profile>> profiles_;
  int32_t threads_ = 1;
};

/// Throws presisi::Error where network and configuration don't go together.
void checkBuild(const Network& network, const onnx::Model& model, const Config& config);
bool hasQuantizers(const onnx::Model& model);

}  // namespace presisi::doubles::tensorrt
