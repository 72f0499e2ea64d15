#pragma once

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "onnx/model.hpp"

namespace presisi::test {

/// Builds small models in memory:
///
///   ModelBuilder b;
///   b.input("x", {-1, 3, 8, 8});
///   b.weight("w", {4, 3, 3, 3});
///   b.node("Conv", {"x", "w"}, {"y"}, {onnx::Attribute::ofInts("pads", {1, 1, 1, 1})});
///   b.output("y");
///   const onnx::Model model = b.model;
///
/// Nodes are named after their first output. Weights are random, the same in every run.
class ModelBuilder {
 public:
  explicit ModelBuilder(int64_t opset = 17) {
    model.opsets[""] = opset;
    model.graph.name = "test";
  }

  ModelBuilder& input(const std::string& name, Dims dims, DType dtype = DType::Float32) {
    model.graph.inputs.push_back(value(name, std::move(dims), dtype));
    return *this;
  }

  ModelBuilder& output(const std::string& name, DType dtype = DType::Float32) {
    onnx::ValueInfo info = value(name, {}, dtype);
    info.hasShape = false;
    model.graph.outputs.push_back(std::move(info));
    return *this;
  }

  ModelBuilder& node(const std::string& opType, std::vector<std::string> inputs, std::vector<std::string> outputs,
                     std::vector<onnx::Attribute> attributes = {}, const std::string& domain = "") {
    onnx::Node node;
    node.name = outputs.front() + "_node";
    node.opType = opType;
    node.domain = domain;
    node.inputs = std::move(inputs);
    node.outputs = std::move(outputs);
    node.attributes = std::move(attributes);
    if (!domain.empty()) model.opsets.emplace(domain, 1);
    model.graph.nodes.push_back(std::move(node));
    return *this;
  }

  ModelBuilder& initializer(const std::string& name, Tensor tensor) {
    model.graph.initializers[name] = std::move(tensor);
    return *this;
  }

  /// Uniform in [low, high).
  ModelBuilder& weight(const std::string& name, const Dims& dims, float low = -1, float high = 1) {
    return initializer(name, random(dims, low, high));
  }

  ModelBuilder& scalar(const std::string& name, float number) { return initializer(name, Tensor::scalar(number)); }

  ModelBuilder& ints(const std::string& name, const std::vector<int64_t>& values) {
    return initializer(name, Tensor::fromInt64(values));
  }

  Tensor random(const Dims& dims, float low = -1, float high = 1) {
    Tensor tensor(DType::Float32, dims);
    for (int64_t i = 0; i < tensor.size(); ++i) {
      tensor.data<float>()[i] = low + (high - low) * static_cast<float>(engine_() >> 8) / static_cast<float>(1u << 24);
    }
    return tensor;
  }

  onnx::Model model;

 private:
  static onnx::ValueInfo value(const std::string& name, Dims dims, DType dtype) {
    onnx::ValueInfo info;
    info.name = name;
    info.dtype = dtype;
    info.dims = std::move(dims);
    info.symbols.resize(info.dims.size());
    return info;
  }

  // Its sequence is fixed by the standard, unlike that of the distributions.
  std::mt19937 engine_{42};
};

}  // namespace presisi::test
