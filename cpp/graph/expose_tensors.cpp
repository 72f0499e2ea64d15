#include <optional>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "graph/passes.hpp"
#include "graph/rewrite.hpp"

namespace presisi::graph {

namespace {

/// Shapes at two batches: dimensions that differ are the dynamic ones.
class Shapes {
 public:
  explicit Shapes(const onnx::Model& model) : one_(trySpecialize(model)) {
    if (!one_) return;
    if (isFullyStatic(model.graph)) {
      two_ = one_;
      return;
    }
    try {
      two_ = specialize(model, inputShapes(model, 2));
    } catch (const Error&) {
      two_ = std::nullopt;  // then nothing is known but the types
    }
  }

  onnx::ValueInfo describe(const std::string& tensor) const {
    onnx::ValueInfo info;
    info.name = tensor;
    info.hasShape = false;
    if (!one_) return info;
    const ops::TensorType& type = one_->types.at(tensor);
    info.dtype = type.dtype;
    if (!two_) return info;
    const Dims& other = two_->types.at(tensor).dims;
    if (other.size() != type.dims.size()) return info;
    info.hasShape = true;
    info.dims = type.dims;
    info.symbols.resize(info.dims.size());
    for (size_t i = 0; i < info.dims.size(); ++i) {
      if (info.dims[i] != other[i]) info.dims[i] = -1;
    }
    return info;
  }

 private:
  std::optional<Specialization> one_;
  std::optional<Specialization> two_;
};

}  // namespace

onnx::Model exposeTensors(const onnx::Model& model, const std::vector<std::string>& tensors) {
  onnx::Model out = model;
  const onnx::Links links(model.graph);
  const Shapes shapes(model);
  std::set<std::string> exposed;
  for (const onnx::ValueInfo& output : model.graph.outputs) exposed.insert(output.name);
  for (const std::string& tensor : tensors) {
    if (links.producer(tensor) < 0) {
      throw Error(ErrorCode::InvalidArgument,
                  "expected the name of a tensor that a node makes but received \"" + tensor + "\"");
    }
    if (exposed.insert(tensor).second) out.graph.outputs.push_back(shapes.describe(tensor));
  }
  return out;
}

}  // namespace presisi::graph
