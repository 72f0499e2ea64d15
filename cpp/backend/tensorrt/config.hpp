#pragma once

#include <string>

#include "backend/tensorrt/logger.hpp"
#include "backend/tensorrt/settings.hpp"

namespace presisi::tensorrt {

/// What kind of build this is: precision, and where its INT8 scales come from.
struct BuildKind {
  std::string precision;        ///< `fp32`, `fp16`, `int8`
  bool explicitInt8 = false;    ///< the graph holds Q/DQ
  bool ownCalibration = false;  ///< TensorRT finds the scales
};

/// Throws InvalidArgument and InvalidCalibration for what doesn't go together or this TensorRT can't do.
void requireConsistent(const BuildKind& kind, const BuildSettings& settings);

/// Everything that doesn't need the network. Throws InvalidArgument for a DLA that the device lacks.
void configure(nvinfer1::IBuilderConfig& config, const nvinfer1::IBuilder& builder, const BuildKind& kind,
               const BuildSettings& settings);

/// layerPrecisions. Throws InvalidArgument for names that no layer has.
void constrain(nvinfer1::IBuilderConfig& config, nvinfer1::INetworkDefinition& network, const BuildSettings& settings);

}  // namespace presisi::tensorrt
