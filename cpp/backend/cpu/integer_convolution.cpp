#include "backend/cpu/integer_convolution.hpp"

#include <omp.h>

#include <algorithm>

namespace presisi::cpu {

namespace {

// Below this many multiply-accumulates, waking the team costs more than it saves.
constexpr int64_t kWorthThreads = 100'000;
// Pixels whose inputs stay in the first-level cache while all weights pass by.
constexpr int64_t kPanel = 64;

int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

int teamFor(int64_t macs) { return macs < kWorthThreads ? 1 : omp_get_max_threads(); }

/// Calls `f(job, thread)` for all jobs; each thread does neighbours.
template <typename F>
void share(int64_t jobs, int threads, F&& f) {
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    const int64_t team = omp_get_num_threads(), thread = omp_get_thread_num();
    for (int64_t job = jobs * thread / team; job < jobs * (thread + 1) / team; ++job) f(job, thread);
  }
}

/// How a product is shared out: some pixels by some blocks of outputs.
struct Panels {
  int64_t count, perBlocks;

  Panels(const PointwiseTask& task, int64_t pixels, int threads)
      : count((pixels + kPanel - 1) / kPanel),
        perBlocks(count >= 4 * threads ? 1 : std::min<int64_t>(threads, blocksOf(task.outputs))) {}
};

}  // namespace

FinishData::FinishData(int64_t channels)
    : scale(static_cast<size_t>(blocksOf(channels) * kLanes)), shift(scale.size()), start(scale.size()) {}

int64_t blocksOf(int64_t channels) { return (channels + kLanes - 1) / kLanes; }

BlockedLayout depthwiseLayout(int64_t channels, int64_t kernelHeight, int64_t kernelWidth) {
  const int64_t quads = (kernelHeight + 3) / 4;
  BlockedLayout layout;
  layout.dims = {channels, 1, kernelHeight, kernelWidth};
  layout.padded = {blocksOf(channels) * kLanes, 1, quads * 4, kernelWidth};
  layout.strides = {kernelWidth * quads * kLanes * 4, 0, kLanes * 4, quads * kLanes * 4};
  layout.blocks = {{0, kLanes}, {2, 4}};
  return layout;
}

BlockedLayout pointwiseLayout(int64_t outputs, int64_t inputs) {
  BlockedLayout layout;
  layout.dims = {outputs, inputs, 1, 1};
  layout.padded = {blocksOf(outputs) * kLanes, inputs, 1, 1};
  layout.strides = {inputs * kLanes, kLanes * 4, 0, 0};
  layout.blocks = {{0, kLanes}, {1, 4}};
  return layout;
}

int64_t scratchBytes(const DepthwiseTask& task, int threads) { return task.scratchBytes() * threads; }

int64_t scratchBytes(const PointwiseTask& task, int64_t pixels, int threads) {
  return task.signedInput ? aligned(std::min(pixels, kPanel) * task.inputs) * threads : 0;
}

int64_t partsOf(const DepthwiseTask& task) { return (task.outHeight + task.rowsAtOnce() - 1) / task.rowsAtOnce(); }

void execute(const DepthwiseTask& task, int64_t samples, const uint8_t* in, void* out, float* totals,
             uint8_t* scratch) {
  const int64_t parts = partsOf(task);
  const int64_t blocks = blocksOf(task.channels);
  const int64_t inBytes = task.inHeight * task.inWidth * task.channels;
  const int64_t outputs = task.outHeight * task.outWidth * task.channels;
  const int64_t outBytes = outputs * static_cast<int64_t>(task.toFloat ? sizeof(float) : sizeof(uint8_t));
  const int64_t perThread = task.scratchBytes();
  share(samples * parts * blocks, teamFor(samples * outputs * task.kernelHeight * task.kernelWidth),
        [&](int64_t job, int64_t thread) {
          const int64_t sample = job / blocks / parts;
          integerKernels()->depthwise(task, in + sample * inBytes, static_cast<uint8_t*>(out) + sample * outBytes,
                                      totals == nullptr ? nullptr : totals + job * kLanes,
                                      job / blocks % parts * task.rowsAtOnce(), job % blocks,
                                      scratch + thread * perThread);
        });
}

void execute(const PointwiseTask& task, int64_t pixels, const uint8_t* in, uint8_t* out, uint8_t* scratch) {
  const int threads = teamFor(pixels * task.inputs * task.outputs);
  const Panels panels(task, pixels, threads);
  const int64_t blocks = blocksOf(task.outputs);
  const int64_t perThread = scratchBytes(task, pixels, 1);
  share(panels.count * panels.perBlocks, threads, [&](int64_t job, int64_t thread) {
    const int64_t panel = job / panels.perBlocks, part = job % panels.perBlocks;
    const int64_t first = pixels * panel / panels.count, last = pixels * (panel + 1) / panels.count;
    integerKernels()->pointwise(task, in + first * task.inputs, out + first * task.outputs, last - first,
                                blocks * part / panels.perBlocks, blocks * (part + 1) / panels.perBlocks,
                                scratch + thread * perThread);
  });
}

}  // namespace presisi::cpu
