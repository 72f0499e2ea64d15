#pragma once

#include "backend/backend.hpp"

namespace presisi::tensorrt {

/// Builds and runs with TensorRT, on the current CUDA device (the first of those that CUDA_VISIBLE_DEVICES leaves).
class TensorRtBackend final : public backend::Backend {
 public:
  std::string name() const override { return "tensorrt"; }
  backend::Probe probe() override;
  backend::GraphForm form(const backend::BuildOptions& options) const override;
  std::string mismatch(const std::map<std::string, std::string>& identity) override;
  std::shared_ptr<backend::Engine> build(const onnx::Model& model, const backend::BuildOptions& options,
                                         const ProgressFn& progress, const StopToken& stop) override;
  std::shared_ptr<backend::Engine> load(const uint8_t* plan, size_t size, std::shared_ptr<const void> owner,
                                        const backend::BuildOptions& options) override;
};

}  // namespace presisi::tensorrt
