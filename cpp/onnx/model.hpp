#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor.hpp"

namespace presisi::onnx {

/// One attribute of a node. The member that `kind` names holds the value; the others are empty.
/// Attributes that hold subgraphs, sparse tensors or types are refused by the reader, by name.
struct Attribute {
  enum class Kind { Float, Int, String, Tensor, Floats, Ints, Strings };
  std::string name;
  Kind kind = Kind::Int;
  float f = 0;
  int64_t i = 0;
  std::string s;
  Tensor t;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string> strings;

  static Attribute ofInt(std::string name, int64_t value);
  static Attribute ofFloat(std::string name, float value);
  static Attribute ofString(std::string name, std::string value);
  static Attribute ofInts(std::string name, std::vector<int64_t> value);
  static Attribute ofFloats(std::string name, std::vector<float> value);
  static Attribute ofTensor(std::string name, Tensor value);
};

/// The domain of the fused operators that our own passes write (Swish, …); never read from or written to a file for
/// others.
inline constexpr const char* kPresisiDomain = "presisi";

struct Node {
  std::string name;
  std::string opType;
  std::string domain;                ///< empty for ONNX's own (`ai.onnx` is read as empty)
  std::vector<std::string> inputs;   ///< an empty name is an absent optional input
  std::vector<std::string> outputs;  ///< an empty name is an output nobody wants
  std::vector<Attribute> attributes;

  const Attribute* find(const std::string& attribute) const;  ///< null when absent
  /// Typed look-ups with a default. Throw InvalidModel, naming node and attribute, when the attribute is of another
  /// kind.
  int64_t getInt(const std::string& attribute, int64_t otherwise) const;
  float getFloat(const std::string& attribute, float otherwise) const;
  std::string getString(const std::string& attribute, const std::string& otherwise) const;
  std::vector<int64_t> getInts(const std::string& attribute, const std::vector<int64_t>& otherwise) const;
  std::vector<float> getFloats(const std::string& attribute, const std::vector<float>& otherwise) const;
  void set(Attribute attribute);              ///< adds, or replaces the one of that name
  void remove(const std::string& attribute);  ///< does nothing where there is none

  bool is(const char* op) const { return domain.empty() && opType == op; }
  bool hasInput(size_t index) const { return index < inputs.size() && !inputs[index].empty(); }
  /// `Conv "features.0"` for messages: the operator, and the node's name or else its first output.
  std::string label() const;
};

/// Name, type and shape of a tensor. A dimension of -1 is dynamic; `symbols[i]` is its name where the file gives one.
struct ValueInfo {
  std::string name;
  DType dtype = DType::Undefined;
  Dims dims;
  std::vector<std::string> symbols;
  bool hasShape = true;  ///< false: the file doesn't even say the rank
};

/// Nodes are in topological order (the reader sorts, and refuses cycles).
struct Graph {
  std::string name;
  std::vector<Node> nodes;
  std::map<std::string, Tensor> initializers;  ///< ordered, so that what we write depends on the content alone
  std::vector<ValueInfo> inputs;               ///< true inputs only: names that are initializers too are left out
  std::vector<ValueInfo> outputs;
  std::map<std::string, ValueInfo> values;  ///< `value_info`: hints about tensors between

  const Tensor* initializer(const std::string& name) const;  ///< null when there is none
};

struct Model {
  int64_t irVersion = 8;
  std::map<std::string, int64_t> opsets;  ///< domain ("" is ONNX's) -> version
  std::string producerName;
  std::string producerVersion;
  std::map<std::string, std::string> metadata;
  Graph graph;

  int64_t opset(const std::string& domain = "") const;  ///< 0 when not imported
};

/// The oldest IR version that a model of this opset (of ONNX's own operators) may have: that of the ONNX release which
/// brought the opset.
int64_t irVersionFor(int64_t opset);

/// Which node makes a tensor, and which use it. Indices into `graph.nodes`; built once per pass, not kept up to date.
struct Links {
  explicit Links(const Graph& graph);
  int producer(const std::string& tensor) const;  ///< -1 for inputs and initializers
  const std::vector<int>& consumers(const std::string& tensor) const;
  bool isOutput(const std::string& tensor) const;
  /// The one node that uses the tensor, when nothing else does and it is no graph output; else -1.
  int onlyConsumer(const std::string& tensor) const;

 private:
  std::map<std::string, int> producers_;
  std::map<std::string, std::vector<int>> consumers_;
  std::map<std::string, bool> outputs_;
};

}  // namespace presisi::onnx
