#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "backend/cpu/curve_pieces.hpp"
#include "backend/cpu/kernels/convolution.hpp"
#include "backend/cpu/onednn.hpp"
#include "backend/cpu/team.hpp"
#include "core/tensor.hpp"

/// What our own convolutions need around their kernels: the layouts of their weights, and teams.
namespace presisi::cpu {

/// Numbers of all channels, padded to whole blocks: what the pointers of a Finish look at.
struct FinishData {
  std::vector<float> scale, shift;
  std::vector<int32_t> start;                ///< of integers
  std::shared_ptr<const FittedCurve> curve;  ///< where it is in pieces
  FinishData(int64_t channels, bool integers);
};

int64_t blocksOf(int64_t channels);

/// Of OIHW weights with one input channel in each group, or with a kernel of 1x1.
BlockedLayout depthwiseLayout(const DepthwiseTask& task);
BlockedLayout pointwiseLayout(const PointwiseTask& task);

/// Where the pixels of a 1x1 convolution's input are.
struct PixelGrid {
  int64_t samples = 1, height = 1, width = 1;  ///< of the destination
  int64_t inHeight = 1, inWidth = 1;
  int64_t strideHeight = 1, strideWidth = 1;

  int64_t pixels() const { return samples * height * width; }
  bool dense() const { return strideHeight == 1 && strideWidth == 1; }
};

/// Of a run on so many threads.
int64_t scratchBytes(const DepthwiseTask& task, int threads);
int64_t scratchBytes(const PointwiseTask& task, const PixelGrid& grid, bool prepared, int threads);

/// How many rows of the output are best made in one call. `byRows`: it is by rows that threads share a picture.
int64_t rowsAtOnce(const DepthwiseTask& task, bool byRows);
/// How many parts of the sums over a picture's pixels there are.
int64_t partsOf(const DepthwiseTask& task);

/// A thread's share. `in` and `out` are dense NHWC. `totals`, which may be null, is
/// [samples, partsOf(task), channels padded to blocks]: sums of the output over some of its pixels.
void execute(const Team& team, const DepthwiseTask& task, int64_t samples, const void* in, void* out, float* totals,
             void* scratch);
/// Makes the inputs of pixels [first, last), side by side, on the calling thread.
using Prepare = std::function<void(int64_t first, int64_t last, void* out)>;
/// `skip` may be null. With `prepare`, which is for dense grids, the inputs come from there, and `in` is not looked at.
void execute(const Team& team, const PointwiseTask& task, const PixelGrid& grid, const void* in, void* out,
             const void* skip, void* scratch, const Prepare& prepare);

/// A convolution with a larger kernel. A padded copy is made of its input, bytes as unsigned: from there, each row of
/// the kernel sees neighbours, one piece of memory.
struct PatchTask {
  PointwiseTask product;  ///< with patches of that copy
  int64_t channels = 0, inHeight = 0, inWidth = 0, outHeight = 0, padTop = 0, padLeft = 0;
  bool isSigned = false;  ///< bytes

  /// Elements of a pixel of the copy.
  int64_t step() const { return product.integer() ? (channels + 3) / 4 * 4 : channels; }
  int64_t paddedWidth() const { return product.patches.rowStep / step(); }
  int64_t paddedHeight() const {
    return (outHeight - 1) * product.patches.lineStep / product.patches.rowStep + product.patches.rows;
  }
  int64_t lineBytes() const { return inWidth * channels * (product.integer() ? 1 : 4); }  ///< of the input
  int64_t paddedBytes() const { return paddedHeight() * product.patches.rowStep * (product.integer() ? 1 : 4); }
};

BlockedLayout patchLayout(const PatchTask& task);
int64_t scratchBytes(const PatchTask& task, int64_t samples, bool prepared, int threads);
/// With `prepare` the input comes from there, a line at a time.
void execute(const Team& team, const PatchTask& task, int64_t samples, const void* in, void* out, const void* skip,
             void* scratch, const Prepare& prepare);

/// A 1x1 convolution whose outputs only a depthwise one reads: these never leave the cache. A thread makes some rows of
/// them, and from these rows of the result.
struct ExpandedTask {
  PointwiseTask expand;
  DepthwiseTask depthwise;

  int64_t rowsKept() const;  ///< of what is expanded
  int64_t rowBytes() const;
};

/// Whether that is worthwhile, whatever `rowsAtOnce` is: what is expanded is large, and weights aren't, which each
/// thread reads for some rows.
bool worthExpanding(const ExpandedTask& task);
int64_t scratchBytes(const ExpandedTask& task, int threads);
void execute(const Team& team, const ExpandedTask& task, int64_t samples, const void* in, void* out, float* totals,
             void* scratch);

}  // namespace presisi::cpu
