#include "quantization/placement.hpp"

#include <algorithm>
#include <optional>

#include "core/error.hpp"
#include "graph/passes.hpp"
#include "quantization/squeeze_excite.hpp"
#include "quantization/weights.hpp"

namespace presisi::quantization {

namespace {

bool isMatrixLike(const onnx::Node& node) {
  return node.is("Conv") || node.is("ConvTranspose") || node.is("Gemm") || node.is("MatMul");
}

/// What backends fuse into the convolution before it.
bool isActivation(const onnx::Node& node) {
  static const std::set<std::string> names = {"Relu",    "Clip",        "LeakyRelu", "PRelu",     "Elu",  "Tanh",
                                              "Sigmoid", "HardSigmoid", "Swish",     "HardSwish", "Gelu", "Mish"};
  return (node.domain.empty() || node.domain == onnx::kPresisiDomain) && names.count(node.opType) > 0;
}

/// The largest of some values is one of them: quantizing before and after with one scale rounds once.
bool keepsScale(const onnx::Node& node) { return node.is("MaxPool") || node.is("GlobalMaxPool"); }

class Placer {
 public:
  Placer(const onnx::Model& model, const Options& options)
      : graph_(model.graph),
        links_(model.graph),
        types_(graph::specialize(model, graph::inputShapes(model, 1)).types),
        squeezeExcite_(squeezeExciteNodes(model.graph, links_)),
        weightsAlone_(options.weightsAlone) {
    findKept(options);
  }

  Placement place() {
    for (int i = 0; i < static_cast<int>(graph_.nodes.size()); ++i) {
      if (isMatrixLike(node(i))) decide(i);
    }
    // Skip inputs after the data inputs: whether a branch ends in a quantized convolution has to be known.
    for (int i = 0; i < static_cast<int>(graph_.nodes.size()); ++i) {
      if (node(i).is("Add") && kept_.count(i) == 0) quantizeSkip(i);
    }
    // Backwards, so that a scale reaches through chains of pools and concatenations.
    for (int i = static_cast<int>(graph_.nodes.size()) - 1; i >= 0; --i) carryScale(i);
    formGroups();
    return std::move(placement_);
  }

 private:
  const onnx::Node& node(int index) const { return graph_.nodes[static_cast<size_t>(index)]; }
  bool isConstant(const std::string& tensor) const { return graph_.initializer(tensor) != nullptr; }
  bool isQuantized(const std::string& tensor) const { return placement_.activations.count(tensor) > 0; }

  const ops::TensorType* typeOf(const std::string& tensor) const {
    const auto it = types_.find(tensor);
    return it == types_.end() ? nullptr : &it->second;
  }

  void findKept(const Options& options) {
    for (const std::string& name : options.keepFloat) {
      bool found = false;
      for (int i = 0; i < static_cast<int>(graph_.nodes.size()); ++i) {
        if (node(i).name != name && (node(i).outputs.empty() || node(i).outputs.front() != name)) continue;
        kept_.insert(i);
        found = true;
      }
      if (!found) {
        throw Error(ErrorCode::InvalidArgument,
                    "Expected names of nodes to keep in FP32 but no node is called \"" + name + "\"",
                    "the names are those after simplification: the list of decisions has them");
      }
    }
  }

  /// Why the node stays in FP32; nothing when it can be quantized. `axis` gets the weight's channel axis.
  std::optional<std::string> obstacle(int index, int64_t& axis) const {
    const onnx::Node& n = node(index);
    if (kept_.count(index) > 0) return "kept in FP32 as asked";
    if (!n.hasInput(0) || !n.hasInput(1)) return "an operand is missing";
    const Tensor* weight = graph_.initializer(n.inputs[1]);
    if (isConstant(n.inputs[0])) return weight ? "both operands are constant" : "the constant is the left operand";
    if (weight == nullptr) return "both operands are activations";
    const ops::TensorType* type = typeOf(n.inputs[0]);
    if (weight->dtype() != DType::Float32 || type == nullptr || type->dtype != DType::Float32) return "not float32";
    if (weight->size() == 0) return "the weight is empty";
    if (!allFinite(*weight)) return "the weight has NaN or infinite values";
    if (n.is("Conv") || n.is("ConvTranspose")) {
      axis = n.is("Conv") ? 0 : kPerTensor;
      return std::nullopt;
    }
    if (weight->rank() != 2) return "the weight is not a matrix but has the shape " + toString(weight->dims());
    if (n.is("Gemm") && n.getInt("transA", 0) != 0) return "the activation is transposed";
    axis = n.is("Gemm") && n.getInt("transB", 0) != 0 ? 0 : 1;
    return std::nullopt;
  }

  void decide(int index) {
    const onnx::Node& n = node(index);
    Decision decision;
    decision.node = n.name.empty() && !n.outputs.empty() ? n.outputs.front() : n.name;
    decision.op = n.opType;
    int64_t axis = kPerTensor;
    if (const std::optional<std::string> reason = obstacle(index, axis)) {
      decision.reason = *reason;
    } else if (squeezeExcite_.count(index) > 0) {
      decision.reason = "squeeze-excite branch: its gate scales whole channels";
      if (weightsAlone_) {
        decision.reason += "; weights alone are INT8";
        placement_.weights[{index, 1}] = axis;
        placement_.alone.insert({index, 1});
      }
    } else {
      decision.quantized = true;
      decision.reason = axis == kPerTensor ? "weights per tensor" : "weights per output channel";
      if (n.getInt("group", 1) > 1) decision.reason += ", grouped or depthwise";
      if (links_.producer(n.inputs[0]) < 0) decision.reason += ", first layer: reads a graph input";
      if (!n.outputs.empty() && links_.isOutput(n.outputs[0])) decision.reason += ", last layer: makes a graph output";
      quantized_.insert(index);
      placement_.weights[{index, 1}] = axis;
      placement_.activations[n.inputs[0]].insert({index, 0});
    }
    placement_.decisions.push_back(std::move(decision));
  }

  /// The quantized Conv whose result goes into `add` alone, so that the two can run as one kernel; else -1.
  int branchConv(const std::string& tensor, int add) const {
    const int producer = links_.producer(tensor);
    const bool fits = producer >= 0 && quantized_.count(producer) > 0 && node(producer).is("Conv") &&
                      links_.onlyConsumer(tensor) == add;
    return fits ? producer : -1;
  }

  void quantizeSkip(int add) {
    const onnx::Node& n = node(add);
    if (n.inputs.size() != 2 || n.inputs[0] == n.inputs[1]) return;
    for (const std::string& input : n.inputs) {
      const ops::TensorType* type = typeOf(input);
      if (input.empty() || isConstant(input) || type == nullptr || type->dtype != DType::Float32) return;
    }
    if (typeOf(n.inputs[0])->dims != typeOf(n.inputs[1])->dims) return;
    const int left = branchConv(n.inputs[0], add);
    const int right = branchConv(n.inputs[1], add);
    if (left < 0 && right < 0) return;
    // The branch is the later of two convolutions: the earlier one's result waits, and waits in INT8.
    const int skip = left > right ? 1 : 0;
    placement_.activations[n.inputs[static_cast<size_t>(skip)]].insert({add, skip});
  }

  /// Where a quantized tensor was made by an operator that only selects or joins values, its inputs take its scale.
  void carryScale(int index) {
    const onnx::Node& n = node(index);
    if (n.outputs.empty() || !isQuantized(n.outputs[0]) || kept_.count(index) > 0) return;
    const bool joins = n.is("Concat");
    if (!joins && !keepsScale(n)) return;
    for (const std::string& input : n.inputs) {
      const ops::TensorType* type = typeOf(input);
      if (input.empty() || isConstant(input) || type == nullptr || type->dtype != DType::Float32) return;
      if (joins && !isCheap(input)) return;
    }
    for (int i = 0; i < static_cast<int>(n.inputs.size()); ++i) {
      const std::string& input = n.inputs[static_cast<size_t>(i)];
      placement_.activations[input].insert({index, i});
      unite(n.outputs[0], input);
    }
    derived_.insert(n.outputs[0]);
  }

  /// Whether INT8 costs nothing to have there: a quantized convolution (and its activation) makes the tensor, or it is
  /// quantized for another reader, or it comes from such tensors by pooling or joining.
  bool isCheap(const std::string& tensor) {
    const auto known = cheap_.find(tensor);
    if (known != cheap_.end()) return known->second;
    // Depth first with a list of its own: a chain of nodes may be longer than the stack is deep.
    std::vector<std::string> work{tensor};
    while (!work.empty()) {
      const std::string current = work.back();
      if (cheap_.count(current) > 0) {
        work.pop_back();
        continue;
      }
      const int producer = links_.producer(current);
      if (isQuantized(current) || producer < 0 || !(keepsScale(node(producer)) || node(producer).is("Concat"))) {
        cheap_[current] = isQuantized(current) || isMadeByConv(producer);
        work.pop_back();
        continue;
      }
      bool all = true;
      const size_t depth = work.size();
      for (const std::string& input : node(producer).inputs) {
        const auto it = cheap_.find(input);
        if (it == cheap_.end()) {
          work.push_back(input);
        } else {
          all = all && it->second;
        }
      }
      if (work.size() > depth) continue;
      cheap_[current] = all;
      work.pop_back();
    }
    return cheap_[tensor];
  }

  bool isMadeByConv(int producer) const {
    if (producer < 0) return false;
    if (quantized_.count(producer) > 0) return true;
    const onnx::Node& n = node(producer);
    if (!isActivation(n) || !n.hasInput(0)) return false;
    const int before = links_.producer(n.inputs[0]);
    return before >= 0 && quantized_.count(before) > 0 && links_.onlyConsumer(n.inputs[0]) == producer;
  }

  std::string rootOf(std::string tensor) {
    for (auto it = parents_.find(tensor); it != parents_.end(); it = parents_.find(tensor)) tensor = it->second;
    return tensor;
  }

  void unite(const std::string& left, const std::string& right) {
    const std::string a = rootOf(left);
    const std::string b = rootOf(right);
    if (a != b) parents_[b] = a;
  }

  void formGroups() {
    std::map<std::string, size_t> groups;
    const auto join = [&](const std::string& tensor) {
      if (!isQuantized(tensor)) return;
      const auto [it, isNew] = groups.try_emplace(rootOf(tensor), placement_.groups.size());
      if (isNew) placement_.groups.emplace_back();
      placement_.groupOf[tensor] = it->second;
      if (derived_.count(tensor) == 0) placement_.groups[it->second].sources.push_back(tensor);
    };
    for (const onnx::ValueInfo& input : graph_.inputs) join(input.name);
    for (const onnx::Node& n : graph_.nodes) {
      for (const std::string& output : n.outputs) join(output);
    }
  }

  const onnx::Graph& graph_;
  const onnx::Links links_;
  const std::map<std::string, ops::TensorType> types_;
  const std::set<int> squeezeExcite_;
  const bool weightsAlone_;
  std::set<int> kept_;
  std::set<int> quantized_;
  std::set<std::string> derived_;  ///< tensors whose scale comes from the inputs of the node that makes them
  std::map<std::string, bool> cheap_;
  std::map<std::string, std::string> parents_;
  Placement placement_;
};

}  // namespace

Placement place(const onnx::Model& model, const Options& options) {
  for (const onnx::Node& node : model.graph.nodes) {
    if (node.is("QuantizeLinear") || node.is("DequantizeLinear")) {
      throw Error(ErrorCode::UnsupportedModel, "the model is quantized already: it has " + node.label(),
                  "build it as it is, or quantize the FP32 model that it was made from");
    }
  }
  return Placer(model, options).place();
}

}  // namespace presisi::quantization
