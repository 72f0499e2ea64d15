#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "backend/cpu/convolution.hpp"
#include "backend/cpu/curve_pieces.hpp"
#include "backend/cpu/lowering.hpp"

/// What lowering_convolution.cpp, which decides, and lowering_kernels.cpp, which makes kernels, tell each other.
namespace presisi::cpu {

/// A task and the memory it looks at.
template <typename Task>
struct Owned {
  Task task;
  FinishData data;
  Tensor weights;

  Owned(Task t, FinishData d, Tensor w) : task(std::move(t)), data(std::move(d)), weights(std::move(w)) {
    task.weights = weights.template data<void>();
    task.finish.scale = data.scale.data();
    task.finish.shift = data.shift.data();
    task.finish.start = data.start.data();
    task.finish.pieces = data.curve ? &data.curve->pieces : nullptr;
  }
};

/// A Finish, and what the sums are scaled and shifted by before it, beside what is there for each channel.
struct FinishPlan : Finish {
  float slope = 1, offset = 0;
  std::shared_ptr<const FittedCurve> fitted;  ///< with Curve::Pieces
};

/// What there is to know before a kernel is chosen.
struct Lowering::Own {
  FinishPlan finish;
  Element source = Element::Float;
  int skip = -1;             ///< value to be summed, as it is to be read
  bool fullWeights = false;  ///< where that is to be told
};

struct Lowering::OwnKernel {
  struct Places {
    const void* in;
    void* out;
    const void* skip;
    float* totals;
    void* scratch;
    std::vector<const void*> operands;

    /// What a chain in front makes of the input, a few pixels at a time. It and this have to outlive the result.
    Prepare prepareBy(const Chain& chain) const {
      return [this, &chain](int64_t first, int64_t last, void* made) {
        runChainRows(chain, in, operands, made, first, last);
      };
    }
  };
  const char* name = "";
  std::function<void(const Team&, const Places&)> run;
  int64_t scratchBytes = 0;
  int input = -1;             ///< value
  std::vector<int> operands;  ///< values of a chain in front
  int totals = -1;            ///< value
  // One of the two, unless it is both:
  std::shared_ptr<Owned<DepthwiseTask>> depthwise;
  std::shared_ptr<Owned<PointwiseTask>> pointwise;
  PixelGrid grid;         ///< of the latter
  bool expanded = false;  ///< mayExpand()
};

}  // namespace presisi::cpu
