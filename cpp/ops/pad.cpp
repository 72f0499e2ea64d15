#include <cmath>
#include <cstring>

#include "ops/common.hpp"
#include "ops/registry.hpp"

namespace presisi::ops {

namespace {

enum class PadMode { Constant, Reflect, Edge, Wrap };

struct Padding {
  PadMode mode;
  Dims begin, end;  ///< one for each axis; negative ones crop
};

PadMode readMode(const onnx::Node& node, int64_t opset) {
  const std::string mode = node.getString("mode", "constant");
  if (mode == "constant") return PadMode::Constant;
  if (mode == "reflect") return PadMode::Reflect;
  if (mode == "edge") return PadMode::Edge;
  if (mode == "wrap" && opset >= 19) return PadMode::Wrap;
  failModel(node, "mode should be constant, reflect, edge or (from opset 19 on) wrap but is \"" + mode + "\"");
}

/// `listed` pads belong to the axes of `axes`, which is empty for all of them in order.
Padding spread(const onnx::Node& node, int64_t opset, size_t rank, const Dims& listed, const Dims& axes) {
  Padding padding{readMode(node, opset), Dims(rank, 0), Dims(rank, 0)};
  const size_t count = axes.size();
  if (listed.size() != 2 * count) {
    failModel(node, "pads should have " + std::to_string(2 * count) + " values, two for each axis, but has " +
                        std::to_string(listed.size()));
  }
  for (size_t i = 0; i < count; ++i) {
    padding.begin[static_cast<size_t>(axes[i])] = listed[i];
    padding.end[static_cast<size_t>(axes[i])] = listed[count + i];
  }
  return padding;
}

Dims allAxes(size_t rank) {
  Dims axes(rank);
  for (size_t i = 0; i < rank; ++i) axes[i] = static_cast<int64_t>(i);
  return axes;
}

Dims paddedDims(const onnx::Node& node, const Dims& in, const Padding& padding) {
  Dims out(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    out[i] = add(node, add(node, in[i], padding.begin[i]), padding.end[i]);
    if (out[i] < 0) {
      failShape(node, "pads of " + std::to_string(padding.begin[i]) + " and " + std::to_string(padding.end[i]) +
                          " take away more than axis " + std::to_string(i) + " of " + toString(in) + " has");
    }
    if (in[i] == 0 && out[i] > 0 && padding.mode != PadMode::Constant) {
      failShape(node, "axis " + std::to_string(i) + " is empty: there is nothing to repeat");
    }
  }
  return out;
}

/// Where element `at` (0 is the input's first; may lie outside) comes from, or -1 for the constant.
int64_t sourceIndex(PadMode mode, int64_t at, int64_t size) {
  if (at >= 0 && at < size) return at;
  switch (mode) {
    case PadMode::Constant: return -1;
    case PadMode::Edge: return at < 0 ? 0 : size - 1;
    case PadMode::Wrap: return ((at % size) + size) % size;
    case PadMode::Reflect: {
      if (size == 1) return 0;
      const int64_t period = 2 * (size - 1);
      const int64_t folded = ((at % period) + period) % period;
      return folded < size ? folded : period - folded;
    }
  }
  return -1;
}

/// `value` is the bytes of one element.
void pad(const Tensor& in, const Padding& padding, const void* value, const StopToken& stop, Tensor& out) {
  if (out.size() == 0) return;
  // One table for each axis: the input's offset for each of the output's positions, or -1.
  const size_t rank = in.rank();
  const Dims strides = stridesOf(in.dims());
  std::vector<std::vector<int64_t>> sources(rank);
  for (size_t axis = 0; axis < rank; ++axis) {
    sources[axis].resize(static_cast<size_t>(out.dim(axis)));
    for (int64_t i = 0; i < out.dim(axis); ++i) {
      const int64_t from = sourceIndex(padding.mode, i - padding.begin[axis], in.dim(axis));
      sources[axis][static_cast<size_t>(i)] = from < 0 ? -1 : from * strides[axis];
    }
  }
  dispatchWidth(in.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T constant;
    std::memcpy(&constant, value, sizeof constant);
    const T* from = in.data<T>();
    T* to = out.data<T>();
    Dims index(rank, 0);
    for (int64_t i = 0; i < out.size(); ++i) {
      if (i % 65536 == 0) stop.check();
      int64_t offset = 0;
      for (size_t axis = 0; axis < rank; ++axis) {
        const int64_t part = sources[axis][static_cast<size_t>(index[axis])];
        if (part < 0) {
          offset = -1;
          break;
        }
        offset += part;
      }
      to[i] = offset < 0 ? constant : from[offset];
      for (size_t axis = rank; axis-- > 0;) {
        if (++index[axis] < out.dim(axis)) break;
        index[axis] = 0;
      }
    }
  });
}

// Up to opset 10 pads and value are attributes; opset 1 called them paddings.

Padding readAttributes(const onnx::Node& node, int64_t opset, size_t rank) {
  const char* attribute = opset < 2 ? "paddings" : "pads";
  if (node.find(attribute) == nullptr)
    failModel(node, std::string("the attribute ") + attribute + " is required but absent");
  return spread(node, opset, rank, node.getInts(attribute, {}), allAxes(rank));
}

std::vector<TensorType> inferPadOld(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  requireFloating(ctx, 0);
  const Dims& x = ctx.inputs[0].dims;
  return {{ctx.inputs[0].dtype, paddedDims(ctx.node, x, readAttributes(ctx.node, ctx.opset, x.size()))}};
}

void runPadOld(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& x = ctx.inputs[0];
  const Tensor value = Tensor::scalar(ctx.node.getFloat("value", 0.0f)).cast(x.dtype());
  pad(x, readAttributes(ctx.node, ctx.opset, x.rank()), value.data<uint8_t>(), ctx.stop, outputs[0]);
}

// From opset 11 on they are inputs, and from 18 on there may be axes.

Padding readInputs(const onnx::Node& node, int64_t opset, size_t rank, const Dims& pads, const Dims* axes) {
  return spread(node, opset, rank, pads, axes == nullptr ? allAxes(rank) : normalizeAxes(node, *axes, rank));
}

std::vector<TensorType> inferPad(const InferContext& ctx) {
  requireInputs(ctx, 2, ctx.opset >= 18 ? 4 : 3);
  if (has(ctx, 2)) {
    requireSameType(ctx, 2);
    if (elementCount(ctx.inputs[2].dims) != 1) {
      failShape(ctx.node,
                inputName(ctx.node, 2) + " should be a single value but has shape " + toString(ctx.inputs[2].dims));
    }
  }
  const Dims pads = requireConstantInts(ctx, 1);
  const Dims axes = has(ctx, 3) ? requireConstantInts(ctx, 3) : Dims{};
  const Dims& x = ctx.inputs[0].dims;
  const Padding padding = readInputs(ctx.node, ctx.opset, x.size(), pads, has(ctx, 3) ? &axes : nullptr);
  return {{ctx.inputs[0].dtype, paddedDims(ctx.node, x, padding)}};
}

void runPad(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& x = ctx.inputs[0];
  const Dims pads = ctx.inputs[1].toInt64s();
  const Dims axes = has(ctx, 3) ? ctx.inputs[3].toInt64s() : Dims{};
  const Tensor value = has(ctx, 2) ? ctx.inputs[2] : Tensor(x.dtype(), {});
  const Padding padding = readInputs(ctx.node, ctx.opset, x.rank(), pads, has(ctx, 3) ? &axes : nullptr);
  pad(x, padding, value.data<uint8_t>(), ctx.stop, outputs[0]);
}

}  // namespace

const std::vector<Operator>& padOperators() {
  static const std::vector<Operator> list = {
      {"", "Pad", 1, 10, inferPadOld, runPadOld},
      {"", "Pad", 11, kNewestOpset, inferPad, runPad},
  };
  return list;
}

}  // namespace presisi::ops
