#include "convert/convert.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "architectures/architecture.hpp"
#include "backend/registry.hpp"
#include "conversions.hpp"
#include "convert_options.hpp"
#include "core/file.hpp"
#include "core/step.hpp"
#include "exports.hpp"
#include "graph/passes.hpp"
#include "job.hpp"
#include "onnx/writer.hpp"

namespace presisi::binding {

namespace {

Napi::Object factsToJs(Napi::Env env, const std::map<std::string, std::string>& facts) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& [key, value] : facts) object.Set(key, value);
  return object;
}

std::map<std::string, std::string> toFacts(const Napi::Value& value) {
  std::map<std::string, std::string> facts;
  if (value.IsUndefined()) return facts;
  const Napi::Object object = requireObject(value, "metadata");
  const Napi::Array keys = object.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = keys.Get(i).As<Napi::String>().Utf8Value();
    facts[key] = requireString(object, key.c_str());
  }
  return facts;
}

std::vector<int64_t> toIntegers(const Napi::Value& value) {
  if (!value.IsArray()) throw Error(ErrorCode::InvalidArgument, "expected an array for blocks");
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<int64_t> integers;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value element = array.Get(i);
    if (!element.IsNumber()) throw Error(ErrorCode::InvalidArgument, "expected numbers for blocks");
    integers.push_back(element.As<Napi::Number>().Int64Value());
  }
  return integers;
}

struct Outcome {
  convert::Summary summary;
  std::vector<onnx::ValueInfo> inputs;
  std::vector<onnx::ValueInfo> outputs;
  int64_t opset = 0;
  size_t nodes = 0;
  size_t bytes = 0;
};

Outcome write(convert::Converted converted, const std::string& output, const JobContext& context) {
  Outcome outcome;
  {
    const Span span("check");
    // A network that can't be run is better known of now than when it is built; this infers every shape.
    graph::specialize(converted.model, graph::inputShapes(converted.model, 1));
  }
  outcome.bytes = step("write", context.progress, context.stop, [&] {
    onnx::writeModelFile(converted.model, output);
    return MappedFile::open(output)->size();
  });
  outcome.inputs = converted.model.graph.inputs;
  outcome.outputs = converted.model.graph.outputs;
  outcome.opset = converted.model.opset();
  outcome.nodes = converted.model.graph.nodes.size();
  outcome.summary = std::move(converted.summary);
  const Span span("release");
  converted.model = {};
  return outcome;
}

Napi::Value outcomeToJs(Napi::Env env, const Outcome& outcome) {
  Napi::Object object = toJs(env, outcome.summary);
  object.Set("inputs", toJs(env, outcome.inputs));
  object.Set("outputs", toJs(env, outcome.outputs));
  object.Set("opset", static_cast<double>(outcome.opset));
  object.Set("nodes", static_cast<double>(outcome.nodes));
  object.Set("bytes", static_cast<double>(outcome.bytes));
  return object;
}

struct Portrait {
  convert::Summary summary;
  int64_t classes = 0;
  int64_t inputSize = 0;
  int64_t macs = 0;
  std::map<std::string, int> operators;
};

/// Built once with random weights, since only a network that runs can be measured.
Portrait portray(const std::string& name, const convert::Options& options, const JobContext& context) {
  const convert::Converted made = convert::fromSeed(name, 0, options, context.progress, context.stop);
  Portrait portrait;
  portrait.classes = made.model.graph.outputs.at(0).dims.at(1);
  portrait.inputSize = made.model.graph.inputs.at(0).dims.at(2);
  for (const onnx::Node& node : made.model.graph.nodes) ++portrait.operators[node.opType];
  const auto engine = backend::get("reference").build(made.model, {}, {}, context.stop);
  for (const backend::LayerInfo& layer : engine->layers()) portrait.macs += layer.macs;
  portrait.summary = made.summary;
  return portrait;
}

}  // namespace

Napi::Object toJs(Napi::Env env, const convert::Summary& summary) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("source", summary.source);
  if (!summary.architecture.empty()) {
    object.Set("architecture", summary.architecture);
    object.Set("family", summary.family);
    object.Set("configuration", factsToJs(env, summary.configuration));
  }
  object.Set("parameters", static_cast<double>(summary.parameters));
  object.Set("warnings", toJs(env, summary.warnings));
  return object;
}

convert::Options toConvertOptions(const Napi::Object& object) {
  convert::Options options;
  options.architecture = optionalString(object, "architecture");
  architectures::Choices& choices = options.choices;
  const auto integer = [&](const char* key, int64_t high, std::optional<int64_t>& into) {
    if (!object.Get(key).IsUndefined()) into = optionalInteger(object, key, 1, high, 1);
  };
  const auto number = [&](const char* key, std::optional<double>& into) {
    if (!object.Get(key).IsUndefined()) into = optionalNumber(object, key, 1);
  };
  integer("classes", 1 << 20, choices.classes);
  integer("inputSize", 8192, choices.inputSize);
  integer("growthRate", 4096, choices.growthRate);
  integer("batch", 1 << 16, choices.batch);
  if (const Napi::Value blocks = object.Get("blocks"); !blocks.IsUndefined()) choices.blocks = toIntegers(blocks);
  number("width", choices.width);
  number("depth", choices.depth);
  if (!object.Get("opset").IsUndefined()) choices.opset = options.opset = optionalInteger(object, "opset", 13, 21, 13);
  options.foldBatchNorm = optionalFlag(object, "foldBatchNorm", true);
  options.simplify = optionalFlag(object, "simplify", false);
  options.metadata = toFacts(object.Get("metadata"));
  return options;
}

/// `convertModel(source, options, control) -> { source, architecture?, family?, configuration?, parameters, inputs,
///  outputs, opset, nodes, bytes, warnings }`; options hold `output` beside what `toConvertOptions` reads.
Napi::Value convertModel(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw Error(ErrorCode::InvalidArgument, "expected a string for the source's path");
  const Napi::Object object = requireObject(info[1], "options");
  return runJob(
      info.Env(), Lane::Work, Control::from(info[2]), {},
      [path = info[0].As<Napi::String>().Utf8Value(), output = requireString(object, "output"),
       options = toConvertOptions(object)](const JobContext& context) {
        return write(convert::fromFile(path, options, context.progress, context.stop), output, context);
      },
      [](Napi::Env env, const Outcome& outcome) { return outcomeToJs(env, outcome); });
}

/// `makeModel(architecture, options, control)`: the same from a seed.
Napi::Value makeModel(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw Error(ErrorCode::InvalidArgument, "expected a string for the architecture");
  const Napi::Object object = requireObject(info[1], "options");
  const auto seed = static_cast<uint64_t>(optionalInteger(object, "seed", 0, (int64_t{1} << 53) - 1, 0));
  return runJob(
      info.Env(), Lane::Work, Control::from(info[2]), {},
      [name = info[0].As<Napi::String>().Utf8Value(), seed, output = requireString(object, "output"),
       options = toConvertOptions(object)](const JobContext& context) {
        return write(convert::fromSeed(name, seed, options, context.progress, context.stop), output, context);
      },
      [](Napi::Env env, const Outcome& outcome) { return outcomeToJs(env, outcome); });
}

/// `architectures() -> [{ name, family, summary, inputSize }]`
Napi::Value architectures(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array list = Napi::Array::New(env);
  for (const architectures::Description& description : architectures::list()) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", description.name);
    entry.Set("family", description.family);
    entry.Set("summary", description.summary);
    entry.Set("inputSize", static_cast<double>(description.inputSize));
    list.Set(list.Length(), entry);
  }
  return list;
}

/// `describeArchitecture(name, choices, control) -> { family, configuration, classes, inputSize, parameters, macs,
///  operators }`
Napi::Value describeArchitecture(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw Error(ErrorCode::InvalidArgument, "expected a string for the architecture");
  return runJob(
      info.Env(), Lane::Work, Control::from(info[2]), {},
      [name = info[0].As<Napi::String>().Utf8Value(), options = toConvertOptions(requireObject(info[1], "choices"))](
          const JobContext& context) { return portray(name, options, context); },
      [](Napi::Env env, const Portrait& portrait) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("family", portrait.summary.family);
        object.Set("configuration", factsToJs(env, portrait.summary.configuration));
        object.Set("classes", static_cast<double>(portrait.classes));
        object.Set("inputSize", static_cast<double>(portrait.inputSize));
        object.Set("parameters", static_cast<double>(portrait.summary.parameters));
        object.Set("macs", static_cast<double>(portrait.macs));
        Napi::Object operators = Napi::Object::New(env);
        for (const auto& [op, count] : portrait.operators) operators.Set(op, count);
        object.Set("operators", operators);
        return object;
      });
}

}  // namespace presisi::binding
