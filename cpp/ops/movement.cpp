#include "ops/movement.hpp"

#include <array>

#include "ops/broadcast.hpp"
#include "ops/movement_copy.hpp"
#include "ops/registry.hpp"

namespace presisi::ops {

namespace {

// Transpose.

std::vector<int64_t> permutation(const onnx::Node& node, size_t rank) {
  std::vector<int64_t> reversed(rank);
  for (size_t i = 0; i < rank; ++i) reversed[i] = static_cast<int64_t>(rank - 1 - i);
  const std::vector<int64_t> perm = node.getInts("perm", reversed);
  if (perm.size() != rank) {
    failModel(node, "perm names " + std::to_string(perm.size()) + " axes of a tensor of rank " + std::to_string(rank));
  }
  return normalizeAxes(node, perm, rank, "perm");
}

std::vector<TensorType> inferTranspose(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  const Dims& in = ctx.inputs[0].dims;
  Dims out;
  for (const int64_t axis : permutation(ctx.node, in.size())) out.push_back(in[static_cast<size_t>(axis)]);
  return {{ctx.inputs[0].dtype, std::move(out)}};
}

void runTranspose(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& in = ctx.inputs[0];
  const Dims own = stridesOf(in.dims());
  Dims strides;
  for (const int64_t axis : permutation(ctx.node, in.rank())) strides.push_back(own[static_cast<size_t>(axis)]);
  copyStrided(in.data<uint8_t>(), outputs[0].dims(), strides, outputs[0].data<uint8_t>(), byteSize(in.dtype()));
}

// Expand: broadcasting in both directions, so an axis of the wanted shape may be 1 where the input's is not.

std::vector<TensorType> inferExpand(const InferContext& ctx) {
  requireInputs(ctx, 2, 2);
  const Dims wanted = requireConstantInts(ctx, 1);
  for (const int64_t dim : wanted) {
    if (dim < 0) failModel(ctx.node, "the shape to expand to has a negative dimension, " + std::to_string(dim));
  }
  return {sizedType(ctx.node, ctx.inputs[0].dtype, broadcast(ctx.node, ctx.inputs[0].dims, wanted))};
}

void runExpand(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& in = ctx.inputs[0];
  const Dims& dims = outputs[0].dims();
  copyStrided(in.data<uint8_t>(), dims, broadcastStrides(in.dims(), dims), outputs[0].data<uint8_t>(),
              byteSize(in.dtype()));
}

// Tile: each axis becomes two, the repeats (stride 0) and the axis itself.

std::vector<TensorType> inferTile(const InferContext& ctx) {
  requireInputs(ctx, 2, 2);
  const std::vector<int64_t> repeats = requireConstantInts(ctx, 1);
  Dims dims = ctx.inputs[0].dims;
  if (repeats.size() != dims.size()) {
    failShape(ctx.node, std::to_string(repeats.size()) + " repeats were given for an input of shape " + toString(dims));
  }
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    if (repeats[axis] < 0) {
      failModel(ctx.node,
                "axis " + std::to_string(axis) + " would be repeated " + std::to_string(repeats[axis]) + " times");
    }
    dims[axis] = multiply(ctx.node, dims[axis], repeats[axis]);
  }
  return {sizedType(ctx.node, ctx.inputs[0].dtype, std::move(dims))};
}

void runTile(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& in = ctx.inputs[0];
  const Dims own = stridesOf(in.dims());
  Dims dims;
  Dims strides;
  for (size_t axis = 0; axis < in.rank(); ++axis) {
    const int64_t repeats = in.dim(axis) == 0 ? 0 : outputs[0].dim(axis) / in.dim(axis);
    dims.insert(dims.end(), {repeats, in.dim(axis)});
    strides.insert(strides.end(), {0, own[axis]});
  }
  copyStrided(in.data<uint8_t>(), dims, strides, outputs[0].data<uint8_t>(), byteSize(in.dtype()));
}

// DepthToSpace and SpaceToDepth: NCHW seen as six axes and permuted.

int64_t blockSize(const InferContext& ctx) {
  requireInputs(ctx, 1, 1);
  requireRank(ctx, 0, 4, 4);
  const int64_t block = ctx.node.getInt("blocksize", 0);
  if (block < 1) failModel(ctx.node, "blocksize should be at least 1 but is " + std::to_string(block));
  return block;
}

bool isColumnRowDepth(const onnx::Node& node) {
  const std::string mode = node.getString("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") failModel(node, "mode should be \"DCR\" or \"CRD\" but is \"" + mode + "\"");
  return mode == "CRD";
}

std::vector<TensorType> inferDepthToSpace(const InferContext& ctx) {
  const int64_t block = blockSize(ctx);
  isColumnRowDepth(ctx.node);
  const Dims& in = ctx.inputs[0].dims;
  const int64_t square = multiply(ctx.node, block, block);
  if (in[1] % square != 0) {
    failShape(ctx.node, std::to_string(in[1]) + " channels do not divide by blocksize^2 = " + std::to_string(square));
  }
  return {sizedType(ctx.node, ctx.inputs[0].dtype,
                    {in[0], in[1] / square, multiply(ctx.node, in[2], block), multiply(ctx.node, in[3], block)})};
}

void permuteBlocks(const Tensor& in, const Dims& six, const std::array<size_t, 6>& order, Tensor& out) {
  const Dims own = stridesOf(six);
  Dims dims;
  Dims strides;
  for (const size_t axis : order) {
    dims.push_back(six[axis]);
    strides.push_back(own[axis]);
  }
  copyStrided(in.data<uint8_t>(), dims, strides, out.data<uint8_t>(), byteSize(in.dtype()));
}

void runDepthToSpace(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& in = ctx.inputs[0];
  const int64_t b = ctx.node.getInt("blocksize", 0);
  const int64_t depth = in.dim(1) / (b * b);
  if (isColumnRowDepth(ctx.node)) {
    permuteBlocks(in, {in.dim(0), depth, b, b, in.dim(2), in.dim(3)}, {0, 1, 4, 2, 5, 3}, outputs[0]);
  } else {
    permuteBlocks(in, {in.dim(0), b, b, depth, in.dim(2), in.dim(3)}, {0, 3, 4, 1, 5, 2}, outputs[0]);
  }
}

std::vector<TensorType> inferSpaceToDepth(const InferContext& ctx) {
  const int64_t block = blockSize(ctx);
  const Dims& in = ctx.inputs[0].dims;
  if (in[2] % block != 0 || in[3] % block != 0) {
    failShape(ctx.node, "height and width of " + toString(in) + " do not divide by blocksize " + std::to_string(block));
  }
  const int64_t square = multiply(ctx.node, block, block);
  return {sizedType(ctx.node, ctx.inputs[0].dtype,
                    {in[0], multiply(ctx.node, in[1], square), in[2] / block, in[3] / block})};
}

void runSpaceToDepth(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& in = ctx.inputs[0];
  const int64_t b = ctx.node.getInt("blocksize", 0);
  permuteBlocks(in, {in.dim(0), in.dim(1), in.dim(2) / b, b, in.dim(3) / b, b}, {0, 3, 5, 1, 2, 4}, outputs[0]);
}

}  // namespace

const std::vector<Operator>& movementOperators() {
  static const std::vector<Operator> list = [] {
    std::vector<Operator> joined = {
        {"", "Transpose", 7, kNewestOpset, inferTranspose, runTranspose},
        {"", "Expand", 8, kNewestOpset, inferExpand, runExpand},
        {"", "Tile", 7, kNewestOpset, inferTile, runTile},
        {"", "DepthToSpace", 7, kNewestOpset, inferDepthToSpace, runDepthToSpace},
        {"", "SpaceToDepth", 7, kNewestOpset, inferSpaceToDepth, runSpaceToDepth},
    };
    for (const auto* part : {&joinOperators(), &gatherOperators(), &sliceOperators()}) {
      joined.insert(joined.end(), part->begin(), part->end());
    }
    return joined;
  }();
  return list;
}

}  // namespace presisi::ops
