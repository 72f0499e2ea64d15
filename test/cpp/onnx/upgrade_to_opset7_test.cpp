#include "onnx/upgrade_to_opset7.hpp"

#include <doctest/doctest.h>

#include <functional>

#include "onnx/writer.hpp"
#include "support/bytes.hpp"
#include "support/errors.hpp"
#include "support/interpreter.hpp"
#include "support/model_builder.hpp"
#include "support/same_model.hpp"

using namespace presisi;
using namespace presisi::test;
using onnx::Attribute;

namespace {

using Binary = std::function<float(float, float)>;

/// Through the file, as it comes to everybody else.
onnx::Model upgraded(const ModelBuilder& b) {
  const onnx::Model model = readBytes(onnx::writeModel(b.model));
  CHECK(model.opset() == 7);
  return model;
}

bool refuses(ErrorCode code, const std::string& text, const ModelBuilder& b) {
  return throwsError(code, text, [&] { readBytes(onnx::writeModel(b.model)); });
}

std::vector<Attribute> along(int64_t axis) {
  return {Attribute::ofInt("broadcast", 1), Attribute::ofInt("axis", axis)};
}

size_t countOf(const onnx::Model& model, const char* op) {
  size_t count = 0;
  for (const onnx::Node& node : model.graph.nodes) count += node.is(op) ? 1 : 0;
  return count;
}

/// What opset 6 asks for: B's dimensions are those of A from `axis` on.
Tensor expected(const Tensor& a, const Tensor& b, size_t axis, const Binary& f) {
  Tensor result(DType::Float32, a.dims());
  int64_t inner = 1;
  for (size_t i = axis + b.rank(); i < a.rank(); ++i) inner *= a.dim(i);
  for (int64_t i = 0; i < a.size(); ++i) {
    result.data<float>()[i] = f(a.data<float>()[i], b.data<float>()[i / inner % b.size()]);
  }
  return result;
}

float add(float a, float b) { return a + b; }

}  // namespace

TEST_CASE("opset 6: operands along an axis") {
  const Dims shape = {2, 3, 4, 5};
  struct Case {
    Dims b;
    int64_t axis;
    size_t first;
    size_t unsqueezes;
  };
  const std::vector<Case> cases = {
      {{2}, 0, 0, 1},    {{3}, 1, 1, 1},     {{4}, 2, 2, 1},       {{5}, 3, 3, 0},       {{2, 3}, 0, 0, 1},
      {{3, 4}, 1, 1, 1}, {{4, 5}, 2, 2, 0},  {{3, 4, 5}, 1, 1, 0}, {{2, 3, 4}, 0, 0, 1}, {{2, 3, 4, 5}, 0, 0, 0},
      {{5}, -1, 3, 0},   {{3, 4}, -3, 1, 1}, {{}, 1, 1, 0},        {{}, 4, 4, 0}};
  for (const Case& c : cases) {
    CAPTURE(toString(c.b));
    CAPTURE(c.axis);
    ModelBuilder given(6);
    given.input("a", shape).input("b", c.b).node("Add", {"a", "b"}, {"y"}, along(c.axis)).output("y");
    const Tensor a = given.random(shape), b = given.random(c.b);
    const std::map<std::string, Tensor> y = {{"y", expected(a, b, c.first, add)}};
    const onnx::Model model = upgraded(given);
    CHECK(countOf(model, "Unsqueeze") == c.unsqueezes);
    CHECK(model.graph.nodes.back().attributes.empty());
    CHECK(difference(interpret(model, {{"a", a}, {"b", b}}), y) == 0);

    // A constant is given its shape at once.
    ModelBuilder held(6);
    held.input("a", shape).initializer("b", b).node("Add", {"a", "b"}, {"y"}, along(c.axis)).output("y");
    const onnx::Model folded = upgraded(held);
    CHECK(folded.graph.nodes.size() == 1);
    CHECK(difference(interpret(folded, {{"a", a}}), y) == 0);
  }
}

TEST_CASE("opset 6: every operator that could broadcast") {
  const Dims shape = {2, 3, 4};
  const std::vector<std::pair<const char*, Binary>> arithmetic = {
      {"Add", add},
      {"Sub", [](float a, float b) { return a - b; }},
      {"Mul", [](float a, float b) { return a * b; }},
      {"Div", [](float a, float b) { return a / b; }},
      {"Pow", [](float a, float b) { return std::pow(a, b); }}};
  for (const auto& [op, f] : arithmetic) {
    CAPTURE(op);
    ModelBuilder b(6);
    b.input("a", shape).weight("b", {3}, 1, 2).node(op, {"a", "b"}, {"y"}, along(1)).output("y");
    const Tensor a = b.random(shape, 1, 2);
    const Tensor y = expected(a, b.model.graph.initializers.at("b"), 1, f);
    CHECK(difference(interpret(upgraded(b), {{"a", a}}), {{"y", y}}) < 1e-6);
  }
  const std::vector<std::pair<const char*, Binary>> comparisons = {{"Greater", [](float a, float b) { return a > b; }},
                                                                   {"Less", [](float a, float b) { return a < b; }}};
  for (const auto& [op, f] : comparisons) {
    CAPTURE(op);
    ModelBuilder b(6);
    b.input("a", shape).weight("b", {3}).node(op, {"a", "b"}, {"y"}, along(1)).output("y", DType::Bool);
    const Tensor a = b.random(shape);
    const Tensor y = expected(a, b.model.graph.initializers.at("b"), 1, f).cast(DType::Bool);
    CHECK(difference(interpret(upgraded(b), {{"a", a}}), {{"y", y}}) == 0);
  }
  const std::vector<std::pair<const char*, Binary>> logic = {{"And", [](float a, float b) { return a != 0 && b != 0; }},
                                                             {"Or", [](float a, float b) { return a != 0 || b != 0; }},
                                                             {"Xor", [](float a, float b) { return a != b; }},
                                                             {"Equal", [](float a, float b) { return a == b; }}};
  for (const auto& [op, f] : logic) {
    CAPTURE(op);
    const Tensor a = Tensor::of<float>(DType::Float32, {2, 2, 2}, {0, 1, 1, 0, 1, 1, 0, 0});
    const Tensor right = Tensor::of<float>(DType::Float32, {2}, {0, 1});
    ModelBuilder b(6);
    b.input("a", a.dims(), DType::Bool).initializer("b", right.cast(DType::Bool));
    b.node(op, {"a", "b"}, {"y"}, along(1)).output("y", DType::Bool);
    const Tensor y = expected(a, right, 1, f).cast(DType::Bool);
    CHECK(difference(interpret(upgraded(b), {{"a", a.cast(DType::Bool)}}), {{"y", y}}) == 0);
  }
}

TEST_CASE("opset 6: without an axis the last dimensions match, as they do now") {
  ModelBuilder b(6);
  b.input("a", {2, 3, 4}).weight("b", {4}).weight("c", {1});
  b.node("Mul", {"a", "b"}, {"m"}, {Attribute::ofInt("broadcast", 1)});
  b.node("Add", {"m", "c"}, {"s"}, along(1));                                   // one element needs no place
  b.node("Sub", {"s", "m"}, {"y"}, {Attribute::ofInt("axis", 2)}).output("y");  // of one shape: no broadcast
  const onnx::Model model = upgraded(b);
  CHECK(model.graph.nodes.size() == 3);
  for (const onnx::Node& node : model.graph.nodes) CHECK(node.attributes.empty());
  const Tensor a = b.random({2, 3, 4});
  const Tensor c = Tensor::of<float>(DType::Float32, {2, 3, 4},
                                     std::vector<float>(24, b.model.graph.initializers.at("c").data<float>()[0]));
  CHECK(difference(interpret(model, {{"a", a}}), {{"y", c}}) < 1e-6);
}

TEST_CASE("opset 6: ranks are inferred, with shape arithmetic, and whatever the batch") {
  ModelBuilder b(6);
  b.input("x", {-1, 3, 8, 8}).weight("w", {4, 3, 3, 3}).weight("bias", {4});
  b.node("Conv", {"x", "w"}, {"c"}).node("Add", {"c", "bias"}, {"d"}, along(1));
  b.node("Shape", {"c"}, {"shape"});
  b.node("Slice", {"shape"}, {"head"}, {Attribute::ofInts("starts", {0}), Attribute::ofInts("ends", {2})});
  b.ints("rest", {-1}).node("Concat", {"head", "rest"}, {"target"}, {Attribute::ofInt("axis", 0)});
  b.node("Reshape", {"d", "target"}, {"flat"}).node("Mul", {"flat", "bias"}, {"y"}, along(1)).output("y");
  const onnx::Model model = upgraded(b);
  CHECK(countOf(model, "Unsqueeze") == 0);
  const onnx::Node& last = model.graph.nodes.back();
  CHECK(model.graph.initializer(last.inputs[1])->dims() == Dims{4, 1});
  CHECK(model.graph.initializer(model.graph.nodes[1].inputs[1])->dims() == Dims{4, 1, 1});
  const auto y = interpret(model, {{"x", b.random({2, 3, 8, 8})}});
  CHECK(y.at("y").dims() == Dims{2, 4, 36});
}

TEST_CASE("opset 6: a tensor that several nodes broadcast is widened once, under a free name") {
  ModelBuilder b(6);
  b.input("x", {2, 3, 4, 5}).input("s", {3}).weight("s_unsqueezed", {1});
  b.node("Add", {"x", "s"}, {"a"}, along(1)).node("Mul", {"a", "s"}, {"m"}, along(1));
  b.node("Add", {"m", "s_unsqueezed"}, {"y"}, {Attribute::ofInt("broadcast", 1)}).output("y");
  const onnx::Model model = upgraded(b);
  REQUIRE(model.graph.nodes.size() == 4);
  const onnx::Node& unsqueeze = model.graph.nodes[0];
  CHECK(unsqueeze.is("Unsqueeze"));
  CHECK(unsqueeze.getInts("axes", {}) == std::vector<int64_t>{1, 2});
  CHECK(unsqueeze.outputs[0] != "s_unsqueezed");
  CHECK(model.graph.nodes[1].inputs[1] == unsqueeze.outputs[0]);
  CHECK(model.graph.nodes[2].inputs[1] == unsqueeze.outputs[0]);
  CHECK(interpret(model, {{"x", b.random({2, 3, 4, 5})}, {"s", b.random({3})}}).at("y").dims() == Dims{2, 3, 4, 5});
}

TEST_CASE("opset 6: the slope of a PRelu belongs to the channels") {
  struct Case {
    Dims x, slope, becomes;
  };
  const std::vector<Case> cases = {{{2, 3}, {3}, {3}},
                                   {{2, 3, 4}, {3}, {3, 1}},
                                   {{2, 3, 4, 3}, {3}, {3, 1, 1}},
                                   {{2, 3, 4, 5}, {1}, {1}},
                                   {{2, 3, 4, 5}, {3, 1, 1}, {3, 1, 1}}};
  for (const Case& c : cases) {
    CAPTURE(toString(c.x));
    CAPTURE(toString(c.slope));
    ModelBuilder b(6);
    b.input("x", c.x).weight("s", c.slope).node("PRelu", {"x", "s"}, {"y"}).output("y");
    const onnx::Model model = upgraded(b);
    REQUIRE(model.graph.nodes.size() == 1);
    CHECK(model.graph.initializer(model.graph.nodes[0].inputs[1])->dims() == c.becomes);
    const Tensor x = b.random(c.x);
    const Tensor slope = b.model.graph.initializers.at("s");
    const Tensor flat = slope.reshaped({slope.size()});
    const Tensor y = expected(x, flat, 1, [](float value, float s) { return value < 0 ? value * s : value; });
    CHECK(difference(interpret(model, {{"x", x}}), {{"y", y}}) == 0);
  }
}

TEST_CASE("opset 6: attributes that went") {
  ModelBuilder b(6);
  b.input("x", {2, 3, 4, 4});
  for (const char* name : {"scale", "bias", "mean", "variance"}) b.weight(name, {3}, 0.5f, 1);
  b.node("BatchNormalization", {"x", "scale", "bias", "mean", "variance"}, {"n"},
         {Attribute::ofInt("is_test", 1), Attribute::ofFloat("epsilon", 0.125f)});
  b.node("Dropout", {"n"}, {"d"}, {Attribute::ofInt("is_test", 1), Attribute::ofFloat("ratio", 0.5f)});
  b.node("Flatten", {"d"}, {"f"}).weight("w", {48, 5}).weight("c", {5});
  b.node("Gemm", {"f", "w", "c"}, {"y"}, {Attribute::ofInt("broadcast", 1), Attribute::ofFloat("alpha", 2)});
  b.output("y");
  const onnx::Model model = upgraded(b);
  const auto hasOnly = [&](size_t node, const char* attribute) {
    const std::vector<Attribute>& attributes = model.graph.nodes[node].attributes;
    return attributes.size() == 1 && attributes[0].name == attribute;
  };
  CHECK(hasOnly(0, "epsilon"));
  CHECK(hasOnly(1, "ratio"));
  CHECK(hasOnly(3, "alpha"));
  CHECK(interpret(model, {{"x", b.random({2, 3, 4, 4})}}).at("y").dims() == Dims{2, 5});

  ModelBuilder up(6);
  up.input("x", {1, 2, 3, 4})
      .node("Upsample", {"x"}, {"y"},
            {Attribute::ofFloat("height_scale", 2), Attribute::ofFloat("width_scale", 3),
             Attribute::ofString("mode", "bilinear")});
  up.output("y");
  const auto y = interpret(upgraded(up), {{"x", up.random({1, 2, 3, 4})}});
  CHECK(y.at("y").dims() == Dims{1, 2, 6, 12});
}

TEST_CASE("opset 6: what does not fit, or can't be known") {
  ModelBuilder far(6);
  far.input("a", {2, 3, 4}).input("b", {3}).node("Add", {"a", "b"}, {"y"}, along(4)).output("y");
  CHECK(refuses(ErrorCode::InvalidModel, "axis 4", far));
  ModelBuilder low(6);
  low.input("a", {2, 3, 4}).input("b", {3}).node("Add", {"a", "b"}, {"y"}, along(INT64_MIN)).output("y");
  CHECK(refuses(ErrorCode::InvalidModel, "axis -9223372036854775808", low));
  ModelBuilder wide(6);
  wide.input("a", {2, 3, 4}).input("b", {3, 4}).node("Add", {"a", "b"}, {"y"}, along(2)).output("y");
  CHECK(refuses(ErrorCode::InvalidModel, "does not fit at axis 2", wide));
  ModelBuilder text(6);
  text.input("a", {2}).node("Add", {"a", "a"}, {"y"}, {Attribute::ofString("broadcast", "1")}).output("y");
  CHECK(refuses(ErrorCode::InvalidModel, "broadcast", text));

  // How many dimensions remain depends on sizes that are open.
  ModelBuilder open(6);
  open.input("a", {-1, 3, 1, 4}).weight("b", {3}).node("Squeeze", {"a"}, {"s"});
  open.node("Add", {"s", "b"}, {"y"}, along(1)).output("y");
  CHECK(refuses(ErrorCode::UnsupportedModel, "rank of input \"s\" is not known", open));
  onnx::ValueInfo hint;
  hint.name = "s";
  hint.dtype = DType::Float32;
  hint.dims = {-1, 3, 4};
  hint.symbols.resize(3);
  open.model.graph.values["s"] = hint;
  CHECK(upgraded(open).graph.nodes.size() == 2);
  open.model.graph.values.clear();
  open.model.graph.inputs[0].dims[0] = 2;
  CHECK(upgraded(open).graph.nodes.size() == 2);

  // Operators that nobody knows are refused where the model is run, not here, unless a rank hangs on them.
  ModelBuilder unknown(6);
  unknown.input("a", {2, 3}).weight("s", {3}).node("Mystery", {"a"}, {"m"}).node("PRelu", {"a", "s"}, {"y"});
  unknown.output("y");
  CHECK(upgraded(unknown).graph.nodes.size() == 2);
  unknown.node("PRelu", {"m", "s"}, {"z"}).output("z");
  CHECK(refuses(ErrorCode::UnsupportedModel, "rank of input \"m\" is not known", unknown));

  ModelBuilder deep(6);
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < 100; ++i) axes.push_back(i);
  deep.input("a", {2}).weight("b", {2}).node("Unsqueeze", {"a"}, {"u"}, {Attribute::ofInts("axes", axes)});
  deep.node("Add", {"u", "b"}, {"y"}, along(0)).output("y");
  CHECK(refuses(ErrorCode::UnsupportedModel, "rank of input \"u\" is not known", deep));
}

TEST_CASE("opset 6: operands that are missing are left to who runs the node") {
  ModelBuilder b(6);
  b.input("a", {2, 3}).node("Add", {"a"}, {"x"}, along(0)).node("PRelu", {"x"}, {"y"});
  b.node("Mul", {"a", ""}, {"z"}, along(0)).output("y").output("z");
  const onnx::Model model = upgraded(b);
  CHECK(throwsError(ErrorCode::InvalidModel, "x_node", [&] { interpret(model, {{"a", b.random({2, 3})}}); }));
}

TEST_CASE("opset 1 to 5: what changed on the way") {
  ModelBuilder b(1);
  b.input("x", {2, 3, 4}).node("Relu", {"x"}, {"r"}, {Attribute::ofInts("consumed_inputs", {0})});
  b.node("Pad", {"r"}, {"p"}, {Attribute::ofInts("paddings", {0, 0, 1, 0, 0, 1})});
  b.node("Concat", {"p", "p"}, {"c"}).node("Reshape", {"c"}, {"y"}, {Attribute::ofInts("shape", {0, -1})}).output("y");
  const onnx::Model model = upgraded(b);
  CHECK(model.graph.nodes[0].attributes.empty());
  CHECK(model.graph.nodes[2].getInt("axis", 0) == 1);
  CHECK(interpret(model, {{"x", b.random({2, 3, 4})}}).at("y").dims() == Dims{2, 36});

  for (const auto& [op, version] :
       std::map<std::string, int64_t>{{"Cast", 6}, {"Selu", 6}, {"Tile", 6}, {"Split", 2}}) {
    CAPTURE(op);
    ModelBuilder old(version - 1);
    old.input("x", {2, 3}).node(op, {"x"}, {"y"}).output("y");
    CHECK(refuses(ErrorCode::UnsupportedModel, "changed in opset " + std::to_string(version), old));
    old.model.opsets[""] = version;
    CHECK(upgraded(old).graph.nodes.size() == 1);
  }
}

TEST_CASE("opset 7 and later stay as they are") {
  ModelBuilder b(7);
  b.input("x", {2, 3}).node("Add", {"x", "x"}, {"y"}, along(0)).output("y");
  onnx::Model model = b.model;
  onnx::upgradeToOpset7(model);
  CHECK(whatDiffers(model, b.model) == "");
}
