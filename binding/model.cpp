#include <string>
#include <utility>

#include "clock.hpp"
#include "conversions.hpp"
#include "exports.hpp"
#include "graph/passes.hpp"
#include "handles.hpp"
#include "job.hpp"
#include "onnx/reader.hpp"

namespace presisi::binding {

namespace {

struct Loaded {
  std::shared_ptr<LoadedModel> model;
  double parseSeconds = 0;
  double optimizeSeconds = 0;
};

std::vector<backend::TensorInfo> infosOf(const std::vector<onnx::ValueInfo>& values) {
  std::vector<backend::TensorInfo> infos;
  for (const onnx::ValueInfo& value : values) infos.push_back({value.name, value.dtype, value.dims});
  return infos;
}

void report(const JobContext& context, const char* phase, double completed) {
  if (context.progress) context.progress({phase, completed, 1});
}

}  // namespace

/// `loadModel(path, control) -> { handle, inputs, outputs, opset, nodes, parameters, phases }`: read and simplified.
Napi::Value loadModel(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) throw Error(ErrorCode::InvalidArgument, "expected a string for the model's path");
  return runJob(
      info.Env(), Lane::Work, Control::from(info[1]), {},
      [path = info[0].As<Napi::String>().Utf8Value()](const JobContext& context) {
        Loaded loaded;
        loaded.model = std::make_shared<LoadedModel>();
        const Clock parse;
        report(context, "parse", 0);
        const onnx::Model model = onnx::readModel(path);
        loaded.parseSeconds = parse.seconds();
        context.stop.check();
        const Clock optimize;
        report(context, "optimize", 0);
        loaded.model->model = graph::simplify(model);
        loaded.optimizeSeconds = optimize.seconds();
        for (const auto& [name, tensor] : loaded.model->model.graph.initializers) {
          loaded.model->weightBytes += static_cast<int64_t>(tensor.bytes());
        }
        report(context, "optimize", 1);
        return loaded;
      },
      [](Napi::Env env, Loaded& loaded) {
        const onnx::Model& model = loaded.model->model;
        double parameters = 0;
        for (const auto& [name, tensor] : model.graph.initializers) parameters += static_cast<double>(tensor.size());
        Napi::Object object = Napi::Object::New(env);
        object.Set("inputs", toJs(env, infosOf(model.graph.inputs)));
        object.Set("outputs", toJs(env, infosOf(model.graph.outputs)));
        object.Set("opset", static_cast<double>(model.opset()));
        object.Set("nodes", static_cast<double>(model.graph.nodes.size()));
        object.Set("parameters", parameters);
        object.Set("parseSeconds", loaded.parseSeconds);
        object.Set("optimizeSeconds", loaded.optimizeSeconds);
        object.Set("handle", wrap(env, loaded.model, loaded.model->weightBytes));
        return object;
      });
}

}  // namespace presisi::binding
