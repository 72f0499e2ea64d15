#pragma once

#include <set>

#include "support.hpp"

namespace presisi::doubles::tensorrt {

/// One layer of a built engine: what a TensorRT builder would have fused.
struct LayerRow {
  std::string name;
  std::string type;       ///< as the inspector spells it: `CaskConvolution`, `PointWiseV2`, `Reformat`, …
  std::string precision;  ///< `INT8`, `FP16`, `FP32`, …
  std::string tactic;
  std::vector<std::string> nodes;   ///< ONNX nodes it stands for
  std::vector<std::string> inputs;  ///< tensors that aren't weights
  std::vector<std::string> outputs;
  std::vector<std::string> makes;    ///< every tensor computed in it
  std::vector<std::string> readsAs;  ///< precision of each input
  std::string writesAs;
  int64_t weights = 0;  ///< elements
};

struct LayerPlan {
  std::vector<LayerRow> rows;
  std::map<std::string, Dims> dims;  ///< of every tensor, at the shapes of kOPT
};

struct LayerWishes {
  bool half = false;                       ///< FP16 where it is possible
  bool stronglyTyped = false;              ///< precisions are those of the graph
  std::set<std::string> float32, float16;  ///< nodes (names) held to a precision
};

LayerPlan planLayers(const onnx::Model& model, const std::map<std::string, Dims>& shapes, const LayerWishes& wishes);

Json toJson(const LayerPlan& plan);
LayerPlan layerPlanFromJson(const Json& json);  ///< throws Json::exception

/// The layer as the engine inspector describes it. `shapes`: whether dimensions are known (else the first is -1).
Json inspect(const LayerPlan& plan, const LayerRow& row, bool dynamicBatch);

}  // namespace presisi::doubles::tensorrt
