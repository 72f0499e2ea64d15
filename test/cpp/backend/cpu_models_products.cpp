#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "backend/cpu_models.hpp"

namespace presisi::test {

using onnx::Attribute;

namespace {

/// Pictures that tiles of four by four pixels fill and don't fill, blocks of outputs that are and aren't whole, as many
/// tiles as are shared out one way and the other.
struct WinogradCase {
  int64_t inputs, outputs, height, width;
  std::vector<int64_t> pads;
  const char* activation;
  bool residual;
};
const std::vector<WinogradCase> kWinogradCases = {
    {16, 16, 20, 20, {1, 1, 1, 1}, "Relu", false},  {32, 48, 23, 37, {1, 1, 1, 1}, "Swish", false},
    {16, 33, 22, 25, {0, 0, 0, 0}, "", false},      {48, 20, 21, 70, {2, 1, 0, 3}, "HardSwish", false},
    {64, 64, 24, 24, {1, 1, 1, 1}, "Relu", true},   {16, 17, 19, 26, {2, 2, 2, 2}, "Sigmoid", false},
    {128, 32, 28, 28, {1, 1, 1, 1}, "Clip", false}, {32, 32, 61, 43, {1, 1, 1, 1}, "", true},
};

onnx::Model winograd(const WinogradCase& c) {
  ModelBuilder b;
  b.input("x", {-1, c.inputs, c.height, c.width});
  b.weight("w", {c.outputs, c.inputs, 3, 3}, -0.3f, 0.3f).weight("b", {c.outputs});
  b.node("Conv", {"x", "w", "b"}, {"c"}, {Attribute::ofInts("pads", c.pads)});
  std::string last = "c";
  if (c.residual) {
    b.node("Add", {"c", "x"}, {"s"});
    last = "s";
  }
  const std::string activation = c.activation;
  if (activation == "Swish") {
    b.node("Sigmoid", {last}, {"g"}).node("Mul", {last, "g"}, {"y"});
  } else if (activation == "Clip") {
    b.scalar("low", -5.0f).scalar("high", 12.0f).node("Clip", {last, "low", "high"}, {"y"});
  } else if (activation.empty()) {
    b.output(last);
    return b.model;
  } else {
    b.node(activation, {last}, {"y"});
  }
  b.output("y");
  return b.model;
}

/// Two that are concatenated: each is written where that wants it.
onnx::Model winogradPair() {
  ModelBuilder b;
  b.input("x", {-1, 16, 21, 22});
  for (const char* name : {"a", "c"}) {
    const std::string w = std::string("w") + name;
    b.weight(w, {24, 16, 3, 3}, -0.3f, 0.3f);
    b.node("Conv", {"x", w}, {name}, {Attribute::ofInts("pads", {1, 1, 1, 1})});
  }
  b.node("Concat", {"a", "c"}, {"both"}, {Attribute::ofInt("axis", 1)});
  b.weight("wy", {16, 48, 1, 1}, -0.3f, 0.3f).node("Conv", {"both", "wy"}, {"y"});
  b.output("y");
  return b.model;
}

/// Inputs and weights that are as large as they can be, and of one sign: sums of few bits overflow.
NamedModel largestProducts(int kernel, bool unsignedInput, int8_t weight) {
  constexpr float kStep = 500.0f;
  constexpr int64_t kInputs = 24, kOutputs = 40;
  ModelBuilder b;
  b.input("x", {-1, kInputs, 6, 6}).node("Abs", {"x"}, {"positive"}).node("Relu", {"positive"}, {"r"});
  b.scalar("s", 1e-6f);
  b.initializer("z",
                unsignedInput ? Tensor::of<uint8_t>(DType::Uint8, {}, {0}) : Tensor::of<int8_t>(DType::Int8, {}, {0}));
  b.node("QuantizeLinear", {"r", "s", "z"}, {"q"}).node("DequantizeLinear", {"q", "s", "z"}, {"d"});
  const Dims dims{kOutputs, kInputs, kernel, kernel};
  Tensor values(DType::Int8, dims);
  const int64_t each = kInputs * kernel * kernel;
  for (int64_t i = 0; i < values.size(); ++i) {
    values.data<int8_t>()[i] = i / each % 2 == 0 ? weight : static_cast<int8_t>(-weight);
  }
  b.initializer("w_q", values).initializer("w_s", b.random({kOutputs}, 0.5e6f, 1e6f));
  b.initializer("w_z", Tensor(DType::Int8, {kOutputs}));
  b.node("DequantizeLinear", {"w_q", "w_s", "w_z"}, {"w"}, {Attribute::ofInt("axis", 0)});
  b.node("Conv", {"d", "w"}, {"c"}, {Attribute::ofInts("pads", std::vector<int64_t>(4, kernel / 2))});
  b.scalar("t", kStep * static_cast<float>(kernel * kernel));
  b.initializer("tz", Tensor::of<int8_t>(DType::Int8, {}, {0}));
  b.node("QuantizeLinear", {"c", "t", "tz"}, {"yq"}).node("DequantizeLinear", {"yq", "t", "tz"}, {"y"});
  b.output("y");
  return {"largest products of " + std::to_string(kernel) + "x" + std::to_string(kernel) + " by " +
              std::to_string(weight) + (unsignedInput ? " uint8" : " int8"),
          b.model, kStep * static_cast<float>(kernel * kernel)};
}

}  // namespace

std::vector<NamedModel> winogradModels() {
  std::vector<NamedModel> all;
  for (const WinogradCase& c : kWinogradCases) {
    all.push_back({"winograd of " + std::to_string(c.height) + "x" + std::to_string(c.width) + ", " +
                       std::to_string(c.inputs) + " to " + std::to_string(c.outputs) + " " + c.activation,
                   winograd(c), 0});
  }
  all.push_back({"winograd, concatenated", winogradPair(), 0});
  return all;
}

std::vector<NamedModel> largestProducts() {
  std::vector<NamedModel> all;
  for (const int kernel : {1, 3}) {
    for (const bool unsignedInput : {false, true}) {
      for (const int weight : {63, 64, 127}) {
        all.push_back(largestProducts(kernel, unsignedInput, static_cast<int8_t>(weight)));
      }
    }
  }
  return all;
}

std::vector<NamedModel> withShortWeights(std::vector<NamedModel> models) {
  for (NamedModel& named : models) {
    named.name += ", short weights";
    for (auto& [name, tensor] : named.model.graph.initializers) {
      if (tensor.dtype() != DType::Int8 || tensor.size() < 2) continue;
      Tensor halved = tensor.clone();
      for (int64_t i = 0; i < halved.size(); ++i)
        halved.data<int8_t>()[i] = static_cast<int8_t>(halved.data<int8_t>()[i] / 2);
      tensor = std::move(halved);
    }
  }
  return models;
}

}  // namespace presisi::test
