#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "ops/operator.hpp"

/// One node, built and evaluated in one line.
namespace presisi::test {

inline Tensor floats(Dims dims, const std::vector<float>& values) {
  return Tensor::of(DType::Float32, std::move(dims), values);
}
inline Tensor longs(Dims dims, const std::vector<int64_t>& values) {
  return Tensor::of(DType::Int64, std::move(dims), values);
}
inline Tensor ints(Dims dims, const std::vector<int32_t>& values) {
  return Tensor::of(DType::Int32, std::move(dims), values);
}
inline Tensor bools(Dims dims, const std::vector<uint8_t>& values) {
  return Tensor::of(DType::Bool, std::move(dims), values);
}

struct NodeSpec {
  std::string op;
  std::vector<onnx::Attribute> attributes = {};
  int64_t opset = 18;
  size_t outputs = 1;
  std::string domain = {};
};

/// The node is called "n", its inputs i0, i1, … (an empty tensor is an absent input) and its outputs o0, o1, ….
inline onnx::Node nodeOf(const NodeSpec& spec, const std::vector<Tensor>& inputs) {
  onnx::Node node;
  node.name = "n";
  node.opType = spec.op;
  node.domain = spec.domain;
  node.attributes = spec.attributes;
  for (size_t i = 0; i < inputs.size(); ++i) node.inputs.push_back(inputs[i].empty() ? "" : "i" + std::to_string(i));
  for (size_t i = 0; i < spec.outputs; ++i) node.outputs.push_back("o" + std::to_string(i));
  return node;
}

inline std::vector<Tensor> runAll(const NodeSpec& spec, const std::vector<Tensor>& inputs) {
  return ops::evaluate(nodeOf(spec, inputs), spec.opset, inputs);
}
inline Tensor run(const NodeSpec& spec, const std::vector<Tensor>& inputs) { return runAll(spec, inputs).at(0); }

/// The error that running the node gives, or nothing.
inline std::optional<Error> errorOf(const NodeSpec& spec, const std::vector<Tensor>& inputs) {
  try {
    runAll(spec, inputs);
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

/// The node fails with this code, and the message names it and says `part`.
inline void checkFails(const NodeSpec& spec, const std::vector<Tensor>& inputs, ErrorCode code,
                       const std::string& part = {}) {
  const std::optional<Error> error = errorOf(spec, inputs);
  CAPTURE(spec.op);
  REQUIRE(error);
  const std::string message = error->what();
  CAPTURE(message);
  CHECK(name(error->code()) == std::string(name(code)));
  CHECK(message.find(spec.op + " \"n\"") != std::string::npos);
  CHECK(message.find(part) != std::string::npos);
}

/// Same type, shape and values; floating-point values within a relative or absolute `tolerance`, NaN equal to NaN.
inline void checkEqual(const Tensor& got, const Tensor& expected, double tolerance = 0) {
  CHECK(std::string(name(got.dtype())) == name(expected.dtype()));
  CHECK(toString(got.dims()) == toString(expected.dims()));
  REQUIRE(got.size() == expected.size());
  const Tensor a = got.cast(DType::Float64);
  const Tensor b = expected.cast(DType::Float64);
  for (int64_t i = 0; i < a.size(); ++i) {
    const double x = a.data<double>()[i];
    const double y = b.data<double>()[i];
    CAPTURE(i);
    CAPTURE(x);
    CAPTURE(y);
    const bool equal = x == y || (std::isnan(x) && std::isnan(y)) || std::fabs(x - y) <= tolerance * (1 + std::fabs(y));
    CHECK(equal);
  }
}

}  // namespace presisi::test
