#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "graph/passes.hpp"
#include "onnx/model.hpp"

/// What the passes share.
namespace presisi::graph {

bool isHalf(DType dtype);  ///< float16 or bfloat16

/// Hands out names that no tensor of the graph has, nor any handed out before.
class Names {
 public:
  explicit Names(const onnx::Graph& graph);
  /// `base` itself where it is free, else with a number behind.
  std::string fresh(const std::string& base);

 private:
  std::set<std::string> taken_;
};

/// Replaces names among the inputs of all nodes. Names that map to others that are mapped too are followed.
void renameInputs(onnx::Graph& graph, const std::map<std::string, std::string>& names);

/// Drops the nodes whose flag is set.
void eraseNodes(onnx::Graph& graph, const std::vector<bool>& dead);

onnx::Node castNode(const std::string& input, const std::string& output, DType to);

/// Types with every dynamic dimension set to 1; nothing when the graph contradicts itself there or has an operator that
/// we don't know. For passes that can do without: simplify() reports what is wrong.
std::optional<Specialization> trySpecialize(const onnx::Model& model);

/// The value of a Constant node that holds a tensor, as it lies in the model; null for every other node.
const Tensor* heldConstant(const onnx::Node& node);

/// Convolutions and matrix products, whose work is not bounded by the size of what they read and write.
bool isProduct(const onnx::Node& node);

bool isFullyStatic(const onnx::Graph& graph);  ///< every input has a shape without dynamic dimensions

}  // namespace presisi::graph
