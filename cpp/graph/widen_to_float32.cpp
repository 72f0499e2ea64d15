#include <algorithm>
#include <utility>

#include "graph/passes.hpp"
#include "graph/rewrite.hpp"

namespace presisi::graph {

namespace {

constexpr auto kFloat32 = static_cast<int64_t>(DType::Float32);

bool isHalfNumber(int64_t type) {
  return type == static_cast<int64_t>(DType::Float16) || type == static_cast<int64_t>(DType::Bfloat16);
}

class Widener {
 public:
  explicit Widener(const onnx::Model& model) : out_(model), graph_(out_.graph), links_(model.graph), names_(graph_) {}

  onnx::Model run() {
    // Neither these Casts nor those of the outputs are among the nodes whose inputs are renamed.
    std::vector<onnx::Node> casts = widenInputs();
    widenInitializers();
    std::vector<onnx::Node> back = narrowOutputs();
    for (onnx::Node& node : graph_.nodes) widenAttributes(node);
    renameInputs(graph_, renamed_);

    casts.insert(casts.end(), std::make_move_iterator(graph_.nodes.begin()),
                 std::make_move_iterator(graph_.nodes.end()));
    casts.insert(casts.end(), std::make_move_iterator(back.begin()), std::make_move_iterator(back.end()));
    graph_.nodes = std::move(casts);
    for (auto& [name, value] : graph_.values) {
      static_cast<void>(name);
      if (isHalf(value.dtype)) value.dtype = DType::Float32;
    }
    return std::move(out_);
  }

 private:
  /// Behind a Cast to another type nothing is left to widen.
  bool isOnlyCast(const std::string& tensor) const {
    const std::vector<int>& users = links_.consumers(tensor);
    return std::all_of(users.begin(), users.end(), [&](int user) {
      const onnx::Node& node = graph_.nodes[static_cast<size_t>(user)];
      return node.is("Cast") && !isHalfNumber(node.getInt("to", 0));
    });
  }

  std::vector<onnx::Node> widenInputs() {
    std::vector<onnx::Node> casts;
    for (const onnx::ValueInfo& input : graph_.inputs) {
      if (!isHalf(input.dtype) || isOnlyCast(input.name)) continue;
      const std::string wide = names_.fresh(input.name + "_fp32");
      casts.push_back(castNode(input.name, wide, DType::Float32));
      renamed_[input.name] = wide;
    }
    return casts;
  }

  void widenInitializers() {
    std::vector<std::pair<std::string, Tensor>> added;
    for (auto& [name, tensor] : graph_.initializers) {
      if (!isHalf(tensor.dtype()) || isOnlyCast(name)) continue;
      if (!links_.isOutput(name)) {
        tensor = tensor.cast(DType::Float32);
        continue;
      }
      const std::string wide = names_.fresh(name + "_fp32");
      added.emplace_back(wide, tensor.cast(DType::Float32));
      renamed_[name] = wide;
    }
    for (auto& [name, tensor] : added) graph_.initializers.emplace(std::move(name), std::move(tensor));
  }

  /// Outputs that nodes make move behind a Cast to the declared type.
  std::vector<onnx::Node> narrowOutputs() {
    std::vector<onnx::Node> casts;
    for (const onnx::ValueInfo& output : graph_.outputs) {
      const int producer = links_.producer(output.name);
      if (!isHalf(output.dtype) || producer < 0) continue;
      onnx::Node& node = graph_.nodes[static_cast<size_t>(producer)];
      if (node.is("Cast") && links_.consumers(output.name).empty()) {
        kept_.push_back(output.name);
        continue;
      }
      const std::string wide = names_.fresh(output.name + "_fp32");
      for (std::string& name : node.outputs) {
        if (name == output.name) name = wide;
      }
      renamed_[output.name] = wide;
      casts.push_back(castNode(wide, output.name, output.dtype));
    }
    return casts;
  }

  void widenAttributes(onnx::Node& node) const {
    const bool keepsType = std::find(kept_.begin(), kept_.end(), node.outputs[0]) != kept_.end();
    for (onnx::Attribute& attribute : node.attributes) {
      if (attribute.kind == onnx::Attribute::Kind::Tensor && isHalf(attribute.t.dtype())) {
        attribute.t = attribute.t.cast(DType::Float32);
      }
      const bool isType = attribute.name == "to" || attribute.name == "dtype" || attribute.name == "output_dtype";
      if (isType && attribute.kind == onnx::Attribute::Kind::Int && isHalfNumber(attribute.i) && !keepsType) {
        attribute.i = kFloat32;
      }
    }
  }

  onnx::Model out_;
  onnx::Graph& graph_;
  onnx::Links links_;
  Names names_;
  std::map<std::string, std::string> renamed_;  ///< tensor -> its FP32 form
  std::vector<std::string> kept_;               ///< outputs whose Cast stays as it is
};

bool mentionsHalf(const onnx::Graph& graph) {
  for (const onnx::ValueInfo& input : graph.inputs) {
    if (isHalf(input.dtype)) return true;
  }
  for (const auto& [name, tensor] : graph.initializers) {
    static_cast<void>(name);
    if (isHalf(tensor.dtype())) return true;
  }
  for (const onnx::Node& node : graph.nodes) {
    for (const onnx::Attribute& attribute : node.attributes) {
      if (attribute.kind == onnx::Attribute::Kind::Tensor && isHalf(attribute.t.dtype())) return true;
      if (attribute.kind == onnx::Attribute::Kind::Int && node.is("Cast") && isHalfNumber(attribute.i)) return true;
    }
  }
  return false;
}

}  // namespace

onnx::Model widenToFloat32(const onnx::Model& model) {
  return mentionsHalf(model.graph) ? Widener(model).run() : model;
}

}  // namespace presisi::graph
