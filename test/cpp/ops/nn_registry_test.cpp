#include <algorithm>
#include <set>
#include <tuple>

#include "ops/run_node.hpp"

using namespace presisi;
using namespace presisi::test;

TEST_CASE("operators: no two entries claim the same version, and each has its functions") {
  std::set<std::tuple<std::string, std::string, int>> seen;
  for (const ops::Operator& op : ops::all()) {
    CAPTURE(op.name);
    CHECK((op.infer != nullptr));
    CHECK((op.run != nullptr));
    CHECK(op.sinceOpset >= 1);
    CHECK(op.sinceOpset <= op.untilOpset);
    for (int opset = op.sinceOpset; opset <= op.untilOpset; ++opset) {
      CHECK(seen.insert({op.domain, op.name, opset}).second);
      CHECK((ops::find(op.domain, op.name, opset) == &op));
    }
  }
}

TEST_CASE("operators: find picks the entry by opset") {
  REQUIRE(ops::find("", "Pad", 10) != nullptr);
  CHECK(ops::find("", "Pad", 10) != ops::find("", "Pad", 11));
  CHECK(ops::find("", "Pad", 11) == ops::find("", "Pad", 18));
  CHECK(ops::find("", "Pad", 0) == nullptr);
  CHECK(ops::find("", "Pad", 1000) == nullptr);
  CHECK(ops::find("com.example", "Pad", 13) == nullptr);
  CHECK(ops::find("", "pad", 13) == nullptr);
}

TEST_CASE("operators: the error names operator, domain, opset and node") {
  onnx::Node node = nodeOf({"NonMaxSuppression"}, {});
  node.name = "nms";
  try {
    ops::get(node, 11);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::UnsupportedOperator);
    CHECK(std::string(error.what()) ==
          "operator NonMaxSuppression (domain ai.onnx, opset 11), needed by node \"nms\", is not supported");
  }
  node.opType = "LayerNormalization";
  try {
    ops::get(node, 16);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.hint().find("LayerNormalization is supported in opsets 17 to ") == 0);
  }
}

TEST_CASE("operators: a model is refused once, with all that it needs") {
  onnx::Model model;
  model.opsets = {{"", 13}, {"com.example", 2}};
  for (const char* op : {"Relu", "NonMaxSuppression", "Loop", "Loop"}) {
    onnx::Node node;
    node.opType = op;
    node.outputs = {std::string("out_of_") + op};
    model.graph.nodes.push_back(node);
  }
  onnx::Node custom;
  custom.opType = "Relu";
  custom.domain = "com.example";
  custom.name = "mine";
  model.graph.nodes.push_back(custom);
  try {
    ops::requireSupported(model);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::UnsupportedOperator);
    CHECK(std::string(error.what()) ==
          "the model needs 3 operators that are not supported:"
          "\n  operator NonMaxSuppression (domain ai.onnx, opset 13), needed by node \"out_of_NonMaxSuppression\""
          "\n  operator Loop (domain ai.onnx, opset 13), needed by node \"out_of_Loop\""
          "\n  operator Relu (domain com.example, opset 2), needed by node \"mine\"");
  }
  model.graph.nodes.resize(1);
  ops::requireSupported(model);
}

TEST_CASE("evaluate: absent outputs are not made, surplus ones refused") {
  const Tensor x = floats({1, 1, 2}, {1, 2});
  onnx::Node node = nodeOf({"MaxPool", {onnx::Attribute::ofInts("kernel_shape", {2})}, 18, 2}, {x});
  node.outputs[1] = "";
  const std::vector<Tensor> outputs = ops::evaluate(node, 18, {x});
  REQUIRE(outputs.size() == 2);
  CHECK(outputs[1].empty());
  checkEqual(outputs[0], floats({1, 1, 1}, {2}));
  checkFails({"Softmax", {}, 18, 2}, {x}, ErrorCode::InvalidModel, "has 2 outputs, but at most 1");
}

TEST_CASE("evaluate: every operator refuses having no inputs, or runs, but never crashes") {
  for (const ops::Operator& op : ops::all()) {
    CAPTURE(op.name);
    const int64_t opset = op.untilOpset;
    for (size_t count = 0; count < 10; ++count) {
      for (const Tensor& input : {Tensor{}, floats({}, {1}), floats({0}, {}), floats({1, 2, 0, 3}, {}),
                                  floats({2, 2, 2, 2, 2, 2, 2, 2, 2}, std::vector<float>(512, 1)), longs({1}, {-5})}) {
        for (const size_t outputs : {size_t{0}, size_t{1}, size_t{6}}) {
          try {
            runAll({op.name, {}, opset, outputs, op.domain}, std::vector<Tensor>(count, input));
          } catch (const Error& error) {
            CHECK(error.code() != ErrorCode::Internal);
          }
        }
      }
    }
  }
}
