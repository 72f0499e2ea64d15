#include "calibration/calibrator.hpp"

#include <string>
#include <utility>

#include "backend/feeds.hpp"
#include "backend/registry.hpp"
#include "calibration/table.hpp"
#include "conversions.hpp"
#include "core/file.hpp"
#include "core/trace.hpp"
#include "exports.hpp"
#include "fingerprint.hpp"
#include "handles.hpp"
#include "job.hpp"
#include "quantization/quantize.hpp"

namespace presisi::binding {

namespace {

constexpr int64_t kMaxThreads = 1024;
constexpr int64_t kMaxBatch = 1 << 16;

/// Bytes of one histogram's counters, which is what a calibrator mostly holds.
constexpr int64_t kHistogramBytes = int64_t{calibration::Histogram::kBins} * 8;

struct Created {
  std::shared_ptr<LoadedCalibrator> calibrator;
  size_t tensors = 0;
};

}  // namespace

/// `createCalibrator(model, { backend, threads, maxBatch, unsignedActivations, keepFloat }, control)
///  -> { handle, tensors }`
Napi::Value createCalibrator(const Napi::CallbackInfo& info) {
  const Napi::Object options = requireObject(info[1], "options");
  quantization::Options quantize;
  quantize.unsignedActivations = optionalFlag(options, "unsignedActivations", false);
  quantize.keepFloat = optionalStrings(options, "keepFloat");
  return runJob(
      info.Env(), Lane::Work, Control::from(info[2]), {},
      [model = unwrap<LoadedModel>(info[0]), backendName = requireString(options, "backend"), quantize,
       threads = static_cast<int>(optionalInteger(options, "threads", 0, kMaxThreads, 0)),
       maxBatch = optionalInteger(options, "maxBatch", 1, kMaxBatch, 1)](const JobContext& context) {
        const Span span("prepare");
        Created created;
        backend::Backend& backend = backend::get(backendName);
        std::vector<std::string> tensors = quantization::activationsToCalibrate(model->model, quantize);
        created.tensors = tensors.size();
        created.calibrator = std::make_shared<LoadedCalibrator>();
        created.calibrator->model = model;
        created.calibrator->calibrator = std::make_unique<calibration::Calibrator>(
            model->model, std::move(tensors), backend, threads, maxBatch, context.progress, context.stop);
        return created;
      },
      [](Napi::Env env, Created& created) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("tensors", static_cast<double>(created.tensors));
        object.Set("handle", wrap(env, created.calibrator, static_cast<int64_t>(created.tensors) * kHistogramBytes));
        return object;
      });
}

/// `collectImages(calibrator, images, control) -> samples so far`
Napi::Value collectImages(const Napi::CallbackInfo& info) {
  ImagesFromJs images = toImages(info[1]);
  std::vector<Napi::ObjectReference> keepAlive = std::move(images.keepAlive);
  return runJob(
      info.Env(), Lane::Work, Control::from(info[2]), std::move(keepAlive),
      [held = unwrap<LoadedCalibrator>(info[0]), input = std::move(images.input), pixels = images.pixels,
       bytes = images.bytes, shape = images.shape, normalization = images.normalization](const JobContext& context) {
        backend::Feeds feeds;
        {
          const Span span("preprocess");
          feeds.emplace(input, engine::normalize(pixels, bytes, shape, normalization));
        }
        held->calibrator->collect(feeds, context.stop);
        return held->calibrator->samples();
      },
      [](Napi::Env env, uint64_t samples) { return Napi::Number::New(env, static_cast<double>(samples)); });
}

/// `collectFeeds(calibrator, [data, dims, ...], control) -> samples so far`
Napi::Value collectFeeds(const Napi::CallbackInfo& info) {
  const auto held = unwrap<LoadedCalibrator>(info[0]);
  std::vector<Napi::ObjectReference> keepAlive;
  backend::Feeds feeds = toFeeds(info[1], backend::describeInputs(held->model->model), &keepAlive);
  return runJob(
      info.Env(), Lane::Work, Control::from(info[2]), std::move(keepAlive),
      [held, given = std::move(feeds)](const JobContext& context) {
        held->calibrator->collect(given, context.stop);
        return held->calibrator->samples();
      },
      [](Napi::Env env, uint64_t samples) { return Napi::Number::New(env, static_cast<double>(samples)); });
}

/// `solveCalibration(calibrator, { method, percentile, fingerprint }, control) -> the table as JSON`
Napi::Value solveCalibration(const Napi::CallbackInfo& info) {
  const Napi::Object options = requireObject(info[1], "options");
  calibration::SolveOptions solve;
  solve.method = calibration::parseMethod(requireString(options, "method"));
  solve.percentile = optionalNumber(options, "percentile", solve.percentile);
  return runJob(
      info.Env(), Lane::Work, Control::from(info[2]), {},
      [held = unwrap<LoadedCalibrator>(info[0]), solve,
       fingerprint = toFingerprint(options.Get("fingerprint"))](const JobContext& context) {
        const Span span("solve");
        calibration::Table table;
        table.thresholds = held->calibrator->solve(solve, context.progress, context.stop);
        table.fingerprint = fingerprint;
        table.fingerprint.method = calibration::describe(solve);
        table.fingerprint.samples = held->calibrator->samples();
        table.fingerprint.toolVersion = PRESISI_VERSION;
        return calibration::toJson(table);
      },
      [](Napi::Env env, const std::string& json) { return Napi::String::New(env, json); });
}

/// `parseTable(json, expected fingerprint, control) -> canonical JSON`; refuses what isn't a table or doesn't match.
Napi::Value parseTable(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw Error(ErrorCode::InvalidArgument, "expected a string for the calibration table");
  return runJob(
      info.Env(), Lane::Work, Control::from(info[2]), {},
      [json = info[0].As<Napi::String>().Utf8Value(), expected = toFingerprint(info[1])](const JobContext&) {
        const calibration::Table table = calibration::tableFromJson(json);
        calibration::requireMatch(table.fingerprint, expected);
        return calibration::toJson(table);
      },
      [](Napi::Env env, const std::string& json) { return Napi::String::New(env, json); });
}

/// `writeText(path, text, control)`: atomically, see writeFileAtomically.
Napi::Value writeText(const Napi::CallbackInfo& info) {
  if (!info[0].IsString() || !info[1].IsString()) {
    throw Error(ErrorCode::InvalidArgument, "expected strings for path and text");
  }
  return runJob(
      info.Env(), Lane::Work, Control::from(info[2]), {},
      [path = info[0].As<Napi::String>().Utf8Value(),
       text = info[1].As<Napi::String>().Utf8Value()](const JobContext&) {
        writeFileAtomically(path, {{text.data(), text.size()}});
        return text.size();
      },
      [](Napi::Env env, size_t bytes) { return Napi::Number::New(env, static_cast<double>(bytes)); });
}

}  // namespace presisi::binding
