#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/passes.hpp"
#include "onnx/model.hpp"

/// Finding, against the direction of the data, what a tensor was computed from. A match may absorb intermediate tensors
/// only where nothing outside the pattern reads them.
namespace presisi::graph {

class Pattern {
 public:
  Pattern(const onnx::Model& model, const Specialization& types) : model_(model), links_(model.graph), types_(types) {}

  const onnx::Node& node(int index) const { return model_.graph.nodes[static_cast<size_t>(index)]; }
  const onnx::Links& links() const { return links_; }

  /// The node that makes `tensor`, when it is an `op` and nobody but one node reads the tensor; else -1.
  int onlyFrom(const std::string& tensor, const char* op) const;
  /// The value of an FP32 constant with one element.
  std::optional<double> scalar(const std::string& tensor) const;
  bool isScalar(const std::string& tensor, double value) const;
  const Tensor* constant(const std::string& tensor) const { return model_.graph.initializer(tensor); }
  const ops::TensorType* type(const std::string& tensor) const;
  /// Both FP32 and of one shape: a scalar of high rank, say, has not broadcast the result to more dimensions.
  bool sameFloats(const std::string& a, const std::string& b) const;

  /// A product taken apart: Mul, and Div by a constant, as far as nothing else reads the intermediate results.
  struct Product {
    double factor = 1;                 ///< of all the constants
    std::vector<std::string> tensors;  ///< the other factors
    std::vector<int> absorbed;         ///< nodes inside, without the one the search started from
  };
  /// Nothing when `index` is no product or has more than two factors that are not constant.
  std::optional<Product> product(int index) const;

  /// max(0, min(6, x + 3)): x, with the nodes added to `absorbed`; else empty.
  std::string shiftedRelu6(const std::string& tensor, std::vector<int>& absorbed) const;
  /// 1 + erf(x / sqrt(2)): likewise.
  std::string shiftedErf(const std::string& tensor, std::vector<int>& absorbed) const;

 private:
  bool expand(int index, int depth, Product& product) const;
  bool expandFactor(const std::string& tensor, int depth, Product& product) const;
  /// The operand of an Add whose other operand is the constant `value`; else empty.
  std::string addend(int index, double value) const;
  bool isRelu6(const onnx::Node& node) const;

  const onnx::Model& model_;
  onnx::Links links_;
  const Specialization& types_;
};

/// Equal up to what storing the constant as FP16 on the way has cost.
bool isNear(double a, double b);

}  // namespace presisi::graph
