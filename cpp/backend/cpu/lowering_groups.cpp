#include <algorithm>
#include <cmath>

#include "backend/cpu/lowering.hpp"

namespace presisi::cpu {

namespace {

bool isInternal(const onnx::Node& node, const char* op) {
  return node.domain == onnx::kPresisiDomain && node.opType == op;
}

bool isAny(const onnx::Node& node, std::initializer_list<const char*> ops) {
  return std::any_of(ops.begin(), ops.end(), [&](const char* op) { return node.is(op); });
}

std::optional<Binary> binaryOf(const onnx::Node& node) {
  if (node.is("Add")) return Binary::Add;
  if (node.is("Sub")) return Binary::Sub;
  if (node.is("Mul")) return Binary::Mul;
  if (node.is("Div")) return Binary::Div;
  return std::nullopt;
}

Binary reversed(Binary op) {
  if (op == Binary::Sub) return Binary::ReverseSub;
  if (op == Binary::Div) return Binary::ReverseDiv;
  return op;
}

}  // namespace

bool Lowering::sameDims(const std::string& a, const std::string& b) const { return dimsOf(a) == dimsOf(b); }

/// Per-tensor, zero point 0, int8 or uint8, seen by nobody but DequantizeLinear nodes with the same parameters.
bool Lowering::isSimpleQuantize(const onnx::Node& n) const {
  if (!n.is("QuantizeLinear") || constantOf(n.outputs[0]) != nullptr || links_.isOutput(n.outputs[0])) return false;
  const DType stored = typeOf(n.outputs[0]);
  if (typeOf(n.inputs[0]) != DType::Float32 || (stored != DType::Int8 && stored != DType::Uint8)) return false;
  const Tensor* scale = constantOf(n.inputs[1]);
  const auto zero = [&](const onnx::Node& q) {
    if (!q.hasInput(2)) return true;
    const Tensor* point = constantOf(q.inputs[2]);
    return point != nullptr && point->size() == 1 && point->toInt64s()[0] == 0;
  };
  if (scale == nullptr || scale->size() != 1 || scale->dtype() != DType::Float32 || !zero(n)) return false;
  const std::vector<int>& users = links_.consumers(n.outputs[0]);
  return !users.empty() && std::all_of(users.begin(), users.end(), [&](int user) {
    const onnx::Node& dq = node(user);
    if (!dq.is("DequantizeLinear") || dq.inputs[0] != n.outputs[0] || !zero(dq)) return false;
    const Tensor* other = constantOf(dq.inputs[1]);
    return other != nullptr && other->size() == 1 && other->dtype() == DType::Float32 &&
           other->toFloats()[0] == scale->toFloats()[0];
  });
}

bool Lowering::isSimpleDequantize(const onnx::Node& n) const {
  if (!n.is("DequantizeLinear")) return false;
  const int producer = links_.producer(n.inputs[0]);
  return producer >= 0 && isSimpleQuantize(node(producer));
}

/// Weights and biases kept as integers: read by the products themselves, or evaluated once by dequantized().
bool Lowering::isConstantDequantize(const onnx::Node& n) const {
  return n.is("DequantizeLinear") && std::all_of(n.inputs.begin(), n.inputs.end(), [&](const std::string& input) {
           return input.empty() || constantOf(input) != nullptr;
         });
}

bool Lowering::isActivation(const onnx::Node& n) const {
  const auto stage = n.outputs.empty() || n.inputs.empty() ? std::nullopt : stageFor(n, n.inputs[0]);
  if (!stage || stage->kind != ChainStage::Kind::Unary) return false;
  switch (stage->unary) {
    case Unary::Relu:
    case Unary::LeakyRelu:
    case Unary::Elu:
    case Unary::Clip:
    case Unary::Sigmoid:
    case Unary::HardSigmoid:
    case Unary::HardSwish:
    case Unary::Swish:
    case Unary::Tanh:
    case Unary::Gelu: return true;
    default: return false;
  }
}

/// An Add of two different activations of the same shape, one of them `through`.
bool Lowering::isResidualAdd(const onnx::Node& n, const std::string& through) const {
  if (!n.is("Add") || n.inputs[0] == n.inputs[1]) return false;
  const std::string& other = n.inputs[0] == through ? n.inputs[1] : n.inputs[0];
  return constantOf(other) == nullptr && sameDims(n.outputs[0], through) && sameDims(other, through) &&
         typeOf(other) == DType::Float32;
}

/// The operand the chain runs along: the one with the shape of the result; an activation before a constant.
std::string Lowering::mainInput(const onnx::Node& n) const {
  if (!binaryOf(n)) return n.inputs[0];
  const bool firstFits = sameDims(n.inputs[0], n.outputs[0]) && constantOf(n.inputs[0]) == nullptr;
  return firstFits ? n.inputs[0] : n.inputs[1];
}

std::optional<ChainStage> Lowering::stageFor(const onnx::Node& n, const std::string& main) const {
  if (n.outputs.empty() || n.inputs.empty() || typeOf(main) != DType::Float32 ||
      typeOf(n.outputs[0]) != DType::Float32 || !sameDims(main, n.outputs[0]) || constantOf(n.outputs[0]) != nullptr) {
    return std::nullopt;
  }
  const Dims& dims = dimsOf(main);
  ChainStage stage;
  const auto unary = [&](Unary function, float alpha = 0, float beta = 0) {
    stage.kind = ChainStage::Kind::Unary;
    stage.unary = function;
    stage.alpha = alpha;
    stage.beta = beta;
    return stage;
  };
  if (n.is("Relu")) return unary(Unary::Relu);
  if (n.is("LeakyRelu")) return unary(Unary::LeakyRelu, n.getFloat("alpha", 0.01f));
  if (n.is("Elu")) return unary(Unary::Elu, n.getFloat("alpha", 1.0f));
  if (n.is("Sigmoid")) return unary(Unary::Sigmoid);
  if (n.is("HardSigmoid")) return unary(Unary::HardSigmoid, n.getFloat("alpha", 0.2f), n.getFloat("beta", 0.5f));
  if (n.is("HardSwish") || isInternal(n, "HardSwish")) return unary(Unary::HardSwish);
  if (isInternal(n, "Swish")) return unary(Unary::Swish);
  if (isInternal(n, "Gelu")) return unary(Unary::Gelu);
  if (n.is("Gelu") && n.getString("approximate", "none") == "none") return unary(Unary::Gelu);
  if (n.is("Tanh")) return unary(Unary::Tanh);
  if (n.is("Sqrt")) return unary(Unary::Sqrt);
  if (n.is("Abs")) return unary(Unary::Abs);
  if (n.is("Neg")) return unary(Unary::Neg);
  if (n.is("Clip")) {
    float bounds[2] = {-3.402823466e38f, 3.402823466e38f};
    const char* names[2] = {"min", "max"};
    for (size_t i = 0; i < 2; ++i) {
      bounds[i] = n.getFloat(names[i], bounds[i]);
      if (!n.hasInput(i + 1)) continue;
      const Tensor* bound = constantOf(n.inputs[i + 1]);
      if (bound == nullptr || bound->size() != 1) return std::nullopt;
      bounds[i] = bound->toFloats()[0];
    }
    return unary(Unary::Clip, bounds[0], bounds[1]);
  }

  // What follows works channel by channel: axis 1 of images and matrices.
  const bool channels = dims.size() == 4 || dims.size() == 2;
  if (n.is("BatchNormalization") && channels && n.getInt("training_mode", 0) == 0) {
    std::vector<float> parameters[4];
    for (size_t i = 0; i < 4; ++i) {
      const Tensor* t = constantOf(n.inputs[i + 1]);
      if (t == nullptr || t->size() != dims[1]) return std::nullopt;
      parameters[i] = t->toFloats();
    }
    const float epsilon = n.getFloat("epsilon", 1e-5f);
    stage.kind = ChainStage::Kind::Affine;
    for (size_t c = 0; c < parameters[0].size(); ++c) {
      const float scale = parameters[0][c] / std::sqrt(parameters[3][c] + epsilon);
      stage.rowA.push_back(scale);
      stage.rowB.push_back(parameters[1][c] - parameters[2][c] * scale);
    }
    return stage;
  }
  const auto op = binaryOf(n);
  if (!op || n.inputs[0] == n.inputs[1]) return std::nullopt;
  const bool mainFirst = n.inputs[0] == main;
  const std::string& other = mainFirst ? n.inputs[1] : n.inputs[0];
  if (typeOf(other) != DType::Float32) return std::nullopt;
  stage.binary = mainFirst ? *op : reversed(*op);
  const Dims& otherDims = dimsOf(other);
  if (const Tensor* constant = constantOf(other)) {
    if (constant->size() == 1 && otherDims.size() <= dims.size()) {
      stage.kind = ChainStage::Kind::Scalar;
      stage.alpha = constant->toFloats()[0];
      return stage;
    }
    // The constant lies along the channels: [C,1,1] or [1,C,1,1] of images, [C] or [1,C] of matrices and sequences.
    const size_t axis = dims.size() == 4 ? 1 : dims.size() - 1;
    Dims padded(dims.size(), 1);
    if (otherDims.size() > dims.size()) return std::nullopt;
    std::copy(otherDims.begin(), otherDims.end(), padded.end() - static_cast<std::ptrdiff_t>(otherDims.size()));
    if (constant->size() != dims[axis] || padded[axis] != dims[axis]) return std::nullopt;
    stage.kind = ChainStage::Kind::Row;
    stage.rowA = constant->toFloats();
    return stage;
  }
  if (otherDims == dims) {
    stage.kind = ChainStage::Kind::Tensor;
    return stage;
  }
  if (dims.size() == 4 && otherDims == Dims{dims[0], dims[1], 1, 1}) {
    stage.kind = ChainStage::Kind::PerSample;
    return stage;
  }
  return std::nullopt;
}

int Lowering::follower(const Group& group) const {
  const int next = links_.onlyConsumer(result(group));
  return next >= 0 && !grouped_[static_cast<size_t>(next)] ? next : -1;
}

void Lowering::extend(Group& group) {
  const bool matrix = group.kind == Kind::Convolution || group.kind == Kind::Product;
  bool summed = false;
  for (int next = follower(group); next >= 0; next = follower(group)) {
    const onnx::Node& n = node(next);
    const std::string& through = result(group);
    if (isSimpleQuantize(n)) {
      if (n.inputs[0] == through) group.nodes.push_back(next);
      return;
    }
    if (matrix) {
      const bool residual = group.kind == Kind::Convolution && !summed && isResidualAdd(n, through);
      if (!residual && !isActivation(n)) return;
      summed = summed || residual;
    } else if (group.kind != Kind::Chain || !stageFor(n, through)) {
      return;
    }
    group.nodes.push_back(next);
  }
}

Lowering::Group Lowering::groupFrom(int index) {
  const onnx::Node& n = node(index);
  Group group;
  group.nodes.push_back(index);
  if (isSimpleDequantize(n)) {
    group.kind = Kind::Alias;
    return group;
  }
  if (isSimpleQuantize(n)) {
    group.kind = Kind::Quantize;
    return group;
  }
  if (isAny(n, {"Conv", "Gemm", "MatMul"}) && matrixOf(n)) {
    group.kind = n.is("Conv") ? Kind::Convolution : Kind::Product;
    extend(group);
  } else if (n.is("MatMul") && typeOf(n.outputs[0]) == DType::Float32 && dimsOf(n.inputs[0]).size() >= 2 &&
             dimsOf(n.inputs[1]).size() >= 2) {
    group.kind = Kind::MatMul;
  } else if (isAny(n, {"MaxPool", "AveragePool"}) && n.outputs.size() == 1 && dimsOf(n.inputs[0]).size() == 4 &&
             typeOf(n.inputs[0]) == DType::Float32) {
    group.kind = Kind::Pooling;
  } else if (n.is("GlobalAveragePool") && dimsOf(n.inputs[0]).size() == 4 && typeOf(n.inputs[0]) == DType::Float32) {
    group.kind = Kind::GlobalAverage;
  } else if (n.is("Concat") && dimsOf(n.outputs[0]).size() == 4 &&
             (n.getInt("axis", 1) == 1 || n.getInt("axis", 1) == -3) && typeOf(n.outputs[0]) == DType::Float32) {
    group.kind = Kind::Concat;
    // A family that grows in place stays in one type; a lone concatenation may be quantized on its way.
    if (growth_.count(index) == 0) extend(group);
  } else if (isAny(n, {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}) && typeOf(n.outputs[0]) == DType::Float32) {
    group.kind = Kind::Reshape;
  } else if (stageFor(n, mainInput(n))) {
    group.kind = Kind::Chain;
    extend(group);
  }
  return group;
}

void Lowering::formGroups() {
  const int count = static_cast<int>(model_.graph.nodes.size());
  grouped_.assign(static_cast<size_t>(count), false);
  emittedAt_.assign(static_cast<size_t>(count), -1);
  for (int i = 0; i < count; ++i) {
    if (grouped_[static_cast<size_t>(i)]) continue;
    const onnx::Node& n = node(i);
    const bool known = std::all_of(n.outputs.begin(), n.outputs.end(),
                                   [&](const std::string& o) { return o.empty() || constantOf(o) != nullptr; });
    if (known || isConstantDequantize(n)) continue;
    Group group = groupFrom(i);
    for (const int member : group.nodes) {
      grouped_[static_cast<size_t>(member)] = true;
      emittedAt_[static_cast<size_t>(member)] = group.nodes.back();
    }
    groups_.push_back(std::move(group));
  }
  std::stable_sort(groups_.begin(), groups_.end(),
                   [](const Group& a, const Group& b) { return a.nodes.back() < b.nodes.back(); });
}

}  // namespace presisi::cpu
