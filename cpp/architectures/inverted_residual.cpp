#include "architectures/inverted_residual.hpp"

#include "core/error.hpp"

namespace presisi::architectures {

namespace {

Value squeezeExcite(GraphBuilder& builder, const std::string& module, const Value& x, int64_t squeeze,
                    const BlockStyle& style) {
  const GraphBuilder::Scope scope(builder, module);
  Value y = builder.globalAveragePool("avgpool", x);
  y = builder.conv("fc1", y, {squeeze, 1, 1, 1, true});
  y = builder.activation("activation", y, style.squeezeActivation);
  y = builder.conv("fc2", y, {x.channels, 1, 1, 1, true});
  return builder.multiply("mul", x, builder.gate("scale_activation", y, style.gate));
}

[[noreturn]] void fail(const std::string& module, const std::string& why) {
  throw Error(ErrorCode::UnsupportedModel, module + " is no inverted residual block: " + why);
}

}  // namespace

void InvertedResidual::appendWidths(std::vector<int64_t>& widths) const {
  widths.insert(widths.end(), {kernel, doesExpand ? 1 : 0, expanded, squeeze, out});
}

Value buildBlock(GraphBuilder& builder, const Value& x, const InvertedResidual& block, const BlockStyle& style) {
  Value y = x;
  {
    const GraphBuilder::Scope scope(builder, "block");
    int next = 0;
    const auto module = [&next] { return std::to_string(next++); };
    if (block.doesExpand) {
      y = convNormActivation(builder, module(), y, {block.expanded}, style.epsilon, block.activation);
    }
    const ConvShape depthwise{y.channels, block.kernel, block.stride, y.channels};
    y = convNormActivation(builder, module(), y, depthwise, style.epsilon, block.activation);
    if (block.squeeze > 0) y = squeezeExcite(builder, module(), y, block.squeeze, style);
    y = convNormActivation(builder, module(), y, {block.out}, style.epsilon, Activation::None);
  }
  return block.stride == 1 && x.channels == block.out ? builder.add("add", y, x) : y;
}

InvertedResidual readBlock(const Shapes& shapes, const std::string& module) {
  const int64_t parts = shapes.count(module + ".", 0);
  const auto part = [&module](int64_t index) { return module + "." + std::to_string(index); };
  const auto conv = [&](int64_t index) { return shapes.conv(part(index) + ".0", part(index) + ".1"); };

  InvertedResidual block;
  int64_t squeezeAt = -1;
  for (int64_t i = 0; i < parts; ++i) {
    if (shapes.hasUnder(part(i) + ".fc1")) squeezeAt = i;
  }
  const int64_t convs = parts - (squeezeAt >= 0 ? 1 : 0);
  if (convs != 2 && convs != 3) fail(module, "expected 2 or 3 convolutions but found " + std::to_string(convs));
  if (squeezeAt >= 0 && squeezeAt != parts - 2) fail(module, "squeeze-excite stands elsewhere than before the last");

  block.doesExpand = convs == 3;
  const int64_t depthwiseAt = block.doesExpand ? 1 : 0;
  const ConvRead depthwise = conv(depthwiseAt);
  if (depthwise.inPerGroup > 1) fail(module, part(depthwiseAt) + ".0 is no depthwise convolution");
  block.expanded = block.doesExpand ? conv(0).out : depthwise.out;
  block.kernel = depthwise.kernel > 0 ? depthwise.kernel : 3;
  if (squeezeAt >= 0) block.squeeze = shapes.channels(part(squeezeAt) + ".fc1", "");
  block.out = conv(parts - 1).out;
  return block;
}

}  // namespace presisi::architectures
