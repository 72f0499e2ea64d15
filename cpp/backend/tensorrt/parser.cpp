#include "backend/tensorrt/parser.hpp"

#include <memory>
#include <set>

namespace presisi::tensorrt {

namespace {

/// `Einsum "attention": message`, as far as parser and model tell.
std::string describe(const nvonnxparser::IParserError& error, const onnx::Model& model) {
  const int index = error.node();
  const auto& nodes = model.graph.nodes;
  const onnx::Node* node =
      index >= 0 && static_cast<size_t>(index) < nodes.size() ? &nodes[static_cast<size_t>(index)] : nullptr;
  std::string name = api::nodeName(error), op = api::nodeOperator(error);
  // Old parsers say the index alone, which counts the nodes in the order in which they were written.
  if (node != nullptr) {
    if (name.empty()) name = node->name;
    if (op.empty() && name == node->name) op = node->opType;
  }
  std::string label = op;
  if (!name.empty()) label += (label.empty() ? "node \"" : " \"") + name + "\"";
  const std::string text = error.desc() != nullptr && *error.desc() != '\0' ? error.desc() : "no reason given";
  return label.empty() ? text : label + ": " + text;
}

/// To version 9 the parser stops at the first node it can't read: the others whose operator it doesn't know, once each.
std::string unknownOperators(const nvonnxparser::IParser& parser, const onnx::Model& model, const std::string& listed) {
  std::set<std::string> seen;
  std::string list;
  for (const onnx::Node& node : model.graph.nodes) {
    if (listed.find("\"" + node.name + "\"") != std::string::npos) seen.insert(node.opType);
  }
  for (const onnx::Node& node : model.graph.nodes) {
    if (parser.supportsOperator(node.opType.c_str()) || !seen.insert(node.opType).second) continue;
    list += "\n  " + node.label() + ": the parser doesn't know this operator";
  }
  return list;
}

[[noreturn]] void refuse(const nvonnxparser::IParser& parser, const onnx::Model& model, Logger& logger) {
  const int count = parser.getNbErrors();
  bool unsupported = false, exhausted = false;
  std::string list;
  constexpr int kListed = 20;
  for (int i = 0; i < count; ++i) {
    const nvonnxparser::IParserError* error = parser.getError(i);
    if (error == nullptr) continue;
    unsupported = unsupported || api::saysUnsupported(error->code());
    exhausted = exhausted || error->code() == nvonnxparser::ErrorCode::kMEM_ALLOC_FAILED;
    if (i < kListed) list += "\n  " + describe(*error, model);
  }
  if (count > kListed) list += "\n  and " + std::to_string(count - kListed) + " more";
  if (exhausted) throw Error(ErrorCode::OutOfMemory, "TensorRT's ONNX parser ran out of memory:" + list);
  const std::string said = logger.takeErrors();
  if (list.empty()) list = " " + (said.empty() ? "it gave no reason" : said);
  if (unsupported) {
    list += unknownOperators(parser, model, list);
    throw Error(ErrorCode::UnsupportedOperator,
                std::string(api::productName()) + " " + api::compiledVersion().text() +
                    " lacks something that this model needs:" + list,
                "replace these nodes, or use another backend or a newer TensorRT");
  }
  throw Error(ErrorCode::InvalidModel, "TensorRT's ONNX parser refused the model:" + list);
}

}  // namespace

std::unique_ptr<nvonnxparser::IParser> parse(const std::string& bytes, const onnx::Model& model,
                                             nvinfer1::INetworkDefinition& network, Logger& logger) {
  std::unique_ptr<nvonnxparser::IParser> parser(
      require(nvonnxparser::createParser(network, logger), logger, ErrorCode::Internal, "creating the ONNX parser"));
  if (!parser->parse(bytes.data(), bytes.size()) || parser->getNbErrors() > 0) refuse(*parser, model, logger);
  return parser;
}

}  // namespace presisi::tensorrt
