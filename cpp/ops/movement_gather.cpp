#include <cstring>

#include "ops/broadcast.hpp"
#include "ops/movement.hpp"

namespace presisi::ops {

namespace {

size_t axisOf(const onnx::Node& node, size_t rank) {
  return static_cast<size_t>(normalizeAxis(node, node.getInt("axis", 0), rank));
}

/// The indices as offsets in [0, length).
std::vector<int64_t> checkedIndices(const onnx::Node& node, const Tensor& tensor, int64_t length) {
  std::vector<int64_t> indices = tensor.toInt64s();
  for (int64_t& index : indices) {
    if (index < -length || index >= length) {
      failModel(node, "index " + std::to_string(index) + " is outside [" + std::to_string(-length) + ", " +
                          std::to_string(length) + ")");
    }
    if (index < 0) index += length;
  }
  return indices;
}

std::vector<TensorType> inferGather(const InferContext& ctx) {
  requireInputs(ctx, 2, 2);
  requireType(ctx, 1, {DType::Int32, DType::Int64});
  const Dims& data = ctx.inputs[0].dims;
  const Dims& indices = ctx.inputs[1].dims;
  const auto axis = static_cast<int64_t>(axisOf(ctx.node, data.size()));
  Dims out(data.begin(), data.begin() + axis);
  out.insert(out.end(), indices.begin(), indices.end());
  out.insert(out.end(), data.begin() + axis + 1, data.end());
  return {sizedType(ctx.node, ctx.inputs[0].dtype, std::move(out))};
}

void runGather(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& data = ctx.inputs[0];
  const size_t axis = axisOf(ctx.node, data.rank());
  const int64_t length = data.dim(axis);
  const std::vector<int64_t> indices = checkedIndices(ctx.node, ctx.inputs[1], length);
  if (outputs[0].size() == 0) return;
  const int64_t outer = countBetween(data.dims(), 0, axis);
  const int64_t inner = countBetween(data.dims(), axis + 1, data.rank());
  dispatchWidth(data.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = data.data<T>();
    T* to = outputs[0].data<T>();
    for (int64_t o = 0; o < outer; ++o, from += length * inner) {
      if (inner == 1) {
        for (const int64_t index : indices) *to++ = from[index];
        continue;
      }
      for (const int64_t index : indices) {
        std::memcpy(to, from + index * inner, static_cast<size_t>(inner) * sizeof(T));
        to += inner;
      }
    }
  });
}

std::vector<TensorType> inferGatherElements(const InferContext& ctx) {
  requireInputs(ctx, 2, 2);
  requireType(ctx, 1, {DType::Int32, DType::Int64});
  const Dims& data = ctx.inputs[0].dims;
  const Dims& indices = ctx.inputs[1].dims;
  const size_t axis = axisOf(ctx.node, data.size());
  bool fits = data.size() == indices.size();
  for (size_t k = 0; k < data.size() && fits; ++k) fits = k == axis || indices[k] <= data[k];
  if (!fits) {
    failShape(ctx.node, "indices of shape " + toString(indices) + " do not lie within " + toString(data) +
                            " on every axis but " + std::to_string(axis));
  }
  return {sizedType(ctx.node, ctx.inputs[0].dtype, indices)};
}

void runGatherElements(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& data = ctx.inputs[0];
  const size_t axis = axisOf(ctx.node, data.rank());
  const std::vector<int64_t> indices = checkedIndices(ctx.node, ctx.inputs[1], data.dim(axis));
  const int64_t step = stridesOf(data.dims())[axis];
  Dims strides = stridesOf(data.dims());
  strides[axis] = 0;
  dispatchWidth(data.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = data.data<T>();
    T* to = outputs[0].data<T>();
    forEachIndex(outputs[0].dims(), {strides}, [&](int64_t i, const std::vector<int64_t>& offset) {
      to[i] = from[offset[0] + indices[static_cast<size_t>(i)] * step];
    });
  });
}

}  // namespace

const std::vector<Operator>& gatherOperators() {
  static const std::vector<Operator> list = {
      {"", "Gather", 7, kNewestOpset, inferGather, runGather},
      {"", "GatherElements", 11, kNewestOpset, inferGatherElements, runGatherElements},
  };
  return list;
}

}  // namespace presisi::ops
