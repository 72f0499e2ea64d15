#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "architectures/architecture.hpp"

namespace presisi::architectures {

/// A tensor while the graph is being written: what the next layer needs to know of it. Images are square.
struct Value {
  std::string name;
  int64_t channels = 0;
  int64_t side = 1;  ///< pixels; 1 once pooled or flattened
};

enum class Activation { None, Relu, Relu6, HardSwish, Silu };
enum class Gate { Sigmoid, HardSigmoid };

/// A square convolution that keeps the size but for its stride: padding is half the kernel.
struct ConvShape {
  int64_t channels = 0;  ///< of the output
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t groups = 1;
  bool hasBias = false;
};

/// Writes ONNX nodes and declares the parameters they use. Everything is named by its place among PyTorch's modules:
/// inside the scopes `features` and `denseblock1`, conv("conv1", …) makes the node and tensor
/// `features.denseblock1.conv1` and asks for the parameter `features.denseblock1.conv1.weight`.
class GraphBuilder {
 public:
  /// Throws InvalidArgument for an opset, an input size or a batch outside what there is.
  GraphBuilder(const Choices& choices, int64_t inputSize);

  /// While it lives, names get its module in front.
  class Scope {
   public:
    Scope(GraphBuilder& builder, const std::string& module);
    ~Scope() { builder_.path_.resize(length_); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    GraphBuilder& builder_;
    size_t length_;  ///< of the path outside
  };

  const Value& input() const { return input_; }

  Value conv(const std::string& module, const Value& x, const ConvShape& shape);
  Value batchNorm(const std::string& module, const Value& x, double epsilon);
  Value activation(const std::string& module, const Value& x, Activation kind);
  Value gate(const std::string& module, const Value& x, Gate kind);
  Value maxPool(const std::string& module, const Value& x);      ///< 3x3, stride 2, padding 1
  Value averagePool(const std::string& module, const Value& x);  ///< 2x2, stride 2
  Value globalAveragePool(const std::string& module, const Value& x);
  Value add(const std::string& step, const Value& a, const Value& b);
  Value multiply(const std::string& step, const Value& a, const Value& b);
  Value concat(const std::string& step, const std::vector<Value>& parts);
  Value flatten(const std::string& step, const Value& x);
  Value linear(const std::string& module, const Value& x, int64_t features);
  /// The last linear layer: its output is the graph's, `logits`.
  void logits(const std::string& module, const Value& x, int64_t classes);

  /// Hands over the graph, the parameters, classes and input size.
  Network finish();

 private:
  std::string named(const std::string& module) const { return path_ + module; }
  const std::string& parameter(const std::string& name, Dims dims, Init init);
  const std::string& constant(const std::string& name, float value);
  onnx::Node& node(const std::string& name, const char* opType, std::vector<std::string> inputs);
  void linearNode(const std::string& module, const Value& x, int64_t features, const std::string& output);

  Network network_;
  int64_t opset_;
  int64_t batch_;  ///< -1: dynamic
  std::string path_;
  Value input_;
};

/// torchvision's Conv2dNormActivation: `.0` a convolution without bias, `.1` its BatchNormalization, `.2` the
/// activation where there is one.
Value convNormActivation(GraphBuilder& builder, const std::string& module, const Value& x, const ConvShape& shape,
                         double epsilon, Activation activation);

}  // namespace presisi::architectures
