#include "ops/matmul.hpp"

#include "ops/registry.hpp"

namespace presisi::ops {

MatMulSizes readMatMul(const onnx::Node& node, const Dims& a, const Dims& b) {
  if (a.empty() || b.empty()) failModel(node, "a scalar can't be multiplied as a matrix");
  Dims left = a, right = b;
  if (a.size() == 1) left.insert(left.begin(), 1);
  if (b.size() == 1) right.push_back(1);
  MatMulSizes sizes;
  sizes.m = left[left.size() - 2];
  sizes.k = left.back();
  sizes.n = right.back();
  if (sizes.k != right[right.size() - 2]) {
    failShape(node, "shapes " + toString(a) + " and " + toString(b) + " do not multiply: " + std::to_string(sizes.k) +
                        " columns against " + std::to_string(right[right.size() - 2]) + " rows");
  }
  const Dims leftBatch(left.begin(), left.end() - 2);
  const Dims rightBatch(right.begin(), right.end() - 2);
  sizes.batch = broadcast(node, leftBatch, rightBatch);
  sizes.batchStrides[0] = broadcastStrides(leftBatch, sizes.batch);
  sizes.batchStrides[1] = broadcastStrides(rightBatch, sizes.batch);
  for (int64_t& stride : sizes.batchStrides[0]) stride = multiply(node, stride, multiply(node, sizes.m, sizes.k));
  for (int64_t& stride : sizes.batchStrides[1]) stride = multiply(node, stride, multiply(node, sizes.k, sizes.n));
  sizes.output = sizes.batch;
  if (a.size() > 1) sizes.output.push_back(sizes.m);
  if (b.size() > 1) sizes.output.push_back(sizes.n);
  return sizes;
}

Tensor transposed(const Tensor& matrix) {
  const int64_t rows = matrix.dim(0), columns = matrix.dim(1);
  Tensor out(matrix.dtype(), {columns, rows});
  dispatchWidth(matrix.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = matrix.data<T>();
    T* to = out.data<T>();
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < columns; ++column) to[column * rows + row] = from[row * columns + column];
    }
  });
  return out;
}

namespace {

/// Calls f(Tag<T>) with the type in which products of `dtype` are summed: unsigned for integers, see gemm().
template <typename F>
void dispatchProduct(DType dtype, F&& f) {
  switch (dtype) {
    case DType::Float64: f(Tag<double>{}); return;
    case DType::Int32:
    case DType::Uint32: f(Tag<uint32_t>{}); return;
    case DType::Int64:
    case DType::Uint64: f(Tag<uint64_t>{}); return;
    default: f(Tag<float>{}); return;
  }
}

void requireProductType(const InferContext& ctx) {
  if (isFloating(ctx.inputs[0].dtype)) return;
  requireType(ctx, 0, {DType::Int32, DType::Uint32, DType::Int64, DType::Uint64});
}

std::vector<TensorType> inferMatMul(const InferContext& ctx) {
  requireInputs(ctx, 2, 2);
  requireProductType(ctx);
  requireSameType(ctx, 1);
  return {{ctx.inputs[0].dtype, readMatMul(ctx.node, ctx.inputs[0].dims, ctx.inputs[1].dims).output}};
}

void runMatMul(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& a = ctx.inputs[0];
  const Tensor& b = ctx.inputs[1];
  const MatMulSizes sizes = readMatMul(ctx.node, a.dims(), b.dims());
  dispatchProduct(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    matMul<T>(sizes, a.data<T>(), b.data<T>(), outputs[0].data<T>(), ctx.stop);
  });
}

std::vector<TensorType> inferGemm(const InferContext& ctx) {
  requireInputs(ctx, 2, 3);
  requireProductType(ctx);
  requireSameType(ctx, 1);
  requireRank(ctx, 0, 2, 2);
  requireRank(ctx, 1, 2, 2);
  const bool transA = ctx.node.getInt("transA", 0) != 0;
  const bool transB = ctx.node.getInt("transB", 0) != 0;
  const Dims& a = ctx.inputs[0].dims;
  const Dims& b = ctx.inputs[1].dims;
  const int64_t k = transA ? a[0] : a[1];
  if (k != (transB ? b[1] : b[0])) {
    failShape(ctx.node, "shapes " + toString(a) + (transA ? " transposed" : "") + " and " + toString(b) +
                            (transB ? " transposed" : "") + " do not multiply");
  }
  const Dims out{transA ? a[1] : a[0], transB ? b[0] : b[1]};
  if (has(ctx, 2)) {
    requireSameType(ctx, 2);
    requireRank(ctx, 2, 0, 2);
    if (broadcast(ctx.node, ctx.inputs[2].dims, out) != out) {
      failShape(ctx.node, inputName(ctx.node, 2) + " of shape " + toString(ctx.inputs[2].dims) +
                              " does not broadcast to " + toString(out));
    }
  }
  const float alpha = ctx.node.getFloat("alpha", 1.0f);
  const float beta = ctx.node.getFloat("beta", 1.0f);
  if (!isFloating(ctx.inputs[0].dtype) && (alpha != 1.0f || (beta != 1.0f && beta != 0.0f))) {
    failUnsupported(ctx.node, "alpha and beta other than 1 are supported for floating-point tensors only");
  }
  return {{ctx.inputs[0].dtype, out}};
}

/// y = alpha * A B + beta * C.
void runGemm(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor a = ctx.node.getInt("transA", 0) != 0 ? transposed(ctx.inputs[0]) : ctx.inputs[0];
  const Tensor b = ctx.node.getInt("transB", 0) != 0 ? transposed(ctx.inputs[1]) : ctx.inputs[1];
  const float alpha = ctx.node.getFloat("alpha", 1.0f);
  const float beta = ctx.node.getFloat("beta", 1.0f);
  Tensor& y = outputs[0];
  dispatchProduct(y.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* out = y.data<T>();
    gemm<T>(a.dim(0), b.dim(1), a.dim(1), {a.data<T>(), a.dim(1)}, {b.data<T>(), b.dim(1)}, {out, b.dim(1)}, ctx.stop);
    if (alpha != 1.0f) {
      for (int64_t i = 0; i < y.size(); ++i) out[i] *= static_cast<T>(alpha);
    }
    if (!has(ctx, 2) || beta == 0.0f) return;
    const auto factor = static_cast<T>(beta);
    const T* c = ctx.inputs[2].data<T>();
    forEachIndex(y.dims(), {broadcastStrides(ctx.inputs[2].dims(), y.dims())},
                 [&](int64_t i, const std::vector<int64_t>& offsets) { out[i] += factor * c[offsets[0]]; });
  });
}

}  // namespace

const std::vector<Operator>& matmulOperators() {
  static const std::vector<Operator> list = {
      {"", "MatMul", 1, kNewestOpset, inferMatMul, widened<runMatMul>},
      {"", "Gemm", 7, kNewestOpset, inferGemm, widened<runGemm>},
  };
  return list;
}

}  // namespace presisi::ops
