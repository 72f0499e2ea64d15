#include "ops/convolve.hpp"
#include "ops/registry.hpp"

namespace presisi::ops {

ConvolutionSizes readConvolution(const onnx::Node& node, const Dims& x, const Dims& w) {
  if (x.size() < 3) failModel(node, "the input should have rank 3 or more, [N, C, spatial...], but is " + toString(x));
  if (w.size() != x.size()) {
    failShape(node, "the weights should have the rank of the input, " + std::to_string(x.size()) + ", but are " +
                        toString(w));
  }
  ConvolutionSizes sizes;
  sizes.images = x[0];
  sizes.channels = x[1];
  sizes.filters = w[0];
  sizes.groups = node.getInt("group", 1);
  if (sizes.groups < 1) failModel(node, "group should be at least 1 but is " + std::to_string(sizes.groups));
  if (sizes.channels % sizes.groups != 0 || w[1] != sizes.channels / sizes.groups) {
    failShape(node, "the input has " + std::to_string(sizes.channels) + " channels in " + std::to_string(sizes.groups) +
                        " groups, which the weights " + toString(w) + " do not fit");
  }
  if (sizes.filters % sizes.groups != 0) {
    failShape(node, std::to_string(sizes.filters) + " filters can't be divided into " + std::to_string(sizes.groups) +
                        " groups");
  }
  sizes.input.assign(x.begin() + 2, x.end());
  const Dims kernel(w.begin() + 2, w.end());
  for (const int64_t k : kernel) {
    if (k < 1) failModel(node, "the kernel is empty: weights of shape " + toString(w));
  }
  if (const Dims declared = node.getInts("kernel_shape", kernel); declared != kernel) {
    failShape(node, "kernel_shape is " + toString(declared) + " but the weights are " + toString(w));
  }
  sizes.window = readWindow(node, sizes.input, kernel);
  return sizes;
}

Dims outputDims(const ConvolutionSizes& sizes) {
  Dims dims{sizes.images, sizes.filters};
  dims.insert(dims.end(), sizes.window.output.begin(), sizes.window.output.end());
  return dims;
}

void tapOffsets(const Window& window, const Dims& input, int64_t from, int64_t count, std::vector<int64_t>& offsets) {
  const size_t rank = window.rank();
  const int64_t taps = elementCount(window.kernel);
  offsets.assign(static_cast<size_t>(taps * count), 0);
  const Dims inputStrides = stridesOf(input);
  const Dims outputStrides = stridesOf(window.output);
  const Dims kernelStrides = stridesOf(window.kernel);
  for (int64_t tap = 0; tap < taps; ++tap) {
    int64_t* row = offsets.data() + tap * count;
    for (int64_t i = 0; i < count; ++i) {
      int64_t offset = 0;
      for (size_t axis = 0; axis < rank; ++axis) {
        const int64_t position = (from + i) / outputStrides[axis] % window.output[axis];
        const int64_t k = tap / kernelStrides[axis] % window.kernel[axis];
        const int64_t at = position * window.strides[axis] - window.padsBegin[axis] + k * window.dilations[axis];
        if (at < 0 || at >= input[axis]) {
          offset = -1;
          break;
        }
        offset += at * inputStrides[axis];
      }
      row[i] = offset;
    }
  }
}

namespace {

void requireBias(const InferContext& ctx, size_t index, int64_t filters) {
  if (!has(ctx, index)) return;
  requireSameType(ctx, index);
  if (ctx.inputs[index].dims != Dims{filters}) {
    failShape(ctx.node, inputName(ctx.node, index) + " should be a bias of shape [" + std::to_string(filters) +
                            "] but is " + toString(ctx.inputs[index].dims));
  }
}

/// Fills each of the result's channels with its bias, to which products are added.
template <typename T>
void fillBias(const RunContext& ctx, size_t index, Tensor& y) {
  if (!has(ctx, index)) return;
  const T* bias = ctx.inputs[index].data<T>();
  T* out = y.data<T>();
  const int64_t positions = countBetween(y.dims(), 2, y.rank());
  for (int64_t plane = 0; plane < y.dim(0) * y.dim(1); ++plane) {
    std::fill(out + plane * positions, out + (plane + 1) * positions, bias[plane % y.dim(1)]);
  }
}

std::vector<TensorType> inferConv(const InferContext& ctx) {
  requireInputs(ctx, 2, 3);
  requireFloating(ctx, 0);
  requireSameType(ctx, 1);
  const ConvolutionSizes sizes = readConvolution(ctx.node, ctx.inputs[0].dims, ctx.inputs[1].dims);
  requireBias(ctx, 2, sizes.filters);
  return {{ctx.inputs[0].dtype, outputDims(sizes)}};
}

void runConv(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& x = ctx.inputs[0];
  const Tensor& w = ctx.inputs[1];
  const ConvolutionSizes sizes = readConvolution(ctx.node, x.dims(), w.dims());
  const auto run = [&](auto tag) {
    using T = typename decltype(tag)::type;
    fillBias<T>(ctx, 2, outputs[0]);
    convolve<T>(sizes, x.data<T>(), w.data<T>(), outputs[0].data<T>(), ctx.stop);
  };
  if (x.dtype() == DType::Float64) return run(Tag<double>{});
  run(Tag<float>{});
}

/// A transposed convolution as the convolution whose gradient it is: `window` slides over the result (`output` dims)
/// and its positions are the input's pixels.
struct TransposedSizes {
  int64_t images = 0, channels = 0, filters = 0, groups = 1;
  Window window;
  Dims output;
};

TransposedSizes readTransposed(const onnx::Node& node, const Dims& x, const Dims& w) {
  if (x.size() < 3) failModel(node, "the input should have rank 3 or more, [N, C, spatial...], but is " + toString(x));
  if (w.size() != x.size() || w[0] != x[1]) {
    failShape(node, "weights " + toString(w) + " do not fit the input " + toString(x) +
                        ": they should be [channels, filters / group, kernel...]");
  }
  TransposedSizes sizes;
  sizes.images = x[0];
  sizes.channels = x[1];
  sizes.groups = node.getInt("group", 1);
  if (sizes.groups < 1 || sizes.channels % sizes.groups != 0) {
    failModel(node, "group is " + std::to_string(sizes.groups) + ", which does not divide " +
                        std::to_string(sizes.channels) + " channels");
  }
  sizes.filters = multiply(node, w[1], sizes.groups);
  const size_t rank = x.size() - 2;
  Window& window = sizes.window;
  window.kernel.assign(w.begin() + 2, w.end());
  for (const int64_t k : window.kernel) {
    if (k < 1) failModel(node, "the kernel is empty: weights of shape " + toString(w));
  }
  if (const Dims declared = node.getInts("kernel_shape", window.kernel); declared != window.kernel) {
    failShape(node, "kernel_shape is " + toString(declared) + " but the weights are " + toString(w));
  }
  window.strides = spatialAttribute(node, "strides", rank, 1, 1);
  window.dilations = spatialAttribute(node, "dilations", rank, 1, 1);
  readPads(node, rank, window.padsBegin, window.padsEnd);
  window.output.assign(x.begin() + 2, x.end());
  const Dims extra = spatialAttribute(node, "output_padding", rank, 0, 0);
  Dims asked = node.getInts("output_shape", {});
  if (asked.size() == x.size()) asked.erase(asked.begin(), asked.begin() + 2);  // some exporters write N and C too
  if (!asked.empty() && asked.size() != rank) {
    failModel(node,
              "output_shape should have " + std::to_string(rank) + " values but has " + std::to_string(asked.size()));
  }
  const std::string autoPad = node.getString("auto_pad", "NOTSET");
  const bool same = autoPad == "SAME_UPPER" || autoPad == "SAME_LOWER";
  if (!same && autoPad != "NOTSET" && autoPad != "VALID") {
    failModel(node, "auto_pad should be NOTSET, SAME_UPPER, SAME_LOWER or VALID but is \"" + autoPad + "\"");
  }
  if (autoPad == "VALID") {
    window.padsBegin.assign(rank, 0);
    window.padsEnd.assign(rank, 0);
  }
  sizes.output.resize(rank);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t size = window.output[i];
    if (size < 1) failShape(node, "the input is empty: " + toString(x));
    if (extra[i] >= std::max(window.strides[i], window.dilations[i])) {
      failModel(node, "output_padding " + toString(extra) + " should be smaller than the stride or the dilation");
    }
    const int64_t reach = extent(node, window.kernel[i], window.dilations[i]);
    const int64_t full = add(node, add(node, multiply(node, size - 1, window.strides[i]), reach), extra[i]);
    if (!asked.empty() || same) {
      // SAME gives stride * input, or less where the kernel doesn't reach that far.
      const int64_t wanted = asked.empty() ? std::min(full, multiply(node, size, window.strides[i])) : asked[i];
      if (wanted < 1) failModel(node, "output_shape should be positive but is " + toString(asked));
      if (wanted > add(node, full, window.strides[i])) {
        failModel(node, "output_shape " + toString(asked) + " is larger than this transposed convolution reaches, " +
                            std::to_string(full) + " along spatial axis " + std::to_string(i));
      }
      const int64_t total = std::max<int64_t>(full - wanted, 0);
      window.padsBegin[i] = autoPad == "SAME_UPPER" ? total / 2 : total - total / 2;
      window.padsEnd[i] = total - window.padsBegin[i];
      sizes.output[i] = wanted;
      continue;
    }
    sizes.output[i] = full - add(node, window.padsBegin[i], window.padsEnd[i]);
    if (sizes.output[i] < 1) {
      failShape(node, "pads leave nothing of the output: " + std::to_string(full) + " less " +
                          std::to_string(window.padsBegin[i]) + " and " + std::to_string(window.padsEnd[i]) +
                          " along spatial axis " + std::to_string(i));
    }
  }
  return sizes;
}

std::vector<TensorType> inferConvTranspose(const InferContext& ctx) {
  requireInputs(ctx, 2, 3);
  requireFloating(ctx, 0);
  requireSameType(ctx, 1);
  const TransposedSizes sizes = readTransposed(ctx.node, ctx.inputs[0].dims, ctx.inputs[1].dims);
  requireBias(ctx, 2, sizes.filters);
  Dims dims{sizes.images, sizes.filters};
  dims.insert(dims.end(), sizes.output.begin(), sizes.output.end());
  return {{ctx.inputs[0].dtype, dims}};
}

/// col2im: for a tile of input pixels, every tap of every filter at once (a matrix product), then scattered.
template <typename T>
void transposedConvolve(const TransposedSizes& sizes, const T* x, const T* w, T* y, const StopToken& stop) {
  constexpr int64_t kScratch = 1 << 19;
  const int64_t taps = elementCount(sizes.window.kernel);
  const int64_t pixels = elementCount(sizes.window.output);
  const int64_t positions = elementCount(sizes.output);
  const int64_t channels = sizes.channels / sizes.groups;
  const int64_t filters = sizes.filters / sizes.groups;
  const int64_t rows = filters * taps;
  if (sizes.images * channels * rows * pixels == 0) return;

  std::vector<T> weights(static_cast<size_t>(rows * channels));  // [filters, taps, channels] of one group
  const int64_t tile = std::min(pixels, std::max<int64_t>(kScratch / rows, 16));
  std::vector<T> columns(static_cast<size_t>(rows * tile));
  std::vector<int64_t> offsets;
  for (int64_t group = 0; group < sizes.groups; ++group) {
    const T* source = w + group * channels * rows;
    for (int64_t channel = 0; channel < channels; ++channel) {
      for (int64_t row = 0; row < rows; ++row)
        weights[static_cast<size_t>(row * channels + channel)] = source[channel * rows + row];
    }
    for (int64_t from = 0; from < pixels; from += tile) {
      const int64_t count = std::min(tile, pixels - from);
      tapOffsets(sizes.window, sizes.output, from, count, offsets);
      for (int64_t image = 0; image < sizes.images; ++image) {
        stop.check();
        std::fill(columns.begin(), columns.end(), T(0));
        const T* input = x + (image * sizes.channels + group * channels) * pixels + from;
        gemm<T>(rows, count, channels, {weights.data(), channels}, {input, pixels}, {columns.data(), count}, stop);
        for (int64_t filter = 0; filter < filters; ++filter) {
          T* plane = y + (image * sizes.filters + group * filters + filter) * positions;
          const T* column = columns.data() + filter * taps * count;
          for (int64_t i = 0; i < taps * count; ++i) {
            const int64_t offset = offsets[static_cast<size_t>(i)];
            if (offset >= 0) plane[offset] += column[i];
          }
        }
      }
    }
  }
}

void runConvTranspose(const RunContext& ctx, std::vector<Tensor>& outputs) {
  const Tensor& x = ctx.inputs[0];
  const Tensor& w = ctx.inputs[1];
  const TransposedSizes sizes = readTransposed(ctx.node, x.dims(), w.dims());
  const auto run = [&](auto tag) {
    using T = typename decltype(tag)::type;
    fillBias<T>(ctx, 2, outputs[0]);
    transposedConvolve<T>(sizes, x.data<T>(), w.data<T>(), outputs[0].data<T>(), ctx.stop);
  };
  if (x.dtype() == DType::Float64) return run(Tag<double>{});
  run(Tag<float>{});
}

}  // namespace

const std::vector<Operator>& convolutionOperators() {
  static const std::vector<Operator> list = {
      {"", "Conv", 1, kNewestOpset, inferConv, widened<runConv>},
      {"", "ConvTranspose", 1, kNewestOpset, inferConvTranspose, widened<runConvTranspose>},
  };
  return list;
}

}  // namespace presisi::ops
