#include "ops/convolve.hpp"
#include "ops/matmul.hpp"
#include "ops/quantize.hpp"
#include "ops/registry.hpp"

/// Operators that compute with quantized integers: exact sums in 32 bits, which wrap around as two's complement does.
namespace presisi::ops {

namespace {

void requireByte(const InferContext& ctx, size_t index) { requireType(ctx, index, {DType::Int8, DType::Uint8}); }

/// A zero point or scale: one value, or `count` of them where allowed (count 1 allows only one).
void requireParameter(const InferContext& ctx, size_t index, int64_t count) {
  const Dims& dims = ctx.inputs[index].dims;
  if (dims.empty() || dims == Dims{1} || dims == Dims{count}) return;
  failShape(ctx.node, inputName(ctx.node, index) + " should be a single value" +
                          (count > 1 ? " or have shape [" + std::to_string(count) + "]" : std::string()) +
                          " but has shape " + toString(dims));
}

void requireZeroPoint(const InferContext& ctx, size_t index, size_t of, int64_t count) {
  if (!has(ctx, index)) return;
  requireSameType(ctx, index, of);
  requireParameter(ctx, index, count);
}

/// The values of a parameter, repeated to `count`; zeros where the input is absent.
std::vector<int64_t> zeroPoints(const RunContext& ctx, size_t index, int64_t count) {
  std::vector<int64_t> values = has(ctx, index) ? ctx.inputs[index].toInt64s() : std::vector<int64_t>{0};
  if (values.size() == 1) values.resize(static_cast<size_t>(count), values[0]);
  return values;
}

std::vector<double> scales(const RunContext& ctx, size_t index, int64_t count) {
  const std::vector<float> values = ctx.inputs[index].toFloats();
  std::vector<double> wide(values.begin(), values.end());
  if (wide.size() == 1) wide.resize(static_cast<size_t>(count), wide[0]);
  return wide;
}

/// x minus its zero point as 32-bit integers; element e takes zeroPoints[e / inner % zeroPoints.size()].
std::vector<uint32_t> centred(const Tensor& x, const std::vector<int64_t>& zeroPoints, int64_t inner) {
  std::vector<uint32_t> values(static_cast<size_t>(x.size()));
  const auto run = [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* from = x.data<T>();
    size_t point = 0;
    for (int64_t base = 0; base < x.size(); base += inner) {
      const int64_t zero = zeroPoints[point];
      point = point + 1 == zeroPoints.size() ? 0 : point + 1;
      for (int64_t i = base; i < base + inner; ++i)
        values[static_cast<size_t>(i)] = static_cast<uint32_t>(from[i] - zero);
    }
  };
  if (x.size() == 0) return values;
  if (x.dtype() == DType::Int8) {
    run(Tag<int8_t>{});
  } else {
    run(Tag<uint8_t>{});
  }
  return values;
}

void convolveIntegers(const RunContext& ctx, const Tensor& x, const Tensor& w, size_t xZero, size_t wZero,
                      uint32_t* y) {
  const ConvolutionSizes sizes = readConvolution(ctx.node, x.dims(), w.dims());
  const std::vector<uint32_t> left = centred(x, zeroPoints(ctx, xZero, 1), x.size());
  const std::vector<uint32_t> right =
      centred(w, zeroPoints(ctx, wZero, sizes.filters), countBetween(w.dims(), 1, w.rank()));
  convolve<uint32_t>(sizes, left.data(), right.data(), y, ctx.stop);
}

std::vector<TensorType> inferConvInteger(const InferContext& ctx) {
  requireInputs(ctx, 2, 4);
  requireByte(ctx, 0);
  requireByte(ctx, 1);
  const ConvolutionSizes sizes = readConvolution(ctx.node, ctx.inputs[0].dims, ctx.inputs[1].dims);
  requireZeroPoint(ctx, 2, 0, 1);
  requireZeroPoint(ctx, 3, 1, sizes.filters);
  return {{DType::Int32, outputDims(sizes)}};
}

void runConvInteger(const RunContext& ctx, std::vector<Tensor>& outputs) {
  convolveIntegers(ctx, ctx.inputs[0], ctx.inputs[1], 2, 3, outputs[0].data<uint32_t>());
}

// QLinearConv: x, scale, zero point, w, scale, zero point, y's scale and zero point, bias (int32, scale x * w).

std::vector<TensorType> inferQLinearConv(const InferContext& ctx) {
  requireInputs(ctx, 8, 9);
  requireByte(ctx, 0);
  requireByte(ctx, 3);
  requireByte(ctx, 7);
  const ConvolutionSizes sizes = readConvolution(ctx.node, ctx.inputs[0].dims, ctx.inputs[3].dims);
  for (const size_t i : {1u, 4u, 6u}) {
    requireType(ctx, i, {DType::Float32});
    requireParameter(ctx, i, i == 4 ? sizes.filters : 1);
  }
  requireZeroPoint(ctx, 2, 0, 1);
  requireZeroPoint(ctx, 5, 3, sizes.filters);
  requireParameter(ctx, 7, 1);
  if (has(ctx, 8)) {
    requireType(ctx, 8, {DType::Int32});
    if (ctx.inputs[8].dims != Dims{sizes.filters}) {
      failShape(ctx.node, inputName(ctx.node, 8) + " should be a bias of shape [" + std::to_string(sizes.filters) +
                              "] but is " + toString(ctx.inputs[8].dims));
    }
  }
  return {{ctx.inputs[7].dtype, outputDims(sizes)}};
}

void requantize(int32_t sum, double factor, int64_t zeroPoint, Tensor& out, int64_t at) {
  const double value = static_cast<double>(sum) * factor;
  if (out.dtype() == DType::Int8) {
    out.data<int8_t>()[at] = saturate<int8_t>(value, zeroPoint);
  } else {
    out.data<uint8_t>()[at] = saturate<uint8_t>(value, zeroPoint);
  }
}

void runQLinearConv(const RunContext& ctx, std::vector<Tensor>& outputs) {
  Tensor& y = outputs[0];
  if (y.size() == 0) return;
  Tensor sums(DType::Int32, y.dims());
  const int64_t filters = y.dim(1);
  const int64_t positions = countBetween(y.dims(), 2, y.rank());
  if (has(ctx, 8)) {
    const int32_t* bias = ctx.inputs[8].data<int32_t>();
    for (int64_t i = 0; i < sums.size(); ++i) sums.data<int32_t>()[i] = bias[i / positions % filters];
  }
  convolveIntegers(ctx, ctx.inputs[0], ctx.inputs[3], 2, 5, sums.data<uint32_t>());
  const std::vector<double> weightScales = scales(ctx, 4, filters);
  const double inputScale = scales(ctx, 1, 1)[0], outputScale = scales(ctx, 6, 1)[0];
  const int64_t zeroPoint = zeroPoints(ctx, 7, 1)[0];
  for (int64_t i = 0; i < y.size(); ++i) {
    const double factor = inputScale * weightScales[static_cast<size_t>(i / positions % filters)] / outputScale;
    requantize(sums.data<int32_t>()[i], factor, zeroPoint, y, i);
  }
}

/// Rows of A may each have a zero point (and scale), and columns of B; A and B have rank 2 then.
void multiplyIntegers(const RunContext& ctx, const Tensor& a, const Tensor& b, size_t aZero, size_t bZero,
                      uint32_t* y) {
  const MatMulSizes sizes = readMatMul(ctx.node, a.dims(), b.dims());
  const std::vector<uint32_t> left = centred(a, zeroPoints(ctx, aZero, sizes.m), sizes.k);
  const std::vector<uint32_t> right = centred(b, zeroPoints(ctx, bZero, sizes.n), 1);
  matMul<uint32_t>(sizes, left.data(), right.data(), y, ctx.stop);
}

MatMulSizes inferProduct(const InferContext& ctx, size_t a, size_t b) {
  requireByte(ctx, a);
  requireByte(ctx, b);
  return readMatMul(ctx.node, ctx.inputs[a].dims, ctx.inputs[b].dims);
}

std::vector<TensorType> inferMatMulInteger(const InferContext& ctx) {
  requireInputs(ctx, 2, 4);
  const MatMulSizes sizes = inferProduct(ctx, 0, 1);
  requireZeroPoint(ctx, 2, 0, sizes.m);
  requireZeroPoint(ctx, 3, 1, sizes.n);
  return {{DType::Int32, sizes.output}};
}

void runMatMulInteger(const RunContext& ctx, std::vector<Tensor>& outputs) {
  multiplyIntegers(ctx, ctx.inputs[0], ctx.inputs[1], 2, 3, outputs[0].data<uint32_t>());
}

// QLinearMatMul: a, scale, zero point, b, scale, zero point, y's scale and zero point.

std::vector<TensorType> inferQLinearMatMul(const InferContext& ctx) {
  requireInputs(ctx, 8, 8);
  const MatMulSizes sizes = inferProduct(ctx, 0, 3);
  requireByte(ctx, 7);
  for (const size_t i : {1u, 4u, 6u}) {
    requireFloating(ctx, i);
    requireParameter(ctx, i, i == 1 ? sizes.m : i == 4 ? sizes.n : 1);
  }
  requireZeroPoint(ctx, 2, 0, sizes.m);
  requireZeroPoint(ctx, 5, 3, sizes.n);
  requireParameter(ctx, 7, 1);
  return {{ctx.inputs[7].dtype, sizes.output}};
}

void runQLinearMatMul(const RunContext& ctx, std::vector<Tensor>& outputs) {
  Tensor& y = outputs[0];
  if (y.size() == 0) return;
  const MatMulSizes sizes = readMatMul(ctx.node, ctx.inputs[0].dims(), ctx.inputs[3].dims());
  Tensor sums(DType::Int32, y.dims());
  multiplyIntegers(ctx, ctx.inputs[0], ctx.inputs[3], 2, 5, sums.data<uint32_t>());
  const std::vector<double> left = scales(ctx, 1, sizes.m), right = scales(ctx, 4, sizes.n);
  const double outputScale = scales(ctx, 6, 1)[0];
  const int64_t zeroPoint = zeroPoints(ctx, 7, 1)[0];
  for (int64_t i = 0; i < y.size(); ++i) {
    const double factor =
        left[static_cast<size_t>(i / sizes.n % sizes.m)] * right[static_cast<size_t>(i % sizes.n)] / outputScale;
    requantize(sums.data<int32_t>()[i], factor, zeroPoint, y, i);
  }
}

}  // namespace

const std::vector<Operator>& integerOperators() {
  static const std::vector<Operator> list = {
      {"", "ConvInteger", 10, kNewestOpset, inferConvInteger, runConvInteger},
      {"", "MatMulInteger", 10, kNewestOpset, inferMatMulInteger, runMatMulInteger},
      {"", "QLinearConv", 10, kNewestOpset, inferQLinearConv, runQLinearConv},
      {"", "QLinearMatMul", 10, kNewestOpset, inferQLinearMatMul, runQLinearMatMul},
  };
  return list;
}

}  // namespace presisi::ops
