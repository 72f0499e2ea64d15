#include "backend/cpu/convolution.hpp"

#include <algorithm>
#include <cstring>

#include "backend/cpu/kernels/kernels.hpp"
#include "backend/cpu/share.hpp"

namespace presisi::cpu {

namespace {

// Below this many multiply-accumulates, what threads read of one another costs more than they save.
constexpr int64_t kWorthThreads = 8'000;
// Pixels whose inputs stay in the first cache levels while all weights pass by.
constexpr int64_t kPanel = 64;
// Rows that a depthwise convolution gathers or weaves: they stay in the first-level cache.
constexpr int64_t kGatheredBytes = 24 << 10;
// Where pictures are shared out by rows, into a multiple of so many parts.
constexpr int64_t kShares = 4;

// A tensor of so many bytes leaves the second-level cache before it is read again; weights of so many stay in it.
constexpr int64_t kWorthKeeping = 256 << 10;

int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

int64_t sizeOf(Element element) { return element == Element::Float ? 4 : 1; }

const uint8_t* at(const void* base, int64_t bytes) { return static_cast<const uint8_t*>(base) + bytes; }
uint8_t* at(void* base, int64_t bytes) { return static_cast<uint8_t*>(base) + bytes; }

int teamFor(int64_t macs, int threads) { return macs < kWorthThreads ? 1 : threads; }

int teamFor(const PointwiseTask& task, const PixelGrid& grid, int threads) {
  return teamFor(grid.pixels() * task.inputs * task.outputs, threads);
}

/// Calls `f(job)` for the thread's jobs, which are neighbours.
template <typename F>
void share(int64_t jobs, const Team& team, F&& f) {
  const auto [begin, end] = shareOf(jobs, team.size, team.index);
  for (int64_t job = begin; job < end; ++job) f(job);
}

/// How a product is shared out among threads: by pixels, so that each reads all weights, or by outputs, so that each
/// reads all pixels, whichever is less.
struct Panels {
  int64_t pixels, tile, tiles, count, parts;

  Panels(const PointwiseTask& task, int64_t all, int threads)
      : pixels(all), tile(convolutionKernels(task.integer())->tilePixels(task, all)), tiles((all + tile - 1) / tile) {
    const bool byOutputs = threads > 1 && task.outputs > pixels && blocksOf(task.outputs) >= threads;
    count = byOutputs ? 1 : std::max((tiles * tile + kPanel - 1) / kPanel, std::min<int64_t>(tiles, threads));
    parts = byOutputs ? threads : 1;
  }
  int64_t first(int64_t panel) const { return std::min(tiles * panel / count * tile, pixels); }
  int64_t longest() const { return std::min((tiles + count - 1) / count * tile, pixels); }
};

/// Room for inputs, once made for all threads or by each, and once as unsigned.
struct PanelScratch {
  int64_t common = 0, made = 0, flipped = 0;

  PanelScratch(const PointwiseTask& task, bool asTheyLie, const Panels& panels) {
    const int64_t bytes = aligned(panels.longest() * task.inputs * sizeOf(task.source));
    if (!asTheyLie) (panels.parts > 1 ? common : made) = bytes;
    if (task.source == Element::Int8) flipped = bytes;
  }
  int64_t each() const { return made + flipped; }
};

/// The inputs of destination pixels [first, last), side by side.
void gather(const PointwiseTask& task, const PixelGrid& grid, const void* in, int64_t first, int64_t last, void* out) {
  const int64_t bytes = task.inputs * sizeOf(task.source);
  for (int64_t p = first; p < last; ++p) {
    const int64_t x = p % grid.width * grid.strideWidth;
    const int64_t y = p / grid.width % grid.height * grid.strideHeight;
    const int64_t sample = p / grid.width / grid.height;
    std::memcpy(at(out, (p - first) * bytes), at(in, ((sample * grid.inHeight + y) * grid.inWidth + x) * bytes),
                static_cast<size_t>(bytes));
  }
}

}  // namespace

const ConvolutionKernels* convolutionKernels(bool integers) {
#if defined(__x86_64__)
  if (&kernels() == &base::kTable) return nullptr;
  const bool wide = &kernels() == &avx512::kTable && (!integers || __builtin_cpu_supports("avx512vnni"));
  if (wide) return &avx512::kConvolutions;
  // With AVX-VNNI, oneDNN has better instructions for integers than these.
  static const bool ours = int8Saturates();
  return !integers || ours ? &avx2::kConvolutions : nullptr;
#else
  return nullptr;
#endif
}

FinishData::FinishData(int64_t channels, bool integers)
    : scale(static_cast<size_t>(blocksOf(channels) * kLanes), 1.0f),
      shift(scale.size()),
      start(integers ? scale.size() : 0) {}

int64_t blocksOf(int64_t channels) { return (channels + kLanes - 1) / kLanes; }

/// As the 1x1 convolution in front shares them out (Panels).
bool sharedByChannels(const DepthwiseTask& task) { return task.channels > task.inHeight * task.inWidth; }

int64_t rowsAtOnce(const DepthwiseTask& task, bool byRows) {
  // As many as leave what they read in the first-level cache, and all alike.
  const int64_t together = task.integer() ? 4 : 1;  // rows of the input, in one register
  const int64_t read = kGatheredBytes / (task.columnsRead() * kLanes * 4) * together;
  const int64_t most = std::clamp<int64_t>((read - task.kernelHeight) / task.strideHeight + 1, 1, task.outHeight);
  int64_t parts = (task.outHeight + most - 1) / most;
  if (byRows || !sharedByChannels(task)) parts = (parts + kShares - 1) / kShares * kShares;
  return (task.outHeight + parts - 1) / parts;
}

int64_t DepthwiseTask::scratchBytes() const {
  const int64_t rows = (rowsAtOnce - 1) * strideHeight + kernelHeight;
  return (integer() ? (rows + 3) / 4 : rows) * columnsRead() * kLanes * 4;
}

BlockedLayout depthwiseLayout(const DepthwiseTask& task) {
  const int64_t height = task.kernelHeight, width = task.kernelWidth;
  BlockedLayout layout;
  layout.dims = {task.channels, 1, height, width};
  if (task.integer()) {
    const int64_t quads = task.quads();
    layout.padded = {blocksOf(task.channels) * kLanes, 1, quads * 4, width};
    layout.strides = {width * quads * kLanes * 4, 0, kLanes * 4, quads * kLanes * 4};
    layout.blocks = {{0, kLanes}, {2, 4}};
  } else {
    layout.padded = {blocksOf(task.channels) * kLanes, 1, height, width};
    layout.strides = {height * width * kLanes, 0, width * kLanes, kLanes};
    layout.blocks = {{0, kLanes}};
  }
  return layout;
}

BlockedLayout pointwiseLayout(const PointwiseTask& task) {
  BlockedLayout layout;
  layout.dims = {task.outputs, task.inputs, 1, 1};
  layout.padded = {blocksOf(task.outputs) * kLanes, task.inputs, 1, 1};
  layout.strides = {task.inputs * kLanes, task.integer() ? kLanes * 4 : kLanes, 0, 0};
  layout.blocks = {{0, kLanes}};
  if (task.integer()) layout.blocks.emplace_back(1, 4);
  return layout;
}

BlockedLayout patchLayout(const PatchTask& task) {
  const PointwiseTask& product = task.product;
  const int64_t height = product.patches.rows, width = product.inputs / task.step();
  BlockedLayout layout;
  layout.dims = {product.outputs, task.channels, height, width};
  layout.padded = {blocksOf(product.outputs) * kLanes, task.step(), height, width};
  layout.strides = {product.depth() * kLanes, product.integer() ? kLanes * 4 : kLanes, product.inputs * kLanes,
                    task.step() * kLanes};
  layout.blocks = {{0, kLanes}};
  if (product.integer()) layout.blocks.emplace_back(1, 4);
  return layout;
}

int64_t scratchBytes(const DepthwiseTask& task, int threads) { return task.scratchBytes() * threads; }

int64_t scratchBytes(const PointwiseTask& task, const PixelGrid& grid, bool prepared, int threads) {
  const int team = teamFor(task, grid, threads);
  const PanelScratch room(task, grid.dense() && !prepared, Panels(task, grid.pixels(), team));
  return room.common + room.each() * team;
}

int64_t partsOf(const DepthwiseTask& task) { return (task.outHeight + task.rowsAtOnce - 1) / task.rowsAtOnce; }

void execute(const Team& all, const DepthwiseTask& task, int64_t samples, const void* in, void* out, float* totals,
             void* scratch) {
  const int64_t work = samples * task.outHeight * task.outWidth * task.channels * task.kernelHeight * task.kernelWidth;
  const Team team = all.first(teamFor(work, all.size));
  if (team.index >= team.size) return;
  const int64_t parts = partsOf(task);
  const int64_t blocks = blocksOf(task.channels);
  const int64_t inBytes = task.inHeight * task.inWidth * task.channels * sizeOf(task.source);
  const int64_t outputs = task.outHeight * task.outWidth * task.channels;
  const int64_t outBytes = outputs * (task.toFloat ? 4 : 1);
  const int64_t perThread = task.scratchBytes();
  const bool byChannels = sharedByChannels(task);
  const ConvolutionKernels& kernels = *convolutionKernels(task.integer());
  share(samples * parts * blocks, team, [&](int64_t job) {
    const int64_t sample = job / blocks / parts;
    // Neighbouring jobs are of the same rows, or of the same channels, as what is read was made.
    const int64_t part = byChannels ? job % parts : job / blocks % parts;
    const int64_t block = byChannels ? job / parts % blocks : job % blocks;
    kernels.depthwise(task, at(in, sample * inBytes), at(out, sample * outBytes),
                      totals == nullptr ? nullptr : totals + ((sample * parts + part) * blocks + block) * kLanes,
                      part * task.rowsAtOnce, block, at(scratch, team.index * perThread));
  });
}

void execute(const Team& all, const PointwiseTask& task, const PixelGrid& grid, const void* in, void* out,
             const void* skip, void* scratch, const Prepare& prepare) {
  const Team team = all.first(teamFor(task, grid, all.size));
  if (team.index >= team.size) return;
  const Panels panels(task, grid.pixels(), team.size);
  const int64_t blocks = blocksOf(task.outputs), inBytes = task.inputs * sizeOf(task.source);
  const PanelScratch room(task, grid.dense() && !prepare, panels);
  const ConvolutionKernels& kernels = *convolutionKernels(task.integer());
  const auto make = [&](int64_t first, int64_t last, void* to) {
    prepare ? prepare(first, last, to) : gather(task, grid, in, first, last, to);
  };
  if (room.common > 0) {
    const auto [first, last] = shareOf(panels.pixels, team.size, team.index);
    make(first, last, at(scratch, first * inBytes));
    team.wait();
  }
  uint8_t* own = at(scratch, room.common + team.index * room.each());
  share(panels.count * panels.parts, team, [&](int64_t job) {
    const int64_t panel = job / panels.parts;
    const auto [firstBlock, lastBlock] = shareOf(blocks, panels.parts, job % panels.parts);
    const int64_t first = panels.first(panel), last = panels.first(panel + 1);
    if (room.made > 0) make(first, last, own);
    const void* inputs = room.common > 0 ? scratch : room.made > 0 ? own : at(in, first * inBytes);
    const int64_t begin = first * task.outStep;
    kernels.pointwise(task, inputs, at(out, begin * (task.toFloat ? 4 : 1)),
                      skip == nullptr ? nullptr : at(skip, begin * sizeOf(task.finish.skip)), first, last - first,
                      firstBlock, lastBlock, own + room.made);
  });
}

int64_t scratchBytes(const PatchTask& task, int64_t samples, bool prepared, int threads) {
  return samples * aligned(task.paddedBytes()) + (prepared ? threads * aligned(task.lineBytes()) : 0);
}

namespace {

/// A line of pixels of floats with padding around it; `in` may be null, as it may for bytes.
void padFloats(const float* in, int64_t channels, int64_t left, int64_t width, int64_t right, float* out) {
  const auto fill = [&](int64_t pixels) { out = std::fill_n(out, pixels * channels, 0.0f); };
  fill(in == nullptr ? left + width : left);
  if (in != nullptr) out = std::copy_n(in, width * channels, out);
  fill(right);
}

}  // namespace

void execute(const Team& team, const PatchTask& task, int64_t samples, const void* in, void* out, const void* skip,
             void* scratch, const Prepare& prepare) {
  const PointwiseTask& product = task.product;
  const ConvolutionKernels& kernels = *convolutionKernels(product.integer());
  const int64_t size = sizeOf(product.source);
  const int64_t height = task.paddedHeight(), paddedBytes = aligned(task.paddedBytes());
  uint8_t* prepared = at(scratch, samples * paddedBytes + team.index * aligned(task.lineBytes()));
  // A window may end before the picture does, or begin.
  const int64_t width = task.paddedWidth(), left = std::min(task.padLeft, width);
  const int64_t inside = std::min(task.inWidth, width - left), right = width - left - inside;
  share(samples * height, team, [&](int64_t line) {
    const int64_t sample = line / height, y = line % height - task.padTop;
    const bool there = y >= 0 && y < task.inHeight;
    const int64_t row = sample * task.inHeight + y;
    const void* from = nullptr;
    if (there && prepare) {
      prepare(row * task.inWidth, (row + 1) * task.inWidth, prepared);
      from = prepared;
    } else if (there) {
      from = at(in, row * task.lineBytes());
    }
    uint8_t* to = at(scratch, sample * paddedBytes + line % height * product.patches.rowStep * size);
    if (product.integer()) {
      kernels.pad(static_cast<const uint8_t*>(from), task.isSigned, task.channels, left, inside, right, task.step(),
                  to);
    } else {
      padFloats(static_cast<const float*>(from), task.channels, left, inside, right, reinterpret_cast<float*>(to));
    }
  });
  team.wait();
  const Panels panels(product, task.outHeight * product.patches.width, team.size);
  const int64_t blocks = blocksOf(product.outputs);
  share(samples * panels.count * panels.parts, team, [&](int64_t job) {
    const int64_t sample = job / panels.parts / panels.count, panel = job / panels.parts % panels.count;
    const auto [firstBlock, lastBlock] = shareOf(blocks, panels.parts, job % panels.parts);
    const int64_t first = panels.first(panel), last = panels.first(panel + 1);
    const int64_t begin = (sample * panels.pixels + first) * product.outStep;
    kernels.pointwise(product, at(scratch, sample * paddedBytes), at(out, begin * (product.toFloat ? 4 : 1)),
                      skip == nullptr ? nullptr : at(skip, begin * sizeOf(product.finish.skip)), first, last - first,
                      firstBlock, lastBlock, nullptr);
  });
}

int64_t ExpandedTask::rowsKept() const {
  return (depthwise.rowsAtOnce - 1) * depthwise.strideHeight + depthwise.kernelHeight;
}

int64_t ExpandedTask::rowBytes() const { return depthwise.inWidth * depthwise.channels * sizeOf(depthwise.source); }

bool worthExpanding(const ExpandedTask& task) {
  return task.rowBytes() * task.depthwise.inHeight >= kWorthKeeping &&
         task.expand.inputs * task.expand.outputs * sizeOf(task.expand.source) <= kWorthKeeping;
}

namespace {

/// What a thread needs for an ExpandedTask.
struct ExpandedScratch {
  int64_t rows, flipped, depthwise;

  explicit ExpandedScratch(const ExpandedTask& task)
      : rows(aligned(task.rowsKept() * task.rowBytes())),
        flipped(aligned(task.rowsKept() * task.depthwise.inWidth * task.expand.inputs)),
        depthwise(task.depthwise.scratchBytes()) {}
  int64_t bytes() const { return rows + flipped + depthwise; }
};

/// Rows of what is expanded, as they are wanted one after the other.
class ExpandedRows {
 public:
  ExpandedRows(const ExpandedTask& task, const ConvolutionKernels& kernels, void* rows, void* flipped)
      : task_(task), kernels_(kernels), rows_(rows), flipped_(flipped) {}

  /// Makes rows [first, last) of a picture be there, from its input.
  void have(const void* picture, int64_t first, int64_t last) {
    const int64_t rowBytes = task_.rowBytes();
    if (picture != picture_ || first < first_ || first > last_) {
      picture_ = picture;
      last_ = first;
    }
    std::memmove(rows_, at(rows_, (first - first_) * rowBytes), static_cast<size_t>((last_ - first) * rowBytes));
    first_ = first;
    if (last <= last_) return;
    const int64_t width = task_.depthwise.inWidth;
    kernels_.pointwise(task_.expand, at(picture, last_ * width * task_.expand.inputs * sizeOf(task_.expand.source)),
                       at(rows_, (last_ - first) * rowBytes), nullptr, 0, (last - last_) * width, 0,
                       blocksOf(task_.expand.outputs), flipped_);
    last_ = last;
  }

 private:
  const ExpandedTask& task_;
  const ConvolutionKernels& kernels_;
  void* const rows_;
  void* const flipped_;
  const void* picture_ = nullptr;
  int64_t first_ = 0, last_ = 0;
};

}  // namespace

int64_t scratchBytes(const ExpandedTask& task, int threads) { return ExpandedScratch(task).bytes() * threads; }

void execute(const Team& team, const ExpandedTask& task, int64_t samples, const void* in, void* out, float* totals,
             void* scratch) {
  const DepthwiseTask& depthwise = task.depthwise;
  const int64_t parts = partsOf(depthwise), blocks = blocksOf(depthwise.channels);
  const int64_t inBytes = depthwise.inHeight * depthwise.inWidth * task.expand.inputs * sizeOf(task.expand.source);
  const int64_t outBytes = depthwise.outHeight * depthwise.outWidth * depthwise.channels * (depthwise.toFloat ? 4 : 1);
  const ExpandedScratch room(task);
  const ConvolutionKernels& kernels = *convolutionKernels(depthwise.integer());
  uint8_t* own = at(scratch, team.index * room.bytes());
  ExpandedRows rows(task, kernels, own, own + room.rows);
  DepthwiseTask window = depthwise;
  share(samples * parts, team, [&](int64_t job) {
    const int64_t sample = job / parts, row = job % parts * depthwise.rowsAtOnce;
    const int64_t top = row * depthwise.strideHeight - depthwise.padTop;
    const int64_t first = std::clamp<int64_t>(top, 0, depthwise.inHeight);
    const int64_t last = std::clamp<int64_t>(top + task.rowsKept(), first, depthwise.inHeight);
    rows.have(at(in, sample * inBytes), first, last);
    // The rows that are there are a picture of their own, so much further down.
    window.padTop = depthwise.padTop + first;
    window.inHeight = last - first;
    for (int64_t block = 0; block < blocks; ++block) {
      kernels.depthwise(window, own, at(out, sample * outBytes),
                        totals == nullptr ? nullptr : totals + (job * blocks + block) * kLanes, row, block,
                        own + room.rows + room.flipped);
    }
  });
}

}  // namespace presisi::cpu
