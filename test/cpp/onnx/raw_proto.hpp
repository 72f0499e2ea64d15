#pragma once

#include <protozero/pbf_writer.hpp>
#include <string>

#include "onnx/wire.hpp"

/// ONNX messages written field by field, so that tests can write what no writer would.
namespace presisi::test {

using Writer = protozero::pbf_writer;
namespace wire = onnx::wire;

/// Runs `fill(writer)` on a new message.
template <typename F>
std::string message(F&& fill) {
  std::string bytes;
  Writer writer(bytes);
  fill(writer);
  return bytes;
}

inline std::string tensorType(int elementType, bool hasShape = true) {
  return message([&](Writer& type) {
    type.add_message(wire::type::Tensor, message([&](Writer& tensor) {
                       tensor.add_int32(wire::tensor_type::ElementType, elementType);
                       if (hasShape) tensor.add_message(wire::tensor_type::Shape, std::string());
                     }));
  });
}

inline std::string valueInfo(const std::string& name, const std::string& type) {
  return message([&](Writer& info) {
    info.add_string(wire::value_info::Name, name);
    info.add_message(wire::value_info::Type, type);
  });
}

inline std::string opset(const std::string& domain, int64_t version) {
  return message([&](Writer& writer) {
    writer.add_string(wire::opset::Domain, domain);
    writer.add_int64(wire::opset::Version, version);
  });
}

inline std::string relu(const std::string& from, const std::string& to) {
  return message([&](Writer& node) {
    node.add_string(wire::node::Input, from);
    node.add_string(wire::node::Output, to);
    node.add_string(wire::node::OpType, "Relu");
  });
}

/// A graph y = Relu(x) over scalars; `extra` adds to it.
template <typename F>
std::string reluGraph(F&& extra) {
  return message([&](Writer& graph) {
    graph.add_message(wire::graph::Node, relu("x", "y"));
    graph.add_message(wire::graph::Input, valueInfo("x", tensorType(1)));
    graph.add_message(wire::graph::Output, valueInfo("y", tensorType(1)));
    extra(graph);
  });
}

inline std::string reluGraph() {
  return reluGraph([](Writer&) {});
}

inline std::string modelOf(const std::string& graph, int64_t ir = 8, int64_t version = 17) {
  return message([&](Writer& model) {
    if (ir != 0) model.add_int64(wire::model::IrVersion, ir);
    model.add_message(wire::model::Graph, graph);
    model.add_message(wire::model::OpsetImport, opset("", version));
  });
}

/// A model with the one node that `fill` writes the attribute of.
template <typename F>
std::string modelWithAttribute(F&& fill) {
  return modelOf(message([&](Writer& graph) {
    graph.add_message(wire::graph::Node, message([&](Writer& node) {
                        node.add_string(wire::node::Input, "x");
                        node.add_string(wire::node::Output, "y");
                        node.add_string(wire::node::Name, "the node");
                        node.add_string(wire::node::OpType, "If");
                        node.add_message(wire::node::Attribute, message(fill));
                      }));
    graph.add_message(wire::graph::Input, valueInfo("x", tensorType(1)));
    graph.add_message(wire::graph::Output, valueInfo("y", tensorType(1)));
  }));
}

inline std::string modelWithInitializer(const std::string& tensor) {
  return modelOf(reluGraph([&](Writer& graph) { graph.add_message(wire::graph::Initializer, tensor); }));
}

}  // namespace presisi::test
