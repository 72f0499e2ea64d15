#pragma once

#include <cstdint>

/// Convolutions for shapes where oneDNN's kernels stay far from the processor's limit: depthwise ones and 1x1 ones, of
/// floats and of 8-bit integers. For AVX-512 (integers with VNNI) and for AVX2; elsewhere oneDNN does it all.
///
/// Activations are NHWC: float, or uint8 or int8. Unsigned integers are multiplied by signed ones, so int8 activations
/// are taken as x + 128, and what that adds to the sums is taken off their start. Sums of integers are exact; what
/// follows happens in floats: activation(sum * scale + shift + skip * skipScale) times `factor`, clamped, and, unless
/// the destination is float, rounded half to even.
namespace presisi::cpu {

/// Channels are worked on this many at a time; what is packed is padded with zeros to a multiple of it.
constexpr int64_t kLanes = 16;

/// Weights of integers within this and its negative may have the sums of two products in 16 bits.
constexpr int kMostShort = 64;

enum class Curve {
  None,       ///< ReLU and clips, too: they are part of the bounds
  HardSwish,  ///< x clip(x / 6 + 1/2, 0, 1)
  Swish,      ///< x sigmoid(x)
  Sigmoid,
  Pieces,  ///< any curve, to int8: a CurvePieces has it
};

/// A curve in 64 quadratic pieces. Numbers come scaled and shifted so that [-2^15, 2^15) is where it isn't constant;
/// the six highest bits (two's complement) choose the piece, the other ten, as f in [-1, 1), the point in it: (value +
/// slope f + bend f^2) / 256, rounded down.
struct CurvePieces {
  int16_t value[64], slope[64], bend[64];
};

enum class Element { Float, Uint8, Int8 };

/// What becomes of the sums. Per channel, padded.
struct Finish {
  const float* scale = nullptr;
  const float* shift = nullptr;
  const int32_t* start = nullptr;  ///< of sums of integers
  Curve curve = Curve::None;
  const CurvePieces* pieces = nullptr;
  /// 1 / scale of the destination; with Curve::None and Curve::Pieces it is in the other numbers already.
  float factor = 1;
  float skipScale = 0;  ///< of a tensor like the destination that is added, with Curve::None only
  Element skip = Element::Float;
  float low = 0, high = 255;  ///< integers where the destination is; with Curve::Pieces, `high` is of what goes in
};

struct DepthwiseTask {
  int64_t channels = 0;
  int64_t inHeight = 0, inWidth = 0, outHeight = 0, outWidth = 0;
  int64_t kernelHeight = 0, kernelWidth = 0, strideHeight = 1, strideWidth = 1, padTop = 0, padLeft = 0;
  int64_t rowsAtOnce = 1;  ///< of the output, in one call: rowsAtOnce(task)
  Element source = Element::Float;
  bool fullWeights = false;  ///< of integers: some lie beyond kMostShort
  /// Integers: [block of channels][column of the kernel][quad of rows][channel][row of the quad].
  /// Floats: [block of channels][row of the kernel][column][channel].
  const void* weights = nullptr;
  Finish finish;
  bool toFloat = true;

  bool integer() const { return source != Element::Float; }
  int64_t quads() const { return (kernelHeight + 3) / 4; }  ///< of rows, for integers
  int64_t columnsRead() const { return (outWidth - 1) * strideWidth + kernelWidth; }
  int64_t scratchBytes() const;  ///< of each thread, 64-aligned
};
/// Largest kernel of a DepthwiseTask.
constexpr int64_t kDepthwiseReach = 8;

/// Where the inputs of a convolution's pixels are, each of which looks at some rows: pieces of memory.
struct Patches {
  int64_t rows = 1, rowStep = 0;   ///< elements from one to the next
  int64_t width = 0;               ///< of the destination; 0: all pixels lie side by side,
  int64_t step = 0, lineStep = 0;  ///< or these elements apart, and their lines
};

struct PointwiseTask {
  int64_t inputs = 0;   ///< channels, or elements of a row; of integers a multiple of 4
  int64_t outputs = 0;  ///< channels
  int64_t outStep = 0;  ///< elements from pixel to pixel of the destination: `outputs`, unless it is a slice
  Patches patches;
  Element source = Element::Float;
  bool fullWeights = false;  ///< of integers: some lie beyond kMostShort
  bool lowSource = false;    ///< of integers: none is above 127
  bool byteWeights = false;  ///< of floats: int8
  /// Integers: [block of outputs][row][quad of inputs][output][input of the quad]. Floats: [block of
  /// outputs][row][input][output].
  const void* weights = nullptr;
  Finish finish;
  bool toFloat = true;

  bool integer() const { return source != Element::Float; }
  int64_t depth() const { return patches.rows * inputs; }
};

/// Pixels of a side of the output, and those of the input that they depend on, that a WinogradTask takes at a time.
constexpr int64_t kWinogradTile = 4, kWinogradPatch = 6;

/// A convolution of floats, with a kernel of 3x3 and steps of one, in transformed inputs and weights.
struct WinogradTask {
  /// One of the 36 products. `inputs` is a multiple of kLanes. `weights` are those of all, one after the other;
  /// `finish` is what becomes of what they are transformed back to.
  PointwiseTask product;
  int64_t inHeight = 0, inWidth = 0, outHeight = 0, outWidth = 0, padTop = 0, padLeft = 0;
};

struct ConvolutionKernels {
  const char* isa;         ///< what floats are worked on with,
  const char* integerIsa;  ///< and integers
  bool plainFloats;  ///< whether convolutions of floats are faster than oneDNN's with nothing but themselves to do
  bool shortSums;    ///< whether fullWeights and lowSource are to be told
  bool pieces;       ///< whether Curve::Pieces is among what they do
  /// How many of so many pixels pointwise() works on at once.
  int64_t (*tilePixels)(const PointwiseTask& task, int64_t pixels);
  /// `rowsAtOnce` rows of the output, or as many as there are, from row `row` on, in one block of channels of a
  /// picture. `totals`, which may be null, and is for floats alone: kLanes sums of what was written.
  void (*depthwise)(const DepthwiseTask& task, const void* in, void* out, float* totals, int64_t row, int64_t block,
                    void* scratch);
  /// `pixels` from `first` on, in blocks of channels [firstBlock, lastBlock). `in` is where the first one's inputs are;
  /// with patches, which are not of int8, where those of the picture's first pixel are. `out`, and `skip`, which may
  /// be null, are the first one's. `scratch`, for int8: pixels * inputs bytes.
  void (*pointwise)(const PointwiseTask& task, const void* in, void* out, const void* skip, int64_t first,
                    int64_t pixels, int64_t firstBlock, int64_t lastBlock, void* scratch);
  /// A line of pixels of bytes, with `left` and `right` pixels of padding; channels from pixel to pixel are `step` in
  /// the destination. int8 becomes x + 128. `in` may be null: all is padding.
  void (*pad)(const uint8_t* in, bool isSigned, int64_t channels, int64_t left, int64_t width, int64_t right,
              int64_t step, uint8_t* out);
  /// Transforms what the tile at row y and column x of the output depends on, in the picture `in`: a pixel of `inputs`
  /// for each product, `step` apart. `zeros`: such a pixel.
  void (*winogradIn)(const WinogradTask& task, const float* in, int64_t y, int64_t x, const float* zeros, float* out,
                     int64_t step);
  /// Transforms back and finishes that tile of the picture `out`. `sums`: a pixel of the outputs, padded, of each
  /// product, `step` apart. `skip`, which may be null, lies as `out` does.
  void (*winogradOut)(const WinogradTask& task, const float* sums, int64_t step, int64_t y, int64_t x,
                      const float* skip, float* out);
};

/// Null where the processor has no such instructions.
const ConvolutionKernels* convolutionKernels(bool integers);

#if defined(__x86_64__)
namespace avx2 {
extern const ConvolutionKernels kConvolutions;
}
namespace avx512 {
extern const ConvolutionKernels kConvolutions;
}
#endif

}  // namespace presisi::cpu
