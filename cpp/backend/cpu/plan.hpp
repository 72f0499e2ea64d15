#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "backend/cpu/weight_store.hpp"
#include "onnx/model.hpp"

/// The CPU engine's part of an engine file: the simplified network, and its weights as primitives want them, so that a
/// network is loaded by mapping its file. Weights are kept once: in the layout that the CPU which built the engine
/// wants. Another one reads them out of it.
///
/// offset  size  field (little-endian)
///      0     8  magic "CPUPLAN\n"
///      8     4  format version
///     12     4  bytes of the index
///     16        index, as CBOR: the bytes of the graph, and for each tensor beside it its name, shape, type, layout
///               where it is packed, and where it lies; then, 64-aligned, the ONNX graph without them, and the tensors
namespace presisi::cpu {

/// `simplified` with what `weights` holds of it packed.
std::string writePlan(const onnx::Model& simplified, const WeightStore& weights);

/// Packed weights look into `data`, and are known to `weights`. Throws InvalidEngine.
onnx::Model readPlan(const uint8_t* data, size_t size, const std::shared_ptr<const void>& owner, WeightStore& weights);

}  // namespace presisi::cpu
