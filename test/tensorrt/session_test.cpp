#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>

#include "support.hpp"

using namespace presisi;
using namespace presisi::test;

namespace {

/// An engine without and with Q/DQ, whichever is asked for.
std::shared_ptr<backend::Engine> engineOf(Device& device, const onnx::Model& model, const std::string& precision) {
  return device.build(model, buildOptions(precision));
}

}  // namespace

TEST_CASE("shapes change from run to run, whatever the settings") {
  const onnx::Model model = convolutions();
  for (const char* settings :
       {"", R"({"cudaGraph":true})", R"({"zeroCopy":true})", R"({"zeroCopy":true,"cudaGraph":true,"spinWait":true})"}) {
    CAPTURE(settings);
    Device device;
    const auto engine = engineOf(device, model, "fp32");
    const auto session = engine->createSession(sessionOptions(settings));
    int run = 0;
    for (const int64_t batch : {1, 1, 1, 3, 3, 3, 2, 1, 1, 4}) {
      const backend::Feeds feeds = images(batch, 0.05f * static_cast<float>(run++));
      CHECK(same(session->run(feeds), expected(model, feeds)));
    }
    CHECK(session->arenaBytes() > 0);
  }
}

TEST_CASE("a CUDA graph is captured once per shape and then replayed") {
  Device device;
  const auto engine = device.build(convolutions(), buildOptions("fp32"));
  const auto session = engine->createSession(sessionOptions(R"({"cudaGraph":true})"));
  const auto launches = [&](int64_t batch) {
    const size_t before = doubleCudaState().launches;
    session->run(images(batch));
    return doubleCudaState().launches - before;
  };
  const size_t once = launches(1);
  CHECK(once > 0);
  CHECK(doubleCudaState().graphs == 0);  // the first run of a shape sets things up, which a graph can't hold
  launches(1);
  CHECK(doubleCudaState().graphs == 1);
  CHECK(launches(1) == 0);
  CHECK(launches(2) == once);
  CHECK(doubleCudaState().graphs == 0);
}

TEST_CASE("layers aren't timed inside a graph, which is said") {
  Device device;
  Log log;
  const auto engine = device.build(convolutions(), buildOptions("fp32"));
  backend::SessionOptions options = sessionOptions(R"({"cudaGraph":true})", true);
  options.log = log.sink();
  const auto session = engine->createSession(options);
  for (int i = 0; i < 3; ++i) session->run(images(1));
  CHECK(log.has("no CUDA graph"));
  CHECK(doubleCudaState().graphs == 0);
}

TEST_CASE("an integrated GPU works on host memory in place") {
  Device device;
  REQUIRE(doubleCudaPretend("Orin;8.7;integrated;7620;8;0"));
  const onnx::Model model = convolutions();
  const auto engine = device.build(model, buildOptions("fp32"));
  const size_t before = doubleCudaState().deviceAllocations;
  const auto session = engine->createSession({});
  const backend::Feeds feeds = images(2);
  CHECK(same(session->run(feeds), expected(model, feeds)));
  const auto stages = session->lastTiming().stages;
  CHECK(stages.count("compute") == 1);
  CHECK(stages.count("h2d") == 0);
  CHECK(stages.count("d2h") == 0);
  const size_t inPlace = doubleCudaState().deviceAllocations - before;
  const auto copying = engine->createSession(sessionOptions(R"({"zeroCopy":false})"));
  CHECK(same(copying->run(feeds), expected(model, feeds)));
  CHECK(doubleCudaState().deviceAllocations - before - inPlace >= inPlace + 2);
  CHECK(copying->lastTiming().stages.count("h2d") == 1);
}

TEST_CASE("stages and layers are timed, and layers add up to the computation") {
  Device device;
  const auto engine = device.build(convolutions(), buildOptions("fp32"));
  const auto session = engine->createSession(sessionOptions("", true));
  session->run(images(4));
  const backend::Timing timing = session->lastTiming();
  for (const char* stage : {"h2d", "compute", "d2h", "enqueue"}) CHECK(timing.stages.count(stage) == 1);
  CHECK(timing.layers.size() == engine->layers().size());
  const double sum = std::accumulate(timing.layers.begin(), timing.layers.end(), 0.0);
  CHECK(sum > 0);
  CHECK(sum <= timing.total);
  session->run(images(4));
  const auto second = session->lastTiming().layers;
  CHECK(std::accumulate(second.begin(), second.end(), 0.0) <= session->lastTiming().total);  // of one run, not of two
  CHECK(engine->createSession({})->lastTiming().layers.empty());
}

TEST_CASE("without transfers nothing is fetched") {
  Device device;
  const auto engine = device.build(convolutions(), buildOptions("fp32"));
  const auto session = engine->createSession(sessionOptions(R"({"transfers":false})"));
  CHECK(session->run(images(1)).empty());
  CHECK(session->lastTiming().stages.count("h2d") == 1);  // the shape is new
  CHECK(session->run(images(1)).empty());
  CHECK(session->lastTiming().stages.count("h2d") == 0);
  CHECK(session->lastTiming().stages.count("d2h") == 0);
}

TEST_CASE("several sessions run at once from one engine") {
  Device device;
  const onnx::Model model = quantizedConvolutions();
  const auto engine = engineOf(device, model, "int8");
  const backend::Feeds feeds[] = {images(1), images(2, 0.3f), images(4, -0.2f)};
  std::vector<Tensor> wanted[3];
  for (int i = 0; i < 3; ++i) wanted[i] = expected(model, feeds[i]);
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      const auto session = engine->createSession({});
      for (int run = 0; run < 10; ++run) good += same(session->run(feeds[i]), wanted[i]) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(good == 30);
}

TEST_CASE("feeds that don't fit are refused, and the session goes on") {
  Device device;
  const onnx::Model model = convolutions();
  const auto engine = engineOf(device, model, "fp32");
  const auto session = engine->createSession({});
  CHECK(throwsError(ErrorCode::ShapeMismatch, "nothing", [&] { session->run({}); }));
  CHECK(throwsError(ErrorCode::ShapeMismatch, "x", [&] {
    session->run({{"x", ModelBuilder().random({1, 3, 5, 6})}});
  }));
  CHECK(throwsError(ErrorCode::ShapeMismatch, "int8", [&] {
    session->run({{"x", Tensor(DType::Int8, {1, 3, 6, 6})}});
  }));
  backend::Feeds more = images(1);
  more["z"] = Tensor::scalar(1);
  CHECK(throwsError(ErrorCode::ShapeMismatch, "no input \"z\"", [&] { session->run(more); }));
  const backend::Feeds feeds = images(1);
  CHECK(same(session->run(feeds), expected(model, feeds)));
}

TEST_CASE("a run is canceled before it begins, and from another thread") {
  Device device;
  const onnx::Model model = convolutions();
  const auto engine = engineOf(device, model, "fp32");
  const auto session = engine->createSession({});
  StopSource before;
  before.requestStop();
  CHECK(throwsError(ErrorCode::Canceled, "", [&] { session->run(images(1), before.token()); }));
  int canceled = 0;
  for (int i = 0; i < 50; ++i) {
    StopSource source;
    std::thread other([&] { source.requestStop(); });
    canceled += errorOf([&] { session->run(images(4), source.token()); }) ? 1 : 0;
    other.join();
  }
  CAPTURE(canceled);
  const backend::Feeds feeds = images(3);
  CHECK(same(session->run(feeds), expected(model, feeds)));  // whatever was left under way is over
}

TEST_CASE("a kernel that fails is an Error with CUDA's name for it") {
  Device device;
  const auto engine = device.build(convolutions(), buildOptions("fp32"));
  const auto session = engine->createSession({});
  session->run(images(1));
  doubleCudaFailLaunch(1);
  const auto error = errorOf([&] { session->run(images(1)); });
  REQUIRE(error);
  CHECK(std::string(error->what()).find("cudaError") != std::string::npos);
}

TEST_CASE("inputs and outputs keep their types") {
  ModelBuilder b;
  b.input("i", {-1, 4}, DType::Int32).input("h", {-1, 4}, DType::Float16).input("p", {-1, 4}, DType::Bool);
  b.node("Cast", {"i"}, {"f"}, {onnx::Attribute::ofInt("to", 1)}).output("f");
  b.node("Cast", {"h"}, {"g"}, {onnx::Attribute::ofInt("to", 10)}).output("g", DType::Float16);
  b.node("Not", {"p"}, {"q"}).output("q", DType::Bool);
  Device device;
  const auto engine = device.build(b.model, buildOptions("fp16"));
  const backend::Feeds feeds{{"i", Tensor::of<int32_t>(DType::Int32, {1, 4}, {1, -2, 3, 70000})},
                             {"h", Tensor::of<float>(DType::Float32, {1, 4}, {1, -2, 0.5f, 4}).cast(DType::Float16)},
                             {"p", Tensor::of<uint8_t>(DType::Bool, {1, 4}, {1, 0, 0, 1})}};
  const std::vector<Tensor> outputs = engine->createSession({})->run(feeds);
  REQUIRE(outputs.size() == 3);
  CHECK(outputs[0].toFloats() == std::vector<float>{1, -2, 3, 70000});
  CHECK(outputs[1].dtype() == DType::Float16);
  CHECK(outputs[1].toFloats() == std::vector<float>{1, -2, 0.5f, 4});
  CHECK(outputs[2].dtype() == DType::Bool);
  CHECK(outputs[2].toFloats() == std::vector<float>{0, 1, 1, 0});
}
