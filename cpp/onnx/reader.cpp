#include "onnx/reader.hpp"

#include <filesystem>
#include <new>
#include <optional>
#include <protozero/exception.hpp>
#include <string_view>

#include "core/error.hpp"
#include "core/file.hpp"
#include "onnx/reader_graph.hpp"
#include "onnx/upgrade_to_opset7.hpp"
#include "onnx/validate.hpp"
#include "onnx/wire.hpp"

namespace presisi::onnx {

namespace {

constexpr int64_t kOldestIr = 3;
constexpr int64_t kNewestIr = 14;
constexpr int64_t kOldestOpset = 1;  // those before 7 are upgraded
constexpr int64_t kNewestOpset = 24;
constexpr size_t kProtobufLimit = size_t{1} << 31;

[[noreturn]] void refuse(const std::string& message, const std::string& hint = {}) {
  throw Error(ErrorCode::InvalidModel, message, hint);
}

struct ModelFields {
  Model model;
  std::optional<std::string_view> graph;
  bool hasFunctions = false;
};

void readOpset(std::string_view bytes, std::map<std::string, int64_t>& opsets) {
  std::string domain;
  int64_t version = 0;
  wire::Message message(bytes, "OperatorSetIdProto");
  while (message.next()) {
    switch (message.field()) {
      case wire::opset::Domain: domain = normalDomain(message.text()); break;
      case wire::opset::Version: version = message.integer(); break;
      default: message.skip();
    }
  }
  const auto [it, isNew] = opsets.emplace(domain, version);
  if (!isNew && it->second != version) {
    refuse("operator set \"" + domain + "\" is imported in two versions, " + std::to_string(it->second) + " and " +
           std::to_string(version));
  }
}

ModelFields readFields(std::string_view bytes) {
  ModelFields fields;
  Model& model = fields.model;
  model.irVersion = 0;
  wire::Message message(bytes, "ModelProto");
  while (message.next()) {
    switch (message.field()) {
      case wire::model::IrVersion: model.irVersion = message.integer(); break;
      case wire::model::ProducerName: model.producerName = message.text(); break;
      case wire::model::ProducerVersion: model.producerVersion = message.text(); break;
      case wire::model::Graph:
        if (fields.graph) refuse("the model has two graphs");
        fields.graph = message.bytes();
        break;
      case wire::model::OpsetImport: readOpset(message.bytes(), model.opsets); break;
      case wire::model::MetadataProps: {
        auto [key, value] = wire::readEntry(message.bytes());
        model.metadata[key] = std::move(value);
        break;
      }
      case wire::model::Functions:
        fields.hasFunctions = true;
        message.skip();
        break;
      default: message.skip();
    }
  }
  return fields;
}

void checkVersions(const Model& model) {
  if (model.irVersion < kOldestIr || model.irVersion > kNewestIr) {
    throw Error(ErrorCode::UnsupportedModel,
                "expected IR version " + std::to_string(kOldestIr) + " to " + std::to_string(kNewestIr) +
                    " but the model has " + (model.irVersion == 0 ? "none" : std::to_string(model.irVersion)),
                "export the model again with another version of the exporter");
  }
  if (model.opsets.empty()) refuse("the model does not say which operator set (opset) it uses");
  if (model.opsets.count("") == 0) {
    throw Error(ErrorCode::UnsupportedModel,
                "the model uses no operators of ONNX's own, only those of \"" + model.opsets.begin()->first + "\"");
  }
  const int64_t opset = model.opset();
  if (opset < kOldestOpset || opset > kNewestOpset) {
    throw Error(ErrorCode::UnsupportedModel,
                "expected opset " + std::to_string(kOldestOpset) + " to " + std::to_string(kNewestOpset) +
                    " but the model uses " + std::to_string(opset),
                "export the model again with opset 17, say, or convert it with onnx.version_converter");
  }
}

void checkDomains(const Model& model) {
  for (const Node& node : model.graph.nodes) {
    if (model.opsets.count(node.domain) == 0) {
      refuse(node.label() + ": operator set \"" + node.domain + "\" is not imported by the model");
    }
  }
}

Model readChecked(std::string_view bytes, const Source& source) {
  ModelFields fields;
  try {
    fields = readFields(bytes);
  } catch (const protozero::exception& error) {
    refuse(std::string("not an ONNX model, or cut short (") + error.what() + ")",
           "the file may be incomplete: fetch it again");
  }
  if (!fields.graph && fields.model.irVersion == 0) refuse("not an ONNX model: it has neither IR version nor graph");
  if (!fields.graph) refuse("the model has no graph");
  checkVersions(fields.model);
  if (fields.hasFunctions) {
    throw Error(ErrorCode::UnsupportedModel, "the model defines functions of its own, which is not supported",
                "replace them by their contents: onnx.inliner.inline_local_functions");
  }
  fields.model.graph = readGraph(*fields.graph, source);
  checkDomains(fields.model);
  validateAndSort(fields.model.graph);
  upgradeToOpset7(fields.model);
  return std::move(fields.model);
}

/// Runs `read` with every way in which bytes can be bad turned into an Error.
template <typename F>
auto guarded(F&& read) {
  try {
    return read();
  } catch (const protozero::exception& error) {
    refuse(std::string("the model is damaged: ") + error.what(), "fetch or export the file again");
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::OutOfMemory, "not enough memory to read the model");
  }
}

}  // namespace

Model readModel(const uint8_t* data, size_t size, std::shared_ptr<const void> owner, const std::string& folder) {
  if (size == 0) refuse("not an ONNX model: it is empty");
  if (size >= kProtobufLimit) {
    refuse("not an ONNX model: it has " + std::to_string(size) + " bytes where protobuf can hold 2 GiB at most");
  }
  return guarded([&] {
    ExternalData external(folder);
    return readChecked({reinterpret_cast<const char*>(data), size}, {std::move(owner), &external});
  });
}

Model readModel(const std::string& path) {
  const auto file = MappedFile::open(path);
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  try {
    return readModel(file->data(), file->size(), file, parent.empty() ? "." : parent.string());
  } catch (const Error& error) {
    throw Error(error.code(), path + ": " + error.what(), error.hint());
  }
}

Tensor readTensor(const uint8_t* data, size_t size) {
  return guarded([&] {
    ExternalData none("");
    return readTensorProto({reinterpret_cast<const char*>(data), size}, {nullptr, &none}, "tensor").tensor;
  });
}

}  // namespace presisi::onnx
