#include <cmath>
#include <optional>
#include <utility>

#include "graph/passes.hpp"
#include "graph/rewrite.hpp"

namespace presisi::graph {

namespace {

/// y[c] = scale[c] * x[c] + shift[c] over the channels (axis 1).
struct Affine {
  std::vector<double> scale;
  std::vector<double> shift;

  explicit Affine(size_t channels) : scale(channels, 1.0), shift(channels, 0.0) {}

  /// This first, then `next`.
  void then(const Affine& next) {
    for (size_t c = 0; c < scale.size(); ++c) {
      scale[c] *= next.scale[c];
      shift[c] = shift[c] * next.scale[c] + next.shift[c];
    }
  }

  bool isFinite() const {
    for (size_t c = 0; c < scale.size(); ++c) {
      if (!std::isfinite(scale[c]) || !std::isfinite(shift[c])) return false;
    }
    return true;
  }
};

/// A node whose output is linear in its constant weight and bias, channel by channel.
struct Linear {
  const Tensor* weight = nullptr;
  const Tensor* bias = nullptr;  ///< null: none
  size_t channels = 0;
  size_t outputRank = 0;
  int64_t groups = 1;
};

const Tensor* floatInitializer(const onnx::Graph& graph, const std::string& name) {
  const Tensor* tensor = graph.initializer(name);
  const bool isFloat = tensor != nullptr && (tensor->dtype() == DType::Float32 || isHalf(tensor->dtype()));
  return isFloat ? tensor : nullptr;
}

/// `tensor` in another type; nothing where a value is beyond that type's range.
std::optional<Tensor> storedAs(Tensor tensor, DType dtype) {
  if (dtype == DType::Float32) return tensor;
  Tensor stored = tensor.cast(dtype);
  for (const float value : stored.toFloats()) {
    if (!std::isfinite(value)) return std::nullopt;
  }
  return stored;
}

std::optional<Linear> asLinear(const onnx::Graph& graph, const onnx::Node& node) {
  const bool isConv = node.is("Conv");
  const bool isTransposed = node.is("ConvTranspose");
  const bool isGemm = node.is("Gemm");
  if (!(isConv || isTransposed || isGemm) || node.inputs.size() < 2 || node.outputs.size() != 1) return std::nullopt;
  Linear linear;
  linear.weight = floatInitializer(graph, node.inputs[1]);
  if (linear.weight == nullptr || linear.weight->size() == 0) return std::nullopt;
  if (isGemm) {
    if (linear.weight->rank() != 2 || node.getFloat("alpha", 1) != 1) return std::nullopt;
    if (node.hasInput(2) && node.getFloat("beta", 1) != 1) return std::nullopt;
    linear.channels = static_cast<size_t>(linear.weight->dim(node.getInt("transB", 0) != 0 ? 0 : 1));
  } else {
    if (linear.weight->rank() < 3) return std::nullopt;
    linear.groups = node.getInt("group", 1);
    if (linear.groups < 1) return std::nullopt;
    if (isConv) {
      linear.channels = static_cast<size_t>(linear.weight->dim(0));
    } else {
      // [C in, C out / groups, …]
      if (linear.weight->dim(0) % linear.groups != 0) return std::nullopt;
      int64_t channels = 0;
      if (__builtin_mul_overflow(linear.weight->dim(1), linear.groups, &channels)) return std::nullopt;
      if (channels > linear.weight->size() * linear.groups || linear.groups > linear.weight->dim(0)) {
        return std::nullopt;
      }
      linear.channels = static_cast<size_t>(channels);
    }
  }
  linear.outputRank = linear.weight->rank();
  if (node.hasInput(2)) {
    linear.bias = floatInitializer(graph, node.inputs[2]);
    if (linear.bias == nullptr || linear.bias->dtype() != linear.weight->dtype()) return std::nullopt;
    // A Gemm's bias may be one value for all, or [1, N]; one per row can't be folded.
    const auto size = static_cast<size_t>(linear.bias->size());
    const bool isRow =
        size == linear.channels && (linear.bias->rank() <= 1 || (linear.bias->rank() == 2 && linear.bias->dim(0) == 1));
    if (!isRow && !(isGemm && size == 1)) return std::nullopt;
  }
  return linear;
}

/// The values of a constant that is one per channel, or one for all, and doesn't change the shape of what it is
/// combined with.
std::optional<std::vector<double>> perChannel(const Tensor& constant, const Linear& linear) {
  if (constant.rank() > linear.outputRank) return std::nullopt;
  const size_t lead = linear.outputRank - constant.rank();
  for (size_t i = 0; i < constant.rank(); ++i) {
    const bool isChannel = i + lead == 1 && constant.dim(i) == static_cast<int64_t>(linear.channels);
    if (constant.dim(i) != 1 && !isChannel) return std::nullopt;
  }
  const std::vector<float> values = constant.toFloats();
  if (constant.size() == 1) return std::vector<double>(linear.channels, values[0]);
  return std::vector<double>(values.begin(), values.end());
}

std::optional<Affine> batchNorm(const onnx::Model& model, const onnx::Node& node, const std::string& input,
                                const Linear& linear) {
  if (node.inputs.size() != 5 || node.inputs[0] != input || node.getInt("training_mode", 0) != 0) return std::nullopt;
  if (node.getInt("spatial", 1) != 1) return std::nullopt;
  for (size_t i = 1; i < node.outputs.size(); ++i) {
    if (!node.outputs[i].empty()) return std::nullopt;
  }
  std::vector<float> parameters[4];
  for (size_t i = 0; i < 4; ++i) {
    const Tensor* parameter = floatInitializer(model.graph, node.inputs[i + 1]);
    if (parameter == nullptr || parameter->size() != static_cast<int64_t>(linear.channels)) return std::nullopt;
    parameters[i] = parameter->toFloats();
  }
  const double epsilon = static_cast<double>(node.getFloat("epsilon", 1e-5f));
  Affine affine(linear.channels);
  for (size_t c = 0; c < linear.channels; ++c) {
    const auto value = [&](size_t i) { return static_cast<double>(parameters[i][c]); };
    affine.scale[c] = value(0) / std::sqrt(value(3) + epsilon);
    affine.shift[c] = value(1) - value(2) * affine.scale[c];
  }
  return affine;
}

/// What `node` does to `input`, where that is a scale and a shift per channel.
std::optional<Affine> asAffine(const onnx::Model& model, const onnx::Node& node, const std::string& input,
                               const Linear& linear) {
  if (node.is("BatchNormalization")) return batchNorm(model, node, input, linear);
  const bool isMul = node.is("Mul"), isDiv = node.is("Div"), isAdd = node.is("Add"), isSub = node.is("Sub");
  if (!(isMul || isDiv || isAdd || isSub) || node.inputs.size() != 2) return std::nullopt;
  const bool isFirst = node.inputs[0] == input;
  if (!isFirst && (isDiv || isSub)) return std::nullopt;
  const Tensor* constant = floatInitializer(model.graph, node.inputs[isFirst ? 1 : 0]);
  if (constant == nullptr) return std::nullopt;
  const auto values = perChannel(*constant, linear);
  if (!values) return std::nullopt;
  Affine affine(linear.channels);
  for (size_t c = 0; c < linear.channels; ++c) {
    const double value = (*values)[c];
    if (isMul) affine.scale[c] = value;
    if (isDiv) affine.scale[c] = 1 / value;
    if (isAdd) affine.shift[c] = value;
    if (isSub) affine.shift[c] = -value;
  }
  return affine;
}

Tensor scaledWeight(const onnx::Node& node, const Linear& linear, const Affine& affine) {
  Tensor out = linear.weight->dtype() == DType::Float32 ? linear.weight->clone() : linear.weight->cast(DType::Float32);
  auto* values = out.data<float>();
  const int64_t first = out.dim(0);
  const int64_t second = out.dim(1);
  const int64_t inner = out.size() / (first * second);
  for (int64_t i = 0; i < first; ++i) {
    for (int64_t j = 0; j < second; ++j) {
      int64_t channel = i;
      if (node.is("ConvTranspose")) channel = i / (first / linear.groups) * second + j;
      if (node.is("Gemm") && node.getInt("transB", 0) == 0) channel = j;
      const double scale = affine.scale[static_cast<size_t>(channel)];
      float* row = values + (i * second + j) * inner;
      for (int64_t k = 0; k < inner; ++k) row[k] = static_cast<float>(row[k] * scale);
    }
  }
  return out;
}

Tensor shiftedBias(const Linear& linear, const Affine& affine) {
  Tensor out(DType::Float32, {static_cast<int64_t>(linear.channels)});
  const std::vector<float> before = linear.bias == nullptr ? std::vector<float>{} : linear.bias->toFloats();
  for (size_t c = 0; c < linear.channels; ++c) {
    double bias = 0;
    if (!before.empty()) bias = static_cast<double>(before[before.size() == 1 ? 0 : c]);
    out.data<float>()[c] = static_cast<float>(bias * affine.scale[c] + affine.shift[c]);
  }
  return out;
}

class BatchNormFolder {
 public:
  explicit BatchNormFolder(const onnx::Model& model)
      : model_(model), out_(model), links_(model.graph), names_(model.graph), dead_(model.graph.nodes.size(), false) {}

  onnx::Model run() {
    for (size_t i = 0; i < model_.graph.nodes.size(); ++i) {
      if (!dead_[i]) fold(i);
    }
    eraseNodes(out_.graph, dead_);
    return std::move(out_);
  }

 private:
  void fold(size_t index) {
    const onnx::Node& node = model_.graph.nodes[index];
    const auto linear = asLinear(model_.graph, node);
    if (!linear) return;
    // A chain of them is folded in one go, so that the weight is rounded once.
    Affine total(linear->channels);
    std::string output = node.outputs[0];
    std::vector<int> followers;
    for (int next = links_.onlyConsumer(output); next >= 0; next = links_.onlyConsumer(output)) {
      const onnx::Node& follower = model_.graph.nodes[static_cast<size_t>(next)];
      const auto affine = asAffine(model_, follower, output, *linear);
      if (!affine || !affine->isFinite()) break;
      total.then(*affine);
      followers.push_back(next);
      output = follower.outputs[0];
    }
    if (followers.empty()) return;
    const DType dtype = linear->weight->dtype();
    auto weight = storedAs(scaledWeight(node, *linear, total), dtype);
    auto bias = storedAs(shiftedBias(*linear, total), dtype);
    if (!weight || !bias) return;

    for (const int follower : followers) dead_[static_cast<size_t>(follower)] = true;
    onnx::Node& folded = out_.graph.nodes[index];
    folded.outputs[0] = output;
    folded.inputs.resize(3);
    const std::string biasName = nameOfBias(node, output);
    place(folded, 1, std::move(*weight), output + "_weight");
    place(folded, 2, std::move(*bias), biasName);
  }

  /// For a bias that is new: that of the layer, where the weight has one of its own (`conv1.weight`).
  std::string nameOfBias(const onnx::Node& node, const std::string& output) const {
    static const std::string ending = ".weight";
    const std::string& weight = node.inputs[1];
    const bool isOfLayer = weight.size() > ending.size() &&
                           weight.compare(weight.size() - ending.size(), ending.size(), ending) == 0 &&
                           isUsedOnce(weight);
    return isOfLayer ? weight.substr(0, weight.size() - ending.size()) + ".bias" : output + "_bias";
  }

  bool isUsedOnce(const std::string& tensor) const { return links_.onlyConsumer(tensor) >= 0; }

  /// Under the name the input had, where nothing else uses that, so that a weight keeps its name.
  void place(onnx::Node& node, size_t input, Tensor tensor, const std::string& fallback) {
    std::string& name = node.inputs[input];
    if (name.empty() || !isUsedOnce(name)) name = names_.fresh(fallback);
    out_.graph.initializers[name] = std::move(tensor);
  }

  const onnx::Model& model_;
  onnx::Model out_;
  onnx::Links links_;
  Names names_;
  std::vector<bool> dead_;
};

}  // namespace

onnx::Model foldBatchNorm(const onnx::Model& model) { return BatchNormFolder(model).run(); }

}  // namespace presisi::graph
