#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "backend/registry.hpp"
#include "calibration/table.hpp"
#include "conversions.hpp"
#include "core/file.hpp"
#include "core/step.hpp"
#include "engine/engine_file.hpp"
#include "exports.hpp"
#include "fingerprint.hpp"
#include "graph/passes.hpp"
#include "handles.hpp"
#include "job.hpp"
#include "onnx/writer.hpp"
#include "quantization/portable.hpp"
#include "quantization/quantize.hpp"

namespace presisi::binding {

namespace {

using nlohmann::json;

struct Request {
  std::shared_ptr<LoadedModel> model;
  std::string backend;
  backend::BuildOptions build;
  quantization::Options quantize;
  std::optional<bool> reduceRange;               ///< absent: as the device needs
  std::string table;                             ///< JSON; int8 only
  std::shared_ptr<const LoadedSamples> samples;  ///< for a backend that calibrates by itself, in place of a table
  std::string method;                            ///< of that calibration
  std::string backendCache;                      ///< where that calibration is kept, or read from if it is there
  calibration::Fingerprint expected;
  std::string output;      ///< empty: no engine
  std::string onnxOutput;  ///< empty: no export
  std::string metadata;    ///< JSON object from JavaScript, completed here
};

struct Outcome {
  std::string backend;
  std::vector<quantization::Decision> decisions;
  std::vector<backend::LayerInfo> layers;
  std::vector<std::string> warnings;
  size_t engineBytes = 0;
  size_t onnxBytes = 0;
};

/// The builder's steps in order.
class Builder {
 public:
  Builder(Request request, const JobContext& context) : request_(std::move(request)), context_(context) {}

  Outcome run() {
    std::optional<Span> freeing;  // ends after everything below it is gone
    backend::Backend& backend = chooseBackend();
    const onnx::Model model = phase("quantize", [&] { return convert(); });
    std::optional<onnx::Model> portable;
    if (!request_.onnxOutput.empty()) portable = phase("export", [&] { return exported(); });
    std::string metadata;
    std::string plan;
    if (!request_.output.empty()) {
      std::shared_ptr<backend::Engine> engine =
          phase("build", [&] { return backend.build(model, request_.build, context_.progress, context_.stop); });
      plan = phase("serialize", [&] {
        outcome_.layers = engine->layers();
        metadata = describe(*engine);
        std::string bytes = engine->serialize();
        engine.reset();
        return bytes;
      });
    }
    context_.stop.check();
    // Nothing was written before this point, and both files are complete or absent.
    outcome_.engineBytes = phase("write", [&]() -> size_t {
      if (portable) onnx::writeModelFile(*portable, request_.onnxOutput);
      if (request_.output.empty()) return 0;
      engine::writeEngineFile(request_.output, metadata, plan);
      return MappedFile::open(request_.output)->size();
    });
    freeing.emplace("release");
    return std::move(outcome_);
  }

 private:
  template <typename Body>
  std::invoke_result_t<const Body&> phase(const char* name, const Body& body) {
    return step(name, context_.progress, context_.stop, body);
  }

  /// The first time, this loads the vendor's library.
  backend::Backend& chooseBackend() {
    const Span span("probe");
    backend::Backend& backend = backend::get(request_.backend);
    outcome_.backend = backend.name();
    request_.build.log = context_.log;
    form_ = backend.form(request_.build);
    if (request_.samples) calibrateInBackend();
    probe_ = backend.probe();
    requirePrecision();
    return backend;
  }

  void requirePrecision() const {
    const std::vector<std::string>& known = probe_.precisions;
    if (std::find(known.begin(), known.end(), request_.build.precision) != known.end()) return;
    std::string list;
    for (const std::string& precision : known) list += (list.empty() ? "" : ", ") + precision;
    throw Error(ErrorCode::BackendUnavailable,
                "the " + outcome_.backend + " backend doesn't build " + request_.build.precision + " engines",
                "it builds: " + list);
  }

  onnx::Model convert() {
    const onnx::Model& model = request_.model->model;
    using Half = backend::GraphForm::Half;
    if (request_.build.precision == "fp16") {
      if (form_.half == Half::Chosen) return model;
      graph::HalfReport report;
      onnx::Model half = form_.half == Half::Typed ? graph::computeInHalf(quantization::lowerInternalOps(model), report)
                                                   : graph::storeAsHalf(model, report);
      for (const std::string& name : report.outOfRange) {
        outcome_.warnings.push_back("weights \"" + name + "\" exceed FP16's range of 65504 and stay FP32");
      }
      for (const std::string& name : report.subnormal) {
        outcome_.warnings.push_back("more than 1 % of weights \"" + name + "\" are too small for FP16's normal range");
      }
      return half;
    }
    if (request_.build.precision != "int8" || request_.samples) return model;
    const calibration::Table table = calibration::tableFromJson(request_.table);
    calibration::requireMatch(table.fingerprint, request_.expected);
    thresholds_ = table.thresholds;
    request_.quantize.reduceRange = request_.reduceRange.value_or(probe_.int8Saturates);
    request_.quantize.packWeights = request_.quantize.weightsAlone = form_.packedWeights;
    quantization::Result result = quantization::insertQdq(model, thresholds_, request_.quantize);
    outcome_.decisions = std::move(result.decisions);
    // Where types are the graph's, what isn't INT8 has to be FP16 in writing to be fast.
    if (form_.half == Half::Typed) {
      graph::HalfReport report;
      return graph::computeInHalf(quantization::lowerInternalOps(result.model), report);
    }
    return std::move(result.model);
  }

  /// The same network for other tools: weights as FP32 behind Q and DQ, and ONNX's own operators only.
  onnx::Model exported() {
    onnx::Model model = request_.model->model;
    if (request_.build.precision == "int8") {
      quantization::Options portable = request_.quantize;
      portable.packWeights = false;
      model = quantization::insertQdq(model, thresholds_, portable).model;
    } else if (request_.build.precision == "fp16") {
      graph::HalfReport report;
      model = graph::storeAsHalf(model, report);
    }
    model = quantization::lowerInternalOps(model);
    outcome_.onnxBytes = onnx::writtenSize(model);  // refused now rather than after the build
    return model;
  }

  std::string describe(const backend::Engine& engine) const {
    json metadata = json::parse(request_.metadata);
    metadata["backend"] = outcome_.backend;
    metadata["version"] = PRESISI_VERSION;
    metadata["backendVersion"] = probe_.version;
    metadata["precision"] = request_.build.precision;
    metadata["maxBatch"] = request_.build.maxBatch;
    metadata["weightBytes"] = engine.weightBytes();
    if (!probe_.devices.empty()) metadata["device"] = probe_.devices.front().name;
    if (!probe_.int8Isa.empty()) metadata["int8Isa"] = probe_.int8Isa;
    if (!probe_.identity.empty()) describeForOthers(engine, metadata);
    metadata["decisions"] = json::array();
    for (const quantization::Decision& decision : outcome_.decisions) {
      metadata["decisions"].push_back({{"node", decision.node},
                                       {"op", decision.op},
                                       {"quantized", decision.quantized},
                                       {"reason", decision.reason}});
    }
    // A node's name may hold any bytes: replaced where they aren't UTF-8, rather than losing the whole engine.
    return metadata.dump(-1, ' ', false, json::error_handler_t::replace);
  }

  /// What is asked before such an engine is loaded elsewhere, and what its vendor's plan doesn't tell any more.
  void describeForOthers(const backend::Engine& engine, json& metadata) const {
    metadata["madeWith"] = probe_.identity;
    if (!request_.build.settings.empty()) metadata["settings"] = json::parse(request_.build.settings);
    for (const char* relaxing : {"versionCompatible", "hardwareCompatibility"}) {
      if (!metadata.contains("settings") || !metadata["settings"].contains(relaxing)) continue;
      const json& value = metadata["settings"][relaxing];
      metadata["madeWith"][relaxing] = value.is_string() ? value.get<std::string>() : value.dump();
    }
    metadata["built"] = json::array();
    for (const backend::LayerInfo& layer : engine.layers()) {
      metadata["built"].push_back({{"name", layer.name}, {"requested", layer.requested}, {"macs", layer.macs}});
    }
  }

  /// The backend draws the pictures when it wants them.
  void calibrateInBackend() {
    if (request_.build.precision != "int8") {
      throw Error(ErrorCode::InvalidArgument, "only int8 is calibrated");
    }
    auto own = std::make_shared<backend::OwnCalibration>();
    own->method = request_.method;
    own->next = [samples = request_.samples, batch = size_t{0}](backend::Feeds& feeds) mutable {
      if (batch == samples->batches.size()) return false;
      const std::vector<uint8_t>& pixels = samples->batches[batch++];
      feeds.clear();
      feeds.emplace(samples->input,
                    engine::normalize(pixels.data(), pixels.size(), samples->shape, samples->normalization));
      return true;
    };
    if (!request_.backendCache.empty()) {
      if (std::ifstream file(request_.backendCache, std::ios::binary); file) {
        own->cache.assign(std::istreambuf_iterator<char>(file), {});
      }
      own->keep = [path = request_.backendCache](const std::string& cache) {
        writeFileAtomically(path, {{cache.data(), cache.size()}});
      };
    }
    request_.build.calibration = std::move(own);
  }

  Request request_;
  const JobContext& context_;
  backend::Probe probe_;
  backend::GraphForm form_;
  Outcome outcome_;
  std::map<std::string, calibration::Threshold> thresholds_;
};

Napi::Value outcomeToJs(Napi::Env env, const Outcome& outcome) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("backend", outcome.backend);
  Napi::Array decisions = Napi::Array::New(env, outcome.decisions.size());
  for (size_t i = 0; i < outcome.decisions.size(); ++i) {
    Napi::Object decision = Napi::Object::New(env);
    decision.Set("node", outcome.decisions[i].node);
    decision.Set("op", outcome.decisions[i].op);
    decision.Set("quantized", outcome.decisions[i].quantized);
    decision.Set("reason", outcome.decisions[i].reason);
    decisions.Set(static_cast<uint32_t>(i), decision);
  }
  object.Set("decisions", decisions);
  object.Set("layers", toJs(env, outcome.layers));
  object.Set("warnings", toJs(env, outcome.warnings));
  object.Set("engineBytes", static_cast<double>(outcome.engineBytes));
  object.Set("onnxBytes", static_cast<double>(outcome.onnxBytes));
  return object;
}

}  // namespace

/// `buildEngine(model, { precision, backend, threads, maxBatch, table, expected, samples, method, backendCache,
/// settings,
///  reduceRange, unsignedActivations, keepFloat, output, onnxOutput, metadata }, control)
///  -> { backend, decisions, layers, warnings, engineBytes, onnxBytes }`
Napi::Value buildEngine(const Napi::CallbackInfo& info) {
  const Napi::Object options = requireObject(info[1], "options");
  Request request;
  request.model = unwrap<LoadedModel>(info[0]);
  request.backend = requireString(options, "backend");
  request.build.precision = requireString(options, "precision");
  request.build.threads = static_cast<int>(optionalInteger(options, "threads", 0, 1024, 0));
  request.build.maxBatch = optionalInteger(options, "maxBatch", 1, 1 << 16, 1);
  request.quantize.unsignedActivations = optionalFlag(options, "unsignedActivations", false);
  request.quantize.keepFloat = optionalStrings(options, "keepFloat");
  if (!options.Get("reduceRange").IsUndefined()) request.reduceRange = optionalFlag(options, "reduceRange", false);
  request.table = optionalString(options, "table");
  if (const Napi::Value samples = options.Get("samples"); !samples.IsUndefined()) {
    request.samples = unwrap<LoadedSamples>(samples);
    request.method = requireString(options, "method");
    request.backendCache = optionalString(options, "backendCache");
  }
  request.build.settings = optionalString(options, "settings");
  request.expected = toFingerprint(options.Get("expected"));
  request.output = optionalString(options, "output");
  request.onnxOutput = optionalString(options, "onnxOutput");
  request.metadata = requireString(options, "metadata");
  return runJob(
      info.Env(), Lane::Work, Control::from(info[2]), {},
      [request = std::move(request)](const JobContext& context) mutable {
        return Builder(std::move(request), context).run();
      },
      [](Napi::Env env, const Outcome& outcome) { return outcomeToJs(env, outcome); });
}

}  // namespace presisi::binding
