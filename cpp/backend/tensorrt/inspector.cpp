#include "backend/tensorrt/inspector.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

namespace presisi::tensorrt {

namespace {

using nlohmann::json;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

/// Some versions write control characters into strings and `nan` or `inf` as numbers, which JSON doesn't have.
std::string mended(const std::string& text) {
  std::string result;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\' && i + 1 < text.size()) {
        result += c;
        result += text[++i];
        continue;
      }
      quoted = c != '"';
      result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
      continue;
    }
    const size_t sign = c == '-' ? 1 : 0;
    if (text.compare(i + sign, 3, "nan") == 0 || text.compare(i + sign, 3, "inf") == 0) {
      result += "null";
      i += sign + 2;
      continue;
    }
    quoted = c == '"';
    result += c;
  }
  return result;
}

std::string textOf(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

int64_t bytesPerElement(const std::string& precision) {
  if (precision == "fp32" || precision == "int32") return 4;
  if (precision == "fp16" || precision == "bf16") return 2;
  if (precision == "int64") return 8;
  return precision.empty() ? 0 : 1;
}

struct Described {
  std::string format, precision;
  Dims dims;
  int64_t bytes = 0;
};

Described describeTensor(const json& tensor) {
  Described result;
  if (!tensor.is_object()) return result;
  result.format = textOf(tensor, "Format/Datatype");
  if (result.format.empty()) result.format = textOf(tensor, "Format");
  result.precision = precisionIn(textOf(tensor, "Datatype"));
  if (result.precision.empty()) result.precision = precisionIn(result.format);
  if (result.precision.empty()) result.format.clear();  // "N/A due to dynamic shapes"
  const auto dims = tensor.find("Dimensions");
  if (dims == tensor.end() || !dims->is_array()) return result;
  result.bytes = bytesPerElement(result.precision);
  for (const json& dim : *dims) {
    const bool known = dim.is_number_integer() && dim >= 0 && dim <= INT32_MAX;
    result.dims.push_back(known ? dim.get<int64_t>() : -1);
    if (!known || __builtin_mul_overflow(result.bytes, result.dims.back(), &result.bytes)) result.bytes = 0;
  }
  return result;
}

std::vector<Described> describeTensors(const json& layer, const char* key) {
  std::vector<Described> tensors;
  const auto list = layer.find(key);
  if (list == layer.end() || !list->is_array()) return tensors;
  for (const json& tensor : *list) tensors.push_back(describeTensor(tensor));
  return tensors;
}

/// `Weights: {Type: Int8, Count: 9408}`.
int64_t constantBytes(const json& layer, const char* key, std::string& precision) {
  const auto it = layer.find(key);
  if (it == layer.end() || !it->is_object()) return 0;
  precision = precisionIn(textOf(*it, "Type"));
  const auto count = it->find("Count");
  int64_t bytes = bytesPerElement(precision);
  const bool usable = count != it->end() && count->is_number_integer() && *count >= 0;
  return usable && !__builtin_mul_overflow(bytes, count->get<int64_t>(), &bytes) ? bytes : 0;
}

/// Kernels' names say what they multiply: `…_i8i8_i8i32_…`, `…_f16f16_…`, `h884`.
std::string precisionOfTactic(const std::string& tactic) {
  const std::string name = lower(tactic);
  static constexpr std::pair<const char*, const char*> kSigns[] = {
      {"i8i8", "int8"},     {"imma", "int8"}, {"_i8", "int8"},    {"int8", "int8"}, {"f16f16", "fp16"},
      {"h16816", "fp16"},   {"h884", "fp16"}, {"h1688", "fp16"},  {"hmma", "fp16"}, {"fp16", "fp16"},
      {"bf16bf16", "bf16"}, {"tf32", "fp32"}, {"f32f32", "fp32"}, {"ffma", "fp32"}, {"sgemm", "fp32"},
  };
  for (const auto& [sign, precision] : kSigns) {
    if (name.find(sign) != std::string::npos) return precision;
  }
  return {};
}

/// What a layer computes in. Its weights say so where it has some, then its kernel's name; what has neither computes in
/// the type it reads. A layer that only converts is of the type it makes.
std::string precisionGot(const backend::LayerInfo& layer, const std::string& weights, const std::string& tactic,
                         const std::vector<Described>& in, const std::vector<Described>& out) {
  const std::string made = out.empty() ? "" : out.front().precision;
  if (layer.reformat) return made;
  if (!weights.empty()) return weights;
  const std::string kernel = precisionOfTactic(tactic);
  if (!kernel.empty()) return kernel;
  const std::string read = in.empty() ? "" : in.front().precision;
  return read.empty() ? made : read;
}

/// `[ONNX Layer: conv1]`, any number of them with control characters between.
std::vector<std::string> nodesInMetadata(const std::string& metadata) {
  static constexpr char kStart[] = "[ONNX Layer: ";
  std::vector<std::string> nodes;
  for (size_t at = metadata.find(kStart); at != std::string::npos;) {
    at += sizeof kStart - 1;
    const size_t next = metadata.find(kStart, at);
    // A name may hold brackets: the entry's own is the last before the next entry.
    const size_t close = metadata.rfind(']', next == std::string::npos ? next : next - 1);
    if (close != std::string::npos && close >= at) nodes.push_back(metadata.substr(at, close - at));
    at = next;
  }
  return nodes;
}

void addFacts(backend::LayerInfo& layer, const std::map<std::string, NodeFacts>& facts) {
  for (const std::string& node : layer.fused) {
    const auto fact = facts.find(node);
    if (fact == facts.end()) continue;
    layer.macs += fact->second.macs;
    if (layer.requested.empty() || fact->second.requested == "int8") layer.requested = fact->second.requested;
  }
  if (layer.reformat) layer.requested.clear();
  if (layer.requested != "int8" || layer.precision.empty() || layer.precision == "int8") return;
  layer.reason =
      "TensorRT has no INT8 implementation of it in this place, or measured " + layer.precision + " to be faster";
}

bool isReformat(const json& object, const backend::LayerInfo& layer) {
  return layer.op == "Reformat" || textOf(object, "ParameterType") == "Reformat" ||
         textOf(object, "Origin") == "REFORMAT" || layer.name.rfind("Reformatting CopyNode", 0) == 0;
}

backend::LayerInfo describeLayer(const json& object, const std::map<std::string, NodeFacts>& facts) {
  backend::LayerInfo layer;
  layer.name = object.is_string() ? object.get<std::string>() : object.is_object() ? textOf(object, "Name") : "";
  std::vector<std::string> nodes;
  std::string weights, bias, tactic;
  std::vector<Described> in, out;
  if (object.is_object()) {
    layer.op = textOf(object, "LayerType");
    tactic = textOf(object, "TacticName");
    nodes = nodesInMetadata(textOf(object, "Metadata"));
    in = describeTensors(object, "Inputs");
    out = describeTensors(object, "Outputs");
    layer.weightBytes = constantBytes(object, "Weights", weights) + constantBytes(object, "Bias", bias);
  }
  layer.kernel = tactic.empty() ? layer.op : tactic;
  layer.reformat = isReformat(object, layer);
  if (nodes.empty() && !layer.reformat) nodes = splitLayerName(layer.name);
  // Parts of a name that are no nodes ("(Unnamed Layer* 3)", a bracket of TensorRT's own) say nothing to the user.
  if (!facts.empty()) {
    nodes.erase(std::remove_if(nodes.begin(), nodes.end(), [&](const auto& node) { return facts.count(node) == 0; }),
                nodes.end());
  }
  if (facts.count(layer.name) != 0) nodes = {layer.name};
  layer.fused = std::move(nodes);
  layer.precision = precisionGot(layer, weights, tactic, in, out);
  if (!out.empty()) {
    layer.format = out.front().format;
    layer.outputDims = out.front().dims;
  }
  for (const Described& tensor : in) layer.activationBytes += tensor.bytes;
  for (const Described& tensor : out) layer.activationBytes += tensor.bytes;
  addFacts(layer, facts);
  return layer;
}

}  // namespace

std::string precisionIn(const std::string& description) {
  const std::string text = lower(description);
  // Longer names first: "int8" is in "uint8", "float" in "bfloat16".
  static constexpr std::pair<const char*, const char*> kNames[] = {
      {"uint8", "uint8"}, {"int8", "int8"},   {"bfloat16", "bf16"}, {"bf16", "bf16"},  {"float16", "fp16"},
      {"fp16", "fp16"},   {"half", "fp16"},   {"fp8", "fp8"},       {"float8", "fp8"}, {"fp4", "fp4"},
      {"int4", "int4"},   {"int32", "int32"}, {"int64", "int64"},   {"bool", "bool"},  {"tf32", "fp32"},
      {"fp32", "fp32"},   {"float", "fp32"},
  };
  for (const auto& [name, precision] : kNames) {
    if (text.find(name) != std::string::npos) return precision;
  }
  return {};
}

std::vector<std::string> splitLayerName(const std::string& name) {
  std::vector<std::string> parts;
  const bool pointwise = name.find("PWN(") != std::string::npos;
  for (size_t start = 0; start <= name.size();) {
    size_t end = name.size(), width = 1;
    for (const char* separator : {" + ", " || ", ", "}) {
      if (separator[0] == ',' && !pointwise) continue;
      const size_t at = name.find(separator, start);
      if (at < end) {
        end = at;
        width = std::strlen(separator);
      }
    }
    std::string part = name.substr(start, end - start);
    while (part.rfind("PWN(", 0) == 0) part.erase(0, 4);
    while (pointwise && !part.empty() && part.back() == ')' &&
           std::count(part.begin(), part.end(), ')') > std::count(part.begin(), part.end(), '(')) {
      part.pop_back();
    }
    if (!part.empty()) parts.push_back(std::move(part));
    start = end + width;
  }
  return parts;
}

std::vector<backend::LayerInfo> parseLayers(const std::string& text, const std::map<std::string, NodeFacts>& facts) {
  json document = json::parse(text, nullptr, false);
  if (document.is_discarded()) document = json::parse(mended(text), nullptr, false);
  std::vector<backend::LayerInfo> layers;
  const auto list = document.is_object() ? document.find("Layers") : document.end();
  if (!document.is_object() || list == document.end() || !list->is_array()) return layers;
  for (const json& layer : *list) layers.push_back(describeLayer(layer, facts));
  return layers;
}

}  // namespace presisi::tensorrt
