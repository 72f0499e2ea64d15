#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "architectures/builder.hpp"
#include "architectures/shapes.hpp"

/// The block that MobileNetV3 and EfficientNet share: expand, filter depthwise, squeeze and excite, project.
namespace presisi::architectures {

struct InvertedResidual {
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t expanded = 0;
  int64_t squeeze = 0;  ///< channels inside squeeze-excite; 0: there is none
  int64_t out = 0;
  bool doesExpand = true;  ///< false: the depthwise convolution works on the input as it is
  Activation activation = Activation::Relu;

  void appendWidths(std::vector<int64_t>& widths) const;
};

/// What all blocks of a family have in common.
struct BlockStyle {
  double epsilon;                ///< of the batch normalizations
  Activation squeezeActivation;  ///< between squeeze and excite
  Gate gate;                     ///< behind them
};

/// Inside the module `block`: `.0` expands, `.1` filters, `.2` is squeeze-excite, `.3` projects; what is absent leaves
/// no number free. The input is added where it fits.
Value buildBlock(GraphBuilder& builder, const Value& x, const InvertedResidual& block, const BlockStyle& style);

/// Reads the module's convolutions off the shapes: everything but stride and activation. `module` ends in `block`.
InvertedResidual readBlock(const Shapes& shapes, const std::string& module);

}  // namespace presisi::architectures
