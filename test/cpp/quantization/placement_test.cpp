#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

#include "core/error.hpp"
#include "quantization/qdq.hpp"
#include "support/model_builder.hpp"

using namespace presisi;
using onnx::Attribute;
using quantization::activationsToCalibrate;
using quantization::insertQdq;
using quantization::Options;
using test::ModelBuilder;
using test::quantizedTensors;
using test::source;
using test::uniformThresholds;

namespace {

using Names = std::vector<std::string>;
using NameSet = std::set<std::string>;

onnx::Model quantized(const onnx::Model& model, const Options& options = {}) {
  return insertQdq(model, uniformThresholds(model, options), options).model;
}

quantization::Decision decisionOn(const onnx::Model& model, const std::string& node, const Options& options = {}) {
  const auto result = insertQdq(model, uniformThresholds(model, options), options);
  for (const auto& decision : result.decisions) {
    if (decision.node == node) return decision;
  }
  FAIL("no decision on ", node);
  return {};
}

/// x -> conv -> (relu) -> …, 8 channels everywhere.
struct Net : ModelBuilder {
  Net& node(const std::string& op, Names inputs, Names outputs, std::vector<Attribute> attributes = {}) {
    ModelBuilder::node(op, std::move(inputs), std::move(outputs), std::move(attributes));
    return *this;
  }
  Net& weight(const std::string& name, const Dims& dims, float low = -1, float high = 1) {
    ModelBuilder::weight(name, dims, low, high);
    return *this;
  }
  Net& start() {
    input("x", {-1, 8, 16, 16});
    return *this;
  }
  Net& conv(const std::string& from, const std::string& to, int64_t channels = 8, int64_t group = 1) {
    weight(to + "_w", {channels, 8 / group, 3, 3});
    node("Conv", {from, to + "_w"}, {to}, {Attribute::ofInts("pads", {1, 1, 1, 1}), Attribute::ofInt("group", group)});
    return *this;
  }
  Net& relu(const std::string& from, const std::string& to) {
    node("Relu", {from}, {to});
    return *this;
  }
};

}  // namespace

TEST_CASE("placement: conv, relu, conv: nothing between a convolution and its activation") {
  Net net;
  net.start().conv("x", "a").relu("a", "b").conv("b", "c").relu("c", "y").output("y");
  CHECK(activationsToCalibrate(net.model, {}) == Names{"x", "b"});
  const onnx::Model q = quantized(net.model);
  CHECK(quantizedTensors(q) == NameSet{"x", "b", "a_w", "c_w"});
  CHECK(source(q, "a", 0) == "x");
  CHECK(source(q, "a", 1) == "a_w");
  CHECK(source(q, "b", 0) == "float");
  CHECK(source(q, "c", 0) == "b");
  const auto first = decisionOn(net.model, "a_node");
  CHECK(first.quantized);
  CHECK(first.op == "Conv");
  CHECK(first.reason.find("first layer") != std::string::npos);
  CHECK(decisionOn(net.model, "c_node").reason.find("first layer") == std::string::npos);
}

TEST_CASE("placement: readers share one pair, readers in FP32 read the original") {
  Net net;
  net.start().conv("x", "a").relu("a", "b").conv("b", "c").conv("b", "d");
  net.node("Sigmoid", {"b"}, {"s"});
  net.output("c").output("d").output("s").output("b");
  const onnx::Model q = quantized(net.model);
  CHECK(source(q, "c", 0) == "b");
  CHECK(test::nodeThatMakes(q, "c").inputs[0] == test::nodeThatMakes(q, "d").inputs[0]);
  CHECK(source(q, "s", 0) == "float");
  CHECK(std::count_if(q.graph.nodes.begin(), q.graph.nodes.end(),
                      [](const onnx::Node& n) { return n.is("QuantizeLinear") && n.inputs[0] == "b"; }) == 1);
}

TEST_CASE("placement: residual: the skip input and not the branch") {
  for (const bool skipFirst : {false, true}) {
    Net net;
    net.start().conv("x", "stem").relu("stem", "s").conv("s", "a").relu("a", "b").conv("b", "c");
    net.node("Add", skipFirst ? Names{"s", "c"} : Names{"c", "s"}, {"sum"});
    net.relu("sum", "r").conv("r", "y").output("y");
    const onnx::Model q = quantized(net.model);
    CHECK(source(q, "sum", skipFirst ? 0 : 1) == "s");
    CHECK(source(q, "sum", skipFirst ? 1 : 0) == "float");
    CHECK(quantizedTensors(q).count("c") == 0);
    CHECK(quantizedTensors(q).count("sum") == 0);
  }
}

TEST_CASE("placement: residual with a projection: the earlier convolution waits in INT8") {
  Net net;
  net.start().conv("x", "p").conv("x", "c");
  net.node("Add", {"c", "p"}, {"sum"}).relu("sum", "y").output("y");
  const onnx::Model q = quantized(net.model);
  CHECK(source(q, "sum", 0) == "float");
  CHECK(source(q, "sum", 1) == "p");
}

TEST_CASE("placement: an Add that is no residual stays as it is") {
  Net net;
  net.start().conv("x", "a").relu("a", "b").conv("x", "c").relu("c", "d");
  net.node("Add", {"b", "d"}, {"noConv"});  // both through an activation
  net.conv("noConv", "e").weight("bias", {1, 8, 1, 1});
  net.node("Add", {"e", "bias"}, {"constant"});  // a bias
  net.conv("constant", "f").node("Add", {"f", "f"}, {"twice"});
  net.conv("twice", "g").node("GlobalAveragePool", {"g"}, {"pooled"}).conv("twice", "h");
  net.node("Add", {"h", "pooled"}, {"broadcast"});
  net.output("broadcast");
  const onnx::Model q = quantized(net.model);
  for (const char* add : {"noConv", "constant", "twice", "broadcast"}) {
    CAPTURE(add);
    CHECK(source(q, add, 0) == "float");
    CHECK(source(q, add, 1) == "float");
  }
}

TEST_CASE("placement: a pool takes the scale of its input to both sides") {
  Net net;
  net.start().conv("x", "a").relu("a", "b");
  const std::vector<Attribute> window = {Attribute::ofInts("kernel_shape", {2, 2}),
                                         Attribute::ofInts("strides", {2, 2})};
  net.node("MaxPool", {"b"}, {"p"}, window).node("MaxPool", {"p"}, {"p2"}, window).conv("p2", "y").output("y");
  CHECK(activationsToCalibrate(net.model, {}) == Names{"x", "b"});
  auto thresholds = uniformThresholds(net.model);
  thresholds["b"].amax = 2.54f;
  const onnx::Model q = insertQdq(net.model, thresholds, {}).model;
  CHECK(source(q, "p", 0) == "b");
  CHECK(source(q, "p2", 0) == "p");
  CHECK(source(q, "y", 0) == "p2");
  for (const char* tensor : {"b", "p", "p2"}) CHECK(test::scaleOf(q, tensor)[0] == doctest::Approx(0.02));
}

TEST_CASE("placement: a pool in front of nothing quantized stays as it is") {
  Net net;
  net.start().conv("x", "a");
  net.node("MaxPool", {"a"}, {"y"}, {Attribute::ofInts("kernel_shape", {2, 2})}).output("y");
  CHECK(quantizedTensors(quantized(net.model)) == NameSet{"x", "a_w"});
}

TEST_CASE("placement: convolutions that are joined share the largest scale") {
  Net net;
  net.start().conv("x", "a", 4).relu("a", "b").conv("x", "c", 4);
  net.node("Concat", {"b", "c"}, {"joined"}, {Attribute::ofInt("axis", 1)}).conv("joined", "y").output("y");
  CHECK(activationsToCalibrate(net.model, {}) == Names{"x", "b", "c"});
  auto thresholds = uniformThresholds(net.model);
  thresholds["b"].amax = 1;
  thresholds["c"].amax = 6.35f;
  const onnx::Model q = insertQdq(net.model, thresholds, {}).model;
  CHECK(source(q, "joined", 0) == "b");
  CHECK(source(q, "joined", 1) == "c");
  CHECK(source(q, "y", 0) == "joined");
  for (const char* tensor : {"b", "c", "joined"}) CHECK(test::scaleOf(q, tensor)[0] == doctest::Approx(0.05));
}

TEST_CASE("placement: a concatenation of what isn't INT8 anyway is quantized once, behind it") {
  Net net;
  net.start().conv("x", "a", 4).node("AveragePool", {"a"}, {"b"}, {Attribute::ofInts("kernel_shape", {1, 1})});
  net.conv("x", "c", 4);
  net.node("Concat", {"b", "c"}, {"joined"}, {Attribute::ofInt("axis", 1)}).conv("joined", "y").output("y");
  CHECK(activationsToCalibrate(net.model, {}) == Names{"x", "joined"});
  const onnx::Model q = quantized(net.model);
  CHECK(source(q, "joined", 0) == "float");
  CHECK(source(q, "joined", 1) == "float");
  CHECK(source(q, "y", 0) == "joined");
}

TEST_CASE("placement: dense blocks: only what is right before a convolution") {
  Net net;
  net.start().conv("x", "a", 4).conv("x", "b", 4);
  net.node("Concat", {"a", "b"}, {"joined"}, {Attribute::ofInt("axis", 1)});
  net.weight("s", {8}).weight("o", {8}).weight("m", {8}).weight("v", {8}, 0.5f, 1);
  net.node("BatchNormalization", {"joined", "s", "o", "m", "v"}, {"n"}).relu("n", "r").conv("r", "y").output("y");
  CHECK(activationsToCalibrate(net.model, {}) == Names{"x", "r"});
}

TEST_CASE("placement: nested joins and pools are one scale") {
  Net net;
  net.start().conv("x", "a", 4).relu("a", "b").conv("x", "c", 2).conv("x", "d", 2);
  net.node("Concat", {"c", "d"}, {"inner"}, {Attribute::ofInt("axis", 1)});
  net.node("MaxPool", {"b"}, {"p"},
           {Attribute::ofInts("kernel_shape", {3, 3}), Attribute::ofInts("pads", {1, 1, 1, 1})});
  net.node("Concat", {"p", "inner"}, {"outer"}, {Attribute::ofInt("axis", 1)}).conv("outer", "y").output("y");
  CHECK(activationsToCalibrate(net.model, {}) == Names{"x", "b", "c", "d"});
  auto thresholds = uniformThresholds(net.model);
  thresholds["d"].amax = 127;
  const onnx::Model q = insertQdq(net.model, thresholds, {}).model;
  for (const char* tensor : {"b", "p", "c", "d", "inner", "outer"}) CHECK(test::scaleOf(q, tensor)[0] == 1.0f);
  CHECK(test::scaleOf(q, "x")[0] != 1.0f);
}

TEST_CASE("placement: squeeze-excite stays in FP32, a head of convolutions doesn't") {
  Net net;
  net.start().conv("x", "a").relu("a", "b").node("GlobalAveragePool", {"b"}, {"squeezed"});
  net.weight("w1", {2, 8, 1, 1}).weight("w2", {8, 2, 1, 1});
  net.node("Conv", {"squeezed", "w1"}, {"e1"}).relu("e1", "e2").node("Conv", {"e2", "w2"}, {"e3"});
  net.node("HardSigmoid", {"e3"}, {"gate"}).node("Mul", {"b", "gate"}, {"scaled"}).conv("scaled", "d");
  net.node("GlobalAveragePool", {"d"}, {"pooled"});
  net.weight("w3", {8, 8, 1, 1}).weight("w4", {5, 8});
  net.node("Conv", {"pooled", "w3"}, {"h1"}).node("Sigmoid", {"h1"}, {"h2"}).node("Mul", {"h1", "h2"}, {"h3"});
  net.node("Flatten", {"h3"}, {"flat"}).node("Gemm", {"flat", "w4"}, {"y"}, {Attribute::ofInt("transB", 1)});
  net.output("y");
  CHECK(activationsToCalibrate(net.model, {}) == Names{"x", "scaled", "pooled", "flat"});
  for (const char* node : {"e1_node", "e3_node"}) {
    const auto decision = decisionOn(net.model, node);
    CHECK_FALSE(decision.quantized);
    CHECK(decision.reason.find("squeeze-excite") != std::string::npos);
    CHECK(decision.reason.find("INT8") == std::string::npos);
  }
  Options alone;
  alone.weightsAlone = true;
  CHECK(activationsToCalibrate(net.model, alone) == Names{"x", "scaled", "pooled", "flat"});
  CHECK(decisionOn(net.model, "e1_node", alone).reason.find("weights alone are INT8") != std::string::npos);
  alone.keepFloat = {"e1_node"};
  CHECK(decisionOn(net.model, "e1_node", alone).reason == "kept in FP32 as asked");
  for (const char* node : {"a_node", "d_node", "h1_node", "y_node"}) CHECK(decisionOn(net.model, node).quantized);
}

TEST_CASE("placement: matrices, grouped convolutions and what stays") {
  ModelBuilder b;
  b.input("x", {-1, 8, 4, 4});
  b.weight("dw", {8, 1, 3, 3}).weight("up", {8, 4, 2, 2});
  b.node("Conv", {"x", "dw"}, {"a"}, {Attribute::ofInt("group", 8)}).node("ConvTranspose", {"a", "up"}, {"t"});
  b.node("Flatten", {"t"}, {"f"}).weight("g1", {6, 36}).weight("g2", {6, 3}).weight("m", {3, 3});
  b.node("Gemm", {"f", "g1"}, {"g"}, {Attribute::ofInt("transB", 1)}).node("Gemm", {"g", "g2"}, {"h"});
  b.node("MatMul", {"h", "m"}, {"i"}).node("Transpose", {"i"}, {"j"}).node("MatMul", {"i", "j"}, {"k"});
  b.weight("left", {2, 3}).node("MatMul", {"left", "j"}, {"l"}).weight("v", {3}).node("MatMul", {"i", "v"}, {"n"});
  b.output("k").output("l").output("n");
  const onnx::Model q = quantized(b.model);
  const std::pair<const char*, int64_t> axes[] = {{"dw", 0}, {"g1", 0}, {"g2", 1}, {"m", 1}};
  for (const auto& entry : axes) {
    const std::string weight = entry.first;
    const int64_t axis = entry.second;
    CAPTURE(weight);
    CHECK(test::nodeThatMakes(q, weight + "_dequantized").getInt("axis", -9) == axis);
    CHECK(test::nodeThatMakes(q, weight + "_quantized").getInt("axis", -9) == axis);
    const Dims& dims = b.model.graph.initializers.at(weight).dims();
    CHECK(static_cast<int64_t>(test::scaleOf(q, weight).size()) == dims[static_cast<size_t>(axis)]);
  }
  CHECK(test::scaleOf(q, "up").size() == 1);
  CHECK(test::nodeThatMakes(q, "up_dequantized").find("axis") == nullptr);
  CHECK(decisionOn(b.model, "a_node").reason.find("depthwise") != std::string::npos);
  CHECK(decisionOn(b.model, "k_node").reason == "both operands are activations");
  CHECK(decisionOn(b.model, "l_node").reason == "the constant is the left operand");
  CHECK(decisionOn(b.model, "n_node").reason.find("not a matrix") != std::string::npos);
}

TEST_CASE("placement: the user keeps nodes in FP32, by name or by output") {
  Net net;
  net.start().conv("x", "a").relu("a", "b").conv("b", "c").output("c");
  Options options;
  for (const char* name : {"c_node", "c"}) {
    options.keepFloat = {name};
    CHECK(activationsToCalibrate(net.model, options) == Names{"x"});
    CHECK(decisionOn(net.model, "c_node", options).reason.find("as asked") != std::string::npos);
  }
  options.keepFloat = {"nobody"};
  CHECK_THROWS_WITH_AS(activationsToCalibrate(net.model, options), doctest::Contains("\"nobody\""), Error);
}

TEST_CASE("placement: a weight that is no number is left alone") {
  Net net;
  net.start().conv("x", "a").output("a");
  Tensor weight = net.model.graph.initializers.at("a_w").clone();
  weight.data<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  net.initializer("a_w", weight);
  CHECK(activationsToCalibrate(net.model, {}).empty());
  CHECK(decisionOn(net.model, "a_node").reason.find("NaN") != std::string::npos);
}

TEST_CASE("placement: a quantized model is refused") {
  Net net;
  net.start().conv("x", "a").output("a");
  CHECK_THROWS_WITH_AS(quantized(quantized(net.model)), doctest::Contains("quantized already"), Error);
}

TEST_CASE("placement: thousands of pools and joins in a row") {
  Net net;
  net.start().conv("x", "t0");
  constexpr int kLength = 3000;
  for (int i = 0; i < kLength; ++i) {
    const std::string from = "t" + std::to_string(i);
    const std::string to = "t" + std::to_string(i + 1);
    if (i % 2 == 0) {
      net.node("MaxPool", {from}, {to}, {Attribute::ofInts("kernel_shape", {1, 1})});
    } else {
      net.node("Concat", {from}, {to}, {Attribute::ofInt("axis", 1)});
    }
  }
  net.conv("t" + std::to_string(kLength), "y").output("y");
  CHECK(activationsToCalibrate(net.model, {}) == Names{"x", "t0"});
}
