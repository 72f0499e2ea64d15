#include "backend/cpu/winograd.hpp"

#include <algorithm>
#include <limits>

#include "backend/cpu/convolution.hpp"
#include "backend/cpu/share.hpp"

namespace presisi::cpu {

namespace {

constexpr int64_t kProducts = kWinogradPatch * kWinogradPatch;
// Transformed inputs and sums of so many bytes, and some weights, stay in the second-level cache.
constexpr int64_t kPanelBytes = 640 << 10;
// What products work on at once divides by this.
constexpr int64_t kTogether = 7;
// Of the output. On smaller pictures each weight is used so seldom that reading it takes the time.
constexpr int64_t kLeastPixels = 20 * 20;

/// How tiles are shared out: some at a time by each thread, or, where there are few, all by all.
struct Tiles {
  int64_t across, each, count;  ///< in a line, of a picture, of all
  int64_t longest, panels;      ///< tiles at once, and how often
  bool common;                  ///< by all threads

  Tiles(const WinogradTask& task, int64_t samples, int threads)
      : across((task.outWidth + kWinogradTile - 1) / kWinogradTile),
        each(across * ((task.outHeight + kWinogradTile - 1) / kWinogradTile)),
        count(each * samples) {
    const int64_t tileBytes = kProducts * (task.product.inputs + blocksOf(task.product.outputs) * kLanes) * 4;
    const int64_t fit = kPanelBytes / tileBytes / kTogether * kTogether;
    const int64_t most = std::max(kTogether, fit);
    common = threads > 1 && count < threads * 2 * kTogether;
    panels = common ? 1 : std::max<int64_t>((count + most - 1) / most, std::min<int64_t>(count, threads));
    if (!common && panels % threads != 0) panels = std::min(count, (panels / threads + 1) * threads);
    longest = (count + panels - 1) / panels;
  }
  int64_t first(int64_t panel) const { return count * panel / panels; }
};

/// What threads need to go through tiles, one of them or all together.
struct Room {
  int64_t inputs, outputs, tiles;  ///< channels, the latter padded; tiles at once
  int64_t constants() const { return std::max(inputs, outputs); }
  int64_t floats() const { return constants() + outputs + tiles * kProducts * (inputs + outputs); }
};

/// Where a tile's output begins.
struct Place {
  int64_t sample, y, x;
};

/// Goes through some tiles, of which there are at most as many as there is room for.
class Panel {
 public:
  Panel(const Team& team, const WinogradTask& task, const Tiles& tiles, float* scratch)
      : team_(team), task_(task), tiles_(tiles), room_(roomFor(task, tiles)), zeros_(scratch) {
    if (team.index > 0) return;  // the memory is everybody's
    std::fill_n(zeros_, room_.constants(), 0.0f);
    std::fill_n(ones(), room_.outputs, 1.0f);
  }

  static Room roomFor(const WinogradTask& task, const Tiles& tiles) {
    return {task.product.inputs, blocksOf(task.product.outputs) * kLanes, tiles.longest};
  }

  void operator()(const float* in, float* out, const float* skip, int64_t first, int64_t last) const {
    const ConvolutionKernels& kernels = *convolutionKernels(false);
    const int64_t count = last - first;
    float* inputs = ones() + room_.outputs;
    float* sums = inputs + kProducts * count * room_.inputs;
    const int64_t inPicture = task_.inHeight * task_.inWidth * room_.inputs;
    const int64_t outPicture = task_.outHeight * task_.outWidth * task_.product.outStep;
    team_.wait();
    mine(count, [&](int64_t i) {
      const Place at = placeOf(first + i);
      kernels.winogradIn(task_, in + at.sample * inPicture, at.y, at.x, zeros_, inputs + i * room_.inputs,
                         count * room_.inputs);
    });
    team_.wait();
    PointwiseTask product = sumsAlone();
    mine(kProducts, [&](int64_t p) {
      product.weights = static_cast<const float*>(task_.product.weights) + p * room_.inputs * room_.outputs;
      kernels.pointwise(product, inputs + p * count * room_.inputs, sums + p * count * room_.outputs, nullptr, 0, count,
                        0, room_.outputs / kLanes, nullptr);
    });
    team_.wait();
    mine(count, [&](int64_t i) {
      const Place at = placeOf(first + i);
      kernels.winogradOut(task_, sums + i * room_.outputs, count * room_.outputs, at.y, at.x,
                          skip == nullptr ? nullptr : skip + at.sample * outPicture, out + at.sample * outPicture);
    });
  }

 private:
  float* ones() const { return zeros_ + room_.constants(); }

  template <typename F>
  void mine(int64_t jobs, F&& f) const {
    const auto [begin, end] = shareOf(jobs, team_.size, team_.index);
    for (int64_t job = begin; job < end; ++job) f(job);
  }
  Place placeOf(int64_t tile) const {
    const int64_t inside = tile % tiles_.each;
    return {tile / tiles_.each, inside / tiles_.across * kWinogradTile, inside % tiles_.across * kWinogradTile};
  }
  /// One of the products, with nothing behind it.
  PointwiseTask sumsAlone() const {
    PointwiseTask product;
    product.inputs = room_.inputs;
    product.outputs = product.outStep = room_.outputs;
    product.finish.scale = ones();
    product.finish.shift = zeros_;
    product.finish.low = -std::numeric_limits<float>::infinity();
    product.finish.high = std::numeric_limits<float>::infinity();
    return product;
  }

  const Team team_;
  const WinogradTask& task_;
  const Tiles& tiles_;
  const Room room_;
  float* const zeros_;
};

int64_t roomBytes(const WinogradTask& task, const Tiles& tiles) {
  return (Panel::roomFor(task, tiles).floats() * 4 + 63) / 64 * 64;
}

/// What six by three numbers are multiplied with, for lines and for columns.
constexpr double kWeightTransform[kWinogradPatch][3] = {{1.0 / 4, 0, 0},
                                                        {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                                        {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                                        {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                                        {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                                        {0, 0, 1}};

}  // namespace

bool worthWinograd(const Dims& weights, const Dims& destination) {
  return weights[2] == 3 && weights[3] == 3 && weights[1] % kLanes == 0 && weights[0] >= kLanes &&
         destination[2] * destination[3] >= kLeastPixels;
}

Tensor winogradWeights(const Tensor& weights) {
  const int64_t outputs = weights.dim(0), inputs = weights.dim(1), blocks = blocksOf(outputs);
  Tensor made(DType::Float32, {kProducts, blocks, inputs, kLanes});
  const auto* from = weights.data<float>();
  auto* to = made.data<float>();
  for (int64_t o = 0; o < outputs; ++o) {
    for (int64_t c = 0; c < inputs; ++c, from += 9) {
      double half[kWinogradPatch][3] = {};
      for (int64_t i = 0; i < kWinogradPatch; ++i) {
        for (int64_t k = 0; k < 9; ++k) half[i][k % 3] += kWeightTransform[i][k / 3] * static_cast<double>(from[k]);
      }
      float* place = to + ((o / kLanes) * inputs + c) * kLanes + o % kLanes;
      for (int64_t i = 0; i < kProducts; ++i) {
        const double* line = half[i / kWinogradPatch];
        const double* by = kWeightTransform[i % kWinogradPatch];
        place[i * blocks * inputs * kLanes] = static_cast<float>(line[0] * by[0] + line[1] * by[1] + line[2] * by[2]);
      }
    }
  }
  return made;
}

int64_t scratchBytes(const WinogradTask& task, int64_t samples, int threads) {
  const Tiles tiles(task, samples, threads);
  return roomBytes(task, tiles) * (tiles.common ? 1 : threads);
}

void execute(const Team& team, const WinogradTask& task, int64_t samples, const void* in, void* out, const void* skip,
             void* scratch) {
  const Tiles tiles(task, samples, team.size);
  const Team together = tiles.common ? team : Team();
  float* own = static_cast<float*>(scratch) + (tiles.common ? 0 : team.index * roomBytes(task, tiles) / 4);
  const Panel panel(together, task, tiles, own);
  const auto [begin, end] = shareOf(tiles.panels, tiles.common ? 1 : team.size, tiles.common ? 0 : team.index);
  for (int64_t p = begin; p < end; ++p) {
    panel(static_cast<const float*>(in), static_cast<float*>(out), static_cast<const float*>(skip), tiles.first(p),
          tiles.first(p + 1));
  }
}

}  // namespace presisi::cpu
