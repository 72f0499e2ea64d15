#include <doctest/doctest.h>

#include "graph/support.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

ModelBuilder& addBatchNorm(ModelBuilder& b, const std::string& from, const std::string& to, int64_t channels,
                           std::vector<Attribute> attributes = {}) {
  b.weight(to + "_scale", {channels}, 0.5f, 2).weight(to + "_shift", {channels});
  b.weight(to + "_mean", {channels}).weight(to + "_var", {channels}, 0.1f, 3);
  return b.node("BatchNormalization", {from, to + "_scale", to + "_shift", to + "_mean", to + "_var"}, {to},
                std::move(attributes));
}

void checkFolds(const ModelBuilder& b, const std::string& expected) {
  const onnx::Model folded = graph::foldBatchNorm(b.model);
  CHECK(operators(folded) == expected);
  CHECK(difference(b.model, folded, 2) < 2e-6);
}

void checkStays(const ModelBuilder& b) { CHECK(operators(graph::foldBatchNorm(b.model)) == operators(b.model)); }

}  // namespace

TEST_CASE("foldBatchNorm: after a convolution") {
  for (const bool hasBias : {false, true}) {
    CAPTURE(hasBias);
    ModelBuilder b;
    b.input("x", {-1, 4, 5, 5}).output("y").weight("w", {6, 2, 3, 3}).weight("b", {6});
    b.node("Conv", hasBias ? std::vector<std::string>{"x", "w", "b"} : std::vector<std::string>{"x", "w"}, {"c"},
           {Attribute::ofInt("group", 2), Attribute::ofInts("pads", {1, 1, 1, 1})});
    addBatchNorm(b, "c", "n", 6, {Attribute::ofFloat("epsilon", 0.01f)}).node("Relu", {"n"}, {"y"});
    checkFolds(b, "Conv Relu");
    // The tensor before the Relu keeps its name, and so does the weight; the model it came from keeps its values.
    const onnx::Model folded = graph::foldBatchNorm(b.model);
    CHECK(folded.graph.nodes[0].outputs[0] == "n");
    CHECK(folded.graph.nodes[0].inputs[1] == "w");
    CHECK(folded.graph.initializer("w")->data<float>() != b.model.graph.initializer("w")->data<float>());
  }
}

TEST_CASE("foldBatchNorm: after a transposed convolution, with and without groups") {
  for (const int64_t groups : {1, 2}) {
    CAPTURE(groups);
    ModelBuilder b;
    b.input("x", {-1, 4, 5, 5}).output("y").weight("w", {4, 3, 3, 3}).weight("b", {3 * groups});
    b.node("ConvTranspose", {"x", "w", "b"}, {"c"}, {Attribute::ofInt("group", groups)});
    addBatchNorm(b, "c", "y", 3 * groups);
    checkFolds(b, "ConvTranspose");
  }
}

TEST_CASE("foldBatchNorm: after a matrix product") {
  for (const int64_t transposed : {0, 1}) {
    for (const Dims& bias : {Dims{5}, Dims{1, 5}, Dims{1}, Dims{}}) {
      CAPTURE(transposed);
      CAPTURE(toString(bias));
      ModelBuilder b;
      b.input("x", {-1, 3}).output("y").weight("w", transposed != 0 ? Dims{5, 3} : Dims{3, 5}).weight("b", bias);
      b.node("Gemm", {"x", "w", "b"}, {"g"}, {Attribute::ofInt("transB", transposed)});
      addBatchNorm(b, "g", "y", 5);
      checkFolds(b, "Gemm");
    }
  }
}

TEST_CASE("foldBatchNorm: constants per channel") {
  for (const Dims& dims : {Dims{6, 1, 1}, Dims{1, 6, 1, 1}, Dims{}, Dims{1}, Dims{1, 1, 1}}) {
    CAPTURE(toString(dims));
    ModelBuilder b;
    b.input("x", {-1, 4, 5, 5}).output("y").weight("w", {6, 4, 3, 3});
    b.weight("m", dims, 0.5f, 2).weight("a", dims).weight("d", dims, 0.5f, 2).weight("s", dims);
    b.node("Conv", {"x", "w"}, {"c"}).node("Mul", {"m", "c"}, {"t"}).node("Add", {"t", "a"}, {"u"});
    b.node("Div", {"u", "d"}, {"v"}).node("Sub", {"v", "s"}, {"y"});
    checkFolds(b, "Conv");
  }
}

TEST_CASE("foldBatchNorm: weights that others use are not changed for them") {
  ModelBuilder b;
  b.input("x", {-1, 4, 5, 5}).output("y").output("z").weight("w", {6, 4, 1, 1}).weight("b", {6});
  b.node("Conv", {"x", "w", "b"}, {"c"}).node("Conv", {"x", "w", "b"}, {"z"});
  addBatchNorm(b, "c", "y", 6);
  checkFolds(b, "Conv Conv");
}

TEST_CASE("foldBatchNorm: parameters keep the path of their layer") {
  const std::string layer = "features.denseblock1.denselayer1.conv1";
  ModelBuilder b;
  b.input("x", {-1, 4, 5, 5}).output("y").weight(layer + ".weight", {6, 4, 1, 1});
  b.node("Conv", {"x", layer + ".weight"}, {"c"});
  b.model.graph.nodes[0].name = layer;
  const auto inputs = [](const ModelBuilder& model) {
    checkFolds(model, "Conv");
    return graph::foldBatchNorm(model.model).graph.nodes[0].inputs;
  };
  using Names = std::vector<std::string>;
  ModelBuilder free = b;
  addBatchNorm(free, "c", "y", 6);
  CHECK(inputs(free) == Names{"x", layer + ".weight", layer + ".bias"});
  CHECK(graph::foldBatchNorm(free.model).graph.nodes[0].name == layer);

  ModelBuilder taken = b;
  addBatchNorm(taken, "c", "y", 6).weight(layer + ".bias", {3});
  CHECK(inputs(taken) == Names{"x", layer + ".weight", layer + ".bias_1"});
  CHECK(graph::foldBatchNorm(taken.model).graph.initializer(layer + ".bias")->size() == 3);

  ModelBuilder other = b;
  other.model.graph.initializers["w"] = *b.model.graph.initializer(layer + ".weight");
  other.model.graph.nodes[0].inputs[1] = "w";
  addBatchNorm(other, "c", "y", 6);
  CHECK(inputs(other) == Names{"x", "w", "y_bias"});
}

TEST_CASE("foldBatchNorm: layers that share a weight get names of their own") {
  ModelBuilder b;
  b.input("x", {-1, 4, 5, 5}).output("y").output("z").weight("conv.weight", {6, 4, 1, 1});
  b.node("Conv", {"x", "conv.weight"}, {"c"}).node("Conv", {"x", "conv.weight"}, {"d"});
  addBatchNorm(addBatchNorm(b, "c", "y", 6), "d", "z", 6);
  checkFolds(b, "Conv Conv");
  const onnx::Model folded = graph::foldBatchNorm(b.model);
  const std::vector<std::string> first = {"x", "y_weight", "y_bias"};
  const std::vector<std::string> second = {"x", "z_weight", "z_bias"};
  CHECK(folded.graph.nodes[0].inputs == first);
  CHECK(folded.graph.nodes[1].inputs == second);
}

TEST_CASE("foldBatchNorm: before a convolution it stays, behind one it goes") {
  // A layer of a DenseNet, whose first norm follows a Concat.
  ModelBuilder b;
  b.input("x", {-1, 4, 5, 5}).output("y").weight("conv0.weight", {4, 4, 1, 1});
  b.weight("conv1.weight", {6, 8, 1, 1}).weight("conv2.weight", {4, 6, 3, 3});
  b.node("Conv", {"x", "conv0.weight"}, {"a"}).node("Concat", {"x", "a"}, {"j"}, {Attribute::ofInt("axis", 1)});
  addBatchNorm(b, "j", "norm1", 8).node("Relu", {"norm1"}, {"r1"}).node("Conv", {"r1", "conv1.weight"}, {"c1"});
  addBatchNorm(b, "c1", "norm2", 6).node("Relu", {"norm2"}, {"r2"});
  b.node("Conv", {"r2", "conv2.weight"}, {"c2"}, {Attribute::ofInts("pads", {1, 1, 1, 1})});
  b.node("Concat", {"j", "c2"}, {"y"}, {Attribute::ofInt("axis", 1)});
  const std::string expected = "Conv Concat BatchNormalization Relu Conv Relu Conv Concat";
  checkFolds(b, expected);
  for (const onnx::Model& model : {graph::simplify(b.model), graph::tidy(b.model)}) {
    CHECK(operators(model) == expected);
    CHECK(model.graph.initializer("conv1.bias") != nullptr);
    CHECK(model.graph.initializer("norm2_scale") == nullptr);
    CHECK(difference(b.model, model, 2) < 2e-6);
  }
}

TEST_CASE("foldBatchNorm: in FP16 the parameters stay FP16") {
  const auto network = [](float scale, float variance) {
    ModelBuilder b;
    b.input("x", {-1, 4, 5, 5}, DType::Float16).output("y", DType::Float16).weight("w", {6, 4, 1, 1});
    b.node("Conv", {"x", "w"}, {"c"});
    addBatchNorm(b, "c", "y", 6).weight("y_scale", {6}, scale, scale).weight("y_var", {6}, variance, 2 * variance);
    for (auto& [name, tensor] : b.model.graph.initializers) tensor = tensor.cast(DType::Float16);
    return b.model;
  };
  const onnx::Model model = network(1, 0.5f);
  const onnx::Model folded = graph::foldBatchNorm(model);
  CHECK(operators(folded) == "Conv");
  CHECK(folded.graph.initializer("w")->dtype() == DType::Float16);
  CHECK(folded.graph.initializer("y_bias")->dtype() == DType::Float16);
  CHECK(difference(model, folded, 2) < 4e-3);
  // Beyond its range it is left.
  CHECK(operators(graph::foldBatchNorm(network(30000, 0))) == "Conv BatchNormalization");
}

TEST_CASE("foldBatchNorm: what can't be folded stays") {
  const auto base = [] {
    ModelBuilder b;
    b.input("x", {2, 4, 5, 5}).output("y").weight("w", {6, 4, 1, 1});
    return b;
  };
  SUBCASE("the tensor between is an output") {
    ModelBuilder b = base();
    b.output("c").node("Conv", {"x", "w"}, {"c"});
    checkStays(addBatchNorm(b, "c", "y", 6));
  }
  SUBCASE("the tensor between has another consumer") {
    ModelBuilder b = base();
    b.output("z").node("Conv", {"x", "w"}, {"c"}).node("Relu", {"c"}, {"z"});
    checkStays(addBatchNorm(b, "c", "y", 6));
  }
  SUBCASE("weights that are not constant, or quantized") {
    ModelBuilder b;
    b.input("x", {2, 4, 5, 5}).input("w", {6, 4, 1, 1}).output("y").node("Conv", {"x", "w"}, {"c"});
    checkStays(addBatchNorm(b, "c", "y", 6));
  }
  SUBCASE("training") {
    ModelBuilder b = base();
    b.node("Conv", {"x", "w"}, {"c"});
    checkStays(addBatchNorm(b, "c", "y", 6, {Attribute::ofInt("training_mode", 1)}));
  }
  SUBCASE("a variance of zero without epsilon") {
    ModelBuilder b = base();
    b.node("Conv", {"x", "w"}, {"c"});
    addBatchNorm(b, "c", "y", 6, {Attribute::ofFloat("epsilon", 0)}).initializer("y_var", Tensor(DType::Float32, {6}));
    checkStays(b);
  }
  SUBCASE("constants of other shapes") {
    for (const Dims& dims : {Dims{5}, Dims{5, 5}, Dims{6, 5, 5}, Dims{2, 6, 1, 1}, Dims{1, 1, 6, 1, 1}}) {
      ModelBuilder b = base();
      b.weight("m", dims).node("Conv", {"x", "w"}, {"c"}).node("Mul", {"c", "m"}, {"y"});
      checkStays(b);
    }
  }
  SUBCASE("a constant divided or diminished by the result") {
    ModelBuilder b = base();
    b.scalar("m", 2).node("Conv", {"x", "w"}, {"c"}).node("Sub", {"m", "c"}, {"s"}).node("Div", {"m", "s"}, {"y"});
    checkStays(b);
  }
  SUBCASE("a matrix product with factors, or a bias per row") {
    for (const bool perRow : {false, true}) {
      ModelBuilder b;
      b.input("x", {5, 3}).output("y").weight("w", {3, 5}).weight("b", perRow ? Dims{5, 1} : Dims{5});
      b.node("Gemm", {"x", "w", "b"}, {"g"}, {Attribute::ofFloat("alpha", perRow ? 1.0f : 0.5f)});
      checkStays(addBatchNorm(b, "g", "y", 5));
    }
  }
}
