#include <algorithm>
#include <cstring>
#include <optional>

#include "ops/broadcast.hpp"
#include "ops/movement.hpp"

namespace presisi::ops {

namespace {

std::vector<TensorType> inferConcat(const InferContext& ctx) {
  requireInputs(ctx, 1, ctx.inputs.size());
  if (ctx.node.find("axis") == nullptr) failModel(ctx.node, "the attribute axis is required but absent");
  const Dims& first = ctx.inputs[0].dims;
  const auto axis = static_cast<size_t>(normalizeAxis(ctx.node, ctx.node.getInt("axis", 0), first.size()));
  Dims out = first;
  for (size_t i = 1; i < ctx.inputs.size(); ++i) {
    if (!has(ctx, i)) failModel(ctx.node, "input " + std::to_string(i) + " is absent, and none is optional");
    requireSameType(ctx, i);
    const Dims& dims = ctx.inputs[i].dims;
    bool fits = dims.size() == first.size();
    for (size_t k = 0; k < first.size() && fits; ++k) fits = k == axis || dims[k] == first[k];
    if (!fits) {
      failShape(ctx.node, inputName(ctx.node, i) + " of shape " + toString(dims) + " does not join " + toString(first) +
                              " along axis " + std::to_string(axis));
    }
    out[axis] = add(ctx.node, out[axis], dims[axis]);
  }
  return {sizedType(ctx.node, ctx.inputs[0].dtype, std::move(out))};
}

/// Bytes from one index along `axis` to the next.
size_t innerBytes(const Tensor& tensor, size_t axis) {
  return static_cast<size_t>(countBetween(tensor.dims(), axis + 1, tensor.rank())) * byteSize(tensor.dtype());
}

void runConcat(const RunContext& ctx, std::vector<Tensor>& outputs) {
  Tensor& out = outputs[0];
  if (out.size() == 0) return;
  const auto axis = static_cast<size_t>(normalizeAxis(ctx.node, ctx.node.getInt("axis", 0), out.rank()));
  const int64_t outer = countBetween(out.dims(), 0, axis);
  const size_t step = innerBytes(out, axis);
  uint8_t* to = out.data<uint8_t>();
  for (int64_t o = 0; o < outer; ++o) {
    for (const Tensor& in : ctx.inputs) {
      const size_t block = step * static_cast<size_t>(in.dim(axis));
      if (block > 0) std::memcpy(to, in.data<uint8_t>() + static_cast<size_t>(o) * block, block);
      to += block;
    }
  }
}

/// Split's sizes: those of the attribute (before opset 13) or the input, which is `given`; else equal parts, of which
/// only from opset 18 on the last may be smaller.
std::vector<int64_t> splitSizes(const onnx::Node& node, int64_t opset, int64_t length,
                                const std::optional<std::vector<int64_t>>& given) {
  const auto parts = static_cast<int64_t>(node.outputs.size());
  if (opset < 13 && node.find("split") != nullptr) return node.getInts("split", {});
  if (given) {
    if (node.find("num_outputs") != nullptr) failModel(node, "both split and num_outputs are given");
    return *given;
  }
  int64_t part = length / parts;
  if (opset >= 18) {
    const int64_t wanted = node.getInt("num_outputs", parts);
    if (wanted != parts) {
      failModel(node,
                "num_outputs is " + std::to_string(wanted) + " but the node has " + std::to_string(parts) + " outputs");
    }
    if (part * parts != length) ++part;
  } else if (part * parts != length) {
    failShape(node, std::to_string(length) + " does not split into " + std::to_string(parts) + " equal parts");
  }
  std::vector<int64_t> sizes;
  for (int64_t rest = length; sizes.size() < static_cast<size_t>(parts); rest -= sizes.back()) {
    sizes.push_back(std::min(rest, part));
  }
  return sizes;
}

std::vector<TensorType> inferSplit(const InferContext& ctx) {
  requireInputs(ctx, 1, ctx.opset < 13 ? 1 : 2);
  requireOutputs(ctx, 1, ctx.node.outputs.size());
  const TensorType& in = ctx.inputs[0];
  const auto axis = static_cast<size_t>(normalizeAxis(ctx.node, ctx.node.getInt("axis", 0), in.dims.size()));
  std::optional<std::vector<int64_t>> given;
  if (has(ctx, 1)) given = requireConstantInts(ctx, 1);
  const std::vector<int64_t> sizes = splitSizes(ctx.node, ctx.opset, in.dims[axis], given);
  if (sizes.size() != ctx.node.outputs.size()) {
    failModel(ctx.node, std::to_string(sizes.size()) + " split sizes for " + std::to_string(ctx.node.outputs.size()) +
                            " outputs");
  }
  std::vector<TensorType> types;
  int64_t total = 0;
  for (const int64_t size : sizes) {
    if (size < 0) failModel(ctx.node, "a split size is negative: " + std::to_string(size));
    total = add(ctx.node, total, size);
    types.push_back(in);
    types.back().dims[axis] = size;
  }
  if (total != in.dims[axis]) {
    failShape(ctx.node, "the split sizes " + toString(sizes) + " do not add up to " + std::to_string(in.dims[axis]) +
                            ", axis " + std::to_string(axis) + " of " + toString(in.dims));
  }
  return types;
}

void runSplit(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& in = ctx.inputs[0];
  if (in.size() == 0) return;
  const auto axis = static_cast<size_t>(normalizeAxis(ctx.node, ctx.node.getInt("axis", 0), in.rank()));
  const int64_t outer = countBetween(in.dims(), 0, axis);
  const size_t step = innerBytes(in, axis);
  const size_t row = step * static_cast<size_t>(in.dim(axis));
  std::optional<std::vector<int64_t>> given;
  if (has(ctx, 1)) given = ctx.inputs[1].toInt64s();
  const std::vector<int64_t> sizes = splitSizes(ctx.node, ctx.opset, in.dim(axis), given);
  size_t offset = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const size_t block = step * static_cast<size_t>(sizes[i]);
    const bool wanted = i < outputs.size() && !outputs[i].empty() && block > 0;
    for (int64_t o = 0; o < outer && wanted; ++o) {
      std::memcpy(outputs[i].data<uint8_t>() + static_cast<size_t>(o) * block,
                  in.data<uint8_t>() + static_cast<size_t>(o) * row + offset, block);
    }
    offset += block;
  }
}

}  // namespace

const std::vector<Operator>& joinOperators() {
  static const std::vector<Operator> list = {
      {"", "Concat", 7, kNewestOpset, inferConcat, runConcat},
      {"", "Split", 7, kNewestOpset, inferSplit, runSplit},
  };
  return list;
}

}  // namespace presisi::ops
