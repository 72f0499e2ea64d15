#include "onnx/reader.hpp"

#include <doctest/doctest.h>

#include "onnx/raw_proto.hpp"
#include "support/bytes.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

using namespace presisi;
using namespace presisi::test;

namespace {

bool refuses(ErrorCode code, const std::string& text, const std::string& bytes) {
  return throwsError(code, text, [&] { readBytes(bytes); });
}

}  // namespace

TEST_CASE("reader: a small model") {
  const onnx::Model model = readBytes(modelOf(reluGraph()));
  CHECK(model.irVersion == 8);
  CHECK(model.opset() == 17);
  REQUIRE(model.graph.nodes.size() == 1);
  CHECK(model.graph.nodes[0].opType == "Relu");
  REQUIRE(model.graph.inputs.size() == 1);
  CHECK(model.graph.inputs[0].dtype == DType::Float32);
  CHECK(model.graph.inputs[0].hasShape);
  CHECK(model.graph.inputs[0].dims.empty());
}

TEST_CASE("reader: what is no model at all") {
  CHECK(refuses(ErrorCode::InvalidModel, "empty", ""));
  CHECK(refuses(ErrorCode::InvalidModel, "not an ONNX model", "\x89PNG\r\n\x1a\n and so on"));
  CHECK(refuses(ErrorCode::InvalidModel, "not an ONNX model", std::string(1000, '\0')));
  CHECK(refuses(ErrorCode::InvalidModel, "not an ONNX model", std::string(1000, '\xff')));
  CHECK(refuses(ErrorCode::InvalidModel, "not an ONNX model", "PK\x03\x04 a checkpoint of another kind"));
  CHECK(refuses(ErrorCode::InvalidModel, "no graph", message([](Writer& model) { model.add_int64(1, 8); })));
  CHECK(throwsError(ErrorCode::InvalidModel, "2 GiB", [] {
    const uint8_t byte = 0;
    onnx::readModel(&byte, size_t{3} << 30, nullptr);
  }));
}

TEST_CASE("reader: a file that is missing, and the path in other errors") {
  const TemporaryFolder folder;
  CHECK(throwsError(ErrorCode::FileSystem, "nothing.onnx",
                    [&] { onnx::readModel((folder.path() / "nothing.onnx").string()); }));
  const std::string path = folder.write("bad.onnx", "not one");
  CHECK(throwsError(ErrorCode::InvalidModel, path, [&] { onnx::readModel(path); }));
  CHECK(onnx::readModel(folder.write("good.onnx", modelOf(reluGraph()))).graph.nodes.size() == 1);
}

TEST_CASE("reader: versions") {
  CHECK(readBytes(modelOf(reluGraph(), 3, 7)).irVersion == 3);
  CHECK(readBytes(modelOf(reluGraph(), 14, 23)).opset() == 23);
  for (const int64_t ir : {0, 2, 15}) {
    CHECK(refuses(ErrorCode::UnsupportedModel, "IR version", modelOf(reluGraph(), ir)));
  }
  for (const int64_t version : {-1, 0, 25, 99}) {
    CHECK(refuses(ErrorCode::UnsupportedModel, "opset", modelOf(reluGraph(), 8, version)));
  }
  const std::string bare = message([](Writer& model) {
    model.add_int64(wire::model::IrVersion, 8);
    model.add_message(wire::model::Graph, reluGraph());
  });
  CHECK(refuses(ErrorCode::InvalidModel, "opset", bare));
  const auto also = [&](const std::string& import) {
    return bare + message([&](Writer& model) { model.add_message(wire::model::OpsetImport, import); });
  };
  CHECK(readBytes(also(opset("ai.onnx", 13))).opset() == 13);
  CHECK(refuses(ErrorCode::UnsupportedModel, "com.example", also(opset("com.example", 1))));
  const std::string second =
      message([](Writer& model) { model.add_message(wire::model::OpsetImport, opset("ai.onnx", 14)); });
  CHECK(refuses(ErrorCode::InvalidModel, "two versions", also(opset("", 13)) + second));
  CHECK(refuses(ErrorCode::InvalidModel, "two graphs", modelOf(reluGraph()) + bare));
}

TEST_CASE("reader: functions, subgraphs and their like are refused by name") {
  CHECK(refuses(ErrorCode::UnsupportedModel, "functions", modelOf(reluGraph()) + message([](Writer& model) {
                                                            model.add_message(wire::model::Functions, std::string());
                                                          })));
  CHECK(refuses(ErrorCode::UnsupportedModel, "sparse", modelOf(reluGraph([](Writer& graph) {
                  graph.add_message(wire::graph::SparseInitializer, std::string());
                }))));
  for (const uint32_t field : {wire::attribute::Graph, wire::attribute::Graphs, wire::attribute::SparseTensor,
                               wire::attribute::TypeProto, wire::attribute::Tensors}) {
    const auto bytes = modelWithAttribute([&](Writer& attribute) {
      attribute.add_string(wire::attribute::Name, "then_branch");
      attribute.add_message(field, std::string());
    });
    CHECK(refuses(ErrorCode::UnsupportedModel, "If \"the node\": attribute \"then_branch\" holds", bytes));
  }
}

TEST_CASE("reader: attributes") {
  const auto read = [](auto&& fill) {
    return readBytes(modelWithAttribute([&](Writer& attribute) {
             attribute.add_string(wire::attribute::Name, "a");
             fill(attribute);
           }))
        .graph.nodes[0]
        .attributes.at(0);
  };
  const auto typed = [](Writer& attribute, int type) { attribute.add_int32(wire::attribute::Type, type); };

  SUBCASE("the type may be left out, or the value where it is zero") {
    CHECK(read([](Writer& a) { a.add_int64(wire::attribute::Int, -5); }).i == -5);
    CHECK(read([](Writer& a) { a.add_float(wire::attribute::Float, 0.5f); }).kind == onnx::Attribute::Kind::Float);
    CHECK(read([&](Writer& a) { typed(a, 2); }).i == 0);
    CHECK(read([&](Writer& a) { typed(a, 7); }).ints.empty());
  }
  SUBCASE("lists, packed and not") {
    const std::vector<int64_t> ints{1, -2, 3};
    const std::vector<float> floats{1.5f, -2};
    CHECK(read([&](Writer& a) { a.add_packed_int64(wire::attribute::Ints, ints.begin(), ints.end()); }).ints == ints);
    CHECK(read([&](Writer& a) {
            for (const int64_t i : ints) a.add_int64(wire::attribute::Ints, i);
          }).ints == ints);
    CHECK(read([&](Writer& a) { a.add_packed_float(wire::attribute::Floats, floats.begin(), floats.end()); }).floats ==
          floats);
    CHECK(read([&](Writer& a) {
            for (const float f : floats) a.add_float(wire::attribute::Floats, f);
          }).floats == floats);
    CHECK(read([&](Writer& a) { a.add_bytes(wire::attribute::Strings, "s"); }).strings.at(0) == "s");
  }
  SUBCASE("contradictions") {
    const auto refused = [&](const std::string& text, auto&& fill) {
      return throwsError(ErrorCode::InvalidModel, text, [&] { read(fill); });
    };
    CHECK(refused("neither type nor value", [](Writer&) {}));
    CHECK(refused("another type", [&](Writer& a) {
      typed(a, 1);
      a.add_int64(wire::attribute::Int, 1);
    }));
    CHECK(refused("has no value", [&](Writer& a) { typed(a, 4); }));
    CHECK(refused("unknown type 77", [&](Writer& a) { typed(a, 77); }));
    CHECK(refused("wire type", [](Writer& a) { a.add_fixed32(wire::attribute::Int, 1); }));
    CHECK(refused("ends inside a number", [](Writer& a) { a.add_bytes(wire::attribute::Floats, "12345"); }));
    CHECK(throwsError(ErrorCode::UnsupportedModel, "refers",
                      [&] { read([](Writer& a) { a.add_string(wire::attribute::Reference, "outer"); }); }));
  }
}

TEST_CASE("reader: nodes that name nothing") {
  const auto modelWithNode = [](const std::string& node) {
    return modelOf(reluGraph([&](Writer& graph) { graph.add_message(wire::graph::Node, node); }));
  };
  CHECK(refuses(ErrorCode::InvalidModel, "no operator",
                modelWithNode(message([](Writer& node) { node.add_string(wire::node::Output, "z"); }))));
  CHECK(refuses(ErrorCode::InvalidModel, "no outputs", modelWithNode(message([](Writer& node) {
                  node.add_string(wire::node::OpType, "Relu");
                  node.add_string(wire::node::Output, "");
                }))));
  CHECK(refuses(ErrorCode::InvalidModel, "not imported", modelWithNode(message([](Writer& node) {
                  node.add_string(wire::node::OpType, "Magic");
                  node.add_string(wire::node::Domain, "com.example");
                  node.add_string(wire::node::Output, "z");
                }))));
  CHECK(refuses(ErrorCode::InvalidModel, "given twice", modelWithNode(message([](Writer& node) {
                  node.add_string(wire::node::OpType, "Relu");
                  node.add_string(wire::node::Output, "z");
                  for (int i = 0; i < 2; ++i) {
                    node.add_message(wire::node::Attribute, message([](Writer& a) {
                                       a.add_string(wire::attribute::Name, "a");
                                       a.add_int64(wire::attribute::Int, 1);
                                     }));
                  }
                }))));
}

TEST_CASE("reader: shapes of inputs") {
  const auto input = [](auto&& dims) {
    return readBytes(modelOf(reluGraph([&](Writer& graph) {
             const std::string type = message([&](Writer& outer) {
               outer.add_message(wire::type::Tensor, message([&](Writer& tensor) {
                                   tensor.add_int32(wire::tensor_type::ElementType, 1);
                                   tensor.add_message(wire::tensor_type::Shape, message(dims));
                                 }));
             });
             graph.add_message(wire::graph::Input, valueInfo("second", type));
           })))
        .graph.inputs.at(1);
  };
  const auto dim = [](Writer& shape, int64_t value) {
    shape.add_message(wire::shape::Dimension, message([&](Writer& d) { d.add_int64(wire::dimension::Value, value); }));
  };
  const onnx::ValueInfo info = input([&](Writer& shape) {
    shape.add_message(wire::shape::Dimension,
                      message([](Writer& d) { d.add_string(wire::dimension::Parameter, "batch"); }));
    dim(shape, 3);
    shape.add_message(wire::shape::Dimension, std::string());
    dim(shape, -1);
  });
  CHECK(info.dims == Dims{-1, 3, -1, -1});
  CHECK(info.symbols == std::vector<std::string>{"batch", "", "", ""});
  CHECK(throwsError(ErrorCode::InvalidModel, "dimension 0 is -7", [&] { input([&](Writer& s) { dim(s, -7); }); }));
  CHECK(throwsError(ErrorCode::InvalidModel, "dimensions", [&] {
    input([&](Writer& s) {
      for (int i = 0; i < 100; ++i) dim(s, 1);
    });
  }));
}

TEST_CASE("reader: types of inputs and outputs") {
  const auto with = [](uint32_t role, const std::string& info) {
    return modelOf(reluGraph([&](Writer& graph) { graph.add_message(role, info); }));
  };
  const std::string sequence = message([](Writer& type) { type.add_message(wire::type::Sequence, std::string()); });
  CHECK(refuses(ErrorCode::UnsupportedModel, "input \"s\"", with(wire::graph::Input, valueInfo("s", sequence))));
  CHECK(refuses(ErrorCode::UnsupportedModel, "input \"s\": strings",
                with(wire::graph::Input, valueInfo("s", tensorType(8)))));
  CHECK(refuses(ErrorCode::UnsupportedModel, "type 14", with(wire::graph::Input, valueInfo("s", tensorType(14)))));
  CHECK(refuses(ErrorCode::InvalidModel, "no element type", with(wire::graph::Input, valueInfo("s", std::string()))));
  CHECK(refuses(ErrorCode::InvalidModel, "without a name", with(wire::graph::Input, std::string())));
  // Hints about values that we don't hold are no reason to refuse a model that doesn't need them.
  CHECK(readBytes(with(wire::graph::ValueInfo, valueInfo("s", sequence))).graph.values.empty());
  CHECK(readBytes(with(wire::graph::ValueInfo, valueInfo("y", tensorType(1, false)))).graph.values.at("y").hasShape ==
        false);
}

TEST_CASE("reader: an input that has an initializer is none") {
  const std::string bytes = modelOf(reluGraph([](Writer& graph) {
    graph.add_message(wire::graph::Input, valueInfo("w", tensorType(1)));
    graph.add_message(wire::graph::Initializer, message([](Writer& tensor) {
                        tensor.add_string(wire::tensor::Name, "w");
                        tensor.add_int32(wire::tensor::DataType, 1);
                        tensor.add_bytes(wire::tensor::RawData, std::string(4, '\0'));
                      }));
  }));
  const onnx::Model model = readBytes(bytes);
  CHECK(model.graph.inputs.size() == 1);
  CHECK(model.graph.initializer("w") != nullptr);
}
