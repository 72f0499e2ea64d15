#include "backend/feeds.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "graph/passes.hpp"

namespace presisi::backend {

std::vector<TensorInfo> describeInputs(const onnx::Model& model) {
  std::vector<TensorInfo> infos;
  for (const onnx::ValueInfo& input : model.graph.inputs)
    infos.push_back({input.name, input.dtype, input.dims, input.hasShape});
  return infos;
}

std::vector<TensorInfo> describeOutputs(const onnx::Model& model) {
  std::vector<TensorInfo> infos;
  for (const onnx::ValueInfo& output : model.graph.outputs)
    infos.push_back({output.name, output.dtype, output.dims, output.hasShape});
  // Two batch sizes tell which dimensions follow the batch; a model without a dynamic one gives the same twice.
  bool dynamic = false;
  for (const onnx::ValueInfo& input : model.graph.inputs)
    dynamic = dynamic || (!input.dims.empty() && input.dims[0] < 0);
  graph::Specialization one, two;
  try {
    one = graph::specialize(model, graph::inputShapes(model, 1));
    two = dynamic ? graph::specialize(model, graph::inputShapes(model, 2)) : one;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::UnsupportedModel) return infos;  // shapes depend on what is fed: as declared
    throw;
  }
  for (TensorInfo& info : infos) {
    const ops::TensorType& a = one.types.at(info.name);
    const ops::TensorType& b = two.types.at(info.name);
    info.dtype = a.dtype;
    info.dims = a.dims;
    info.ranked = true;
    for (size_t i = 0; i < info.dims.size() && i < b.dims.size(); ++i) {
      if (a.dims[i] != b.dims[i]) info.dims[i] = -1;
    }
  }
  return infos;
}

std::vector<Dims> validateFeeds(const std::vector<TensorInfo>& inputs, const Feeds& feeds, int64_t maxBatch) {
  std::vector<Dims> shapes;
  for (const TensorInfo& input : inputs) {
    // In words where they are needed: this is part of every run.
    const auto expected = [&] {
      return std::string(name(input.dtype)) + " " + (input.ranked ? toString(input.dims) : "[...]");
    };
    const auto refuse = [&](const std::string& wanted, const std::string& received, const std::string& hint = {}) {
      throw Error(ErrorCode::ShapeMismatch,
                  "Expected " + wanted + " for input \"" + input.name + "\" but received " + received, hint);
    };
    const auto found = feeds.find(input.name);
    if (found == feeds.end()) refuse(expected(), "nothing");
    const Tensor& tensor = found->second;
    bool fits = tensor.dtype() == input.dtype && (!input.ranked || tensor.rank() == input.dims.size());
    for (size_t i = 0; fits && input.ranked && i < tensor.rank(); ++i) {
      fits = input.dims[i] < 0 ? tensor.dim(i) > 0 : tensor.dim(i) == input.dims[i];
    }
    if (!fits) refuse(expected(), std::string(name(tensor.dtype())) + " " + toString(tensor.dims()));
    if (!input.dims.empty() && input.dims[0] < 0 && tensor.dim(0) > maxBatch) {
      refuse("a batch of at most " + std::to_string(maxBatch), "one of " + std::to_string(tensor.dim(0)),
             "build or load the engine with a larger maxBatch, or run smaller batches");
    }
    shapes.push_back(tensor.dims());
  }
  for (const auto& [given, tensor] : feeds) {
    const auto isIt = [&given = given](const TensorInfo& input) { return input.name == given; };
    if (std::any_of(inputs.begin(), inputs.end(), isIt)) continue;
    std::string list;
    for (const TensorInfo& input : inputs) list += (list.empty() ? "\"" : ", \"") + input.name + "\"";
    throw Error(ErrorCode::ShapeMismatch, "There is no input \"" + given + "\": the inputs are " + list);
  }
  return shapes;
}

}  // namespace presisi::backend
