#include "backend/cpu_models.hpp"

namespace presisi::test {

using onnx::Attribute;

namespace {

Attribute ints(const char* name, std::vector<int64_t> values) { return Attribute::ofInts(name, std::move(values)); }

onnx::Model finish(ModelBuilder& b, const std::string& output) {
  b.output(output);
  return b.model;
}

/// x -> Conv -> (activation) -> y
onnx::Model convolution(Dims input, Dims weights, std::vector<Attribute> attributes, const std::string& activation = "",
                        std::vector<Attribute> activationAttributes = {}, const std::string& domain = "") {
  ModelBuilder b;
  b.input("x", std::move(input)).weight("w", weights, -0.3f, 0.3f).weight("b", {weights[0]});
  b.node("Conv", {"x", "w", "b"}, {"c"}, std::move(attributes));
  if (activation.empty()) return finish(b, "c");
  b.node(activation, {"c"}, {"y"}, std::move(activationAttributes), domain);
  return finish(b, "y");
}

void conv(ModelBuilder& b, const std::string& in, const std::string& out, int64_t from, int64_t to,
          int64_t kernel = 3) {
  b.weight("w_" + out, {to, from, kernel, kernel}, -0.3f, 0.3f).weight("b_" + out, {to});
  b.node("Conv", {in, "w_" + out, "b_" + out}, {out}, {ints("pads", std::vector<int64_t>(4, kernel / 2))});
}

void qdq(ModelBuilder& b, const std::string& in, const std::string& out, float scale, bool isUnsigned = false,
         int zero = 0) {
  b.scalar(out + "_s", scale);
  b.initializer(out + "_z", isUnsigned ? Tensor::of<uint8_t>(DType::Uint8, {}, {static_cast<uint8_t>(zero)})
                                       : Tensor::of<int8_t>(DType::Int8, {}, {static_cast<int8_t>(zero)}));
  b.node("QuantizeLinear", {in, out + "_s", out + "_z"}, {out + "_q"});
  b.node("DequantizeLinear", {out + "_q", out + "_s", out + "_z"}, {out});
}

/// Random int8 weights behind DequantizeLinear with a scale per output channel along `axis`.
void quantizedWeights(ModelBuilder& b, const std::string& name, const Dims& dims, int64_t axis) {
  const Tensor random = b.random(dims, -127.0f, 127.0f);
  Tensor values(DType::Int8, dims);
  for (int64_t i = 0; i < values.size(); ++i) values.data<int8_t>()[i] = static_cast<int8_t>(random.data<float>()[i]);
  const int64_t outputs = dims[static_cast<size_t>(axis)];
  b.initializer(name + "_q", values);
  b.initializer(name + "_s", b.random({outputs}, 0.001f, 0.004f));
  b.initializer(name + "_z", Tensor(DType::Int8, {outputs}));
  b.node("DequantizeLinear", {name + "_q", name + "_s", name + "_z"}, {name}, {Attribute::ofInt("axis", axis)});
}

void quantizedConv(ModelBuilder& b, const std::string& in, const std::string& out, const Dims& weights,
                   int64_t group = 1, int64_t stride = 1) {
  quantizedWeights(b, "w_" + out, weights, 0);
  b.weight("b_" + out, {weights[0]});
  b.node("Conv", {in, "w_" + out, "b_" + out}, {out},
         {ints("pads", std::vector<int64_t>(4, weights[2] / 2)), Attribute::ofInt("group", group),
          ints("strides", {stride, stride})});
}

}  // namespace

namespace {

/// For the names of models.
std::string by(int64_t a, int64_t b) { return std::to_string(a) + "x" + std::to_string(b); }

/// Depthwise convolutions of every kernel, stride and padding there is, on more and fewer channels and pixels than fill
/// a register.
struct DepthwiseCase {
  int64_t channels, height, width, kernelHeight, kernelWidth, strideHeight, strideWidth;
  std::vector<int64_t> pads;
  const char* activation;
  bool unsignedInput;
};
const std::vector<DepthwiseCase> kDepthwiseCases = {

    {16, 14, 14, 3, 3, 1, 1, {1, 1, 1, 1}, "Swish", false}, {24, 7, 7, 5, 5, 1, 1, {2, 2, 2, 2}, "HardSwish", false},
    {40, 15, 13, 5, 5, 2, 2, {2, 2, 2, 2}, "Swish", true},  {19, 9, 23, 3, 3, 2, 2, {0, 1, 1, 0}, "", false},
    {5, 6, 5, 3, 3, 1, 1, {1, 1, 1, 1}, "Relu", true},      {33, 3, 3, 5, 5, 1, 1, {2, 2, 2, 2}, "Clip", false},
    {8, 10, 11, 2, 7, 1, 3, {0, 3, 1, 3}, "Swish", false},  {17, 12, 12, 7, 4, 3, 1, {3, 2, 3, 1}, "HardSwish", true},
    {16, 9, 8, 1, 1, 1, 1, {0, 0, 0, 0}, "Swish", false},   {20, 20, 9, 8, 8, 1, 1, {4, 4, 3, 3}, "", true},
    {9, 2, 2, 6, 6, 1, 1, {3, 3, 2, 2}, "Swish", false},    {18, 1, 40, 3, 3, 1, 2, {1, 1, 1, 1}, "HardSwish", false},
    {7, 13, 13, 9, 9, 1, 1, {4, 4, 4, 4}, "Relu", false},
};

/// 1x1 convolutions on more and fewer channels and pixels than fill a tile.
struct PointwiseCase {
  int64_t inputs, outputs, height, width, stride;
  const char* activation;
  bool unsignedInput;
};
const std::vector<PointwiseCase> kPointwiseCases = {

    {8, 48, 9, 9, 1, "Swish", false},      {24, 144, 13, 11, 1, "HardSwish", false},
    {16, 64, 5, 5, 1, "Swish", true},      {12, 80, 1, 1, 1, "Swish", false},
    {40, 72, 7, 3, 1, "HardSwish", true},  {4, 16, 17, 9, 1, "Swish", false},
    {20, 24, 3, 4, 1, "HardSwish", false}, {28, 1, 12, 12, 1, "Swish", true},
    {6, 20, 8, 8, 1, "Swish", false},      {8, 100, 1, 2, 1, "HardSwish", false},
    {16, 64, 9, 11, 1, "", true},          {32, 100, 10, 10, 1, "Relu", false},
    {24, 130, 9, 8, 2, "", false},         {8, 64, 15, 15, 2, "Clip", true},
    {36, 48, 11, 5, 1, "Relu", true},
};

/// Larger kernels, which see neighbours in a padded copy: channels that come in fours and others, one and more blocks
/// of outputs, pads and strides of every kind.
struct PatchCase {
  int64_t inputs, outputs, height, width, kernelHeight, kernelWidth, strideHeight, strideWidth;
  std::vector<int64_t> pads;
  const char* activation;
  bool unsignedInput;
};
const std::vector<PatchCase> kPatchCases = {
    {3, 16, 30, 29, 3, 3, 2, 2, {1, 1, 1, 1}, "HardSwish", false},
    {3, 40, 19, 21, 3, 3, 2, 2, {0, 0, 1, 1}, "Swish", false},
    {3, 24, 33, 35, 7, 7, 2, 2, {3, 3, 3, 3}, "Relu", true},
    {128, 32, 7, 7, 3, 3, 1, 1, {1, 1, 1, 1}, "", true},
    {12, 33, 14, 14, 3, 3, 1, 1, {1, 1, 1, 1}, "Clip", false},
    {5, 20, 9, 4, 2, 5, 1, 3, {1, 4, 0, 2}, "Relu", false},
    {8, 63, 11, 70, 1, 3, 1, 1, {0, 1, 0, 1}, "", false},
    {6, 44, 3, 2, 3, 3, 1, 1, {2, 2, 2, 2}, "Swish", true},
    {20, 48, 10, 10, 5, 5, 3, 4, {0, 0, 0, 0}, "HardSwish", false},
    {8, 16, 3, 3, 2, 2, 9, 9, {4, 4, 0, 0}, "", false},  // sees padding alone
    {1, 17, 9, 8, 3, 3, 1, 1, {1, 1, 1, 1}, "Relu", false},
    {4, 20, 3, 3, 2, 2, 9, 9, {4, 4, 0, 0}, "Swish", false},
};

std::string describe(const Dims& image, const Dims& weights, const std::string& activation) {
  return "of " + by(image[1], image[2]) + " by " + by(weights[2], weights[3]) + ", " + std::to_string(weights[1]) +
         " to " + std::to_string(weights[0]) + " " + activation;
}

std::vector<Attribute> attributesOf(const DepthwiseCase& c) {
  return {ints("pads", c.pads), ints("strides", {c.strideHeight, c.strideWidth}),
          Attribute::ofInt("group", c.channels)};
}

void activate(ModelBuilder& b, const std::string& activation, const std::string& in, const std::string& out) {
  if (activation == "Swish") {
    b.node("Sigmoid", {in}, {out + "_g"}).node("Mul", {in, out + "_g"}, {out});
  } else if (activation == "Clip") {
    b.scalar("low", -1.3f).scalar("high", 2.7f).node("Clip", {in, "low", "high"}, {out});
  } else {
    b.node(activation.empty() ? "Identity" : activation, {in}, {out});
  }
}

NamedModel floatLayer(const Dims& image, const Dims& weights, std::vector<Attribute> attributes,
                      const std::string& activation) {
  ModelBuilder b;
  b.input("x", {-1, image[0], image[1], image[2]}).weight("w", weights, -0.3f, 0.3f).weight("b", {weights[0]});
  b.node("Conv", {"x", "w", "b"}, {"c"}, std::move(attributes));
  activate(b, activation, "c", "y");
  return {describe(image, weights, activation), finish(b, "y"), 0};
}

/// 1x1, then depthwise, as in an inverted residual.
struct ExpandedCase {
  int64_t inputs, channels, height, width, kernel, stride;
  const char* first;
  const char* second;
  bool averaged;
};
const std::vector<ExpandedCase> kExpandedCases = {
    {8, 96, 64, 60, 3, 1, "Swish", "Swish", false}, {16, 130, 61, 57, 5, 2, "HardSwish", "HardSwish", true},
    {12, 72, 70, 66, 3, 2, "Relu", "Relu", false},  {24, 256, 40, 41, 5, 1, "Swish", "", true},
    {8, 64, 128, 65, 7, 1, "", "Clip", false},      {4, 100, 90, 90, 3, 3, "HardSwish", "Swish", true},
};

/// As squeeze-and-excitation has it: the convolution's result is averaged, and scaled by what comes of it.
void gate(ModelBuilder& b, const std::string& in, const std::string& out) {
  b.node("GlobalAveragePool", {in}, {"p"}).node("Sigmoid", {"p"}, {"g"}).node("Mul", {in, "g"}, {out});
}

void normalize(ModelBuilder& b, const std::string& in, const std::string& out, int64_t channels) {
  const auto named = [&](const char* what) { return out + what; };
  b.weight(named("_scale"), {channels}).weight(named("_shift"), {channels}).weight(named("_mean"), {channels});
  b.weight(named("_variance"), {channels}, 0.5f, 2);
  b.node("BatchNormalization", {in, named("_scale"), named("_shift"), named("_mean"), named("_variance")}, {out});
}

std::string describe(const ExpandedCase& c) {
  return "expanded " + describe({c.inputs, c.height, c.width}, {c.channels, 1, c.kernel, c.kernel}, c.second) +
         " behind " + c.first;
}

std::vector<Attribute> attributesOf(const ExpandedCase& c) {
  return {ints("pads", std::vector<int64_t>(4, c.kernel / 2)), ints("strides", {c.stride, c.stride}),
          Attribute::ofInt("group", c.channels)};
}

}  // namespace

std::vector<NamedModel> floatModels() {
  std::vector<NamedModel> all;
  const Dims image{-1, 8, 11, 13};
  all.push_back({"convolution", convolution(image, {16, 8, 3, 3}, {ints("pads", {1, 1, 1, 1})}), 0});
  all.push_back({"pointwise", convolution(image, {24, 8, 1, 1}, {}, "Relu"), 0});
  all.push_back({"strided, uneven padding",
                 convolution(image, {16, 8, 3, 3}, {ints("pads", {0, 1, 2, 1}), ints("strides", {2, 2})}), 0});
  all.push_back(
      {"same padding",
       convolution(image, {16, 8, 5, 5}, {Attribute::ofString("auto_pad", "SAME_UPPER"), ints("strides", {2, 2})}), 0});
  all.push_back({"same lower", convolution(image, {16, 8, 4, 4}, {Attribute::ofString("auto_pad", "SAME_LOWER")}), 0});
  all.push_back(
      {"dilated", convolution(image, {16, 8, 3, 3}, {ints("dilations", {2, 2}), ints("pads", {2, 2, 2, 2})}), 0});
  all.push_back({"grouped",
                 convolution(image, {16, 2, 3, 3}, {Attribute::ofInt("group", 4), ints("pads", {1, 1, 1, 1})}, "Relu"),
                 0});
  all.push_back({"depthwise",
                 convolution(image, {8, 1, 5, 5}, {Attribute::ofInt("group", 8), ints("pads", {2, 2, 2, 2})}, "Relu"),
                 0});
  all.push_back({"depthwise multiplier", convolution(image, {16, 1, 3, 3}, {Attribute::ofInt("group", 8)}), 0});
  for (const char* op :
       {"Relu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "LeakyRelu", "Elu", "Abs", "Exp", "Neg"}) {
    all.push_back({std::string("activation ") + op, convolution(image, {16, 8, 1, 1}, {}, op), 0});
  }
  for (const char* op : {"Swish", "HardSwish", "Gelu"}) {
    all.push_back(
        {std::string("internal ") + op, convolution(image, {16, 8, 1, 1}, {}, op, {}, onnx::kPresisiDomain), 0});
  }
  {
    ModelBuilder b;
    b.input("x", image).scalar("low", 0).scalar("high", 6);
    conv(b, "x", "c", 8, 16);
    b.node("Clip", {"c", "low", "high"}, {"y"});
    all.push_back({"relu6", finish(b, "y"), 0});
  }
  {
    // Two residual blocks in a row: each sum may take the memory of the one before.
    ModelBuilder b;
    b.input("x", image);
    conv(b, "x", "a", 8, 8);
    b.node("Relu", {"a"}, {"r0"});
    conv(b, "r0", "c1", 8, 8);
    b.node("Add", {"c1", "r0"}, {"s1"}).node("Relu", {"s1"}, {"r1"});
    conv(b, "r1", "c2", 8, 8);
    b.node("Add", {"r1", "c2"}, {"s2"}).node("Relu", {"s2"}, {"r2"});
    conv(b, "r2", "c3", 8, 8);
    // r1 again: the second sum must not have destroyed it.
    b.node("Add", {"c3", "r1"}, {"y"});
    all.push_back({"residual", finish(b, "y"), 0});
  }
  {
    ModelBuilder b;
    b.input("x", image);
    conv(b, "x", "left", 8, 8);
    conv(b, "x", "right", 8, 8, 1);
    b.node("Sigmoid", {"left"}, {"gate"}).node("Add", {"gate", "right"}, {"sum"});
    b.node("Add", {"sum", "x"}, {"y"});
    all.push_back({"sum with the input", finish(b, "y"), 0});
  }
  {
    ModelBuilder b;
    b.input("x", image);
    conv(b, "x", "f", 8, 16);
    b.node("GlobalAveragePool", {"f"}, {"p"});
    conv(b, "p", "d", 16, 4, 1);
    b.node("Relu", {"d"}, {"dr"});
    conv(b, "dr", "u", 4, 16, 1);
    b.node("HardSigmoid", {"u"}, {"g"}, {Attribute::ofFloat("alpha", 1.0f / 6)}).node("Mul", {"g", "f"}, {"m"});
    conv(b, "m", "y", 16, 8, 1);
    all.push_back({"squeeze and excitation", finish(b, "y"), 0});
  }
  for (const bool nested : {false, true}) {
    ModelBuilder b;
    b.input("x", image);
    conv(b, "x", "f0", 8, 8, 1);
    std::vector<std::string> features{"f0"};
    int64_t width = 8;
    for (int i = 1; i <= 3; ++i) {
      const std::string n = std::to_string(i);
      b.node("Concat", features, {"cat" + n}, {Attribute::ofInt("axis", 1)});
      for (const char* p : {"g", "h", "m", "v"})
        b.weight(p + n, {features.size() > 1 || i > 1 ? width : 8}, 0.5f, 1.5f);
      b.node("BatchNormalization", {"cat" + n, "g" + n, "h" + n, "m" + n, "v" + n}, {"bn" + n})
          .node("Relu", {"bn" + n}, {"r" + n});
      conv(b, "r" + n, "f" + n, width, 4);
      if (nested) features = {"cat" + n};
      features.push_back("f" + n);
      width += 4;
    }
    b.node("Concat", features, {"last"}, {Attribute::ofInt("axis", 1)});
    conv(b, "last", "y", width, 6, 1);
    all.push_back({nested ? "dense block, nested" : "dense block", finish(b, "y"), 0});
  }
  {
    ModelBuilder b;
    b.input("x", image);
    b.node("MaxPool", {"x"}, {"m"},
           {ints("kernel_shape", {3, 3}), ints("strides", {2, 2}), ints("pads", {1, 1, 1, 1})});
    b.node("AveragePool", {"m"}, {"a"},
           {ints("kernel_shape", {2, 2}), ints("strides", {1, 1}), ints("pads", {1, 0, 0, 1}),
            Attribute::ofInt("count_include_pad", 1)});
    b.node("AveragePool", {"a"}, {"e"},
           {ints("kernel_shape", {3, 3}), ints("strides", {2, 2}), ints("pads", {1, 1, 1, 1})});
    b.node("MaxPool", {"e"}, {"y"},
           {ints("kernel_shape", {2, 2}), ints("strides", {2, 2}), Attribute::ofInt("ceil_mode", 1)});
    all.push_back({"pooling", finish(b, "y"), 0});
  }
  {
    ModelBuilder b;
    b.input("x", image).weight("w", {10, 16}).weight("b", {10}).weight("w2", {10, 5});
    conv(b, "x", "f", 8, 16);
    b.node("GlobalAveragePool", {"f"}, {"p"}).node("Flatten", {"p"}, {"flat"});
    b.node("Gemm", {"flat", "w", "b"}, {"g"}, {Attribute::ofInt("transB", 1)}).node("Relu", {"g"}, {"r"});
    b.node("Gemm", {"r", "w2"}, {"l"}).node("Softmax", {"l"}, {"y"});
    all.push_back({"classifier head", finish(b, "y"), 0});
  }
  {
    ModelBuilder b;
    b.input("x", {-1, 6, 8})
        .weight("w", {8, 8})
        .weight("b", {8})
        .weight("g", {8}, 0.5f, 1.5f)
        .ints("shape", {0, 6, 2, 4});
    b.node("MatMul", {"x", "w"}, {"q"}).node("Add", {"q", "b"}, {"qb"});
    b.node("Reshape", {"qb", "shape"}, {"heads"}).node("Transpose", {"heads"}, {"t"}, {ints("perm", {0, 2, 1, 3})});
    b.node("Transpose", {"heads"}, {"k"}, {ints("perm", {0, 2, 3, 1})}).node("MatMul", {"t", "k"}, {"scores"});
    b.scalar("half", 0.5f).node("Mul", {"scores", "half"}, {"scaled"}).node("Softmax", {"scaled"}, {"p"});
    b.node("MatMul", {"p", "t"}, {"o"}).node("Transpose", {"o"}, {"back"}, {ints("perm", {0, 2, 1, 3})});
    b.ints("flat", {0, 6, 8}).node("Reshape", {"back", "flat"}, {"z"});
    b.node("LayerNormalization", {"z", "g", "b"}, {"y"});
    all.push_back({"attention", finish(b, "y"), 0});
  }
  {
    // Every kind of output: an inner tensor, two names, the input itself, and a constant.
    ModelBuilder b;
    b.input("x", image).weight("k", {3});
    conv(b, "x", "c", 8, 8);
    b.node("Relu", {"c"}, {"r"})
        .node("Mul", {"r", "c"}, {"y"})
        .node("Identity", {"x"}, {"same"})
        .node("Neg", {"k"}, {"n"});
    for (const char* output : {"c", "y", "same", "n"}) b.output(output);
    all.push_back({"several outputs", b.model, 0});
  }
  {
    ModelBuilder b;
    b.input("x", image).weight("c", {8, 1, 1}).weight("d", {1, 8, 1, 1}).scalar("two", 2);
    b.node("Mul", {"x", "c"}, {"m"}).node("Sub", {"two", "m"}, {"s"}).node("Div", {"s", "d"}, {"v"});
    b.node("Sub", {"v", "x"}, {"w"}).node("Abs", {"w"}, {"a"}).node("Sqrt", {"a"}, {"y"});
    all.push_back({"arithmetic chain", finish(b, "y"), 0});
  }
  {
    ModelBuilder b;
    b.input("x", image).ints("starts", {0}).ints("ends", {5}).ints("axes", {3});
    conv(b, "x", "c", 8, 8);
    b.node("Slice", {"c", "starts", "ends", "axes"}, {"s"})
        .node("Transpose", {"s"}, {"t"}, {ints("perm", {0, 1, 3, 2})});
    conv(b, "t", "y", 8, 4);
    all.push_back({"plain operators between convolutions", finish(b, "y"), 0});
  }
  for (const DepthwiseCase& c : kDepthwiseCases) {
    NamedModel made = floatLayer({c.channels, c.height, c.width}, {c.channels, 1, c.kernelHeight, c.kernelWidth},
                                 attributesOf(c), c.activation);
    made.name = "depthwise " + made.name;
    all.push_back(std::move(made));
  }
  for (const PointwiseCase& c : kPointwiseCases) {
    NamedModel made = floatLayer({c.inputs, c.height, c.width}, {c.outputs, c.inputs, 1, 1},
                                 {ints("strides", {c.stride, c.stride})}, c.activation);
    made.name = "pointwise " + made.name;
    all.push_back(std::move(made));
  }
  {
    ModelBuilder b;
    b.input("x", {-1, 24, 9, 11}).weight("w", {24, 1, 3, 3}).weight("b", {24});
    b.node("Conv", {"x", "w", "b"}, {"c"}, {ints("pads", {1, 1, 1, 1}), Attribute::ofInt("group", 24)});
    b.node("HardSwish", {"c"}, {"a"});
    gate(b, "a", "y");
    all.push_back({"gated", finish(b, "y"), 0});
  }
  {
    // The sum of a strided 1x1 convolution and one that isn't.
    ModelBuilder b;
    b.input("x", {-1, 12, 8, 10}).weight("w1", {80, 12, 1, 1}).weight("w2", {80, 12, 3, 3}, -0.3f, 0.3f);
    b.node("Conv", {"x", "w1"}, {"c1"}, {ints("strides", {2, 2})});
    b.node("Conv", {"x", "w2"}, {"c2"}, {ints("strides", {2, 2}), ints("pads", {1, 1, 1, 1})});
    b.node("Add", {"c2", "c1"}, {"s"}).node("Relu", {"s"}, {"y"});
    all.push_back({"residual of 1x1", finish(b, "y"), 0});
  }
  {
    // As a calibrator exposes tensors: what is wanted as an output is made, whoever else reads it.
    ModelBuilder b;
    b.input("x", {-1, 8, 60, 60}).weight("w1", {96, 8, 1, 1}).weight("w2", {96, 1, 3, 3}).weight("w3", {16, 96, 1, 1});
    b.node("Conv", {"x", "w1"}, {"c1"}).node("HardSwish", {"c1"}, {"a1"});
    b.node("Conv", {"a1", "w2"}, {"c2"}, {Attribute::ofInt("group", 96)});
    gate(b, "c2", "m");
    b.node("Conv", {"m", "w3"}, {"y"});
    for (const char* output : {"a1", "c2", "m", "y"}) b.output(output);
    all.push_back({"exposed inside", b.model, 0});
  }
  for (const int64_t size : {5, 19}) {
    // What a 1x1 convolution alone reads is scaled as it reads it.
    ModelBuilder b;
    b.input("x", {-1, 20, size, size})
        .weight("w1", {20, 1, 3, 3})
        .weight("w2", {36, 20, 1, 1})
        .weight("w3", {70, 36, 1, 1});
    b.node("Conv", {"x", "w1"}, {"c1"}, {ints("pads", {1, 1, 1, 1}), Attribute::ofInt("group", 20)});
    gate(b, "c1", "m");
    // Between a convolution and its normalization, so that this isn't folded into that.
    b.node("Conv", {"m", "w2"}, {"c2"}).node("MaxPool", {"c2"}, {"p2"}, {ints("kernel_shape", {2, 2})});
    normalize(b, "p2", "n", 36);
    b.node("Relu", {"n"}, {"r"}).node("Conv", {"r", "w3"}, {"y"});
    all.push_back({"prepared of " + by(size, size), finish(b, "y"), 0});
  }
  for (const PatchCase& c : kPatchCases) {
    ModelBuilder b;
    b.input("x", {-1, c.inputs, c.height, c.width})
        .weight("w", {c.outputs, c.inputs, c.kernelHeight, c.kernelWidth})
        .weight("b", {c.outputs});
    b.node("Conv", {"x", "w", "b"}, {"c"}, {ints("pads", c.pads), ints("strides", {c.strideHeight, c.strideWidth})});
    activate(b, c.activation, "c", "y");
    const bool own = c.inputs <= 4 && c.outputs > 16 && c.outputs < 64;
    all.push_back({(own ? "patches " : "larger kernel ") +
                       describe({c.inputs, c.height, c.width}, {c.outputs, c.inputs, c.kernelHeight, c.kernelWidth},
                                c.activation),
                   finish(b, "y"), 0});
  }
  {
    // Weights alone are quantized, and what reads them is 1x1.
    ModelBuilder b;
    b.input("x", {-1, 20, 5, 7});
    quantizedWeights(b, "w0", {70, 20, 1, 1}, 0);
    b.weight("b0", {70}).node("Conv", {"x", "w0", "b0"}, {"c0"}).node("Swish", {"c0"}, {"a"}, {}, onnx::kPresisiDomain);
    b.node("GlobalAveragePool", {"a"}, {"p"});
    quantizedConv(b, "p", "c1", {36, 70, 1, 1});
    b.node("Relu", {"c1"}, {"r"});
    quantizedConv(b, "r", "c2", {70, 36, 1, 1});
    b.node("HardSigmoid", {"c2"}, {"g"}, {Attribute::ofFloat("alpha", 1.0f / 6)}).node("Mul", {"a", "g"}, {"m"});
    quantizedWeights(b, "w3", {70, 70, 1, 1}, 0);
    b.node("Conv", {"m", "w3"}, {"c3"}).node("Add", {"c3", "a"}, {"y"});
    all.push_back({"weights of int8", finish(b, "y"), 0});
  }
  {
    // The same of convolutions that multiply floats alone, and of products.
    ModelBuilder b;
    b.input("x", {-1, 8, 6, 6});
    quantizedConv(b, "x", "c1", {24, 8, 3, 3});
    quantizedConv(b, "c1", "c2", {24, 1, 5, 5}, 24);
    b.node("GlobalAveragePool", {"c2"}, {"p"}).node("Flatten", {"p"}, {"f"});
    quantizedWeights(b, "w3", {33, 24}, 0);
    quantizedWeights(b, "w4", {33, 5}, 1);
    b.node("Gemm", {"f", "w3"}, {"g"}, {Attribute::ofInt("transB", 1)}).node("MatMul", {"g", "w4"}, {"y"});
    all.push_back({"larger kernels and products, weights of int8", finish(b, "y"), 0});
  }
  for (const ExpandedCase& c : kExpandedCases) {
    ModelBuilder b;
    b.input("x", {-1, c.inputs, c.height, c.width})
        .weight("w1", {c.channels, c.inputs, 1, 1})
        .weight("b1", {c.channels});
    b.weight("w2", {c.channels, 1, c.kernel, c.kernel}).weight("b2", {c.channels});
    b.node("Conv", {"x", "w1", "b1"}, {"c1"});
    activate(b, c.first, "c1", "a1");
    b.node("Conv", {"a1", "w2", "b2"}, {"c2"}, attributesOf(c));
    activate(b, c.second, "c2", c.averaged ? "a2" : "y");
    if (c.averaged) gate(b, "a2", "y");
    all.push_back({describe(c), finish(b, "y"), 0});
  }
  for (NamedModel& named : winogradModels()) all.push_back(std::move(named));
  return all;
}

namespace {

/// x, quantized -> Conv -> (activation) -> y, quantized
NamedModel quantizedLayer(const Dims& image, const Dims& weights, std::vector<Attribute> attributes,
                          const std::string& activation, bool unsignedInput) {
  constexpr float kStep = 0.05f;
  ModelBuilder b;
  b.input("x", {-1, image[0], image[1], image[2]});
  qdq(b, "x", "xd", 0.01f, unsignedInput);
  quantizedWeights(b, "w", weights, 0);
  b.weight("b", {weights[0]}).node("Conv", {"xd", "w", "b"}, {"c"}, std::move(attributes));
  activate(b, activation, "c", "a");
  qdq(b, "a", "y", kStep, activation == "Relu");
  return {describe(image, weights, activation) + (unsignedInput ? " uint8" : ""), finish(b, "y"), kStep};
}

void addLayers(std::vector<NamedModel>& all) {
  for (const DepthwiseCase& c : kDepthwiseCases) {
    NamedModel made = quantizedLayer({c.channels, c.height, c.width}, {c.channels, 1, c.kernelHeight, c.kernelWidth},
                                     attributesOf(c), c.activation, c.unsignedInput);
    made.name = "depthwise " + made.name;
    all.push_back(std::move(made));
  }
  for (const PointwiseCase& c : kPointwiseCases) {
    NamedModel made = quantizedLayer({c.inputs, c.height, c.width}, {c.outputs, c.inputs, 1, 1},
                                     {ints("strides", {c.stride, c.stride})}, c.activation, c.unsignedInput);
    made.name = "pointwise " + made.name;
    all.push_back(std::move(made));
  }
  for (const PatchCase& c : kPatchCases) {
    NamedModel made = quantizedLayer(
        {c.inputs, c.height, c.width}, {c.outputs, c.inputs, c.kernelHeight, c.kernelWidth},
        {ints("pads", c.pads), ints("strides", {c.strideHeight, c.strideWidth})}, c.activation, c.unsignedInput);
    made.name = "patches " + made.name;
    all.push_back(std::move(made));
  }
}

/// A dense block, its convolutions in int8, what is concatenated in float. `nested`: each concatenation is the last one
/// and one more. `read`: before one of them is concatenated, something else has
/// read it.
NamedModel quantizedDense(bool nested, bool read) {
  constexpr float kStep = 0.05f;
  ModelBuilder b;
  b.input("x", {-1, 8, 9, 10});
  qdq(b, "x", "xd", 0.01f);
  quantizedConv(b, "xd", "f0", {16, 8, 3, 3});
  std::vector<std::string> features{"f0"};
  int64_t width = 16;
  for (int i = 1; i <= 3; ++i) {
    const std::string n = std::to_string(i);
    b.node("Concat", features, {"k" + n}, {Attribute::ofInt("axis", 1)});
    normalize(b, "k" + n, "n" + n, width);
    b.node("Relu", {"n" + n}, {"r" + n});
    qdq(b, "r" + n, "d" + n, 0.02f, true);
    quantizedConv(b, "d" + n, "f" + n, {20, width, 3, 3});
    if (read && i == 1) b.node("MaxPool", {"f1"}, {"m1"}, {ints("kernel_shape", {1, 1})});
    if (nested) features = {"k" + n};
    features.push_back("f" + n);
    width += 20;
  }
  b.node("Concat", features, {"k"}, {Attribute::ofInt("axis", 1)});
  qdq(b, "k", "kd", 0.05f);
  quantizedConv(b, "kd", "c", {20, width, 1, 1});
  std::string last = "c";
  if (read) b.node("Add", {"c", "m1"}, {last = "s"});
  qdq(b, last, "y", kStep);
  return {std::string("quantized dense block") + (nested ? ", nested" : "") + (read ? ", read elsewhere" : ""),
          finish(b, "y"), kStep};
}

NamedModel quantizedExpanded(const ExpandedCase& c) {
  const float step = c.averaged ? 0.02f : 0.05f;
  ModelBuilder b;
  b.input("x", {-1, c.inputs, c.height, c.width});
  qdq(b, "x", "xd", 0.01f);
  quantizedWeights(b, "w1", {c.channels, c.inputs, 1, 1}, 0);
  b.weight("b1", {c.channels}).node("Conv", {"xd", "w1", "b1"}, {"c1"});
  activate(b, c.first, "c1", "a1");
  qdq(b, "a1", "d1", 0.02f);
  quantizedWeights(b, "w2", {c.channels, 1, c.kernel, c.kernel}, 0);
  b.weight("b2", {c.channels}).node("Conv", {"d1", "w2", "b2"}, {"c2"}, attributesOf(c));
  activate(b, c.second, "c2", "a2");
  if (c.averaged) gate(b, "a2", "m");
  qdq(b, c.averaged ? "m" : "a2", "y", step);
  return {describe(c), finish(b, "y"), step};
}

/// What a 1x1 convolution alone reads is scaled as it reads it: by gates, and by normalization.
NamedModel quantizedPrepared(int64_t size, int64_t stride) {
  constexpr float kStep = 0.05f;
  ModelBuilder b;
  b.input("x", {-1, 20, size, size});
  qdq(b, "x", "xd", 0.01f);
  quantizedConv(b, "xd", "c1", {20, 1, 3, 3}, 20, stride);
  gate(b, "c1", "m");
  qdq(b, "m", "md", 0.01f);
  quantizedConv(b, "md", "c2", {36, 20, 1, 1});
  normalize(b, "c2", "n", 36);
  b.node("Relu", {"n"}, {"r"});
  qdq(b, "r", "rd", 0.02f);
  quantizedConv(b, "rd", "c3", {70, 36, 1, 1});
  qdq(b, "c3", "y", kStep);
  return {"prepared of " + by(size, size), finish(b, "y"), kStep};
}

/// A sum of what comes of `branch`, quantized or not, and of a 1x1 convolution.
NamedModel residual(const std::string& name, bool quantizedBranch, bool unsignedBranch, int64_t outputs) {
  constexpr float kStep = 0.05f;
  ModelBuilder b;
  b.input("x", {-1, 8, 9, 10});
  qdq(b, "x", "xd", 0.01f);
  quantizedConv(b, "xd", "c1", {outputs, 8, 3, 3});
  std::string branch = "c1";
  if (unsignedBranch) b.node("Relu", {"c1"}, {branch = "r1"});
  if (quantizedBranch) qdq(b, branch, "d1", 0.03f, unsignedBranch), branch = "d1";
  quantizedConv(b, "xd", "c2", {outputs, 8, 1, 1});
  b.node("Add", {"c2", branch}, {"s"}).node("Relu", {"s"}, {"r"});
  qdq(b, "r", "y", kStep, unsignedBranch);
  return {name, finish(b, "y"), kStep};
}

/// The convolution's result stays float.
NamedModel gated(int64_t channels, int64_t size, int64_t kernel, int64_t stride, const std::string& activation) {
  constexpr float kStep = 0.02f;
  ModelBuilder b;
  b.input("x", {-1, channels, size, size});
  qdq(b, "x", "xd", 0.01f);
  quantizedConv(b, "xd", "c", {channels, 1, kernel, kernel}, channels, stride);
  b.node(activation, {"c"}, {"a"});
  gate(b, "a", "m");
  std::string last = "m";
  if (activation == "Relu") b.scalar("low", 0).scalar("high", 1).node("Clip", {"m", "low", "high"}, {last = "l"});
  qdq(b, last, "y", kStep);
  return {"gated " + activation + " of " + std::to_string(channels), finish(b, "y"), kStep};
}

}  // namespace

std::vector<NamedModel> integerModels() {
  std::vector<NamedModel> all;
  addLayers(all);
  for (const ExpandedCase& c : kExpandedCases) all.push_back(quantizedExpanded(c));
  all.push_back(quantizedPrepared(5, 1));
  all.push_back(quantizedPrepared(31, 2));
  all.push_back(residual("residual of floats behind 1x1", false, false, 64));
  all.push_back(residual("residual of int8 behind 1x1", true, false, 72));
  all.push_back(residual("residual of uint8 behind 1x1", true, true, 64));
  for (const bool nested : {false, true}) {
    for (const bool read : {false, true}) all.push_back(quantizedDense(nested, read));
  }
  all.push_back(gated(24, 9, 3, 1, "HardSwish"));
  all.push_back(gated(70, 12, 5, 2, "Relu"));
  {
    // BatchNormalization between tensors that are quantized on one side, as in DenseNet.
    ModelBuilder b;
    b.input("x", {-1, 21, 6, 7});
    normalize(b, "x", "n", 21);
    b.node("Relu", {"n"}, {"r"});
    qdq(b, "r", "y", 0.05f);
    all.push_back({"normalization", finish(b, "y"), 0.05f});
  }
  const Dims image{-1, 8, 11, 13};
  constexpr float kStep = 0.05f;
  for (const char* activation : {"", "Relu", "HardSwish", "Sigmoid"}) {
    for (const bool isUnsigned : {false, true}) {
      if (isUnsigned && activation[0] != 'R') continue;
      for (const int64_t outputs : {16, 80}) {  // few are our own kernel's, many oneDNN's
        ModelBuilder b;
        b.input("x", image);
        qdq(b, "x", "xd", 0.01f);
        quantizedConv(b, "xd", "c", {outputs, 8, 3, 3});
        std::string last = "c";
        if (activation[0] != '\0') b.node(activation, {"c"}, {last = "a"});
        qdq(b, last, "y", kStep, isUnsigned);
        all.push_back({"convolution to " + std::to_string(outputs) + " " + activation + (isUnsigned ? " uint8" : ""),
                       finish(b, "y"), kStep});
      }
    }
  }
  for (const int64_t group : {int64_t{8}, int64_t{2}}) {
    ModelBuilder b;
    b.input("x", image);
    qdq(b, "x", "xd", 0.01f);
    quantizedConv(b, "xd", "c", {8, 8 / group, 3, 3}, group, 2);
    b.scalar("low", 0).scalar("high", 6).node("Clip", {"c", "low", "high"}, {"a"});
    qdq(b, "a", "y", kStep);
    all.push_back({group == 8 ? "depthwise relu6" : "grouped relu6", finish(b, "y"), kStep});
  }
  for (const bool reluBetween : {false, true}) {
    for (const int64_t channels : {8, 80}) {
      // The skip is quantized, the convolution's branch is not: Conv + Add (+ Relu) + Quantize is one primitive.
      ModelBuilder b;
      b.input("x", image);
      qdq(b, "x", "xd", 0.01f);
      quantizedConv(b, "xd", "c0", {channels, 8, 1, 1});
      b.node("Relu", {"c0"}, {"r0"});
      qdq(b, "r0", "d0", 0.02f);
      quantizedConv(b, "d0", "c1", {channels, channels, 3, 3});
      qdq(b, "c1", "d1", 0.03f);
      quantizedConv(b, "d1", "c2", {channels, channels, 3, 3});
      b.node("Add", {"c2", "d0"}, {"s"});
      std::string last = "s";
      if (reluBetween) b.node("Relu", {"s"}, {last = "r"});
      qdq(b, last, "y", kStep);
      all.push_back(
          {"residual of " + std::to_string(channels) + (reluBetween ? " with relu" : ""), finish(b, "y"), kStep});
    }
  }
  {
    // The skip is still needed afterwards, in float.
    ModelBuilder b;
    b.input("x", image);
    qdq(b, "x", "xd", 0.01f);
    quantizedConv(b, "xd", "c1", {8, 8, 3, 3});
    b.node("Add", {"c1", "x"}, {"s"}).node("Add", {"s", "xd"}, {"t"});
    qdq(b, "t", "y", kStep);
    all.push_back({"residual with a float skip", finish(b, "y"), kStep});
  }
  {
    ModelBuilder b;
    b.input("x", image);
    qdq(b, "x", "xd", kStep);
    b.node("MaxPool", {"xd"}, {"m"},
           {ints("kernel_shape", {3, 3}), ints("strides", {2, 2}), ints("pads", {1, 1, 1, 1})});
    qdq(b, "m", "y", kStep);
    all.push_back({"max pooling", finish(b, "y"), kStep});
  }
  {
    ModelBuilder b;
    b.input("x", image);
    qdq(b, "x", "xd", 0.01f);
    quantizedConv(b, "xd", "c1", {8, 8, 1, 1});
    quantizedConv(b, "xd", "c2", {4, 8, 3, 3});
    b.node("Concat", {"c1", "c2"}, {"k"}, {Attribute::ofInt("axis", 1)});
    qdq(b, "k", "y", kStep);
    all.push_back({"concatenation", finish(b, "y"), kStep});
  }
  {
    ModelBuilder b;
    b.input("x", image);
    qdq(b, "x", "xd", 0.01f);
    b.node("GlobalAveragePool", {"xd"}, {"p"}).node("Flatten", {"p"}, {"f"});
    qdq(b, "f", "fd", 0.005f);
    quantizedWeights(b, "w", {10, 8}, 0);
    b.weight("b", {10}).node("Gemm", {"fd", "w", "b"}, {"g"}, {Attribute::ofInt("transB", 1)});
    qdq(b, "g", "y", kStep);
    all.push_back({"classifier head", finish(b, "y"), kStep});
  }
  {
    ModelBuilder b;
    b.input("x", {-1, 6, 8});
    qdq(b, "x", "xd", 0.01f);
    quantizedWeights(b, "w", {8, 12}, 1);
    b.node("MatMul", {"xd", "w"}, {"g"}).node("Relu", {"g"}, {"r"});
    qdq(b, "r", "y", kStep);
    all.push_back({"matrix product", finish(b, "y"), kStep});
  }
  {
    // A zero point other than 0 is outside the integer path: the answer must be the same all the same.
    ModelBuilder b;
    b.input("x", image);
    qdq(b, "x", "xd", 0.01f, true, 128);
    quantizedConv(b, "xd", "c", {16, 8, 3, 3});
    qdq(b, "c", "y", kStep);
    all.push_back({"asymmetric activations", finish(b, "y"), kStep});
  }
  for (NamedModel& named : withShortWeights(all)) all.push_back(std::move(named));
  for (NamedModel& named : largestProducts()) all.push_back(std::move(named));
  return all;
}

}  // namespace presisi::test
