#pragma once

#include <cstdint>

/// The element-wise work that oneDNN has no fused primitive for, in plain loops the compiler vectorises. The same
/// source
/// (`kernels.inc`) is compiled once per instruction set; `kernels()` picks the best at run time.
///
/// Blocks are two-dimensional: `rows` rows of `columns` elements. Buffers of floats are dense; strided memory (a slice
/// of the channels of an NHWC tensor) has `stride` elements from row to row.
namespace presisi::cpu {

enum class Unary {
  Relu,       // max(x, 0)
  LeakyRelu,  // x < 0 ? alpha x : x
  Elu,        // x < 0 ? alpha (exp(x) - 1) : x
  Clip,       // min(max(x, alpha), beta)
  Sigmoid,
  HardSigmoid,  // clip(alpha x + beta, 0, 1)
  HardSwish,    // x clip(x / 6 + 1/2, 0, 1)
  Swish,        // x sigmoid(x)
  Tanh,
  Gelu,  // x / 2 (1 + erf(x / sqrt 2))
  Exp,
  Sqrt,
  Abs,
  Neg,
};

enum class Binary { Add, Sub, Mul, Div, ReverseSub, ReverseDiv };  // x op operand; reversed: operand op x

struct Kernels {
  const char* isa;
  /// Strided memory to a dense float block, times `scale`.
  void (*loadFloat)(const float* in, int64_t stride, int64_t rows, int64_t columns, float* out);
  void (*loadUint8)(const uint8_t* in, int64_t stride, float scale, int64_t rows, int64_t columns, float* out);
  void (*loadInt8)(const int8_t* in, int64_t stride, float scale, int64_t rows, int64_t columns, float* out);
  /// Dense float block to strided memory; quantized: clamp(round half to even (x / scale), low, high).
  void (*storeFloat)(const float* in, int64_t rows, int64_t columns, float* out, int64_t stride);
  void (*storeUint8)(const float* in, float scale, float low, float high, int64_t rows, int64_t columns, uint8_t* out,
                     int64_t stride);
  void (*storeInt8)(const float* in, float scale, float low, float high, int64_t rows, int64_t columns, int8_t* out,
                    int64_t stride);
  /// All in one: out[r][c] = clamp(round half to even (in[r][c] * scale[c] + shift[c]), low, high), from memory to
  /// memory, both strided. `out` is of uint8 or, where `low` is below 0, int8.
  void (*quantizeFloat)(const float* in, int64_t inStride, const float* scale, const float* shift, float low,
                        float high, int64_t rows, int64_t columns, uint8_t* out, int64_t outStride);
  void (*quantizeUint8)(const uint8_t* in, int64_t inStride, const float* scale, const float* shift, float low,
                        float high, int64_t rows, int64_t columns, uint8_t* out, int64_t outStride);
  void (*quantizeInt8)(const int8_t* in, int64_t inStride, const float* scale, const float* shift, float low,
                       float high, int64_t rows, int64_t columns, uint8_t* out, int64_t outStride);
  /// The same in floats, unrounded.
  void (*scaleFloat)(const float* in, int64_t inStride, const float* scale, const float* shift, float low, float high,
                     int64_t rows, int64_t columns, float* out, int64_t outStride);
  void (*unary)(Unary function, float alpha, float beta, float* x, int64_t count);
  /// x[r][c] = x[r][c] * scale[c] + shift[c]
  void (*affine)(const float* scale, const float* shift, float* x, int64_t rows, int64_t columns);
  void (*binary)(Binary op, const float* operand, float* x, int64_t count);
  void (*binaryRow)(Binary op, const float* operand, float* x, int64_t rows, int64_t columns);  ///< operand[c]
  void (*binaryScalar)(Binary op, float operand, float* x, int64_t count);
  /// sums[c] += sum over rows
  void (*sumRowsFloat)(const float* in, int64_t stride, int64_t rows, int64_t columns, float* sums);
  void (*sumRowsUint8)(const uint8_t* in, int64_t stride, int64_t rows, int64_t columns, int32_t* sums);
  void (*sumRowsInt8)(const int8_t* in, int64_t stride, int64_t rows, int64_t columns, int32_t* sums);
  /// `channels` planes of `planeStride` elements to pixels: out[p * channels + c] = in[c * planeStride + p].
  void (*interleave)(const float* in, int64_t planeStride, int64_t channels, int64_t pixels, float* out);
  /// The way back: out[c * planeStride + p] = in[p * stride + c].
  void (*deinterleave)(const float* in, int64_t stride, int64_t channels, int64_t pixels, float* out,
                       int64_t planeStride);
  void (*widenHalf)(const uint16_t* in, int64_t count, float* out);  ///< IEEE 754 binary16
};

const Kernels& kernels();

namespace base {
extern const Kernels kTable;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Kernels kTable;
}
namespace avx512 {
extern const Kernels kTable;
}
#endif

}  // namespace presisi::cpu
