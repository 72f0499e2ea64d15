#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "onnx/model.hpp"
#include "ops/operator.hpp"

/// Passes: pure functions from model to model. Tensors share storage between the two, so a pass copies no weights it
/// leaves alone.
namespace presisi::graph {

/// Evaluates every node whose inputs are all known and makes its outputs initializers; `Shape` of a tensor whose static
/// dimensions are known counts, and so do Constant nodes. A node whose result would exceed `maxBytes` more than its
/// inputs stays. With `keepStored` weights stay in the type they are stored in: neither is FP16 behind a Cast widened,
/// nor what stands before a QuantizeLinear quantized.
onnx::Model foldConstants(const onnx::Model& model, size_t maxBytes = 64u << 20, bool keepStored = false);

/// Removes nodes and initializers that no output needs, and Identity/Dropout(inference)/no-op Cast nodes.
onnx::Model removeDeadCode(const onnx::Model& model);

/// BatchNormalization (and per-channel constant Mul/Add) after Conv/ConvTranspose/Gemm into weights and bias, which
/// keep their names: `conv1.weight` and `conv1.bias`, also where there was no bias before.
onnx::Model foldBatchNorm(const onnx::Model& model);

/// Recognises what exporters spell in several nodes and writes one: presisi::Swish, presisi::HardSwish, presisi::Gelu
/// (Div-Erf-Add-Mul), GlobalAveragePool (ReduceMean over all spatial axes, keepdims), Clip(0,6) with constant bounds
/// kept, MatMul+Add with constant weights -> Gemm when 2-D, LayerNormalization left alone.
onnx::Model recognise(const onnx::Model& model);

/// FP16/BF16 tensors and arithmetic become FP32 (the widest type every CPU computes); graph inputs and outputs keep
/// their type behind a Cast.
onnx::Model widenToFloat32(const onnx::Model& model);

/// FP32 initializers of at least `minElements` elements stored as FP16 behind a Cast. Reports what did not fit.
struct HalfReport {
  /// Initializers with |w| > 65504 or not finite, and scales of Q/DQ that are no normal FP16 number: left in FP32.
  std::vector<std::string> outOfRange;
  std::vector<std::string>
      subnormal;  ///< initializers that lose more than 1 % of their elements to FP16 subnormals or zero
};
onnx::Model storeAsHalf(const onnx::Model& model, HalfReport& report, int64_t minElements = 16);

/// FP32 arithmetic becomes FP16, written into the graph for backends that take every type from it. Inputs and outputs
/// keep their types behind Casts. FP32 stay, with Casts around them: nodes with a constant that FP16 can't hold
/// (`report` names it), those whose results or sums leave FP16's range, what ONNX has no FP16 form of, and arithmetic
/// on shapes. Graph inputs and weights are quantized from FP32.
/// A model with Q/DQ is raised to opset 19, the first that has them in FP16, and no Cast comes between a DQ and the
/// layer it feeds, or a layer and its Q. Scales are rounded to FP16: they, and with them the INT8 thresholds, change by
/// up to 2^-11 (0.05 %), which is 0.06 of a level at level 127. A scale that is no normal FP16 number stays FP32
/// unrounded, and so does the layer there, between the same INT8 tensors. Dynamic dimensions count as 1 where a
/// decision depends on sizes. Throws what specialize(), inputShapes() and upgradeOpset() throw.
onnx::Model computeInHalf(const onnx::Model& model, HalfReport& report);

/// All of the above that every backend wants, to a fixed point: widen, fold, dead code, batch norm, recognise.
/// Refuses unsupported operators first. Validates shapes with dynamic dimensions set to 1.
onnx::Model simplify(const onnx::Model& model);

/// The part of that which suits a file for others: constants, dead code and no-ops, batch norm. No operators of
/// presisi's own come in, FP16 stays FP16, quantized models keep their Q and DQ, and dynamic dimensions stay open.
/// Operators outside the supported set are left as they are.
onnx::Model tidy(const onnx::Model& model);

/// Raises the opset of ONNX's own operators to `opset`, 13 to 21: rewrites the nodes whose form has changed, and raises
/// the IR version as far as the opset needs. A model of that opset comes back as it is. Throws InvalidArgument for an
/// opset below the model's or out of range; UnsupportedModel, naming the node, where the newer opset has no form for it
/// or its history isn't known.
onnx::Model upgradeOpset(const onnx::Model& model, int64_t opset);

/// Makes the named tensors graph outputs (after those there are); the ones already outputs are skipped.
/// Throws InvalidArgument for a name that no node makes.
onnx::Model exposeTensors(const onnx::Model& model, const std::vector<std::string>& tensors);

/// Types and shapes of every tensor for concrete input shapes, with shape arithmetic evaluated on the way.
struct Specialization {
  std::map<std::string, ops::TensorType> types;
  std::map<std::string, Tensor> constants;  ///< initializers, and what became known because the shapes are
};
/// Throws ShapeMismatch when an input's shape contradicts the model, InvalidModel when the graph contradicts itself.
Specialization specialize(const onnx::Model& model, const std::map<std::string, Dims>& inputShapes);

/// Whether the first dimension of every input and output counts samples, `count` of them where `at` was specialized,
/// and each sample of the results comes of that sample alone: a run may then be cut between them. False where it is not
/// known. Ask for each number of samples that is to be run: shapes written into the model may fit some and not others.
bool samplesApart(const onnx::Model& model, const Specialization& at, int64_t count);

/// Shapes of the graph's inputs with the first dimension of each set to `batch` where dynamic, and other dynamic
/// dimensions to 1 unless the model can't have them (then ShapeMismatch names input and axis).
std::map<std::string, Dims> inputShapes(const onnx::Model& model, int64_t batch);

}  // namespace presisi::graph
