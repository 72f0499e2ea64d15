#pragma once

#include <oneapi/dnnl/dnnl_version.h>

#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backend/cpu/blocked_layout.hpp"
#include "core/dtype.hpp"
#include "core/tensor.hpp"

/// The one place that knows oneDNN's versions. 2.x bakes quantization scales into the primitive and adds the bias
/// before scaling; 3.x takes scales as run-time arguments and adds the bias after. Callers speak in real units and see
/// neither.
namespace presisi::cpu {

using Arguments = std::unordered_map<int, dnnl::memory>;

/// A step fused behind a convolution or matrix product, on real (dequantized) values.
struct PostOp {
  enum class Kind { Activation, Sum };
  Kind kind = Kind::Activation;
  dnnl::algorithm algorithm = dnnl::algorithm::undef;
  float alpha = 0;
  float beta = 0;
  float sumScale = 1;                ///< Sum: scale of the tensor that lies in the destination beforehand
  DType sumType = DType::Undefined;  ///< Sum: and its element type

  static PostOp activation(dnnl::algorithm algorithm, float alpha, float beta);
  static PostOp sum(DType dtype, float scale);
  /// f(k x) = k f(x) for k > 0, once clip bounds are scaled along.
  bool homogeneous() const;
};

/// How the integers in a quantized product relate to real values: real = integer * scale.
struct Quantization {
  bool integer = false;  ///< source and weights are 8-bit integers
  float source = 1;
  std::vector<float> weights;  ///< per output channel
  float destination = 0;       ///< 0: the destination is float
};

/// What convolutions and matrix products with constant weights have in common.
struct ProductSpec {
  DType sourceType = DType::Float32, weightsType = DType::Float32, destinationType = DType::Float32;
  bool bias = false;
  std::vector<PostOp> postOps;
  Quantization quantization;
};

struct ConvolutionSpec : ProductSpec {
  Dims source, weights, destination;          ///< NCHW; weights OIHW, or GOIHW when groups > 1
  Dims strides, dilations, padBegin, padEnd;  ///< dilations as ONNX counts them: 1 is dense
};

struct MatrixSpec : ProductSpec {  ///< y[rows, columns] = x[rows, inner] w[columns, inner]^T
  int64_t rows = 0, inner = 0, columns = 0;
};

struct PoolingSpec {
  Dims source, destination;
  Dims kernel, strides, padBegin, padEnd;
  DType dtype = DType::Float32;
  dnnl::algorithm algorithm = dnnl::algorithm::pooling_max;
};

/// A created primitive and the layouts it wants. `source` and `destination` are what was asked for (NHWC, row-major).
struct Primitive {
  dnnl::primitive primitive;
  dnnl::memory::desc source, weights, bias, destination, scratchpad;
  std::string kernel;             ///< oneDNN's name of the implementation
  std::vector<float> biasFactor;  ///< multiply the real bias by this, per channel, before use; empty: by 1
  Arguments constants;            ///< run-time scales (3.x)
};

/// What oneDNN throws becomes a presisi::Error that says what was being done.
[[noreturn]] void rethrow(const dnnl::error& error, const std::string& doing);

template <typename F>
auto translated(const std::string& doing, F&& f) {
  try {
    return f();
  } catch (const dnnl::error& error) {
    rethrow(error, doing);
  }
}

const dnnl::engine& cpuEngine();
dnnl::memory::data_type toOneDnn(DType dtype);
/// NHWC for rank 4, row-major otherwise.
dnnl::memory::desc describe(DType dtype, const Dims& dims);

/// Each returns false when oneDNN has no implementation: an answer, not an error. Other failures throw presisi::Error.
bool createConvolution(const ConvolutionSpec& spec, Primitive& out);
bool createInnerProduct(const MatrixSpec& spec, Primitive& out);
bool createPooling(const PoolingSpec& spec, Primitive& out);
/// General product of two activations, batch dimensions broadcast, all row-major float.
bool createMatMul(const Dims& a, const Dims& b, const Dims& c, Primitive& out);

/// Two descriptions with equal keys are the same layout, in files too.
std::string layoutKey(const dnnl::memory::desc& description);

/// Empty for layouts that can't be undone: opaque ones, and those that change the numbers.
std::optional<BlockedLayout> blockedLayout(const dnnl::memory::desc& description);

/// Copies row-major weights into the layout a primitive wants.
dnnl::memory packWeights(const Tensor& weights, const Dims& dims, const dnnl::memory::desc& wanted);

std::string oneDnnVersion();
/// The highest instruction set oneDNN uses here: `avx512_core_vnni`, …
std::string effectiveIsa();
/// What multiplies bytes natively here; empty where nothing does and oneDNN makes do with 16-bit sums.
std::string int8Instructions();
/// Whether these overflow with weights of 8 bits: x86 multiplies u8 by s8 in pairs into 16 bits.
bool int8Saturates();

}  // namespace presisi::cpu
