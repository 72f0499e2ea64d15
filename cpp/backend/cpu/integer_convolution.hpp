#pragma once

#include <cstdint>
#include <vector>

#include "backend/cpu/kernels/integer.hpp"
#include "backend/cpu/onednn.hpp"
#include "core/tensor.hpp"

/// What our own kernels for 8-bit convolutions need around them: the layouts of their weights, and teams.
namespace presisi::cpu {

/// Floats and sums of all channels, padded to whole blocks: what the pointers of a Finish look at.
struct FinishData {
  std::vector<float> scale, shift;
  std::vector<int32_t> start;
  explicit FinishData(int64_t channels);
};

int64_t blocksOf(int64_t channels);

/// Of OIHW weights with one input channel in each group.
BlockedLayout depthwiseLayout(int64_t channels, int64_t kernelHeight, int64_t kernelWidth);
/// Of OIHW weights with a kernel of 1x1.
BlockedLayout pointwiseLayout(int64_t outputs, int64_t inputs);

/// Of a run on so many threads.
int64_t scratchBytes(const DepthwiseTask& task, int threads);
int64_t scratchBytes(const PointwiseTask& task, int64_t pixels, int threads);

/// How many parts of the sums over a picture's pixels there are.
int64_t partsOf(const DepthwiseTask& task);

/// `in` and `out` are dense NHWC; on the calling thread's OpenMP team. `totals`, which may be null, is
/// [samples, partsOf(task), channels padded to blocks]: sums of the output over some of its pixels.
void execute(const DepthwiseTask& task, int64_t samples, const uint8_t* in, void* out, float* totals, uint8_t* scratch);
void execute(const PointwiseTask& task, int64_t pixels, const uint8_t* in, uint8_t* out, uint8_t* scratch);

}  // namespace presisi::cpu
