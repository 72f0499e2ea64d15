#include "convert/seed.hpp"

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"

namespace presisi::convert {

namespace {

// Spread of what batch normalizations do. The statistics are those of the input as it is estimated below, times or
// plus something within these bounds.
constexpr double kNormSpread = 0.2;
// What goes into a swish is wider, as in trained networks. Around 1 a swish passes on more of what is wide than of what
// is narrow, and over a hundred layers a small error of the estimate would become a large one; here it passes on half.
constexpr double kSwishScale = 2.5;
// Squeeze-excite's gates stay near 1/2, where how much they pass on hardly depends on the estimate.
constexpr double kGateScale = 0.5;
constexpr double kBiasBound = 0.1;
// The means of channels differ by about this share of the variance that their pixels have.
constexpr double kPooledVariance = 0.35;

/// Steele, Lea and Flood's SplitMix64: its finalizer applied to a counter. Integers only.
class Stream {
 public:
  Stream(uint64_t seed, const std::string& name) : key_(mix(seed + kGolden)) {
    // FNV-1a.
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    key_ = mix(key_ ^ hash);
  }

  /// Fills with uniform variates of [center - bound, center + bound), two from each hash. The product of two numbers of
  /// 24 bits is exact in double, so that a fused multiply-add makes no difference.
  void fill(float* out, int64_t count, float center, float bound) const {
    for (int64_t i = 0; i < count; i += 2) {
      const uint64_t bits = mix(key_ + static_cast<uint64_t>(i / 2) * kGolden);
      out[i] = variate(static_cast<uint32_t>(bits), center, bound);
      if (i + 1 < count) out[i + 1] = variate(static_cast<uint32_t>(bits >> 32), center, bound);
    }
  }

 private:
  static constexpr uint64_t kGolden = 0x9e3779b97f4a7c15u;

  static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  static float variate(uint32_t bits, float center, float bound) {
    const int32_t whole = static_cast<int32_t>(2 * (bits >> 9) + 1) - (1 << 23);
    const double unit = static_cast<double>(whole) * (1.0 / (1 << 23));
    return static_cast<float>(center + bound * unit);
  }

  uint64_t key_;
};

/// What is expected of a tensor's elements over channels, pixels and images.
struct Moments {
  double mean = 0;
  double square = 1;  ///< mean of the squares
  int64_t channels = 0;

  double variance() const { return square - mean * mean > 1e-6 ? square - mean * mean : 1e-6; }
};

/// Gives every parameter its values while following, node by node, how large activations get.
///
/// which IEEE 754 rounds correctly, so that all machines find the same bounds.
class Seeder {
 public:
  Seeder(const architectures::Network& network, uint64_t seed) : model_(network.model), seed_(seed) {
    for (const architectures::Parameter& parameter : network.parameters) dims_[parameter.name] = &parameter.dims;
  }

  onnx::Model run() {
    for (const onnx::Node& node : model_.graph.nodes) {
      const bool isSwish = node.opType == "HardSwish" || node.opType == "Sigmoid" || node.opType == "HardSigmoid";
      if (isSwish) swishes_.insert(node.inputs[0]);
    }
    for (const onnx::ValueInfo& input : model_.graph.inputs) moments_[input.name] = {0, 1, input.dims[1]};
    for (const onnx::Node& node : model_.graph.nodes) moments_[node.outputs[0]] = visit(node);
    return std::move(model_);
  }

 private:
  const Moments& at(const std::string& name) const { return moments_.at(name); }

  Moments visit(const onnx::Node& node) {
    const std::string& op = node.opType;
    const Moments& x = at(node.inputs[0]);
    if (op == "Conv" || op == "Gemm") return weighted(node, x);
    if (op == "BatchNormalization") return normalised(node, x);
    if (op == "Relu" || op == "Clip") return rectified(x);
    if (op == "HardSwish") return swished(x);
    if (op == "Sigmoid" || op == "HardSigmoid") {
      gated_[node.outputs[0]] = node.inputs[0];
      return {0.5, 0.26, x.channels};  // for a deviation of kGateScale
    }
    if (op == "Mul") return product(node);
    if (op == "Add") return sum(x, at(node.inputs[1]));
    if (op == "Concat") return joined(node);
    if (op == "MaxPool") return {1.9 * x.mean, 2.1 * x.square, x.channels};  // of rectified values, stride 2
    if (op == "AveragePool") return {x.mean, x.mean * x.mean + 0.4 * x.variance(), x.channels};
    if (op == "GlobalAveragePool") return {x.mean, x.mean * x.mean + kPooledVariance * x.variance(), x.channels};
    if (op == "Flatten") return x;
    throw Error(ErrorCode::Internal, "no moments are known for " + node.label());
  }

  Tensor& parameter(const std::string& name) {
    return model_.graph.initializers[name] = Tensor(DType::Float32, *dims_.at(name));
  }

  void fill(const std::string& name, double center, double bound) {
    Tensor& tensor = parameter(name);
    Stream(seed_, name)
        .fill(tensor.data<float>(), tensor.size(), static_cast<float>(center), static_cast<float>(bound));
  }

  /// Convolutions and linear layers: the output's variance is 1, or what a gate wants.
  Moments weighted(const onnx::Node& node, const Moments& x) {
    const Dims& dims = *dims_.at(node.inputs[1]);
    int64_t fanIn = 1;
    for (size_t i = 1; i < dims.size(); ++i) fanIn *= dims[i];
    const bool isDepthwise = dims.size() == 4 && dims[1] == 1;
    const bool feedsGate = dims.size() == 4 && swishes_.count(node.outputs[0]) > 0;  // no normalization between
    const double deviation = feedsGate ? kGateScale : 1;
    fill(node.inputs[1], 0, deviation * std::sqrt(3 / (static_cast<double>(fanIn) * x.variance())));
    float* filter = model_.graph.initializers[node.inputs[1]].data<float>();
    for (int64_t f = 0; f < dims[0] && fanIn > 1; ++f, filter += fanIn) {
      if (isDepthwise) {
        balance(filter, fanIn, 1 / std::sqrt(x.square));
      } else {
        center(filter, fanIn);
      }
    }
    if (node.inputs.size() > 2) fill(node.inputs[2], 0, kBiasBound);
    return {0, deviation * deviation, dims[0]};
  }

  /// Takes a filter's mean off its weights. Else the activations' common mean would become an offset of each channel,
  /// larger with every layer than what differs between images. Returns the mean.
  static float center(float* filter, int64_t fanIn) {
    double sum = 0;
    for (int64_t i = 0; i < fanIn; ++i) sum += static_cast<double>(filter[i]);
    const float mean = static_cast<float>(sum / static_cast<double>(fanIn));
    for (int64_t i = 0; i < fanIn; ++i) filter[i] -= mean;
    return mean;
  }

  /// Makes a depthwise filter's gain `gain` for what is the same all over its window as for what is uncorrelated there:
  /// the weights' sum is the gain, up to its sign, and so is their norm. With so few weights the gains would else
  /// differ by a multiple from channel to channel.
  static void balance(float* filter, int64_t window, double gain) {
    const double n = static_cast<double>(window);
    const double offset = center(filter, window) < 0 ? -gain / n : gain / n;
    double squares = 0;
    for (int64_t i = 0; i < window; ++i) squares += static_cast<double>(filter[i]) * static_cast<double>(filter[i]);
    const float scale = static_cast<float>(gain * std::sqrt((1 - 1 / n) / squares));
    for (int64_t i = 0; i < window; ++i) {
      filter[i] *= scale;
      filter[i] += static_cast<float>(offset);
    }
  }

  Moments normalised(const onnx::Node& node, const Moments& x) {
    const double deviation = std::sqrt(x.variance());
    const double scale = swishes_.count(node.outputs[0]) > 0 ? kSwishScale : 1;
    fill(node.inputs[1], scale, kNormSpread * scale);
    fill(node.inputs[2], 0, kNormSpread * scale);
    fill(node.inputs[3], x.mean, kNormSpread * deviation);
    fill(node.inputs[4], x.variance(), kNormSpread * x.variance());
    // With s the variance of what is uniform within +-kNormSpread, E[scale^2] = 1 + s, E[1 / variance] = 1 + s to first
    // order, and the two shifts add s each. Left out, it would add up to much over a hundred layers.
    constexpr double s = kNormSpread * kNormSpread / 3;
    return {0, scale * scale * ((1 + s) * (1 + s) * (1 + s) + s), x.channels};
  }

  /// max(x, 0) of a normal variate, in approximations without exp that are exact for a mean of 0 (there
  /// E = sqrt(1 / 2 pi) and E[square] = 1/2, times the deviation) and far from it.
  static Moments rectified(const Moments& x) {
    constexpr double kTwoOverPi = 0.63662;
    const double mean = (x.mean + std::sqrt(x.mean * x.mean + kTwoOverPi * x.variance())) / 2;
    const double slope = 1.5958 * x.mean;  // 4 / sqrt(2 pi)
    const double odd = slope / std::sqrt(x.variance() + slope * slope);
    return {mean, x.square * (1 + odd) / 2, x.channels};
  }

  /// x * sigmoid(x), or hard-swish, of a mean of 0. At a deviation of 1 these are a normal variate's moments; at
  /// kSwishScale those found in networks this made, whose tails are heavier than a normal variate's (0.326 and 0.458).
  static Moments swished(const Moments& x) {
    const bool isWide = x.square > 2;
    return {(isWide ? 0.31 : 0.207) * std::sqrt(x.square), (isWide ? 0.50 : 0.356) * x.square, x.channels};
  }

  Moments product(const onnx::Node& node) const {
    const Moments& x = at(node.inputs[0]);
    const Moments& gate = at(node.inputs[1]);
    const auto source = gated_.find(node.inputs[1]);
    if (source != gated_.end() && source->second == node.inputs[0]) return swished(x);
    return {x.mean * gate.mean, x.square * gate.square, x.channels};
  }

  static Moments sum(const Moments& a, const Moments& b) {
    const double mean = a.mean + b.mean;
    return {mean, mean * mean + a.variance() + b.variance(), a.channels};
  }

  Moments joined(const onnx::Node& node) const {
    Moments all{0, 0, 0};
    for (const std::string& input : node.inputs) {
      const Moments& part = at(input);
      all.mean += part.mean * static_cast<double>(part.channels);
      all.square += part.square * static_cast<double>(part.channels);
      all.channels += part.channels;
    }
    all.mean /= static_cast<double>(all.channels);
    all.square /= static_cast<double>(all.channels);
    return all;
  }

  onnx::Model model_;
  uint64_t seed_;
  std::map<std::string, const Dims*> dims_;
  std::map<std::string, Moments> moments_;
  std::set<std::string> swishes_;             ///< what goes into a swish
  std::map<std::string, std::string> gated_;  ///< a sigmoid's output -> its input
};

}  // namespace

onnx::Model withRandomWeights(const architectures::Network& network, uint64_t seed) {
  return Seeder(network, seed).run();
}

}  // namespace presisi::convert
