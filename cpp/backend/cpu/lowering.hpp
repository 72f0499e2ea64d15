#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backend/cpu/chain.hpp"
#include "backend/cpu/convolution.hpp"
#include "backend/cpu/program.hpp"
#include "graph/passes.hpp"
#include "onnx/model.hpp"

namespace presisi::cpu {

template <typename Task>
struct Owned;

/// Turns a simplified model (Q/DQ included) into a program for one set of input shapes. Nodes are first gathered into
/// groups that one primitive can execute; each group is emitted where its last node stands, so everything it reads
/// exists.
class Lowering {
 public:
  Lowering(const onnx::Model& model, const std::map<std::string, Dims>& inputShapes, WeightStore& weights,
           bool anyOrder, const ProgressFn& progress, const StopToken& stop);
  Program run();

 private:
  enum class Kind {
    Convolution,
    Product,
    MatMul,
    Chain,
    Pooling,
    GlobalAverage,
    Concat,
    Reshape,
    Quantize,
    Alias,
    Plain
  };
  struct Group {
    Kind kind = Kind::Plain;
    std::vector<int> nodes;
  };

  // lowering_groups.cpp: which nodes go together
  void formGroups();
  Group groupFrom(int node);
  void extend(Group& group);               ///< adds activations, residual sums and the Quantize behind
  int follower(const Group& group) const;  ///< the one ungrouped consumer of the group's result, or -1
  bool sameDims(const std::string& a, const std::string& b) const;
  bool isSimpleQuantize(const onnx::Node& node) const;
  bool isSimpleDequantize(const onnx::Node& node) const;
  bool isConstantDequantize(const onnx::Node& node) const;
  bool isActivation(const onnx::Node& node) const;
  bool isResidualAdd(const onnx::Node& node, const std::string& through) const;
  std::optional<ChainStage> stageFor(const onnx::Node& node, const std::string& main) const;
  std::string mainInput(const onnx::Node& node) const;

  // lowering_matrix.cpp: convolutions and products
  struct Matrix {  ///< what Conv, Gemm and MatMul with constant weights have in common
    std::string input;
    Tensor weights;  ///< Float32, or Int8 with scales
    std::vector<float> scales;
    std::vector<float> bias;
    std::string weightsName;
  };
  std::optional<Matrix> matrixOf(const onnx::Node& node) const;
  void emitConvolution(const Group& group);
  void emitProduct(const Group& group);
  void emitMatMul(const Group& group);
  struct Tail {  ///< what follows a convolution or product inside its group
    std::vector<PostOp> postOps;
    int skip = -1;      ///< value summed in
    int quantize = -1;  ///< node
    bool nonNegative = false;
  };
  enum class SkipBy { Overwrite, Copy, Convert };
  struct Destination {
    Value value;
    int skip = -1;  ///< value to be summed, or -1
    SkipBy skipBy = SkipBy::Overwrite;
  };
  Tail tailOf(const Group& group);
  Destination planDestination(const Group& group, const Tail& tail, const Dims& dims, Layout layout,
                              ProductSpec& spec) const;
  int commit(const Destination& plan);
  int prepareOperands(const Matrix& matrix, Layout layout, ProductSpec& spec, backend::LayerInfo& layer);
  bool widenWeights(Matrix& matrix, ProductSpec& spec);
  void emitPrimitive(const Group& group, const Primitive& primitive, const Matrix& matrix, const Dims& packedDims,
                     int input, int output, backend::LayerInfo info);
  bool mayOverwrite(int value, const Group& group) const;
  void emitUnfused(const Group& group);

  // lowering_kernels.cpp: our own kernels, where they are faster than oneDNN's,
  struct Own;
  struct OwnKernel;
  std::optional<Own> own(const ProductSpec& spec, const Matrix& matrix, const Destination& plan);
  bool isLow(int value) const;
  OwnKernel depthwise(const Group& group, const Matrix& matrix, const ConvolutionSpec& spec, const Own& own, int input,
                      const Value& out);
  OwnKernel pointwise(const Matrix& matrix, const ProductSpec& spec, const PixelGrid& grid, const Own& own, int input,
                      const Value& out);
  /// The last chain, and what it reads and makes.
  struct LastChain {
    std::shared_ptr<const Chain> chain;
    int input = -1;
    std::vector<int> operands;
    int output = -1;
  };
  OwnKernel patches(const Matrix& matrix, const ConvolutionSpec& spec, const Own& own, int input,
                    const std::optional<LastChain>& front, const Value& out);
  OwnKernel winograd(const Matrix& matrix, const ConvolutionSpec& spec, const Own& own, int input, const Value& out);
  // and lowering_convolution.cpp: when, and with what else
  int emitOwn(const Group& group, const Own& own, const OwnKernel& kernel, const Destination& plan, int64_t weightBytes,
              backend::LayerInfo layer);
  enum class OwnKind { None, Pointwise, Depthwise, Patches, Winograd };
  OwnKind ownKind(const Matrix& matrix, const ConvolutionSpec& spec, const Destination& plan, int input) const;
  bool lastScales(int value, int64_t channels) const;
  bool redirect(int value, const Value& slice, int whole);
  bool isLastStep(int value) const;
  std::optional<LastChain> takeChain(const Group& group, int value, backend::LayerInfo& layer);
  void emitPointwise(const Group& group, const Own& own, OwnKernel kernel, const Destination& plan, int64_t weightBytes,
                     backend::LayerInfo layer);
  bool isOnlyReader(const Group& group, int value) const;
  bool mayExpand(const Group& group, const DepthwiseTask& task, int input) const;
  void emitExpanded(const Group& group, const Own& own, const OwnKernel& kernel, const Destination& plan,
                    int64_t samples, int64_t weightBytes, const backend::LayerInfo& layer);
  bool emitOwnConvolution(const Group& group, const Matrix& matrix, const ConvolutionSpec& spec,
                          const Destination& plan, int input, const backend::LayerInfo& layer);
  bool emitOwnProduct(const Group& group, const Matrix& matrix, const MatrixSpec& spec, const Destination& plan,
                      int input, const backend::LayerInfo& layer);
  int inFloats(int input, Layout layout, ProductSpec& spec, backend::LayerInfo& layer);
  bool isAveraged(const std::string& tensor) const;  ///< over all its pixels

  // lowering_chain.cpp: element-wise chains and conversions
  void emitChain(const Group& group);
  void emitQuantize(const Group& group);
  int convert(int value, DType dtype, Layout layout);
  void addConversion(int from, int to);  ///< a step that fills `to` with the numbers of `from`
  void addChainStep(Chain chain, int input, std::vector<int> operands, int output, backend::LayerInfo info);
  ChainTensor chainTensor(const Value& value) const;
  static void shapeChain(Chain& chain, const Dims& dims, Layout layout);

  // lowering_movement.cpp: pooling, concatenation, shapes, and everything else
  struct Padding {
    Dims begin, end;
  };
  Padding paddingOf(const onnx::Node& node, const Dims& kernel, const Dims& dilations) const;
  void emitPooling(const Group& group);
  void emitGlobalAverage(const Group& group);
  void emitConcat(const Group& group);
  void emitReshape(const Group& group);
  void emitPlain(const Group& group);
  void emitOutputs(const std::string& tensor);
  void planConcats();

  // lowering.cpp: values
  const onnx::Node& node(int index) const { return model_.graph.nodes[static_cast<size_t>(index)]; }
  const onnx::Node& first(const Group& group) const { return node(group.nodes.front()); }
  const std::string& result(const Group& group) const { return node(group.nodes.back()).outputs[0]; }
  const Dims& dimsOf(const std::string& tensor) const;
  DType typeOf(const std::string& tensor) const;
  const Tensor* constantOf(const std::string& tensor) const;
  Tensor constantOrDequantized(const std::string& tensor) const;  ///< empty: not known at build
  int addValue(Value value);
  int addActivation(const std::string& name, const Dims& dims, DType dtype, Layout layout);
  void bindName(const std::string& tensor, int value);
  int valueOf(const std::string& tensor);
  void setQuantization(Value& value, const onnx::Node& quantize, bool nonNegative) const;
  void bindResult(const Group& group, int value);
  backend::LayerInfo info(const Group& group, const std::string& op) const;
  Step& addStep(backend::LayerInfo info, std::vector<int> reads, std::vector<int> writes);

  static Runner runnerOf(const Primitive& primitive, Arguments arguments, const Binding& binding);

  const onnx::Model& model_;
  graph::Specialization types_;
  onnx::Links links_;
  WeightStore& weights_;
  const bool anyOrder_;  ///< of rank-4 outputs
  const ProgressFn& progress_;
  const StopToken& stop_;
  Program program_;
  std::vector<Group> groups_;   ///< in order of emission
  std::vector<int> emittedAt_;  ///< per node: index of the last node of its group
  std::vector<bool> grouped_;
  std::map<std::string, int> byName_;
  std::map<int, std::vector<std::string>> namesOf_;
  std::map<std::tuple<int, DType, Layout>, int> converted_;
  LastChain lastChain_;
  /// The last 1x1 convolution, as far as it may go together with a depthwise one.
  struct Expansion {
    std::shared_ptr<Owned<PointwiseTask>> task;
    int output = -1, input = -1;  ///< values
  };
  Expansion expansion_;
  std::map<int, std::shared_ptr<Owned<PointwiseTask>>> ownProducts_;  ///< by the value that they make
  /// Of images whose averages are wanted, by value: sums over parts of their pixels, [samples, parts, channels and
  /// more].
  std::map<int, int> partialSums_;
  /// Concatenations that grow one another (DenseNet) share one wide buffer: concat node -> first of its family.
  struct Growth {
    int previous = -1;     ///< the concat whose inputs are a prefix of this one's
    int64_t channels = 0;  ///< of the widest of the family
  };
  std::map<int, Growth> growth_;
};

}  // namespace presisi::cpu
