#pragma once

#include <cstring>
#include <string>

#include "onnx/model.hpp"

namespace presisi::test {

inline bool isSame(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.dims() == b.dims() &&
         (a.bytes() == 0 || std::memcmp(a.data<void>(), b.data<void>(), a.bytes()) == 0);
}

inline bool isSame(const onnx::Attribute& a, const onnx::Attribute& b) {
  return a.name == b.name && a.kind == b.kind && std::memcmp(&a.f, &b.f, sizeof a.f) == 0 && a.i == b.i && a.s == b.s &&
         isSame(a.t, b.t) && a.ints == b.ints && a.strings == b.strings && a.floats.size() == b.floats.size() &&
         (a.floats.empty() || std::memcmp(a.floats.data(), b.floats.data(), a.floats.size() * sizeof(float)) == 0);
}

inline bool isSame(const onnx::ValueInfo& a, const onnx::ValueInfo& b) {
  return a.name == b.name && a.dtype == b.dtype && a.dims == b.dims && a.symbols == b.symbols &&
         a.hasShape == b.hasShape;
}

/// What differs first, in words; empty when nothing does. Floats are compared bit by bit.
inline std::string whatDiffers(const onnx::Model& a, const onnx::Model& b) {
  if (a.irVersion != b.irVersion || a.opsets != b.opsets) return "versions";
  if (a.producerName != b.producerName || a.producerVersion != b.producerVersion) return "producer";
  if (a.metadata != b.metadata) return "metadata";
  const onnx::Graph& x = a.graph;
  const onnx::Graph& y = b.graph;
  if (x.name != y.name) return "graph name";
  if (x.nodes.size() != y.nodes.size()) return "number of nodes";
  for (size_t i = 0; i < x.nodes.size(); ++i) {
    const onnx::Node& m = x.nodes[i];
    const onnx::Node& n = y.nodes[i];
    if (m.name != n.name || m.opType != n.opType || m.domain != n.domain || m.inputs != n.inputs ||
        m.outputs != n.outputs || m.attributes.size() != n.attributes.size()) {
      return m.label();
    }
    for (size_t k = 0; k < m.attributes.size(); ++k) {
      if (!isSame(m.attributes[k], n.attributes[k])) return m.label() + ": attribute " + m.attributes[k].name;
    }
  }
  if (x.initializers.size() != y.initializers.size()) return "number of initializers";
  for (const auto& [name, tensor] : x.initializers) {
    const Tensor* other = y.initializer(name);
    if (other == nullptr || !isSame(tensor, *other)) return "initializer " + name;
  }
  const auto isSameList = [](const auto& p, const auto& q) {
    if (p.size() != q.size()) return false;
    for (size_t i = 0; i < p.size(); ++i) {
      if (!isSame(p[i], q[i])) return false;
    }
    return true;
  };
  if (!isSameList(x.inputs, y.inputs)) return "inputs";
  if (!isSameList(x.outputs, y.outputs)) return "outputs";
  if (x.values.size() != y.values.size()) return "number of values";
  for (const auto& [name, value] : x.values) {
    const auto it = y.values.find(name);
    if (it == y.values.end() || !isSame(value, it->second)) return "value " + name;
  }
  return {};
}

}  // namespace presisi::test
