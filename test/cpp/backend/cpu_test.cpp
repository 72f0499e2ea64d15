#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <limits>
#include <thread>

#include "backend/cpu_models.hpp"
#include "backend/registry.hpp"
#include "calibration/calibrator.hpp"
#include "core/error.hpp"
#include "support/errors.hpp"

using namespace presisi;

namespace {

backend::Backend* cpu() {
  backend::setLibraryFolder(PRESISI_TEST_LIBRARIES);
  // Only a build without oneDNN has nothing to test. A library that is there and doesn't load is a failure.
  if (!std::filesystem::exists(std::filesystem::path(PRESISI_TEST_LIBRARIES) / "libpresisi_cpu.so")) {
    MESSAGE("built without oneDNN: the CPU backend is not tested");
    return nullptr;
  }
  const backend::Probe probe = backend::probe("cpu");
  INFO(probe.reason);
  REQUIRE(probe.available);
  return &backend::get("cpu");
}

backend::Feeds feedsFor(const onnx::Model& model, int64_t batch) {
  test::ModelBuilder random;
  Dims dims = model.graph.inputs[0].dims;
  dims[0] = batch;
  return {{"x", random.random(dims, -1.2f, 1.2f)}};
}

struct Difference {
  float largest = 0;     // relative to the largest value of the tensor
  double different = 0;  // share of elements that differ by more than rounding
};

Difference compare(const Tensor& expected, const Tensor& actual, float step) {
  REQUIRE(expected.dims() == actual.dims());
  REQUIRE(expected.dtype() == actual.dtype());
  const std::vector<float> a = expected.toFloats(), b = actual.toFloats();
  float scale = step;
  if (step == 0) {
    for (const float v : a) scale = std::max(scale, std::fabs(v));
    scale = std::max(scale, std::numeric_limits<float>::min());
  }
  Difference d;
  for (size_t i = 0; i < a.size(); ++i) {
    const float error = std::fabs(a[i] - b[i]) / scale;
    d.largest = std::max(d.largest, error);
    d.different += error > 0.01f ? 1.0 / static_cast<double>(a.size()) : 0.0;
  }
  return d;
}

}  // namespace

TEST_CASE("the CPU backend computes what the reference computes, in float") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
  backend::Backend& reference = backend::get("reference");
  for (const test::NamedModel& named : test::floatModels()) {
    CAPTURE(named.name);
    backend::BuildOptions options;
    options.maxBatch = 8;
    options.threads = 2;
    const auto engine = backend->build(named.model, options, {}, {});
    const auto oracle = reference.build(named.model, options, {}, {});
    const auto session = engine->createSession({});
    const auto single = engine->createSession({1, true});
    for (const int64_t batch : {1, 5, 2, 1}) {
      CAPTURE(batch);
      const backend::Feeds feeds = feedsFor(named.model, batch);
      const std::vector<Tensor> expected = oracle->createSession({})->run(feeds);
      const std::vector<Tensor> actual = session->run(feeds);
      const std::vector<Tensor> again = single->run(feeds);
      REQUIRE(expected.size() == actual.size());
      for (size_t i = 0; i < expected.size(); ++i) {
        CAPTURE(i);
        CHECK(compare(expected[i], actual[i], 0).largest < 2e-5f);
        CHECK(compare(expected[i], again[i], 0).largest < 2e-5f);
      }
    }
    CHECK(single->lastTiming().layers.size() == engine->layers().size());
  }
}

TEST_CASE("the CPU backend's integers differ from the reference by one step at most, and only at a tie") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
  backend::Backend& reference = backend::get("reference");
  for (const test::NamedModel& named : test::integerModels()) {
    CAPTURE(named.name);
    backend::BuildOptions options;
    options.maxBatch = 8;
    options.threads = 2;
    const auto engine = backend->build(named.model, options, {}, {});
    const auto oracle = reference.build(named.model, options, {}, {});
    for (const int64_t batch : {1, 3, 4}) {
      CAPTURE(batch);
      const backend::Feeds feeds = feedsFor(named.model, batch);
      const std::vector<Tensor> expected = oracle->createSession({})->run(feeds);
      const std::vector<Tensor> actual = engine->createSession({})->run(feeds);
      const Difference d = compare(expected[0], actual[0], named.step);
      CHECK(d.largest < 1.01f);
      // Swish may be off by a fiftieth of a step before it is rounded.
      CHECK(d.different < (named.name.find("Swish") == std::string::npos ? 0.002 : 0.01));
    }
  }
}

TEST_CASE("what was asked to be INT8 runs in INT8, and what does not says why") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
  const bool saturates = backend->probe().int8Saturates;
  for (const test::NamedModel& named : test::integerModels()) {
    CAPTURE(named.name);
    // What would be left to oneDNN is computed in floats where that loses bits.
    const bool left = named.name.rfind("grouped relu6", 0) == 0 || named.name.find("9x9, 1 to 7") != std::string::npos;
    for (const backend::LayerInfo& layer : backend->build(named.model, {}, {}, {})->layers()) {
      if (layer.macs == 0) continue;
      CHECK(layer.requested == "int8");
      if (named.name.rfind("asymmetric activations", 0) == 0 || (saturates && left)) {
        CHECK(layer.precision == "fp32");
        CHECK_FALSE(layer.reason.empty());
      } else {
        CHECK(layer.precision == "int8");
        CHECK(layer.reason.empty());
      }
    }
  }
}

TEST_CASE("convolutions take our own kernels where the processor has the instructions") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return;
  std::vector<test::NamedModel> models = test::floatModels();
  for (test::NamedModel& named : test::integerModels()) models.push_back(std::move(named));
  for (const test::NamedModel& named : models) {
    CAPTURE(named.name);
    if (named.name.rfind("winograd", 0) == 0) {
      const auto layers = backend->build(named.model, {}, {}, {})->layers();
      CHECK(std::any_of(layers.begin(), layers.end(),
                        [](const auto& layer) { return layer.kernel.rfind("presisi_winograd", 0) == 0; }));
      CHECK(std::none_of(layers.begin(), layers.end(), [](const auto& layer) { return layer.op == "Concat"; }));
    }
    // With few registers, plain convolutions of floats are left to oneDNN.
    const bool wide = __builtin_cpu_supports("avx512bw");
    if (!wide && named.step == 0 && named.name.rfind("prepared", 0) != 0) continue;
    if (named.name.rfind("expanded", 0) == 0) {
      const auto layers = backend->build(named.model, {}, {}, {})->layers();
      CHECK(std::count_if(layers.begin(), layers.end(), [](const auto& layer) {
              return layer.kernel.rfind("presisi_expanded", 0) == 0 && layer.op == "Conv";
            }) == 1);
    }
    if (named.name.rfind("prepared", 0) == 0) {
      const auto layers = backend->build(named.model, {}, {}, {})->layers();
      CHECK(std::count_if(layers.begin(), layers.end(), [](const auto& layer) {
              return layer.kernel.rfind("presisi_prepared", 0) == 0 && layer.op == "Conv";
            }) == 2);
    }
    if (named.name.rfind("patches of", 0) == 0) {
      // What makes pixels of planes, quantized or not, does so line by line.
      const auto layers = backend->build(named.model, {}, {}, {})->layers();
      CHECK(std::none_of(layers.begin(), layers.end(), [](const auto& layer) {
        return (layer.op == "Convert" && layer.name == "x") || layer.op == "QuantizeLinear";
      }));
    }
    if (named.name.rfind("patches of", 0) == 0 || named.name.rfind("quantized dense block", 0) == 0) {
      const auto layers = backend->build(named.model, {}, {}, {})->layers();
      CHECK(std::any_of(layers.begin(), layers.end(),
                        [](const auto& layer) { return layer.kernel.rfind("presisi_patches", 0) == 0; }));
      // Convolutions write into what is concatenated, unless somebody has read what they make where it was.
      const bool read = named.name.find("read elsewhere") != std::string::npos;
      CHECK(std::count_if(layers.begin(), layers.end(), [](const auto& layer) { return layer.op == "Concat"; }) ==
            read);
    }
    if (named.name.rfind("depthwise of", 0) != 0 && named.name.rfind("pointwise of", 0) != 0) continue;
    // Kernels that are too large are left to oneDNN.
    const bool left = named.name.find("9x9, 1 to 7") != std::string::npos;
    for (const backend::LayerInfo& layer : backend->build(named.model, {}, {}, {})->layers()) {
      if (layer.op == "Conv") CHECK((layer.kernel.rfind("presisi_", 0) == 0) == !left);
    }
  }
#endif
}

TEST_CASE("weights of int8 that meet floats stay bytes in 1x1 convolutions, and survive serialization") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
  for (const test::NamedModel& named : test::floatModels()) {
    if (named.name != "weights of int8") continue;
    const auto engine = backend->build(named.model, {}, {}, {});
    int64_t weights = 0;
    for (const backend::LayerInfo& layer : engine->layers()) {
      if (layer.macs == 0) continue;
      CHECK(layer.requested == "fp32");
      CHECK(layer.precision == "fp32");
      CHECK(layer.reason.empty());
      weights += layer.weightBytes;
    }
    const int64_t numbers = 20 * 70 + 2 * 70 * 36 + 70 * 70;
    bool bytes = false;
#if defined(__x86_64__)
    bytes = __builtin_cpu_supports("avx2");
#endif
    CHECK(weights == (bytes ? numbers : 4 * numbers));
    const auto plan = std::make_shared<std::string>(engine->serialize());
    const auto again = backend->load(reinterpret_cast<const uint8_t*>(plan->data()), plan->size(), plan, {});
    const backend::Feeds feeds = feedsFor(named.model, 1);
    CHECK(again->createSession({})->run(feeds)[0].toFloats() == engine->createSession({})->run(feeds)[0].toFloats());
    return;
  }
  FAIL("the model is not there");
}

TEST_CASE("residual sums, activations and quantization are fused into the convolution") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
  for (const test::NamedModel& named : test::integerModels()) {
    if (named.name != "residual of 8 with relu" && named.name != "residual of 80 with relu") continue;
    CAPTURE(named.name);
    const auto layers = backend->build(named.model, {}, {}, {})->layers();
    // Quantize the input, three convolutions, dequantize, hand over: nothing else, and the sum is in place.
    CHECK(layers.size() == 6);
    CHECK(std::count_if(layers.begin(), layers.end(), [](const auto& l) { return l.op == "Conv"; }) == 3);
  }
}

TEST_CASE("an engine survives serialization, and answers the same") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
  for (const test::NamedModel& named : test::integerModels()) {
    CAPTURE(named.name);
    const auto engine = backend->build(named.model, {}, {}, {});
    const auto plan = std::make_shared<std::string>(engine->serialize());
    const auto loaded = backend->load(reinterpret_cast<const uint8_t*>(plan->data()), plan->size(), plan, {});
    const backend::Feeds feeds = feedsFor(named.model, 1);
    const Tensor expected = engine->createSession({})->run(feeds)[0];
    const Tensor actual = loaded->createSession({})->run(feeds)[0];
    CHECK(compare(expected, actual, named.step).largest == 0);
    CHECK(loaded->serialize() == *plan);
  }
}

/// A plan as one made with another oneDNN, which packs weights otherwise; and how many packed tensors it has.
int asIfMadeElsewhere(std::string& plan, const std::string& version) {
  int found = 0;
  for (size_t at = plan.find(version); at != std::string::npos; at = plan.find(version, at + 1)) {
    plan[at] = '9';
    ++found;
  }
  return found;
}

TEST_CASE("weights packed by another version are read out of their layout") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
  const std::string version = backend->probe().version.substr(std::string("oneDNN ").size()) + ":";
  std::vector<test::NamedModel> models = test::integerModels();
  for (test::NamedModel& model : test::floatModels()) models.push_back(std::move(model));
  int packed = 0;
  for (const test::NamedModel& named : models) {
    CAPTURE(named.name);
    const auto engine = backend->build(named.model, {}, {}, {});
    const auto plan = std::make_shared<std::string>(engine->serialize());
    packed += asIfMadeElsewhere(*plan, version);
    const auto loaded = backend->load(reinterpret_cast<const uint8_t*>(plan->data()), plan->size(), plan, {});
    const backend::Feeds feeds = feedsFor(named.model, 1);
    const Tensor expected = engine->createSession({})->run(feeds)[0];
    const Tensor actual = loaded->createSession({})->run(feeds)[0];
    CHECK(compare(expected, actual, named.step).largest == 0);
  }
  CHECK(packed > 0);
}

TEST_CASE("a damaged plan is refused, wherever it is cut or changed, or still is a plan") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
  const test::NamedModel named = test::integerModels().front();
  const std::string plan = backend->build(named.model, {}, {}, {})->serialize();
  const auto tryLoad = [&](const std::string& bytes) {
    const auto copy = std::make_shared<std::string>(bytes);
    try {
      backend->load(reinterpret_cast<const uint8_t*>(copy->data()), copy->size(), copy, {});
    } catch (const Error&) {
      return false;
    }
    return true;
  };
  CHECK(tryLoad(plan));
  size_t accepted = 0;
  // Up to the padding of the last tensor.
  const size_t used = plan.size() - Tensor::kAlignment;
  for (size_t size = 0; size < used; size += 1 + used / 400) accepted += tryLoad(plan.substr(0, size));
  CHECK(accepted == 0);
  for (size_t at = 0; at < plan.size(); at += 1 + plan.size() / 400) {
    std::string changed = plan;
    changed[at] = static_cast<char>(changed[at] ^ 0x41);
    tryLoad(changed);  // any answer but a crash or another exception
  }
}

TEST_CASE("weights that are FP16 numbers take half the plan, and come back as they were, the smallest too") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
  int halved = 0;
  for (test::NamedModel& named : test::floatModels()) {
    CAPTURE(named.name);
    const size_t whole = backend->build(named.model, {}, {}, {})->serialize().size();
    for (auto& [name, tensor] : named.model.graph.initializers) {
      if (tensor.dtype() != DType::Float32 || tensor.size() < 128) continue;
      Tensor rounded = tensor.clone();
      // Most of them below 2^-14, where FP16 has fewer digits than elsewhere.
      for (int64_t i = 0; i < rounded.size(); ++i) {
        float& value = rounded.data<float>()[i];
        value = halfToFloat(floatToHalf(value * 1e-4f));
      }
      tensor = rounded;
    }
    const auto engine = backend->build(named.model, {}, {}, {});
    const auto plan = std::make_shared<std::string>(engine->serialize());
    halved += static_cast<double>(plan->size()) < 0.7 * static_cast<double>(whole);
    const auto loaded = backend->load(reinterpret_cast<const uint8_t*>(plan->data()), plan->size(), plan, {});
    const backend::Feeds feeds = feedsFor(named.model, 1);
    const Tensor expected = engine->createSession({})->run(feeds)[0];
    const Tensor actual = loaded->createSession({})->run(feeds)[0];
    CHECK(compare(expected, actual, named.step).largest == 0);
  }
  CHECK(halved > 0);
}

TEST_CASE("neither a build nor a session leaves threads behind, which would slow down all others") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
  const auto threads = [] {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
  };
  const auto falls = [&](auto to) {
    for (int wait = 0; wait < 10000 && threads() > to; ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return threads() <= to;
  };
  backend::BuildOptions options;
  options.threads = 3;
  const auto before = threads();
  const auto engine = backend->build(test::floatModels()[0].model, options, {}, {});
  CHECK(falls(before));
  auto session = engine->createSession({});
  session->parallel(3, [](int) {});
  CHECK(threads() >= before + 2);
  session->rest();
  CHECK(falls(before));
  session.reset();

  // Samples that each thread takes some of have threads of their own, until the session ends.
  options.maxBatch = 3;
  const onnx::Model model = test::floatModels()[0].model;
  const auto batched = backend->build(model, options, {}, {});
  session = batched->createSession({});
  session->run(feedsFor(model, 3));
  session->rest();
  CHECK(threads() == before + 2);
  session.reset();
  CHECK(falls(before));
}

TEST_CASE("samples that each thread takes some of: as many as there are, and only where they are apart") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
  test::ModelBuilder apart;
  apart.input("x", {-1, 3, 8, 8}).output("y").output("z").initializer("w", apart.random({5, 3, 3, 3}, -1, 1));
  apart.node("Conv", {"x", "w"}, {"c"}).node("Relu", {"c"}, {"y"}).node("GlobalAveragePool", {"c"}, {"z"});
  // Each sample by the largest of its neighbours in the batch.
  test::ModelBuilder together;
  together.input("x", {-1, 3, 8, 8}).output("y").initializer("w", together.random({5, 3, 3, 3}, -1, 1));
  together.node("Conv", {"x", "w"}, {"c"}).node("Softmax", {"c"}, {"y"}, {onnx::Attribute::ofInt("axis", 0)});
  const std::vector<onnx::Model> models{apart.model, together.model};
  for (const onnx::Model& model : models) {
    backend::BuildOptions options;
    options.maxBatch = 64;
    options.threads = 4;
    const auto session = backend->build(model, options, {}, {})->createSession({});
    const auto oracle = backend::get("reference").build(model, options, {}, {})->createSession({});
    for (const int64_t batch : {4, 64, 5, 1, 63, 8, 4}) {
      CAPTURE(batch);
      const backend::Feeds feeds = feedsFor(model, batch);
      const std::vector<Tensor> expected = oracle->run(feeds), actual = session->run(feeds);
      REQUIRE(actual.size() == expected.size());
      for (size_t i = 0; i < expected.size(); ++i) CHECK(compare(expected[i], actual[i], 0).largest < 2e-5f);

      // Made by the threads that compute with them: the same, each once.
      const Tensor& all = feeds.at("x");
      const int64_t each = all.size() / batch;
      std::vector<std::atomic<int>> times(static_cast<size_t>(batch));
      const auto make = [&](int64_t first, int64_t count, float* into) {
        std::copy_n(all.data<float>() + first * each, count * each, into);
        for (int64_t i = first; i < first + count; ++i) ++times[static_cast<size_t>(i)];
      };
      std::vector<Tensor> made;
      const int threads = session->runMade({"x", all.dims(), make}, backend::copyInto(made), {});
      if (&model != &models[0]) CHECK(threads == 1);
      if (&model == &models[0] && batch % 4 == 0) CHECK(threads == 4);
      CHECK(std::all_of(times.begin(), times.end(), [](int count) { return count == 1; }));
      REQUIRE(made.size() == actual.size());
      for (size_t i = 0; i < made.size(); ++i) CHECK(made[i].toFloats() == actual[i].toFloats());

      const auto fail = [](int64_t, int64_t, float*) { throw Error(ErrorCode::InvalidArgument, "no such sample"); };
      CHECK(test::throwsError(ErrorCode::InvalidArgument, "no such sample", [&] {
        session->runMade({"x", all.dims(), fail}, {}, {});
      }));
    }
    CHECK(session->arenaBytes() > 0);
  }
}

TEST_CASE("calibrating counts what each thread has of a batch, and names the sample that spoils it") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
  test::ModelBuilder b;
  b.input("x", {-1, 3, 96, 96}).output("y").initializer("w", b.random({16, 3, 3, 3}, -1, 1));
  b.node("Conv", {"x", "w"}, {"c"}).node("Relu", {"c"}, {"r"}).node("GlobalAveragePool", {"r"}, {"y"});
  const auto calibrator = [&](backend::Backend& by, int threads) {
    return calibration::Calibrator(b.model, {"x", "c", "r", "y"}, by, threads, 4, {}, {});
  };
  backend::Feeds feeds = feedsFor(b.model, 4);
  auto parts = calibrator(*backend, 2), whole = calibrator(*backend, 1),
       oracle = calibrator(backend::get("reference"), 2);
  for (calibration::Calibrator* each : {&parts, &whole, &oracle}) each->collect(feeds, {});
  for (const auto& [name, expected] : oracle.histograms()) {
    CAPTURE(name);
    const calibration::Histogram& found = parts.histograms().at(name);
    CHECK(found.total() == expected.total());
    CHECK(found.max() == doctest::Approx(expected.max()));
    CHECK(found.min() == doctest::Approx(expected.min()));
    CHECK(found.bins() == whole.histograms().at(name).bins());
  }
  Tensor& x = feeds.at("x");
  x.data<float>()[x.size() * 3 / 4 + 7] = std::numeric_limits<float>::infinity();
  std::string message;
  try {
    parts.collect(feeds, {});
  } catch (const Error& error) {
    message = error.what();
  }
  CAPTURE(message);
  CHECK(message.find("infinite values in sample 7") != std::string::npos);
  CHECK_THROWS_AS(parts.collect(feedsFor(b.model, 4), {}), Error);
}

TEST_CASE("feeds that do not fit are refused with what was expected") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
  const onnx::Model model = test::floatModels()[0].model;
  for (backend::Backend* each : {backend, &backend::get("reference")}) {
    CAPTURE(each->name());
    backend::BuildOptions options;
    options.maxBatch = 2;
    const auto session = each->build(model, options, {}, {})->createSession({});
    const auto code = [&](const backend::Feeds& feeds) {
      try {
        session->run(feeds);
      } catch (const Error& error) {
        return std::string(name(error.code()));
      }
      return std::string("accepted");
    };
    CHECK(code({}) == "ERR_PRESISI_SHAPE_MISMATCH");
    CHECK(code({{"x", Tensor(DType::Float64, {1, 8, 11, 13})}}) == "ERR_PRESISI_SHAPE_MISMATCH");
    CHECK(code({{"x", Tensor(DType::Float32, {1, 8, 11})}}) == "ERR_PRESISI_SHAPE_MISMATCH");
    CHECK(code({{"x", Tensor(DType::Float32, {1, 8, 11, 14})}}) == "ERR_PRESISI_SHAPE_MISMATCH");
    CHECK(code({{"x", Tensor(DType::Float32, {0, 8, 11, 13})}}) == "ERR_PRESISI_SHAPE_MISMATCH");
    CHECK(code({{"x", Tensor(DType::Float32, {3, 8, 11, 13})}}) == "ERR_PRESISI_SHAPE_MISMATCH");
    CHECK(code({{"x", Tensor(DType::Float32, {1, 8, 11, 13})}, {"z", Tensor::scalar(1)}}) ==
          "ERR_PRESISI_SHAPE_MISMATCH");
    CHECK(code({{"x", Tensor(DType::Float32, {2, 8, 11, 13})}}) == "accepted");
  }
}

TEST_CASE("a requested stop ends the run") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
  StopSource stop;
  stop.requestStop();
  const onnx::Model model = test::floatModels()[0].model;
  backend::BuildOptions options;
  options.maxBatch = options.threads = 2;
  const auto session = backend->build(model, options, {}, {})->createSession({});
  CHECK_THROWS_AS(session->run(
                      feedsFor(model, 1), [](size_t, const Tensor&) {}, stop.token()),
                  Error);
}

TEST_CASE("a stop that is requested while threads have samples of their own ends the run, and the next one runs") {
  backend::Backend* backend = cpu();
  if (backend == nullptr) return;
  test::ModelBuilder deep;
  deep.input("x", {-1, 16, 32, 32}).output("y").initializer("w", deep.random({16, 16, 3, 3}, -1, 1));
  std::string last = "x";
  for (int i = 0; i < 200; ++i) {
    const std::string next = i == 199 ? "y" : "c" + std::to_string(i);
    deep.node("Conv", {last, "w"}, {next}, {onnx::Attribute::ofInts("pads", {1, 1, 1, 1})});
    last = next;
  }
  backend::BuildOptions options;
  options.maxBatch = 16;
  options.threads = 2;
  const auto session = backend->build(deep.model, options, {}, {})->createSession({});
  const backend::Feeds feeds = feedsFor(deep.model, 16);
  session->run(feeds);
  StopSource stop;
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    stop.requestStop();
  });
  CHECK_THROWS_AS(session->run(feeds, stop.token()), Error);
  later.join();
  CHECK(session->run(feeds).size() == 1);
}
