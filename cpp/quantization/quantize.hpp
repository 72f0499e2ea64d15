#pragma once

#include <map>
#include <string>
#include <vector>

#include "calibration/table.hpp"
#include "onnx/model.hpp"

namespace presisi::quantization {

struct Options {
  /// Weights stay FP32 -> Q -> DQ (portable, TensorRT 8.5 on) when false; INT8 + DQ (small) when true.
  bool packWeights = false;
  /// Weights of squeeze-excite branches, whose activations stay FP32, are rounded to INT8, too. With packWeights they
  /// are stored as such; otherwise they become FP32 constants of the same values, as not every backend multiplies the
  /// two.
  bool weightsAlone = false;
  /// 7-bit weights ([-63, 63]) for CPUs whose INT8 multiply-add saturates in 16 bits.
  bool reduceRange = false;
  /// Unsigned activations for tensors that are never negative (one bit more; not for TensorRT).
  bool unsignedActivations = false;
  /// Nodes (by name, or first output) kept in FP32.
  std::vector<std::string> keepFloat;
};

/// Why a node that could have been quantized was not, or what was decided, for the audit.
struct Decision {
  std::string node;
  std::string op;
  bool quantized = false;
  std::string reason;
};

/// The activation tensors that need a scale for this model under these options, in graph order. `model` is simplified.
std::vector<std::string> activationsToCalibrate(const onnx::Model& model, const Options& options);

struct Result {
  onnx::Model model;
  std::vector<Decision> decisions;
};

/// Inserts Q/DQ so that TensorRT, our CPU engine and ONNX Runtime mean the same numbers by it.
/// Throws InvalidCalibration, listing them, for activations without a threshold.
Result insertQdq(const onnx::Model& model, const std::map<std::string, calibration::Threshold>& thresholds,
                 const Options& options);

/// Per-output-channel symmetric scales of a weight tensor: amax over everything but `axis`, divided by `levels` (127 or
/// 63). An all-zero channel gets scale 1 so that it stays zero.
std::vector<float> weightScales(const Tensor& weight, int64_t axis, int levels);

}  // namespace presisi::quantization
