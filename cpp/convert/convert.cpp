#include "convert/convert.hpp"

#include <optional>
#include <utility>

#include "convert/seed.hpp"
#include "core/error.hpp"
#include "core/step.hpp"
#include "graph/passes.hpp"
#include "onnx/reader.hpp"

namespace presisi::convert {

namespace {

int64_t countElements(const onnx::Model& model) {
  int64_t count = 0;
  for (const auto& [name, tensor] : model.graph.initializers) count += tensor.size();
  return count;
}

void describe(const architectures::Network& network, Summary& summary) {
  summary.architecture = network.architecture;
  summary.family = network.family;
  summary.configuration = network.configuration;
  for (const architectures::Parameter& parameter : network.parameters) {
    const bool statistic =
        parameter.init == architectures::Init::NormMean || parameter.init == architectures::Init::NormVariance;
    if (!statistic) summary.parameters += elementCount(parameter.dims);
  }
}

void addMetadata(onnx::Model& model, const Summary& summary, const Options& options) {
  if (!summary.architecture.empty()) {
    model.producerName = "presisi";
    model.producerVersion = PRESISI_VERSION;
    model.metadata["architecture"] = summary.architecture;
    for (const auto& [key, value] : summary.configuration) model.metadata[key] = value;
  }
  for (const auto& [key, value] : options.metadata) model.metadata[key] = value;
}

/// What both kinds of weights go through once they are in the graph.
Converted finish(onnx::Model model, Summary& summary, const Options& options, const ProgressFn& progress,
                 const StopToken& stop) {
  if (options.foldBatchNorm) {
    model = step("optimize", progress, stop, [&] { return graph::removeDeadCode(graph::foldBatchNorm(model)); });
  }
  addMetadata(model, summary, options);
  return {std::move(model), std::move(summary)};
}

std::map<std::string, Dims> shapesOf(const checkpoint::Checkpoint& checkpoint) {
  std::map<std::string, Dims> shapes;
  for (const auto& [name, entry] : checkpoint.entries) shapes.emplace(name, entry.dims);
  return shapes;
}

Converted fromCheckpoint(const std::string& path, const Options& options, const ProgressFn& progress,
                         const StopToken& stop) {
  std::optional<Span> freeing;  // ends after everything below it is gone
  Summary summary;
  const checkpoint::Checkpoint checkpoint = step("read", progress, stop, [&] { return checkpoint::read(path); });
  summary.source = checkpoint::name(checkpoint.format);
  if (checkpoint.section.find("ema") != std::string::npos) {
    summary.warnings.push_back("the averaged weights under \"" + checkpoint.section +
                               "\" were taken, not the last ones");
  }
  onnx::Model model = step("assemble", progress, stop, [&] {
    const auto network = architectures::recognise(shapesOf(checkpoint), options.architecture, options.choices);
    describe(network, summary);
    return bind(network, checkpoint, summary.warnings);
  });
  Converted converted = finish(std::move(model), summary, options, progress, stop);
  freeing.emplace("release");
  return converted;
}

Converted fromOnnx(const std::string& path, const Options& options, const ProgressFn& progress, const StopToken& stop) {
  if (!options.architecture.empty()) {
    throw Error(ErrorCode::InvalidArgument, path + " is no checkpoint: an architecture can't be chosen for it");
  }
  const architectures::Choices& choices = options.choices;
  if (choices.inputSize || choices.batch || choices.classes) {
    throw Error(ErrorCode::InvalidArgument, path + " is no checkpoint: its input and its classes are as they are");
  }
  Summary summary;
  summary.source = "ONNX";
  onnx::Model model = step("read", progress, stop, [&] { return onnx::readModel(path); });
  if (options.opset != 0 || options.simplify) {
    model = step("optimize", progress, stop, [&] {
      onnx::Model raised = options.opset != 0 ? graph::upgradeOpset(model, options.opset) : std::move(model);
      return options.simplify ? graph::tidy(raised) : raised;
    });
  }
  summary.parameters = countElements(model);
  addMetadata(model, summary, options);
  return {std::move(model), std::move(summary)};
}

}  // namespace

Converted fromFile(const std::string& path, const Options& options, const ProgressFn& progress, const StopToken& stop) {
  const bool isOnnx = checkpoint::kindOf(path) == checkpoint::FileKind::Other;
  return isOnnx ? fromOnnx(path, options, progress, stop) : fromCheckpoint(path, options, progress, stop);
}

Converted fromSeed(const std::string& architecture, uint64_t seed, const Options& options, const ProgressFn& progress,
                   const StopToken& stop) {
  Summary summary;
  summary.source = "seed";
  onnx::Model model = step("assemble", progress, stop, [&] {
    const architectures::Network network = architectures::make(architecture, options.choices);
    describe(network, summary);
    return withRandomWeights(network, seed);
  });
  return finish(std::move(model), summary, options, progress, stop);
}

}  // namespace presisi::convert
