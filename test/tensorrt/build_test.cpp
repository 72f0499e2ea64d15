#include <cmath>
#include <fstream>
#include <set>

#include "support.hpp"
#include "support/temporary_folder.hpp"

using namespace presisi;
using namespace presisi::test;
using tensorrt::api::isStronglyTypedOnly;

namespace {

std::string precisionOf(const backend::Engine& engine, const std::string& node) {
  for (const backend::LayerInfo& layer : engine.layers()) {
    for (const std::string& fused : layer.fused) {
      if (fused == node) return layer.precision;
    }
  }
  return "no such layer";
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool buildRefused(ErrorCode code, const std::string& text, const onnx::Model& model,
                  const backend::BuildOptions& options) {
  Device device;
  return throwsError(code, text, [&] { device.build(model, options); });
}

}  // namespace

TEST_CASE("an FP32 engine computes what the model says") {
  Device device;
  const onnx::Model model = convolutions();
  const auto engine = device.build(model, buildOptions("fp32"));
  REQUIRE(engine->inputs().size() == 1);
  CHECK(engine->inputs()[0].dims == Dims{-1, 3, 6, 6});
  CHECK(engine->outputs()[0].name == "y");
  const backend::Feeds feeds = images(2);
  CHECK(same(engine->createSession({})->run(feeds), expected(model, feeds)));
}

TEST_CASE("a graph with Q/DQ runs in INT8, and layers say so") {
  Device device;
  const onnx::Model model = quantizedConvolutions();
  const auto engine = device.build(model, buildOptions("int8"));
  const backend::Feeds feeds = images(3);
  CHECK(same(engine->createSession({})->run(feeds), expected(model, feeds)));
  CHECK(precisionOf(*engine, "c_node") == "int8");
  for (const backend::LayerInfo& layer : engine->layers()) {
    if (layer.precision == "int8" && !layer.reformat) CHECK(layer.requested == "int8");
  }
}

TEST_CASE("layers report multiply-accumulates, weights, kernels and the nodes in them") {
  Device device;
  const auto engine = device.build(convolutions(), buildOptions("fp32"));
  int64_t macs = 0;
  std::set<std::string> nodes;
  for (const backend::LayerInfo& layer : engine->layers()) {
    macs += layer.macs;
    CHECK_FALSE(layer.kernel.empty());
    nodes.insert(layer.fused.begin(), layer.fused.end());
  }
  CHECK(macs == 4 * 27 * 36 + 2 * 4 * 36);
  CHECK(nodes == std::set<std::string>{"c_node", "r_node", "y_node"});
  CHECK(engine->weightBytes() > 0);
}

TEST_CASE("FP16 is chosen by TensorRT up to 10 and stands in the graph from 11") {
  Device device;
  using Half = backend::GraphForm::Half;
  const backend::GraphForm form = device.backend.form(buildOptions("fp16"));
  CHECK(form.half == (isStronglyTypedOnly ? Half::Typed : Half::Chosen));
  CHECK_FALSE(form.packedWeights);
  const auto engine = device.build(convolutions(), buildOptions("fp16"));
  CHECK(precisionOf(*engine, "c_node") == (isStronglyTypedOnly ? "fp32" : "fp16"));
  if (tensorrt::api::hasStronglyTyped && !isStronglyTypedOnly) {
    CHECK(device.backend.form(buildOptions("fp16", 1, R"({"stronglyTyped":true})")).half == Half::Typed);
    const auto typed = device.build(convolutions(), buildOptions("fp16", 1, R"({"stronglyTyped":true})"));
    CHECK(precisionOf(*typed, "c_node") == "fp32");
  }
}

TEST_CASE("operators of presisi's own domain are spelled out") {
  Device device;
  ModelBuilder b;
  b.input("x", {1, 8}).node("Swish", {"x"}, {"y"}, {}, onnx::kPresisiDomain).output("y");
  const backend::Feeds feeds{{"x", ModelBuilder().random({1, 8})}};
  const std::vector<Tensor> outputs = device.build(b.model)->createSession({})->run(feeds);
  REQUIRE(outputs.size() == 1);
  const auto x = feeds.at("x").toFloats(), y = outputs[0].toFloats();
  for (size_t i = 0; i < x.size(); ++i) CHECK(y[i] == doctest::Approx(x[i] / (1 + std::exp(-x[i]))).epsilon(1e-5));
}

TEST_CASE("what the parser lacks is listed by operator and node, all of it") {
  ModelBuilder b;
  b.input("x", {1, 4}).node("Strange", {"x"}, {"a"}).node("Stranger", {"a"}, {"y"}).output("y");
  Device device;
  const auto error = errorOf([&] { device.build(b.model); });
  REQUIRE(error);
  CHECK(error->code() == ErrorCode::UnsupportedOperator);
  const std::string text = error->what();
  CHECK(text.find("Strange \"a_node\"") != std::string::npos);
  CHECK(text.find("Stranger \"y_node\"") != std::string::npos);
  CHECK_FALSE(error->hint().empty());
}

TEST_CASE("an INT8 build without scales is refused") {
  CHECK(buildRefused(ErrorCode::InvalidCalibration, "no Q/DQ", convolutions(), buildOptions("int8")));
  CHECK(buildRefused(ErrorCode::InvalidArgument, "one of fp32, fp16, int8", convolutions(), buildOptions("int4")));
}

TEST_CASE("a batch is dynamic up to maxBatch, tuned for it") {
  Device device;
  const auto engine = device.build(convolutions(), buildOptions("fp32", 3));
  const auto session = engine->createSession({});
  CHECK(session->run(images(1))[0].dims() == Dims{1, 2, 6, 6});
  CHECK(session->run(images(3))[0].dims() == Dims{3, 2, 6, 6});
  CHECK(throwsError(ErrorCode::ShapeMismatch, "a batch from 1 to 3", [&] { session->run(images(4)); }));
}

TEST_CASE("other dynamic dimensions need a profile, which is kept to") {
  ModelBuilder b;
  b.input("x", {-1, 1, -1, 4}).weight("w", {2, 1, 1, 3}).node("Conv", {"x", "w"}, {"y"}).output("y");
  CHECK(buildRefused(ErrorCode::InvalidArgument, "Dimension 2 of input \"x\"", b.model, buildOptions("fp32")));
  const std::string settings = R"({"profiles":{"x":{"min":[1,1,4,4],"opt":[2,1,8,4],"max":[2,1,16,4]}}})";
  Device device;
  const auto engine = device.build(b.model, buildOptions("fp32", 1, settings));
  const auto session = engine->createSession({});
  const auto run = [&](Dims dims) { return session->run({{"x", ModelBuilder().random(dims)}})[0].dims(); };
  CHECK(run({1, 1, 16, 4}) == Dims{1, 2, 16, 2});
  CHECK(run({2, 1, 4, 4}) == Dims{2, 2, 4, 2});
  CHECK(throwsError(ErrorCode::ShapeMismatch, "dimension 2 from 4 to 16", [&] { run({1, 1, 17, 4}); }));
  CHECK(throwsError(ErrorCode::ShapeMismatch, "a batch from 1 to 2", [&] { run({3, 1, 8, 4}); }));
}

TEST_CASE("profiles that don't fit the model are refused") {
  const auto refused = [](const std::string& text, const std::string& settings) {
    return buildRefused(ErrorCode::InvalidArgument, text, convolutions(), buildOptions("fp32", 1, settings));
  };
  CHECK(refused("\"z\", which is no input", R"({"profiles":{"z":{"min":[1],"opt":[1],"max":[1]}}})"));
  CHECK(refused("profiles.x.min", R"({"profiles":{"x":{"min":[1,4,6,6],"opt":[1,4,6,6],"max":[1,4,6,6]}}})"));
  CHECK(refused("profiles.x.min", R"({"profiles":{"x":{"min":[1],"opt":[1],"max":[1]}}})"));
}

TEST_CASE("too small a workspace is reported in TensorRT's words") {
  const auto options = buildOptions("fp32", 1, R"({"workspaceBytes":16})");
  CHECK(buildRefused(ErrorCode::UnsupportedModel, "workspace is too small", convolutions(), options));
}

TEST_CASE("a DLA must be there, and has no FP32") {
  const auto options = buildOptions("fp16", 1, R"({"dlaCore":0})");
  CHECK(buildRefused(ErrorCode::InvalidArgument, "this device has no DLA", convolutions(), options));
  CHECK(buildRefused(ErrorCode::InvalidArgument, "fp16 and int8 only", convolutions(),
                     buildOptions("fp32", 1, R"({"dlaCore":0})")));
  Device device;
  REQUIRE(doubleCudaPretend("Orin;8.7;integrated;7620;8;1"));
  CHECK_NOTHROW(device.build(convolutions(), options));
  CHECK(throwsError(ErrorCode::InvalidArgument, "below 1",
                    [&] { device.build(convolutions(), buildOptions("fp16", 1, R"({"dlaCore":1})")); }));
}

TEST_CASE("precisions of single layers" * doctest::skip(!tensorrt::api::hasLayerPrecisions)) {
  Device device;
  const auto engine = device.build(convolutions(), buildOptions("fp16", 1, R"({"layerPrecisions":{"y_node":"fp32"}})"));
  CHECK(precisionOf(*engine, "c_node") == "fp16");
  CHECK(precisionOf(*engine, "y_node") == "fp32");
  CHECK(throwsError(ErrorCode::InvalidArgument, "\"conv9\", which is no layer", [&] {
    device.build(convolutions(), buildOptions("fp16", 1, R"({"layerPrecisions":{"conv9":"fp32"}})"));
  }));
}

TEST_CASE("a build reports progress that never falls" * doctest::skip(!tensorrt::api::hasProgressMonitor)) {
  Device device;
  std::vector<Progress> steps;
  device.backend.build(convolutions(), buildOptions("fp32"), [&](const Progress& p) { steps.push_back(p); }, {});
  REQUIRE(steps.size() > 3);
  for (size_t i = 1; i < steps.size(); ++i) {
    CHECK(steps[i].phase == "build");
    CHECK(steps[i].completed >= steps[i - 1].completed);
    CHECK(steps[i].completed <= steps[i].total);
  }
}

TEST_CASE("a build is canceled") {
  Device device;
  StopSource source;
  const auto cancel = [&](const Progress&) { source.requestStop(); };
  if (!tensorrt::api::hasProgressMonitor) source.requestStop();  // before it begins: nobody asks later
  CHECK(throwsError(ErrorCode::Canceled, "",
                    [&] { device.backend.build(convolutions(), buildOptions("fp32"), cancel, source.token()); }));
}

TEST_CASE("the timing cache is written, read, and replaced when it is damaged or foreign") {
  Device device;
  TemporaryFolder folder;
  const std::string path = (folder.path() / "times.cache").string();
  const auto build = [&](Log& log) {
    backend::BuildOptions options = buildOptions("fp32", 1, R"({"timingCache":")" + path + "\"}");
    options.log = log.sink();
    device.build(convolutions(), options);
  };
  Log first, second, damaged, foreign, other;
  build(first);
  const std::string written = contents(path);
  CHECK(written.find(tensorrt::api::compiledVersion().text()) != std::string::npos);
  build(second);
  CHECK_FALSE(second.has("timing cache"));
  CHECK(contents(path) == written);

  std::string broken = written;
  broken.back() = static_cast<char>(broken.back() ^ 1);
  folder.write("times.cache", broken);
  build(damaged);
  CHECK(damaged.has("is damaged: it will be replaced"));
  CHECK(contents(path) == written);

  folder.write("times.cache", "something else");
  build(foreign);
  CHECK(foreign.has("is no timing cache of presisi"));
  CHECK(contents(path) == written);

  REQUIRE(doubleCudaPretend("Xavier;7.2;integrated;7620;8;0"));
  build(other);
  CHECK(other.has("is of another GPU or TensorRT"));
  CHECK(contents(path).find("Xavier") != std::string::npos);
}

TEST_CASE("a timing cache that can't be written costs a warning, not the engine") {
  Device device;
  Log log;
  backend::BuildOptions options = buildOptions("fp32", 1, R"({"timingCache":"/nonexistent/times.cache"})");
  options.log = log.sink();
  CHECK_NOTHROW(device.build(convolutions(), options));
  CHECK(log.has("could not be kept"));
}
