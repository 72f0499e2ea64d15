#pragma once

#include <map>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "backend/tensorrt/node_facts.hpp"

namespace presisi::tensorrt {

/// Layers out of the engine inspector's JSON. It differs between generations and with how the engine was built: what
/// isn't there stays empty, and an engine that keeps names alone gives names alone. `facts` may be empty (a loaded
/// engine): then nothing is known of what was asked for. Text that isn't JSON gives no layers.
std::vector<backend::LayerInfo> parseLayers(const std::string& json, const std::map<std::string, NodeFacts>& facts);

/// `int8` out of `Thirty-two wide channel vectorized row major Int8 format`, `Int8` and the like; empty where none is
/// named.
std::string precisionIn(const std::string& description);

/// The ONNX nodes in a layer's name: `conv1 + relu1`, `PWN(PWN(sigmoid), mul)`, `a || b`.
std::vector<std::string> splitLayerName(const std::string& name);

}  // namespace presisi::tensorrt
