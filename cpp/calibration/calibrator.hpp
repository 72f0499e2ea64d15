#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "calibration/histogram.hpp"
#include "calibration/solver.hpp"
#include "calibration/table.hpp"
#include "onnx/model.hpp"

namespace presisi::calibration {

/// Rides on FP32 inference and keeps one histogram per tensor: memory doesn't grow with the number of images, and one
/// collection can be solved by every method.
class Calibrator {
 public:
  /// `model` is simplified FP32; `tensors` are the activations that need a scale
  /// (quantization::activationsToCalibrate).
  Calibrator(const onnx::Model& model, std::vector<std::string> tensors, backend::Backend& backend, int threads,
             int64_t maxBatch, const ProgressFn& progress, const StopToken& stop);
  ~Calibrator();

  /// Runs one batch and adds its activations. Throws InvalidCalibration when an activation is NaN or infinite, naming
  /// the tensor and the samples that it is of, counted over all batches. Canceled leaves the
  /// histograms unusable: throw the calibrator away. Phases `run` and `collect`, in turn: each activation is counted
  /// as soon as it is there.
  void collect(const backend::Feeds& feeds, const StopToken& stop);

  uint64_t samples() const;
  const std::map<std::string, Histogram>& histograms() const;

  /// Throws InvalidCalibration when nothing was collected.
  std::map<std::string, Threshold> solve(const SolveOptions& options, const ProgressFn& progress,
                                         const StopToken& stop) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace presisi::calibration
