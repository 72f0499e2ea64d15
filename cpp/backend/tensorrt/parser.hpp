#pragma once

#include <memory>
#include <string>

#include "backend/tensorrt/api.hpp"
#include "backend/tensorrt/logger.hpp"
#include "onnx/model.hpp"

namespace presisi::tensorrt {

/// Fills the network from the model's bytes. Throws one Error that lists everything the parser objected to, by node and
/// operator: UnsupportedOperator where it lacks something, else InvalidModel. `model` is what the bytes were written
/// from, for the names. The parser's memory holds the weights, so it must live until the engine is built.
std::unique_ptr<nvonnxparser::IParser> parse(const std::string& bytes, const onnx::Model& model,
                                             nvinfer1::INetworkDefinition& network, Logger& logger);

}  // namespace presisi::tensorrt
