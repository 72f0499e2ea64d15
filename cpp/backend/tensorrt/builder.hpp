#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "backend/backend.hpp"
#include "backend/tensorrt/logger.hpp"
#include "backend/tensorrt/node_facts.hpp"
#include "onnx/model.hpp"

namespace presisi::tensorrt {

/// TensorRT's serialized engine, and what keeps its bytes.
struct Plan {
  const uint8_t* data = nullptr;
  size_t size = 0;
  std::shared_ptr<const void> owner;
};

struct BuiltPlan {
  Plan plan;
  std::map<std::string, NodeFacts> facts;
};

/// Parses, configures and builds. `identity` is the backend's, for the timing cache. Throws InvalidArgument,
/// UnsupportedOperator, InvalidModel, UnsupportedModel, InvalidCalibration, OutOfMemory, Canceled; and what the
/// calibration's source throws.
BuiltPlan buildPlan(const onnx::Model& model, const backend::BuildOptions& options,
                    const std::map<std::string, std::string>& identity, Logger& logger, const ProgressFn& progress,
                    const StopToken& stop);

}  // namespace presisi::tensorrt
