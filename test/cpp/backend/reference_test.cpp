#include "backend/reference/reference.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "support/errors.hpp"
#include "support/model_builder.hpp"

using namespace presisi;
using namespace presisi::test;
using backend::BuildOptions;
using backend::Feeds;
using onnx::Attribute;

namespace {

std::shared_ptr<backend::Engine> build(const onnx::Model& model, int64_t maxBatch = 4) {
  BuildOptions options;
  options.maxBatch = maxBatch;
  return backend::reference::instance().build(model, options, {}, {});
}

Tensor runOne(const onnx::Model& model, const Feeds& feeds) {
  return build(model)->createSession({})->run(feeds).at(0);
}

onnx::Model convModel() {
  ModelBuilder b;
  b.input("x", {-1, 3, 8, 8}).weight("w", {4, 3, 3, 3}).weight("c", {4});
  b.node("Conv", {"x", "w", "c"}, {"y"}, {Attribute::ofInts("pads", {1, 1, 1, 1})});
  b.node("Relu", {"y"}, {"z"}).output("z");
  return b.model;
}

template <typename T>
Tensor bytes(Dims dims, DType dtype, const std::vector<T>& values) {
  return Tensor::of(dtype, std::move(dims), values);
}

/// x -> Q -> DQ -> `op` <- DQ <- int8 weights of the shape given, with a scale for each index of `axis`.
ModelBuilder quantized(const std::string& op, const Dims& x, const Dims& w, int64_t axis,
                       std::vector<Attribute> attributes, int8_t weightZero = 0) {
  ModelBuilder b;
  b.input("x", x);
  b.scalar("sx", 0.05f).initializer("zx", bytes<uint8_t>({}, DType::Uint8, {113}));
  std::vector<int8_t> weights;
  for (int64_t i = 0; i < elementCount(w); ++i) weights.push_back(static_cast<int8_t>((i * 37 + 11) % 255 - 127));
  b.initializer("w", bytes(w, DType::Int8, weights));
  const int64_t channels = w[static_cast<size_t>(axis)];
  std::vector<float> scales;
  for (int64_t i = 0; i < channels; ++i) scales.push_back(0.01f * static_cast<float>(i + 1));
  b.initializer("sw", bytes({channels}, DType::Float32, scales));
  b.initializer("zw", bytes({channels}, DType::Int8, std::vector<int8_t>(static_cast<size_t>(channels), weightZero)));
  b.weight("bias", {channels});
  b.node("QuantizeLinear", {"x", "sx", "zx"}, {"xq"});
  b.node("DequantizeLinear", {"xq", "sx", "zx"}, {"xd"});
  b.node("DequantizeLinear", {"w", "sw", "zw"}, {"wd"}, {Attribute::ofInt("axis", axis)});
  std::vector<std::string> inputs{"xd", "wd"};
  if (op != "MatMul") inputs.push_back("bias");
  b.node(op, inputs, {"y"}, std::move(attributes)).output("y");
  return b;
}

const backend::LayerInfo& layer(const std::vector<backend::LayerInfo>& layers, const std::string& op) {
  for (const backend::LayerInfo& info : layers) {
    if (info.op == op) return info;
  }
  throw Error(ErrorCode::Internal, "no layer " + op);
}

}  // namespace

TEST_CASE("reference: outputs appear as they are computed, those that only pass through as well") {
  ModelBuilder b;
  b.input("x", {2}).node("Relu", {"x"}, {"a"}).node("Neg", {"a"}, {"b"});
  b.scalar("k", 7);
  b.output("b").output("a").output("x").output("k").output("a");
  std::vector<size_t> order;
  auto session = build(b.model)->createSession({});
  session->run({{"x", Tensor::of<float>(DType::Float32, {2}, {-1, 2})}},
               [&](size_t index, const Tensor&) { order.push_back(index); }, {});
  CHECK(std::vector<size_t>(order.end() - 3, order.end()) == std::vector<size_t>{1, 4, 0});
  const auto outputs = session->run({{"x", Tensor::of<float>(DType::Float32, {2}, {-1, 2})}});
  REQUIRE(outputs.size() == 5);
  CHECK(outputs[0].toFloats() == std::vector<float>{-0.0f, -2});
  CHECK(outputs[1].toFloats() == std::vector<float>{0, 2});
  CHECK(outputs[2].toFloats() == std::vector<float>{-1, 2});
  CHECK(outputs[3].toFloats() == std::vector<float>{7});
  CHECK(outputs[4].toFloats() == outputs[1].toFloats());
}

TEST_CASE("reference: feeds that don't fit are refused by name") {
  const auto engine = build(convModel());
  auto session = engine->createSession({});
  const auto fails = [&](const Feeds& feeds, const std::string& text) {
    return throwsError(ErrorCode::ShapeMismatch, text, [&] { session->run(feeds); });
  };
  const Tensor good(DType::Float32, {1, 3, 8, 8});
  CHECK(fails({}, "Expected float32 [?, 3, 8, 8] for input \"x\" but received nothing"));
  CHECK(fails({{"x", good}, {"q", good}}, "no input \"q\": the inputs are \"x\""));
  CHECK(fails({{"x", Tensor(DType::Uint8, {1, 3, 8, 8})}}, "received uint8 [1, 3, 8, 8]"));
  CHECK(fails({{"x", Tensor(DType::Float32, {1, 3, 8})}}, "received float32 [1, 3, 8]"));
  CHECK(fails({{"x", Tensor(DType::Float32, {1, 3, 8, 9})}}, "Expected float32 [?, 3, 8, 8]"));
  CHECK(fails({{"x", Tensor(DType::Float32, {5, 3, 8, 8})}},
              "a batch of at most 4 for input \"x\" but received one of 5"));
  CHECK(session->run({{"x", Tensor(DType::Float32, {4, 3, 8, 8})}}).at(0).dims() == Dims{4, 4, 8, 8});
}

TEST_CASE("reference: a graph that contradicts itself is refused before it runs") {
  const auto fails = [](const onnx::Model& model, const std::string& text) {
    return throwsError(ErrorCode::InvalidModel, text, [&] { build(model); });
  };
  ModelBuilder early;
  early.input("x", {1}).node("Add", {"x", "late"}, {"y"}).node("Relu", {"x"}, {"late"}).output("y");
  CHECK(fails(early.model, "\"late\" is made by no node before it"));
  ModelBuilder twice;
  twice.input("x", {1}).node("Relu", {"x"}, {"y"}).node("Neg", {"x"}, {"y"}).output("y");
  CHECK(fails(twice.model, "\"y\" is made twice"));
  ModelBuilder absent;
  absent.input("x", {1}).node("Relu", {"x"}, {"y"}).output("z");
  CHECK(fails(absent.model, "output \"z\" of the graph is made by no node"));
}

TEST_CASE("reference: an engine survives being serialized") {
  const onnx::Model model = convModel();
  const auto engine = build(model);
  const std::string plan = engine->serialize();
  BuildOptions options;
  options.maxBatch = 2;
  const auto copy =
      backend::reference::instance().load(reinterpret_cast<const uint8_t*>(plan.data()), plan.size(), nullptr, options);
  ModelBuilder random;
  const Feeds feeds{{"x", random.random({2, 3, 8, 8})}};
  CHECK(copy->createSession({})->run(feeds).at(0).toFloats() == runOne(model, feeds).toFloats());
  CHECK(copy->serialize() == plan);
}

TEST_CASE("reference: layers tell shapes and work at batch 1") {
  const auto engine = build(convModel());
  const auto layers = engine->layers();
  REQUIRE(layers.size() == 2);
  CHECK(layers[0].op == "Conv");
  CHECK(layers[0].precision == "fp32");
  CHECK(layers[0].outputDims == Dims{1, 4, 8, 8});
  CHECK(layers[0].macs == 4 * 8 * 8 * 3 * 9);
  CHECK(layers[0].weightBytes == (4 * 27 + 4) * 4);
  CHECK(layers[0].activationBytes == (3 * 64 + 4 * 64) * 4);
  CHECK(engine->weightBytes() == (4 * 27 + 4) * 4);
  backend::SessionOptions options;
  options.profile = true;
  auto session = engine->createSession(options);
  session->run({{"x", Tensor(DType::Float32, {1, 3, 8, 8})}});
  CHECK(session->lastTiming().layers.size() == layers.size());
  CHECK(session->lastTiming().total > 0);
  // The convolution's result and the rectified one live at the same time, nothing else does.
  CHECK(session->arenaBytes() == 2 * 4 * 64 * 4);
}

TEST_CASE("reference: Conv, Gemm and MatMul between DequantizeLinear nodes run on the integers") {
  struct Example {
    const char* op;
    Dims x, w;
    int64_t axis;
    std::vector<Attribute> attributes;
  };
  const std::vector<Example> examples = {
      {"Conv", {2, 3, 6, 5}, {4, 3, 3, 3}, 0, {Attribute::ofInts("pads", {1, 0, 2, 1})}},
      {"Conv", {1, 4, 9}, {8, 1, 3}, 0, {Attribute::ofInt("group", 4), Attribute::ofInts("strides", {2})}},
      {"Gemm", {3, 7}, {5, 7}, 0, {Attribute::ofInt("transB", 1)}},
      {"Gemm", {7, 3}, {7, 5}, 1, {Attribute::ofInt("transA", 1)}},
      {"MatMul", {2, 3, 7}, {7, 5}, 1, {}},
  };
  for (const Example& example : examples) {
    CAPTURE(example.op);
    ModelBuilder b = quantized(example.op, example.x, example.w, example.axis, example.attributes);
    const auto layers = build(b.model)->layers();
    const backend::LayerInfo& info = layer(layers, example.op);
    CHECK(info.requested == "int8");
    CHECK(info.precision == "int8");
    CHECK(info.fused == std::vector<std::string>{"xd_node", "wd_node"});
    CHECK(layers.size() == 2);  // the quantizer and the layer
    CHECK(info.macs > 0);

    // Dequantized in double, where the products of such small integers are exact.
    const Feeds feeds{{"x", b.random(example.x, -8, 8)}};
    const Tensor got = runOne(b.model, feeds);
    ModelBuilder wide;
    wide.input("x", example.x, DType::Float64).input("w", example.w, DType::Float64);
    wide.node(example.op, {"x", "w"}, {"y"}, example.attributes).output("y", DType::Float64);
    onnx::Model quantizer = b.model;
    quantizer.graph.outputs[0].name = "xq";
    quantizer.graph.outputs[0].dtype = DType::Undefined;
    Tensor x = runOne(quantizer, feeds).cast(DType::Float64);
    for (int64_t i = 0; i < x.size(); ++i) x.data<double>()[i] -= 113;
    const Tensor w = b.model.graph.initializers.at("w").cast(DType::Float64);
    const Tensor sums = runOne(wide.model, {{"x", x}, {"w", w}});
    const std::vector<float> scales = b.model.graph.initializers.at("sw").toFloats();
    const std::vector<float> bias = b.model.graph.initializers.at("bias").toFloats();
    REQUIRE(got.dims() == sums.dims());
    const bool conv = std::string(example.op) == "Conv";
    const bool biased = std::string(example.op) != "MatMul";
    int64_t inner = 1;
    for (size_t i = 2; conv && i < got.rank(); ++i) inner *= got.dim(i);
    for (int64_t i = 0; i < got.size(); ++i) {
      const auto channel = static_cast<size_t>(i / inner) % scales.size();
      float expected = static_cast<float>(sums.data<double>()[i]) * (0.05f * scales[channel]);
      if (biased) expected += bias[channel];
      // The sums are exact; scaling and adding may be fused on some processors.
      CHECK(std::fabs(got.data<float>()[i] - expected) <= 1e-6f * (1 + std::fabs(expected)));
    }
  }
}

TEST_CASE("reference: what integers can't compute stays float, and says why") {
  const auto reasonFor = [](const onnx::Model& model, const std::string& op) {
    const auto layers = build(model)->layers();
    const backend::LayerInfo& info = layer(layers, op);
    CHECK(info.requested == "int8");
    CHECK(info.precision == "fp32");
    return info.reason;
  };
  ModelBuilder offset = quantized("Conv", {1, 3, 4, 4}, {4, 3, 1, 1}, 0, {}, 3);
  CHECK(reasonFor(offset.model, "Conv") == "its weights have a zero point other than 0");
  CHECK(runOne(offset.model, {{"x", Tensor(DType::Float32, {1, 3, 4, 4})}}).dims() == Dims{1, 4, 4, 4});
  ModelBuilder sideways = quantized("Conv", {1, 4, 4, 4}, {4, 4, 1, 1}, 1, {});
  CHECK(reasonFor(sideways.model, "Conv") == "its weights' scales don't lie along the output channels");
  ModelBuilder scaled = quantized("Gemm", {2, 3}, {3, 4}, 1, {Attribute::ofFloat("alpha", 2)});
  CHECK(reasonFor(scaled.model, "Gemm") == "its alpha or beta is not 1");
}

TEST_CASE("reference: a DequantizeLinear that others read too still runs") {
  ModelBuilder b = quantized("Conv", {1, 4, 4, 4}, {4, 4, 1, 1}, 0, {});
  b.node("Add", {"xd", "y"}, {"sum"}).output("sum");
  const Feeds feeds{{"x", b.random({1, 4, 4, 4}, -3, 3)}};
  const auto engine = build(b.model);
  CHECK(layer(engine->layers(), "Conv").precision == "int8");
  const auto outputs = engine->createSession({})->run(feeds);
  onnx::Model input = b.model;
  input.graph.outputs[0].name = "xd";
  const std::vector<float> x = runOne(input, feeds).toFloats();
  const std::vector<float> y = outputs.at(0).toFloats(), sum = outputs.at(1).toFloats();
  for (size_t i = 0; i < sum.size(); ++i) CHECK(sum[i] == x[i] + y[i]);
}

TEST_CASE("reference: a run stops soon after it is asked to") {
  // About 15 thousand million multiply-accumulates: seconds.
  ModelBuilder b;
  b.input("x", {1, 256, 160, 160}).weight("w", {256, 256, 3, 3});
  b.node("Conv", {"x", "w"}, {"y"}, {Attribute::ofInts("pads", {1, 1, 1, 1})}).output("y");
  const auto engine = build(b.model);
  auto session = engine->createSession({});
  const Feeds feeds{{"x", Tensor(DType::Float32, {1, 256, 160, 160})}};
  StopSource source;
  std::chrono::steady_clock::time_point asked;
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    asked = std::chrono::steady_clock::now();
    source.requestStop();
  });
  CHECK(throwsError(ErrorCode::Canceled, "", [&] { session->run(feeds, source.token()); }));
  const auto ended = std::chrono::steady_clock::now();
  stopper.join();
  CHECK(std::chrono::duration<double>(ended - asked).count() < 0.2);
  StopSource before;
  before.requestStop();
  CHECK(throwsError(ErrorCode::Canceled, "",
                    [&] { backend::reference::instance().build(b.model, {}, {}, before.token()); }));
}
