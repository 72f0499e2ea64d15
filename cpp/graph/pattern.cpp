#include "graph/pattern.hpp"

#include <cmath>

namespace presisi::graph {

namespace {

constexpr size_t kMostFactors = 2;
constexpr int kMostDepth = 6;
const double kInverseRoot2 = 1 / std::sqrt(2.0);

}  // namespace

// FP16 has 11 significant bits: a relative error of 2^-11 at most, per constant; two meet in no pattern of ours by more
// than their product.
bool isNear(double a, double b) { return std::fabs(a - b) <= std::fabs(b) * 1e-3; }

int Pattern::onlyFrom(const std::string& tensor, const char* op) const {
  const int producer = links_.producer(tensor);
  return producer >= 0 && node(producer).is(op) && links_.onlyConsumer(tensor) >= 0 ? producer : -1;
}

std::optional<double> Pattern::scalar(const std::string& tensor) const {
  const Tensor* value = constant(tensor);
  if (value == nullptr || value->dtype() != DType::Float32 || value->size() != 1) return std::nullopt;
  return static_cast<double>(*value->data<float>());
}

bool Pattern::isScalar(const std::string& tensor, double value) const {
  const auto found = scalar(tensor);
  return found && isNear(*found, value);
}

const ops::TensorType* Pattern::type(const std::string& tensor) const {
  const auto it = types_.types.find(tensor);
  return it == types_.types.end() ? nullptr : &it->second;
}

bool Pattern::sameFloats(const std::string& a, const std::string& b) const {
  const ops::TensorType* left = type(a);
  const ops::TensorType* right = type(b);
  return left != nullptr && right != nullptr && left->dtype == DType::Float32 && right->dtype == DType::Float32 &&
         left->dims == right->dims;
}

std::optional<Pattern::Product> Pattern::product(int index) const {
  Product product;
  if (!expand(index, 0, product)) return std::nullopt;
  return product;
}

bool Pattern::expand(int index, int depth, Product& product) const {
  const onnx::Node& at = node(index);
  if (at.inputs.size() != 2) return false;
  if (at.is("Mul")) return expandFactor(at.inputs[0], depth, product) && expandFactor(at.inputs[1], depth, product);
  if (!at.is("Div")) return false;
  const auto divisor = scalar(at.inputs[1]);
  if (!divisor || *divisor == 0) return false;
  product.factor /= *divisor;
  return expandFactor(at.inputs[0], depth, product);
}

bool Pattern::expandFactor(const std::string& tensor, int depth, Product& product) const {
  if (const auto value = scalar(tensor)) {
    product.factor *= *value;
    return true;
  }
  const int producer = links_.producer(tensor);
  if (producer >= 0 && depth < kMostDepth && links_.onlyConsumer(tensor) >= 0) {
    Product inner = product;
    if (expand(producer, depth + 1, inner)) {
      product = std::move(inner);
      product.absorbed.push_back(producer);
      return true;
    }
  }
  product.tensors.push_back(tensor);
  return product.tensors.size() <= kMostFactors;
}

std::string Pattern::addend(int index, double value) const {
  if (index < 0 || node(index).inputs.size() != 2) return {};
  for (size_t i = 0; i < 2; ++i) {
    if (isScalar(node(index).inputs[i], value)) return node(index).inputs[1 - i];
  }
  return {};
}

bool Pattern::isRelu6(const onnx::Node& clip) const {
  if (model_.opset() < 11) return clip.getFloat("min", -1) == 0 && clip.getFloat("max", -1) == 6;
  if (!clip.hasInput(1) || !clip.hasInput(2)) return false;
  return scalar(clip.inputs[1]) == 0.0 && scalar(clip.inputs[2]) == 6.0;
}

std::string Pattern::shiftedRelu6(const std::string& tensor, std::vector<int>& absorbed) const {
  const int clip = onlyFrom(tensor, "Clip");
  if (clip < 0 || !isRelu6(node(clip))) return {};
  const int add = onlyFrom(node(clip).inputs[0], "Add");
  std::string x = addend(add, 3);
  if (!x.empty()) absorbed.insert(absorbed.end(), {clip, add});
  return x;
}

std::string Pattern::shiftedErf(const std::string& tensor, std::vector<int>& absorbed) const {
  const int add = onlyFrom(tensor, "Add");
  const std::string error = addend(add, 1);
  const int erf = onlyFrom(error, "Erf");
  if (erf < 0) return {};
  const std::string& argument = node(erf).inputs[0];
  const int scaling = links_.producer(argument);
  if (scaling < 0 || links_.onlyConsumer(argument) < 0) return {};
  const auto scaled = product(scaling);
  if (!scaled || scaled->tensors.size() != 1 || !isNear(scaled->factor, kInverseRoot2)) return {};
  absorbed.insert(absorbed.end(), {add, erf, scaling});
  absorbed.insert(absorbed.end(), scaled->absorbed.begin(), scaled->absorbed.end());
  return scaled->tensors[0];
}

}  // namespace presisi::graph
