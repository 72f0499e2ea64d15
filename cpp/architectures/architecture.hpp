#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "onnx/model.hpp"

/// The networks that are built in, with torchvision's parameter names. An architecture is a description: from it come
/// the ONNX graph and the list of the parameters it needs. Where those come from (a checkpoint, a seed) it doesn't
/// know.
namespace presisi::architectures {

/// How a parameter begins when it isn't trained.
enum class Init { ConvWeight, LinearWeight, Bias, NormScale, NormShift, NormMean, NormVariance };

struct Parameter {
  std::string name;  ///< `features.denseblock1.denselayer1.conv1.weight`
  Dims dims;
  Init init;
};

/// The graph refers to its parameters by name; they are no initializers yet.
struct Network {
  std::string architecture;  ///< `densenet169`; the family's name where depths are nobody's
  std::string family;        ///< `DenseNet`
  /// What it was built with, for people and for the file's metadata: `growth_rate: 32`, `blocks: 6, 12, 32, 32`, …
  std::map<std::string, std::string> configuration;
  int64_t classes = 0;
  int64_t inputSize = 0;  ///< pixels of a side
  onnx::Model model;      ///< input `input` [batch, 3, side, side], output `logits` [batch, classes]
  std::vector<Parameter> parameters;
};

/// What a caller may choose. Absent: as published, or as the checkpoint's shapes say.
struct Choices {
  std::optional<int64_t> classes;
  std::optional<int64_t> inputSize;
  std::optional<double> width;                 ///< multiplies channels; MobileNets, EfficientNets, ResNets
  std::optional<double> depth;                 ///< multiplies layers per stage; EfficientNets
  std::optional<int64_t> growthRate;           ///< DenseNets
  std::optional<std::vector<int64_t>> blocks;  ///< layers per block or stage; DenseNets, ResNets
  std::optional<int64_t> batch;                ///< fixes the batch; absent: dynamic
  int64_t opset = 17;                          ///< 13 to 21
};

/// A published architecture.
struct Description {
  std::string name;
  std::string family;
  std::string summary;    ///< one line: what it is and where it was published
  int64_t inputSize = 0;  ///< the side its published weights are evaluated at
};

/// In the order people read them: family by family, small to large.
const std::vector<Description>& list();

/// The architecture as published, or scaled by the choices. Throws InvalidArgument for an unknown name (with the names
/// there are) and for a choice the family does not have.
Network make(const std::string& name, const Choices& choices = {});

/// The network that a checkpoint's parameters belong to; widths, classes and, with `name` empty, family and depth are
/// read off the shapes. Throws UnsupportedModel when nothing here has such parameters; InvalidArgument when `name` or
/// a choice contradicts the shapes.
Network recognise(const std::map<std::string, Dims>& shapes, const std::string& name = {}, const Choices& choices = {});

}  // namespace presisi::architectures
