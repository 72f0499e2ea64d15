#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <memory>

#include "architectures/networks.hpp"
#include "convert/convert.hpp"

using namespace presisi;
using namespace presisi::test;
using architectures::Network;
using checkpoint::Entry;

namespace {

/// A checkpoint in memory that fits a network; its arrays are kept in `storage`.
struct Fitting {
  checkpoint::Checkpoint checkpoint;
  std::vector<std::shared_ptr<Tensor>> storage;

  explicit Fitting(const Network& network) {
    for (const architectures::Parameter& parameter : network.parameters) {
      auto tensor = std::make_shared<Tensor>(DType::Float32, parameter.dims);
      for (int64_t i = 0; i < tensor->size(); ++i) {
        tensor->data<float>()[i] = static_cast<float>((i + static_cast<int64_t>(storage.size())) % 17) / 16;
      }
      put(parameter.name, std::move(tensor));
    }
  }

  void put(const std::string& name, std::shared_ptr<Tensor> tensor) {
    Entry entry;
    entry.dtype = tensor->dtype();
    entry.dims = tensor->dims();
    int64_t stride = 1;
    for (size_t i = entry.dims.size(); i-- > 0; stride *= entry.dims[i]) {
      entry.strides.insert(entry.strides.begin(), stride);
    }
    entry.data = tensor->data<uint8_t>();
    checkpoint.entries[name] = entry;
    storage.push_back(std::move(tensor));
  }

  void put(const std::string& name, DType dtype, const Dims& dims) { put(name, std::make_shared<Tensor>(dtype, dims)); }

  float* data(const std::string& name) {
    return reinterpret_cast<float*>(const_cast<uint8_t*>(checkpoint.entries.at(name).data));
  }
};

const Network& network() {
  static const Network slim = [] {
    architectures::Choices choices;
    choices.growthRate = 4;
    choices.blocks = {2, 2};
    choices.classes = 5;
    return architectures::make("densenet121", choices);
  }();
  return slim;
}

std::string messageOf(const Fitting& fitting) {
  std::vector<std::string> warnings;
  const auto error = errorOf([&] { convert::bind(network(), fitting.checkpoint, warnings); });
  if (!error) return {};
  CHECK(error->code() == ErrorCode::InvalidModel);
  return error->what();
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("bind puts a checkpoint's arrays into the graph") {
  Fitting fitting(network());
  fitting.put("features.norm0.num_batches_tracked", DType::Int64, {});
  std::vector<std::string> warnings;
  const onnx::Model model = convert::bind(network(), fitting.checkpoint, warnings);
  CHECK(warnings.empty());
  CHECK(model.graph.initializers.size() == network().parameters.size());
  for (const architectures::Parameter& parameter : network().parameters) {
    const Tensor* tensor = model.graph.initializer(parameter.name);
    REQUIRE(tensor != nullptr);
    CHECK(tensor->dims() == parameter.dims);
    // A view: no weight is copied.
    CHECK(tensor->data<uint8_t>() == fitting.checkpoint.entries.at(parameter.name).data);
  }
}

TEST_CASE("bind widens what is narrower or wider than FP32") {
  for (const DType dtype : {DType::Float16, DType::Bfloat16, DType::Float64}) {
    CAPTURE(name(dtype));
    Fitting fitting(network());
    const std::string parameter = "features.conv0.weight";
    const auto original = fitting.storage.front();
    fitting.put(parameter, std::make_shared<Tensor>(original->cast(dtype)));
    std::vector<std::string> warnings;
    const onnx::Model model = convert::bind(network(), fitting.checkpoint, warnings);
    // Sixteenths are exact in all of them.
    CHECK(isSame(*model.graph.initializer(parameter), *original));
  }
}

TEST_CASE("bind reads arrays that lie transposed") {
  Fitting fitting(network());
  Entry& entry = fitting.checkpoint.entries.at("classifier.weight");
  const int64_t rows = entry.dims[0];
  entry.strides = {1, rows};
  std::vector<std::string> warnings;
  const onnx::Model model = convert::bind(network(), fitting.checkpoint, warnings);
  const float* stored = fitting.data("classifier.weight");
  const float* bound = model.graph.initializer("classifier.weight")->data<float>();
  CHECK(bound[1] == stored[rows]);
  CHECK(bound[entry.dims[1]] == stored[1]);
}

TEST_CASE("bind accepts the old names of DenseNet's parameters") {
  Fitting fitting(network());
  auto node = fitting.checkpoint.entries.extract("features.denseblock1.denselayer2.norm1.weight");
  node.key() = "features.denseblock1.denselayer2.norm.1.weight";
  fitting.checkpoint.entries.insert(std::move(node));
  CHECK(messageOf(fitting) == "");
  fitting.put("features.denseblock1.denselayer2.norm1.weight", DType::Float32, {12});
  CHECK(contains(messageOf(fitting), "twice"));
}

TEST_CASE("bind lists everything that doesn't fit") {
  Fitting fitting(network());
  fitting.checkpoint.entries.erase("features.norm5.bias");
  fitting.checkpoint.entries.erase("features.conv0.weight");
  fitting.put("classifier.weight", DType::Float32, {5, 3});
  fitting.put("classifier.bias", DType::Int8, {5});
  fitting.put("auxiliary.weight", DType::Float32, {2, 2});
  const std::string message = messageOf(fitting);
  CHECK(contains(message, "2 missing parameters:\n  features.conv0.weight [8, 3, 7, 7]\n  features.norm5.bias [16]"));
  CHECK(
      contains(message, "1 misshapen parameter:\n  classifier.weight: expected [5, 16] but the checkpoint has [5, 3]"));
  CHECK(contains(message,
                 "1 mistyped parameter:\n  classifier.bias: expected floating point but the checkpoint has int8"));
  CHECK(contains(message, "1 unexpected parameter:\n  auxiliary.weight [2, 2]"));
}

TEST_CASE("bind keeps long lists short") {
  Fitting fitting(network());
  for (int i = 0; i < 1000; ++i) fitting.put("extra." + std::to_string(i), DType::Float32, {1});
  const std::string message = messageOf(fitting);
  CHECK(contains(message, "1000 unexpected parameters:"));
  CHECK(contains(message, "… and 980 more"));
  CHECK(message.size() < 2000);
}

TEST_CASE("bind warns of what it ignores and of what isn't finite") {
  Fitting fitting(network());
  fitting.put("n_averaged", DType::Int64, {});
  fitting.put("features.conv0.total_ops", DType::Float64, {1});
  fitting.data("classifier.bias")[1] = NAN;
  fitting.data("classifier.bias")[3] = -INFINITY;
  fitting.put("features.norm5.bias",
              std::make_shared<Tensor>(Tensor::of<double>(DType::Float64, {16}, std::vector<double>(16, 1e300))));
  std::vector<std::string> warnings;
  convert::bind(network(), fitting.checkpoint, warnings);
  REQUIRE(warnings.size() == 4);
  CHECK(contains(warnings[0], "ignored features.conv0.total_ops"));
  CHECK(contains(warnings[1], "ignored n_averaged"));
  CHECK(contains(warnings[2], "features.norm5.bias has 16 of 16"));
  CHECK(contains(warnings[3], "classifier.bias has 2 of 5"));
}
