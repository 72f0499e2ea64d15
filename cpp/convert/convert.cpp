#include "convert/convert.hpp"

#include <utility>

#include "convert/seed.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "graph/passes.hpp"
#include "onnx/reader.hpp"

namespace presisi::convert {

namespace {

/// Runs the steps of a conversion: each is reported, timed, and a chance to stop.
class Steps {
 public:
  Steps(Summary& summary, const ProgressFn& progress, const StopToken& stop)
      : summary_(summary), progress_(progress), stop_(stop) {}

  template <typename Step>
  auto operator()(const char* name, const Step& step) {
    stop_.check();
    if (progress_) progress_({name, 0, 1});
    const Clock clock;
    auto result = step();
    summary_.phases.push_back({name, clock.seconds()});
    if (progress_) progress_({name, 1, 1});
    return result;
  }

 private:
  Summary& summary_;
  const ProgressFn& progress_;
  const StopToken& stop_;
};

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
Converted finish(onnx::Model model, Summary& summary, const Options& options, Steps& step) {
  if (options.foldBatchNorm)
    model = step("optimize", [&] { return graph::removeDeadCode(graph::foldBatchNorm(model)); });
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
  Summary summary;
  Steps step(summary, progress, stop);
  const checkpoint::Checkpoint checkpoint = step("read", [&] { return checkpoint::read(path); });
  summary.source = checkpoint::name(checkpoint.format);
  if (checkpoint.section.find("ema") != std::string::npos) {
    summary.warnings.push_back("the averaged weights under \"" + checkpoint.section +
                               "\" were taken, not the last ones");
  }
  onnx::Model model = step("assemble", [&] {
    const auto network = architectures::recognise(shapesOf(checkpoint), options.architecture, options.choices);
    describe(network, summary);
    return bind(network, checkpoint, summary.warnings);
  });
  return finish(std::move(model), summary, options, step);
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
  Steps step(summary, progress, stop);
  onnx::Model model = step("read", [&] { return onnx::readModel(path); });
  if (options.opset != 0 || options.simplify) {
    model = step("optimize", [&] {
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
  Steps step(summary, progress, stop);
  onnx::Model model = step("assemble", [&] {
    const architectures::Network network = architectures::make(architecture, options.choices);
    describe(network, summary);
    return withRandomWeights(network, seed);
  });
  return finish(std::move(model), summary, options, step);
}

}  // namespace presisi::convert
