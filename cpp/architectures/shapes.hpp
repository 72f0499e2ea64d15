#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/tensor.hpp"

namespace presisi::architectures {

/// The name that torchvision gives a parameter today: its old DenseNet checkpoints say `denselayer1.norm.1.weight` for
/// `denselayer1.norm1.weight`.
std::string canonicalName(const std::string& name);

/// What a convolution's weight [out, in / groups, kernel, kernel] says.
struct ConvRead {
  int64_t out = 0;
  int64_t inPerGroup = 0;  ///< 0 where the weight is missing and only its normalization tells of it
  int64_t kernel = 0;      ///< 0 likewise
};

/// A checkpoint's parameters as evidence of its architecture. They may be anybody's: counts and sizes beyond what a
/// network has are refused. What can't be read throws UnsupportedModel naming the parameter.
class Shapes {
 public:
  explicit Shapes(const std::map<std::string, Dims>& named);

  bool has(const std::string& name) const { return dims_.count(name) > 0; }
  bool hasUnder(const std::string& module) const;  ///< any parameter of the module

  /// How many modules `prefix`N there are, N counting from `first`. A gap in the numbers is an error.
  int64_t count(const std::string& prefix, int64_t first) const;

  /// The convolution `module`; where its weight is missing, as wide as its normalization `norm`.
  ConvRead conv(const std::string& module, const std::string& norm) const;
  /// The same where the kernel is fixed by the family and the weight isn't needed to know it.
  int64_t channels(const std::string& module, const std::string& norm) const { return conv(module, norm).out; }
  /// Output features of a linear layer; `otherwise` when neither weight nor bias is there.
  int64_t features(const std::string& module, int64_t otherwise) const;

 private:
  const Dims* find(const std::string& name) const;

  std::map<std::string, Dims> dims_;
};

}  // namespace presisi::architectures
