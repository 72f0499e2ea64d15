#pragma once

#include "onnx/model.hpp"

namespace presisi::onnx {

/// Brings a model of opset 1 to 6 into the forms of opset 7, in place, so that nothing behind the reader knows of them:
/// operands that were broadcast along an `axis` get the trailing dimensions that numpy's rule needs, a PRelu's slope
/// those of its channels, and the attributes that opset 7 dropped go. Newer models stay as they are.
///
/// The nodes must be in topological order. Throws UnsupportedModel for an operator whose older form is not known, or
/// where a rank that decides isn't; InvalidModel where an operand does not fit at its axis.
void upgradeToOpset7(Model& model);

}  // namespace presisi::onnx
