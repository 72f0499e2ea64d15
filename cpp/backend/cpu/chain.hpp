#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "backend/cpu/kernels/kernels.hpp"
#include "backend/cpu/team.hpp"
#include "core/dtype.hpp"

namespace presisi::cpu {

/// Memory that a chain reads or writes, seen as `samples` x `rows` x `columns`: for images, pixels x channels.
struct ChainTensor {
  enum class Order {
    Pixels,  ///< columns contiguous, `stride` elements from row to row (NHWC, matrices)
    Planes,  ///< rows contiguous, one plane after the other (NCHW); float only
  };
  DType dtype = DType::Float32;
  Order order = Order::Pixels;
  int64_t stride = 0;
  float scale = 1;          ///< integers: real = integer * scale
  float low = 0, high = 0;  ///< integers written: clamped to this range
};

struct ChainStage {
  enum class Kind {
    Unary,
    Affine,     ///< per column: x * rowA[c] + rowB[c]
    Row,        ///< binary with rowA[c]
    Scalar,     ///< binary with alpha
    Tensor,     ///< binary with a tensor of the same shape
    PerSample,  ///< binary with a row of each sample, e.g. the gates of squeeze-and-excitation
  };
  Kind kind = Kind::Unary;
  Unary unary = Unary::Relu;
  Binary binary = Binary::Add;
  float alpha = 0, beta = 0;
  std::vector<float> rowA, rowB;
  int operand = -1;          ///< Tensor, PerSample: index into the operands
  bool nonNegative() const;  ///< whatever comes in, no result is below zero
};

/// The range of what is written, as ReLUs and clips narrow it. Rounding keeps order: a bound of the numbers is,
/// rounded, one of the integers.
struct Bounds {
  bool integer;
  float unit;  ///< 1 / scale of the integers; 1 for floats
  float low, high;

  /// Of integers with this scale and range; of all floats.
  static Bounds ofIntegers(float scale, float low, float high);
  static Bounds ofFloats();
  void clip(float bottom, float top);
  void relu();
};

/// x * scale[c] + shift[c], clamped, with everything there is in those two: the scales of input and output, and the
/// stages.
struct Scaling {
  /// Of each channel; of as many elements as are worked on at once where all are equal.
  std::vector<float> scale, shift;
  bool uniform = true;  ///< equal for all channels
  int gates = -1;       ///< an operand, of one row a sample, that is multiplied with as well
  float low = 0, high = 0;
};

struct Chain {
  int64_t samples = 1, rows = 1, columns = 1;
  ChainTensor input, output;
  std::vector<ChainStage> stages;
  std::vector<ChainTensor> operands;
  /// Where it is in effect one multiplication and one addition for each channel: one step in registers.
  std::optional<Scaling> scaling;
};

/// To be called when all else is filled in.
void recogniseScaling(Chain& chain);

/// A thread's share of one pass over the data: load, every stage in registers and L1, store.
void runChain(const Team& team, const Chain& chain, const void* input, const std::vector<const void*>& operands,
              void* output);

/// Some of all rows, on the calling thread alone: `output` begins with row `first`, and is dense.
void runChainRows(const Chain& chain, const void* input, const std::vector<const void*>& operands, void* output,
                  int64_t first, int64_t last);

/// Sum over the rows of each sample by `count`, which is their number unless they are sums themselves; `output` is
/// float [samples, columns]. A thread's share.
void runGlobalAverage(const Team& team, const Chain& shape, int64_t count, const void* input, float* output);

}  // namespace presisi::cpu
