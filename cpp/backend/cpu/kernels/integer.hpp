#pragma once

#include <cstdint>

/// Convolutions of 8-bit integers for shapes where oneDNN's kernels stay far from the processor's limit: depthwise
/// ones, and 1x1 ones whose activation costs more than their products. For AVX-512 with VNNI; elsewhere oneDNN does it
/// all.
///
/// Activations are NHWC, uint8 or int8. VNNI multiplies unsigned by signed integers, so int8 activations are taken as
/// x + 128, and what that adds to the sums is taken off their start. Sums are exact; what follows happens in floats:
/// activation(sum * scale + shift) times `factor`, clamped, and, unless the destination is float, rounded half to even.
namespace presisi::cpu {

/// Channels are worked on this many at a time; what is packed is padded with zeros to a multiple of it.
constexpr int64_t kLanes = 16;

enum class Curve {
  None,       ///< ReLU and clips, too: they are part of the bounds
  HardSwish,  ///< x clip(x / 6 + 1/2, 0, 1)
  Swish,      ///< x sigmoid(x)
};

/// What becomes of the sums. Per channel, padded.
struct Finish {
  const float* scale = nullptr;
  const float* shift = nullptr;
  const int32_t* start = nullptr;  ///< of the sums
  Curve curve = Curve::None;
  float factor = 1;           ///< 1 / scale of the destination; with Curve::None it is in `scale` and `shift` already
  float low = 0, high = 255;  ///< integers where the destination is
};

struct DepthwiseTask {
  int64_t channels = 0;
  int64_t inHeight = 0, inWidth = 0, outHeight = 0, outWidth = 0;
  int64_t kernelHeight = 0, kernelWidth = 0, strideHeight = 1, strideWidth = 1, padTop = 0, padLeft = 0;
  bool signedInput = false;
  /// [block of channels][column of the kernel][quad of rows][channel][row of the quad]
  const int8_t* weights = nullptr;
  Finish finish;
  bool toFloat = false;

  int64_t quads() const { return (kernelHeight + 3) / 4; }
  /// Rows of the output made from the same rows of the input.
  int64_t rowsAtOnce() const { return (4 * quads() - kernelHeight) / strideHeight + 1; }
  int64_t columnsRead() const { return (outWidth - 1) * strideWidth + kernelWidth; }
  int64_t scratchBytes() const { return quads() * columnsRead() * kLanes * 4; }  ///< of each thread, 64-aligned
};
/// Largest kernel of a DepthwiseTask.
constexpr int64_t kDepthwiseReach = 8;

struct PointwiseTask {
  int64_t inputs = 0;   ///< channels; a multiple of 4
  int64_t outputs = 0;  ///< channels
  bool signedInput = false;
  /// [block of outputs][quad of inputs][output][input of the quad]
  const int8_t* weights = nullptr;
  Finish finish;
};

struct IntegerKernels {
  /// `rowsAtOnce()` rows of the output, or as many as there are, from row `row` on, in one block of channels of a
  /// picture. `out` is of uint8 or int8, or of float. `totals`, which may be null, and is for floats alone: kLanes sums
  /// of what was written.
  void (*depthwise)(const DepthwiseTask& task, const uint8_t* in, void* out, float* totals, int64_t row, int64_t block,
                    void* scratch);
  /// Pixels `in` to `out`, in blocks of channels [firstBlock, lastBlock). `scratch`: pixels * inputs bytes.
  void (*pointwise)(const PointwiseTask& task, const uint8_t* in, uint8_t* out, int64_t pixels, int64_t firstBlock,
                    int64_t lastBlock, void* scratch);
};

/// Null where the processor has no such instructions.
const IntegerKernels* integerKernels();

#if defined(__x86_64__)
namespace avx512vnni {
extern const IntegerKernels kTable;
}
#endif

}  // namespace presisi::cpu
