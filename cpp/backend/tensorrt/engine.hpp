#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "backend/cuda/buffer.hpp"
#include "backend/cuda/device.hpp"
#include "backend/tensorrt/api.hpp"
#include "backend/tensorrt/builder.hpp"
#include "backend/tensorrt/logger.hpp"
#include "backend/tensorrt/settings.hpp"

namespace presisi::tensorrt {

/// One of the network's inputs or outputs, as the engine has it.
struct Binding {
  backend::TensorInfo info;
  bool input = false;
  bool onHost = false;  ///< TensorRT reads or writes it from the CPU (values that are shapes)
  Profile range;        ///< inputs: the shapes that the engine accepts
};

/// Names of both sides for the message of an engine that doesn't load.
struct Whereabouts {
  cuda::DeviceInfo device;
  std::string describe() const;  ///< `TensorRT 10.3.0 on Orin (compute capability 8.7)`
};

class TensorRtEngine final : public backend::Engine {
 public:
  /// Throws InvalidEngine for bytes that are no plan; IncompatibleEngine, with what TensorRT says, for a plan of
  /// another version or GPU; UnsupportedModel for inputs and outputs of types or layouts that presisi doesn't feed.
  TensorRtEngine(Plan plan, std::map<std::string, NodeFacts> facts, const BuildSettings& settings,
                 std::shared_ptr<Logger> logger);

  const std::vector<backend::TensorInfo>& inputs() const override { return inputs_; }
  const std::vector<backend::TensorInfo>& outputs() const override { return outputs_; }
  /// TensorRT's plan and nothing else, as trtexec writes and reads it.
  std::string serialize() const override { return std::string(reinterpret_cast<const char*>(plan_.data), plan_.size); }
  std::vector<backend::LayerInfo> layers() const override;
  /// Of the layers that say; else the size of the plan, most of which is weights.
  int64_t weightBytes() const override;
  std::unique_ptr<backend::Session> createSession(const backend::SessionOptions& options) override;

  const std::vector<Binding>& bindings() const { return bindings_; }
  const cuda::DeviceInfo& device() const { return device_; }
  Logger& logger() const { return *logger_; }
  const std::shared_ptr<cuda::PinnedPool>& pinned() const { return pinned_; }

  /// A context, and the engine it belongs to, for one session. To version 9 two contexts can't use one dynamic profile,
  /// and so each further session gets an engine of its own, with its own copy of the weights on the device.
  struct Context {
    std::shared_ptr<nvinfer1::ICudaEngine> engine;
    std::unique_ptr<nvinfer1::IExecutionContext> context;
  };
  Context createContext() const;

 private:
  std::shared_ptr<nvinfer1::ICudaEngine> deserialize() const;
  void readBindings();
  std::vector<backend::LayerInfo> inspect() const;

  cuda::DeviceInfo device_;
  Plan plan_;
  std::map<std::string, NodeFacts> facts_;
  std::shared_ptr<Logger> logger_;
  std::unique_ptr<nvinfer1::IRuntime> runtime_;
  std::shared_ptr<nvinfer1::ICudaEngine> engine_;
  std::shared_ptr<cuda::PinnedPool> pinned_ = cuda::PinnedPool::create();
  std::vector<Binding> bindings_;
  std::vector<backend::TensorInfo> inputs_, outputs_;
  bool dynamic_ = false;
  mutable std::mutex mutex_;
  mutable std::optional<std::vector<backend::LayerInfo>> layers_;
};

}  // namespace presisi::tensorrt
