#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "backend/feeds.hpp"
#include "backend/registry.hpp"
#include "conversions.hpp"
#include "core/clock.hpp"
#include "core/file.hpp"
#include "core/trace.hpp"
#include "engine/engine_file.hpp"
#include "engine/preprocess.hpp"
#include "environment.hpp"
#include "exports.hpp"
#include "handles.hpp"
#include "job.hpp"
#include "lane_team.hpp"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace presisi::binding {

namespace {

using nlohmann::json;

constexpr int64_t kMaxBatch = 1 << 16;

/// Major and minor: what has to agree for an engine's plan to mean the same.
std::string seriesOf(const std::string& version) { return version.substr(0, version.rfind('.')); }

json parseMetadata(const std::string& path, const std::string& text) {
  const json metadata = json::parse(text, nullptr, false);
  const auto isString = [&](const char* key) { return metadata.contains(key) && metadata[key].is_string(); };
  if (!metadata.is_object() || !isString("version") || !isString("backend") || !isString("precision") ||
      !metadata.contains("maxBatch") || !metadata["maxBatch"].is_number_integer() || metadata["maxBatch"] < 1) {
    throw Error(ErrorCode::InvalidEngine, path + " has damaged metadata");
  }
  return metadata;
}

struct OpenRequest {
  std::string path;
  int threads = 0;
  int64_t maxBatch = 0;  ///< 0: what the engine was built for
  std::string settings;  ///< of its sessions; JSON, empty: none
};

/// Refused before the vendor's library would, in words that say what to do.
void requireIdentity(const std::string& path, const json& metadata, backend::Backend& backend) {
  const auto madeWith = metadata.find("madeWith");
  if (madeWith == metadata.end() || !madeWith->is_object()) return;
  std::map<std::string, std::string> identity;
  for (const auto& [key, value] : madeWith->items()) {
    if (value.is_string()) identity[key] = value.get<std::string>();
  }
  const std::string why = backend.mismatch(identity);
  if (!why.empty()) {
    throw Error(ErrorCode::IncompatibleEngine, path + " can't run here: " + why);
  }
}

bool endsWith(const std::string& text, const std::string& ending) {
  return text.size() >= ending.size() && text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

/// Other tools write TensorRT's plan as it is, under these names.
bool mayBePlan(const std::string& path) {
  return !engine::isEngineFile(path) &&
         (endsWith(path, ".plan") || endsWith(path, ".engine") || endsWith(path, ".trt"));
}

std::shared_ptr<LoadedEngine> openPlan(const OpenRequest& request) {
  Span span("probe");
  const backend::Probe probe = backend::probe("tensorrt");
  if (!probe.available) {
    throw Error(ErrorCode::InvalidEngine, request.path + ": not a presisi engine",
                "if it is a plan of TensorRT: that backend can't be used here: " + probe.reason);
  }
  span.next("map");
  const auto file = MappedFile::open(request.path);
  span.next("deserialize");
  auto loaded = std::make_shared<LoadedEngine>();
  loaded->backend = "tensorrt";
  loaded->threads = request.threads;
  loaded->settings = request.settings;
  // A plan says its shapes itself, and the backend holds feeds to them.
  loaded->maxBatch = request.maxBatch > 0 ? request.maxBatch : kMaxBatch;
  loaded->engine = backend::get("tensorrt").load(file->data(), file->size(), file, {});
  loaded->metadata = json{
      {"version", PRESISI_VERSION},
      {"backend", "tensorrt"},
      {"backendVersion", probe.version},
      {"precision", "mixed"},
      {"maxBatch",
       loaded->maxBatch}}.dump();
  return loaded;
}

std::shared_ptr<LoadedEngine> openEngineFile(const OpenRequest& request) {
  Span span("map");
  const engine::EngineFile file = engine::readEngineFile(request.path);
  const json metadata = parseMetadata(request.path, file.metadata);
  const std::string version = metadata["version"].get<std::string>();
  if (seriesOf(version) != seriesOf(PRESISI_VERSION)) {
    throw Error(ErrorCode::IncompatibleEngine,
                request.path + " was made by presisi " + version + ", and this is " + PRESISI_VERSION,
                "quantize the model again with this version");
  }
  const std::vector<std::string> known = backend::names();
  if (std::find(known.begin(), known.end(), file.backend) == known.end()) {
    throw Error(ErrorCode::IncompatibleEngine,
                request.path + " was made for the backend \"" + file.backend + "\", which this presisi doesn't have");
  }
  auto loaded = std::make_shared<LoadedEngine>();
  loaded->backend = file.backend;
  loaded->metadata = file.metadata;
  loaded->maxBatch = request.maxBatch > 0 ? request.maxBatch : metadata["maxBatch"].get<int64_t>();
  loaded->threads = request.threads;
  loaded->settings = request.settings;
  backend::BuildOptions options;
  options.precision = metadata["precision"].get<std::string>();
  options.maxBatch = loaded->maxBatch;
  options.threads = request.threads;
  if (const auto settings = metadata.find("settings"); settings != metadata.end()) options.settings = settings->dump();
  span.next("probe");
  backend::Backend& backend = backend::get(file.backend);
  requireIdentity(request.path, metadata, backend);
  span.next("deserialize");
  loaded->engine = backend.load(file.plan, file.planBytes, file.file, options);
  // Much of what loading reads isn't wanted again: the graph, and weights that were packed or copied. Nor is what it
  // allocated on the way.
  file.file->dropPages();
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
  return loaded;
}

std::shared_ptr<LoadedEngine> open(const OpenRequest& request) {
  std::shared_ptr<LoadedEngine> loaded = mayBePlan(request.path) ? openPlan(request) : openEngineFile(request);
  loaded->inputs = loaded->engine->inputs();
  loaded->outputs = loaded->engine->outputs();
  return loaded;
}

backend::SessionOptions sessionOptions(const LoadedEngine& engine, bool profile) {
  backend::SessionOptions options;
  options.threads = engine.threads;
  options.profile = profile;
  options.settings = engine.settings;
  return options;
}

/// Only with `engine.running` held.
backend::Session& sessionOf(LoadedEngine& engine) {
  if (!engine.session) engine.session = engine.engine->createSession(sessionOptions(engine, false));
  return *engine.session;
}

struct RunResult {
  std::vector<Tensor> outputs;
  double preprocessSeconds = 0;
  double seconds = 0;
  std::map<std::string, double> stages;
};

/// `body` has the session run and gives its outputs.
template <typename Body>
RunResult runWith(LoadedEngine& engine, const backend::Feeds& shapes, const Body& body) {
  backend::validateFeeds(engine.inputs, shapes, engine.maxBatch);
  RunResult result;
  const std::lock_guard<std::mutex> lock(engine.running);
  backend::Session& session = sessionOf(engine);
  const Clock clock;
  result.outputs = body(session);
  result.seconds = clock.seconds();
  result.stages = session.lastTiming().stages;
  bool asSaid = result.outputs.size() == engine.outputs.size();
  for (size_t i = 0; asSaid && i < result.outputs.size(); ++i) {
    asSaid = result.outputs[i].dtype() == engine.outputs[i].dtype;
  }
  if (!asSaid) throw Error(ErrorCode::Internal, "the " + engine.backend + " backend gave other outputs than it said");
  return result;
}

RunResult run(LoadedEngine& engine, const backend::Feeds& feeds, const StopToken& stop) {
  return runWith(engine, feeds, [&](backend::Session& session) { return session.run(feeds, stop); });
}

/// What making the network's input takes is told apart from the run, as though it had been done before.
RunResult run(LoadedEngine& engine, const std::string& input, const engine::Normalizer& pictures,
              const StopToken& stop) {
  std::atomic<int64_t> nanoseconds{0};
  const auto make = [&](int64_t first, int64_t count, float* into) {
    const Clock clock;
    pictures.make(first, count, into);
    nanoseconds += static_cast<int64_t>(clock.seconds() * 1e9);
  };
  const backend::SampleMaker samples{input, pictures.dims(), make};
  int threads = 1;
  RunResult result =
      runWith(engine, {{input, Tensor::view(DType::Float32, samples.dims, nullptr)}}, [&](backend::Session& session) {
        std::vector<Tensor> outputs;
        threads = session.runMade(samples, backend::copyInto(outputs), stop);
        return outputs;
      });
  result.preprocessSeconds = static_cast<double>(nanoseconds) / 1e9 / threads;
  result.seconds = std::max(0.0, result.seconds - result.preprocessSeconds);
  return result;
}

/// `[preprocessSeconds, seconds, stages or undefined, data, dims, data, dims, ...]`, outputs in the engine's order.
Napi::Value resultToJs(Napi::Env env, const RunResult& result) {
  Napi::Array all = Napi::Array::New(env, 3 + 2 * result.outputs.size());
  uint32_t next = 0;
  all.Set(next++, result.preprocessSeconds);
  all.Set(next++, result.seconds);
  if (!result.stages.empty()) {
    Napi::Object stages = Napi::Object::New(env);
    for (const auto& [name, seconds] : result.stages) stages.Set(name, seconds);
    all.Set(next, stages);
  }
  ++next;
  for (const Tensor& tensor : result.outputs) {
    all.Set(next++, toTypedArray(env, tensor));
    all.Set(next++, toJs(env, tensor.dims()));
  }
  return all;
}

struct Inspection {
  std::vector<backend::LayerInfo> layers;
  std::vector<double> seconds;  ///< median over the runs, parallel to layers; empty without profile
  double total = 0;
  int64_t arenaBytes = 0;
  int64_t weightBytes = 0;
};

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// Times layers at batch 1 on zeros: kernels don't branch on their data.
void profile(LoadedEngine& engine, int64_t runs, const StopToken& stop, Inspection& inspection) {
  backend::Feeds feeds;
  for (const backend::TensorInfo& input : engine.inputs) {
    Dims dims = input.dims;
    for (int64_t& dim : dims) dim = dim < 0 ? 1 : dim;
    feeds.emplace(input.name, Tensor(input.dtype, dims));
  }
  const std::lock_guard<std::mutex> lock(engine.running);  // not beside a run, which would be measured, too
  const std::unique_ptr<backend::Session> session = engine.engine->createSession(sessionOptions(engine, true));
  std::vector<double> totals;
  std::vector<std::vector<double>> layers(inspection.layers.size());
  constexpr int64_t kWarmUp = 2;
  for (int64_t i = 0; i < kWarmUp + runs; ++i) {
    session->run(
        feeds, [](size_t, const Tensor&) {}, stop);
    if (i < kWarmUp) continue;
    const backend::Timing timing = session->lastTiming();
    totals.push_back(timing.total);
    for (size_t layer = 0; layer < std::min(layers.size(), timing.layers.size()); ++layer) {
      layers[layer].push_back(timing.layers[layer]);
    }
  }
  inspection.total = median(totals);
  inspection.arenaBytes = session->arenaBytes();
  for (std::vector<double>& values : layers) inspection.seconds.push_back(median(std::move(values)));
}

}  // namespace

/// `extractPlan(engine's path, output, control) -> { backend, bytes }`: the backend's own part, as its vendor's tools
/// read it.
Napi::Value extractPlan(const Napi::CallbackInfo& info) {
  if (!info[0].IsString() || !info[1].IsString()) {
    throw Error(ErrorCode::InvalidArgument, "expected two strings, the engine's path and the plan's");
  }
  struct Extracted {
    std::string backend;
    size_t bytes;
  };
  return runJob(
      info.Env(), Lane::Work, Control::from(info[2]), {},
      [path = info[0].As<Napi::String>().Utf8Value(),
       output = info[1].As<Napi::String>().Utf8Value()](const JobContext&) {
        const engine::EngineFile file = engine::readEngineFile(path);
        writeFileAtomically(output, {{file.plan, file.planBytes}});
        return Extracted{file.backend, file.planBytes};
      },
      [](Napi::Env env, const Extracted& extracted) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("backend", extracted.backend);
        object.Set("bytes", static_cast<double>(extracted.bytes));
        return object;
      });
}

/// `openEngine(path, { threads, maxBatch, settings }, control) -> { handle, backend, metadata (JSON), inputs, outputs,
/// maxBatch
/// }`
Napi::Value openEngine(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw Error(ErrorCode::InvalidArgument, "expected a string for the engine's path");
  const Napi::Object options = requireObject(info[1], "options");
  return runJob(
      info.Env(), Lane::Run, Control::from(info[2]), {},
      [request = OpenRequest{info[0].As<Napi::String>().Utf8Value(),
                             static_cast<int>(optionalInteger(options, "threads", 0, 1024, 0)),
                             optionalInteger(options, "maxBatch", 0, kMaxBatch, 0),
                             optionalString(options, "settings")}](const JobContext&) { return open(request); },
      [](Napi::Env env, const std::shared_ptr<LoadedEngine>& engine) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("backend", engine->backend);
        object.Set("metadata", engine->metadata);
        object.Set("inputs", toJs(env, engine->inputs));
        object.Set("outputs", toJs(env, engine->outputs));
        object.Set("maxBatch", static_cast<double>(engine->maxBatch));
        object.Set("handle", wrap(env, engine, engine->engine->weightBytes()));
        return object;
      });
}

/// `runFeeds(engine, [data, dims, ...], control) -> [preprocessSeconds, seconds, stages, data, dims, ...]`
Napi::Value runFeeds(const Napi::CallbackInfo& info) {
  const auto engine = unwrap<LoadedEngine>(info[0]);
  std::vector<Napi::ObjectReference> keepAlive;
  backend::Feeds feeds = toFeeds(info[1], engine->inputs, &keepAlive);
  return runJob(
      info.Env(), Lane::Run, Control::from(info[2]), std::move(keepAlive),
      [engine, given = std::move(feeds)](const JobContext& context) {
        LaneTeam::instance().keptFor(engine);
        return run(*engine, given, context.stop);
      },
      [](Napi::Env env, const RunResult& result) { return resultToJs(env, result); });
}

/// `runFeedsSync(engine, feeds)`: the same on this thread, at once.
Napi::Value runFeedsSync(const Napi::CallbackInfo& info) {
  const auto engine = unwrap<LoadedEngine>(info[0]);
  const backend::Feeds feeds = toFeeds(info[1], engine->inputs);
  LaneTeam::instance().rest();
  Environment::of(info.Env()).runs(engine);
  return resultToJs(info.Env(), run(*engine, feeds, {}));
}

/// `runImages(engine, images, control)`: the same from the bytes of pictures.
Napi::Value runImages(const Napi::CallbackInfo& info) {
  ImagesFromJs images = toImages(info[1]);
  std::vector<Napi::ObjectReference> keepAlive = std::move(images.keepAlive);
  return runJob(
      info.Env(), Lane::Run, Control::from(info[2]), std::move(keepAlive),
      [engine = unwrap<LoadedEngine>(info[0]), input = std::move(images.input), pixels = images.pixels,
       bytes = images.bytes, shape = images.shape, normalization = images.normalization](const JobContext& context) {
        LaneTeam::instance().keptFor(engine);
        return run(*engine, input, engine::Normalizer(pixels, bytes, shape, normalization), context.stop);
      },
      [](Napi::Env env, const RunResult& result) { return resultToJs(env, result); });
}

/// `inspectEngine(engine, { profile, runs }, control) -> { layers, total, arenaBytes, weightBytes }`
Napi::Value inspectEngine(const Napi::CallbackInfo& info) {
  const Napi::Object options = requireObject(info[1], "options");
  return runJob(
      info.Env(), Lane::Run, Control::from(info[2]), {},
      [engine = unwrap<LoadedEngine>(info[0]), wanted = optionalFlag(options, "profile", false),
       runs = optionalInteger(options, "runs", 1, 10000, 10)](const JobContext& context) {
        Inspection inspection;
        inspection.layers = engine->engine->layers();
        inspection.weightBytes = engine->engine->weightBytes();
        if (wanted) profile(*engine, runs, context.stop, inspection);
        return inspection;
      },
      [](Napi::Env env, const Inspection& inspection) {
        Napi::Object object = Napi::Object::New(env);
        Napi::Array layers = toJs(env, inspection.layers);
        for (size_t i = 0; i < inspection.seconds.size(); ++i) {
          layers.Get(static_cast<uint32_t>(i)).As<Napi::Object>().Set("seconds", inspection.seconds[i]);
        }
        object.Set("layers", layers);
        object.Set("weightBytes", static_cast<double>(inspection.weightBytes));
        if (!inspection.seconds.empty() || inspection.total > 0) {
          object.Set("seconds", inspection.total);
          object.Set("arenaBytes", static_cast<double>(inspection.arenaBytes));
        }
        return object;
      });
}

}  // namespace presisi::binding
