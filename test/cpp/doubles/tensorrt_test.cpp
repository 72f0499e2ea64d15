#ifdef PRESISI_DOUBLE_TENSORRT  // built against the stand-ins

#include <NvInfer.h>
#include <NvOnnxParser.h>
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "hooks.h"
#include "onnx/writer.hpp"
#include "quantization/quantize.hpp"

using namespace nvinfer1;

namespace {

struct Logger : ILogger {
  void log(Severity severity, const char* message) noexcept override {
    if (severity <= Severity::kERROR) errors += std::string(message) + "\n";
  }
  std::string errors;
};

presisi::Tensor weights(const presisi::Dims& dims, float scale) {
  presisi::Tensor tensor(presisi::DType::Float32, dims);
  for (int64_t i = 0; i < tensor.size(); ++i)
    tensor.data<float>()[i] = scale * (0.4F + std::sin(static_cast<float>(i * i)));
  return tensor;
}

/// input [?, 3, 8, 8] -> Conv -> Relu -> Conv -> output
presisi::onnx::Model network(bool dynamic, const char* activation = "Relu") {
  presisi::onnx::Model model;
  model.opsets[""] = 13;
  auto& graph = model.graph;
  graph.name = "net";
  graph.inputs.push_back({"input", presisi::DType::Float32, {dynamic ? -1 : 1, 3, 8, 8}, {"", "", "", ""}});
  graph.outputs.push_back({"output", presisi::DType::Float32, {dynamic ? -1 : 1, 4, 4, 4}, {"", "", "", ""}});
  graph.initializers["w1"] = weights({8, 3, 3, 3}, 0.3F);
  graph.initializers["w2"] = weights({4, 8, 3, 3}, 0.2F);
  const auto node = [&](const char* name, const char* op, std::vector<std::string> in, const char* out) {
    presisi::onnx::Node made;
    made.name = name;
    made.opType = op;
    made.inputs = std::move(in);
    made.outputs = {out};
    graph.nodes.push_back(made);
  };
  node("conv1", "Conv", {"input", "w1"}, "a");
  node("act", activation, {"a"}, "b");
  node("conv2", "Conv", {"b", "w2"}, "output");
  return model;
}

uint32_t explicitBatch() {
#if NV_TENSORRT_MAJOR == 8
  return 1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH);
#else
  return 0;
#endif
}

Dims dims4(int batch) {
  Dims dims{};
  dims.nbDims = 4;
  dims.d[0] = batch;
  dims.d[1] = 3;
  dims.d[2] = dims.d[3] = 8;
  return dims;
}

struct Build {
  explicit Build(const presisi::onnx::Model& model, uint32_t flags = explicitBatch())
      : builder(createInferBuilder(logger)),
        definition(builder->createNetworkV2(flags)),
        config(builder->createBuilderConfig()),
        parser(nvonnxparser::createParser(*definition, logger)) {
    const std::string bytes = presisi::onnx::writeModel(model);
    parsed = parser->parse(bytes.data(), bytes.size());
    config->setProfilingVerbosity(ProfilingVerbosity::kDETAILED);
  }
  void profile() {
    IOptimizationProfile* made = builder->createOptimizationProfile();
    made->setDimensions("input", OptProfileSelector::kMIN, dims4(1));
    made->setDimensions("input", OptProfileSelector::kOPT, dims4(2));
    made->setDimensions("input", OptProfileSelector::kMAX, dims4(4));
    REQUIRE(config->addOptimizationProfile(made) == 0);
  }
  std::string plan() {
    std::unique_ptr<IHostMemory> memory(builder->buildSerializedNetwork(*definition, *config));
    return memory ? std::string(static_cast<char*>(memory->data()), memory->size()) : std::string();
  }
  Logger logger;
  std::unique_ptr<IBuilder> builder;
  std::unique_ptr<INetworkDefinition> definition;
  std::unique_ptr<IBuilderConfig> config;
  std::unique_ptr<nvonnxparser::IParser> parser;
  bool parsed = false;
};

struct Buffer {
  explicit Buffer(size_t bytes) : bytes(bytes) { REQUIRE(cudaMalloc(&data, bytes) == cudaSuccess); }
  ~Buffer() { cudaFree(data); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  void* data = nullptr;
  size_t bytes;
};

std::vector<float> execute(const std::string& plan, int batch, Logger& logger) {
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size()));
  REQUIRE_MESSAGE(engine, logger.errors);
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  std::vector<float> in(static_cast<size_t>(batch) * 192), out(static_cast<size_t>(batch) * 64);
  for (size_t i = 0; i < in.size(); ++i) in[i] = std::cos(0.1F * static_cast<float>(i));
  Buffer input(in.size() * 4), output(out.size() * 4);
  cudaMemcpy(input.data, in.data(), input.bytes, cudaMemcpyHostToDevice);
  CHECK_FALSE(context->enqueueV3(nullptr));
  CHECK(context->setInputShape("input", dims4(batch)));
  CHECK(context->setTensorAddress("input", input.data));
  CHECK(context->setTensorAddress("output", output.data));
  CHECK(context->inferShapes(0, nullptr) == 0);
  CHECK(context->getTensorShape("output").d[0] == batch);
  cudaStream_t stream;
  cudaStreamCreate(&stream);
  CHECK_MESSAGE(context->enqueueV3(stream), logger.errors);
  CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
  cudaMemcpy(out.data(), output.data, output.bytes, cudaMemcpyDeviceToHost);
  cudaStreamDestroy(stream);
  return out;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    error += std::pow(a[i] - b[i], 2);
    norm += b[i] * b[i];
  }
  return std::sqrt(error / norm);
}

#if NV_TENSORRT_MAJOR <= 10
template <class Base>
struct Calibrating : Base {
  int32_t getBatchSize() const noexcept override { return calls += "size ", 2; }
  bool getBatch(void* bindings[], const char* names[], int32_t count) noexcept override {
    calls += "batch ";
    if (count != 1 || std::string(names[0]) != "input" || left-- == 0) return false;
    bindings[0] = memory.data;
    return true;
  }
  const void* readCalibrationCache(size_t& length) noexcept override {
    calls += "read ";
    length = cache.size();
    return cache.empty() ? nullptr : cache.data();
  }
  void writeCalibrationCache(const void* data, size_t length) noexcept override {
    calls += "write ";
    cache.assign(static_cast<const char*>(data), length);
  }
  mutable std::string calls;
  std::string cache;
  int left = 2;
  Buffer memory{2 * 192 * 4};
};
#endif

struct Profiler : IProfiler {
  void reportLayerTime(const char* layer, float ms) noexcept override {
    layers += std::string(layer) + "\n";
    total += ms;
  }
  std::string layers;
  float total = 0;
};

}  // namespace

TEST_SUITE("doubles/tensorrt") {
  TEST_CASE("a Q/DQ network runs in INT8, under a graph and a profiler") {
    doubleCudaReset();
    Logger logger;
    const auto exact = [&] {
      Build build(network(true));
      build.profile();
      return execute(build.plan(), 2, logger);
    }();
    presisi::quantization::Options options;
    std::map<std::string, presisi::calibration::Threshold> thresholds;
    thresholds["input"].amax = 1;
    thresholds["b"].amax = 8;
    Build build(presisi::quantization::insertQdq(network(true), thresholds, options).model);
    REQUIRE_MESSAGE(build.parsed, build.logger.errors);
    build.profile();
#if NV_TENSORRT_MAJOR <= 10
    CHECK(build.plan().empty());
    CHECK(build.logger.errors.find("int8 is not configured") != std::string::npos);
    build.config->setFlag(BuilderFlag::kINT8);
#endif
    const std::string plan = build.plan();
    REQUIRE_FALSE(plan.empty());
    const auto expected = execute(plan, 2, logger);
    CHECK(distance(expected, exact) > 0);
    CHECK(distance(expected, exact) < 0.05);

    std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
    std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size()));
    std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
    std::vector<float> in(2 * 192), out(2 * 64);
    for (size_t i = 0; i < in.size(); ++i) in[i] = std::cos(0.1F * static_cast<float>(i));
    Buffer input(in.size() * 4), output(out.size() * 4);
    context->setInputShape("input", dims4(2));
    context->setTensorAddress("input", input.data);
    context->setTensorAddress("output", output.data);
    Profiler profiler;
    context->setProfiler(&profiler);
    cudaStream_t stream;
    cudaStreamCreate(&stream);
    // Not before the shapes have settled.
    cudaGraph_t graph = nullptr;
    cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    CHECK_FALSE(context->enqueueV3(stream));
    cudaStreamEndCapture(stream, &graph);
    cudaGraphDestroy(graph);
    cudaMemset(input.data, 0, input.bytes);
    CHECK(context->enqueueV3(stream));
    CHECK(profiler.layers == "Reformatting CopyNode for Input Tensor 0 to conv1 + act\nconv1 + act\nconv2\n");
    CHECK(profiler.total > 0);
    context->setProfiler(nullptr);
    cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    CHECK(context->enqueueV3(stream));
    REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
    cudaGraphExec_t executable;
    REQUIRE(cudaGraphInstantiateWithFlags(&executable, graph, 0) == cudaSuccess);
    cudaMemcpy(input.data, in.data(), input.bytes, cudaMemcpyHostToDevice);
    cudaGraphLaunch(executable, stream);
    CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
    cudaMemcpy(out.data(), output.data, output.bytes, cudaMemcpyDeviceToHost);
    CHECK(out == expected);
    cudaGraphExecDestroy(executable);
    cudaGraphDestroy(graph);
    cudaStreamDestroy(stream);
  }

  TEST_CASE("parses, builds, runs, and inspects a dynamic network") {
    doubleCudaReset();
    Build build(network(true));
    REQUIRE_MESSAGE(build.parsed, build.logger.errors);
    CHECK(build.definition->getNbLayers() == 3);
    CHECK(build.plan().empty());
    CHECK(build.logger.errors.find("no optimization profile") != std::string::npos);
    build.profile();
    const std::string plan = build.plan();
    REQUIRE_FALSE(plan.empty());
    Logger logger;
    const auto one = execute(plan, 1, logger);
    const auto four = execute(plan, 4, logger);
    CHECK(std::vector<float>(four.begin(), four.begin() + 64) == one);
    CHECK(std::abs(one[5]) > 0);
    std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
    std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size()));
    std::unique_ptr<IEngineInspector> inspector(engine->createEngineInspector());
    CHECK(engine->getNbLayers() == 2);
    const std::string text = inspector->getLayerInformation(0, LayerInformationFormat::kJSON);
    CHECK(text.find("conv1 + act") != std::string::npos);
    CHECK(text.find("Row major linear FP32") != std::string::npos);
    std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
    CHECK_FALSE(context->setInputShape("input", dims4(5)));
    inspector.reset();
    context.reset();
    CHECK(doubleCudaState().deviceAllocations == 0);
  }

  TEST_CASE("plans are tied to version and device, and damage is noticed") {
    doubleCudaReset();
    Build build(network(false));
    std::string plan = build.plan();
    REQUIRE_FALSE(plan.empty());
    Logger logger;
    std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
    doubleCudaPretend("NVIDIA A10;7.5;discrete");
    CHECK(std::unique_ptr<ICudaEngine>(runtime->deserializeCudaEngine(plan.data(), plan.size())) == nullptr);
    CHECK(logger.errors.find("incompatible device") != std::string::npos);
    doubleCudaReset();
    for (size_t at : {size_t{0}, plan.size() / 2, plan.size() - 1}) {
      plan[at] = static_cast<char>(plan[at] ^ 1);
      CHECK(std::unique_ptr<ICudaEngine>(runtime->deserializeCudaEngine(plan.data(), plan.size())) == nullptr);
      plan[at] = static_cast<char>(plan[at] ^ 1);
    }
    CHECK(std::unique_ptr<ICudaEngine>(runtime->deserializeCudaEngine(plan.data(), plan.size())) != nullptr);
  }

  TEST_CASE("the parser names what it can't do") {
    doubleCudaReset();
    Build build(network(false, "NoSuchOperator"));
    CHECK_FALSE(build.parsed);
    REQUIRE(build.parser->getNbErrors() == 1);
    const nvonnxparser::IParserError* error = build.parser->getError(0);
    CHECK(error->code() == nvonnxparser::ErrorCode::kUNSUPPORTED_NODE);
    CHECK(error->node() == 1);
#if NV_TENSORRT_MAJOR >= 10
    CHECK(std::string(error->nodeName()) == "act");
    CHECK(std::string(error->nodeOperator()) == "NoSuchOperator");
#endif
#if NV_TENSORRT_MAJOR == 8
    CHECK_FALSE(Build(network(false), 0).parsed);
#endif
  }

#if NV_TENSORRT_MAJOR >= 10
  TEST_CASE("the progress monitor sees phases and can cancel") {
    struct Monitor : IProgressMonitor {
      void phaseStart(const char*, const char*, int32_t) noexcept override { ++open, ++started; }
      bool stepComplete(const char*, int32_t) noexcept override { return ++steps < stopAt; }
      void phaseFinish(const char*) noexcept override { --open; }
      int open = 0, started = 0, steps = 0, stopAt = 1000;
    } monitor;
    doubleCudaReset();
    Build build(network(false));
    build.config->setProgressMonitor(&monitor);
    CHECK_FALSE(build.plan().empty());
    CHECK(monitor.started == 2);
    CHECK(monitor.open == 0);
    monitor.stopAt = monitor.steps + 2;
    CHECK(build.plan().empty());
    CHECK(monitor.open == 0);
  }
#endif

#if NV_TENSORRT_MAJOR <= 10
  TEST_CASE_TEMPLATE("implicit INT8 asks the calibrator in order, and computes INT8", Base, IInt8EntropyCalibrator2,
                     IInt8MinMaxCalibrator) {
    // Entropy clips, which a handful of samples shows.
    constexpr bool entropy = std::is_same_v<Base, IInt8EntropyCalibrator2>;
    const double most = entropy ? 0.25 : 0.03;
    using Calibrator = Calibrating<Base>;
    doubleCudaReset();
    {
      Calibrator calibrator;
      std::vector<float> batch(2 * 192);
      for (size_t i = 0; i < batch.size(); ++i) batch[i] = std::cos(0.1F * static_cast<float>(i));
      cudaMemcpy(calibrator.memory.data, batch.data(), batch.size() * 4, cudaMemcpyHostToDevice);
      Build build(network(true));
      build.profile();
      Logger logger;
      const auto exact = execute(build.plan(), 2, logger);
      build.config->setFlag(BuilderFlag::kINT8);
      build.config->setInt8Calibrator(&calibrator);
      const std::string plan = build.plan();
      REQUIRE_MESSAGE(!plan.empty(), build.logger.errors);
      CHECK(calibrator.calls == "read size batch batch batch write ");
      CHECK(calibrator.cache.rfind("TRT-" + std::to_string(NV_TENSORRT_VERSION) +
                                       (entropy ? "-EntropyCalibration2\n" : "-MinMaxCalibration\n"),
                                   0) == 0);
      const auto quantized = execute(plan, 2, logger);
      CHECK(distance(quantized, exact) > 0);
      CHECK(distance(quantized, exact) < most);
      calibrator.calls.clear();
      CHECK(execute(build.plan(), 2, logger) == quantized);
      CHECK(calibrator.calls == "read ");
      std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
      std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan.data(), plan.size()));
      std::unique_ptr<IEngineInspector> inspector(engine->createEngineInspector());
      const std::string text = inspector->getEngineInformation(LayerInformationFormat::kJSON);
      CHECK(text.find("Reformatting CopyNode for Input Tensor 0 to conv1") != std::string::npos);
      CHECK(text.find("i8i8_i8i32") != std::string::npos);
    }
    CHECK(doubleCudaState().deviceAllocations == 0);
  }
#endif
}

#endif
