#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "architectures/architecture.hpp"
#include "checkpoint/checkpoint.hpp"
#include "core/progress.hpp"
#include "core/stop_token.hpp"
#include "onnx/model.hpp"

/// Phase 1: a trained checkpoint, an ONNX file or a seed becomes an ONNX model.
namespace presisi::convert {

struct Options {
  std::string architecture;  ///< empty: recognised by the parameters
  architectures::Choices choices;
  bool foldBatchNorm = true;
  /// ONNX files only: constants folded, dead nodes and no-ops removed, BatchNorm folded.
  bool simplify = false;
  /// ONNX files only: the opset to raise the model to, 13 to 21; 0 leaves it.
  int64_t opset = 0;
  /// Added to the model's metadata: where it came from.
  std::map<std::string, std::string> metadata;
};

/// What went in and what was made of it.
struct Summary {
  std::string source;        ///< `PyTorch`, `safetensors`, `ONNX`, `seed`
  std::string architecture;  ///< empty for ONNX files
  std::string family;
  std::map<std::string, std::string> configuration;
  int64_t parameters = 0;             ///< elements of the checkpoint's used arrays; of the initializers for ONNX
  std::vector<std::string> warnings;  ///< what was ignored, and why that is right
};

struct Converted {
  onnx::Model model;  ///< FP32 weights
  Summary summary;
};

/// The phases of both: `read` (a file), `assemble` (parameters and graph; not for ONNX), `optimize`.

/// Any file: ONNX by default, a checkpoint where the content says so.
Converted fromFile(const std::string& path, const Options& options, const ProgressFn& progress, const StopToken& stop);

/// A built-in architecture with random weights that keep activations near unit variance: same name, choices and seed,
/// same bytes, on every machine.
Converted fromSeed(const std::string& architecture, uint64_t seed, const Options& options, const ProgressFn& progress,
                   const StopToken& stop);

/// Puts a checkpoint's arrays, widened to FP32, into the network. Throws InvalidModel listing every parameter that is
/// missing, unexpected or of another shape, by name.
onnx::Model bind(const architectures::Network& network, const checkpoint::Checkpoint& checkpoint,
                 std::vector<std::string>& warnings);

}  // namespace presisi::convert
