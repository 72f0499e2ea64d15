#include <optional>
#include <string>
#include <utility>

#include "conversions.hpp"
#include "convert_options.hpp"
#include "core/step.hpp"
#include "exports.hpp"
#include "graph/passes.hpp"
#include "handles.hpp"
#include "job.hpp"

namespace presisi::binding {

namespace {

struct Loaded {
  std::shared_ptr<LoadedModel> model;
  convert::Summary summary;
};

}  // namespace

/// `loadModel(path, options, control) -> { handle, inputs, outputs, opset, nodes, parameters, source, architecture?,
///  warnings }`: an ONNX file or a checkpoint, simplified.
Napi::Value loadModel(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw Error(ErrorCode::InvalidArgument, "expected a string for the model's path");
  return runJob(
      info.Env(), Lane::Work, Control::from(info[2]), {},
      [path = info[0].As<Napi::String>().Utf8Value(),
       options = toConvertOptions(requireObject(info[1], "options"))](const JobContext& context) mutable {
        options.foldBatchNorm = false;  // simplifying does
        std::optional<Span> freeing;    // ends after everything below it is gone
        Loaded loaded;
        loaded.model = std::make_shared<LoadedModel>();
        convert::Converted converted = convert::fromFile(path, options, context.progress, context.stop);
        loaded.model->model =
            step("optimize", context.progress, context.stop, [&] { return graph::simplify(converted.model); });
        loaded.summary = std::move(converted.summary);
        for (const auto& [name, tensor] : loaded.model->model.graph.initializers) {
          loaded.model->weightBytes += static_cast<int64_t>(tensor.bytes());
        }
        freeing.emplace("release");
        return loaded;
      },
      [](Napi::Env env, Loaded& loaded) {
        const onnx::Model& model = loaded.model->model;
        Napi::Object object = toJs(env, loaded.summary);
        object.Set("inputs", toJs(env, model.graph.inputs));
        object.Set("outputs", toJs(env, model.graph.outputs));
        object.Set("opset", static_cast<double>(model.opset()));
        object.Set("nodes", static_cast<double>(model.graph.nodes.size()));
        object.Set("handle", wrap(env, loaded.model, loaded.model->weightBytes));
        return object;
      });
}

}  // namespace presisi::binding
