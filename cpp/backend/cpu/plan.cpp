#include "backend/cpu/plan.hpp"

#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "backend/cpu/kernels/kernels.hpp"
#include "core/error.hpp"
#include "onnx/reader.hpp"
#include "onnx/writer.hpp"

namespace presisi::cpu {

namespace {

using nlohmann::json;

constexpr char kMagic[8] = {'C', 'P', 'U', 'P', 'L', 'A', 'N', '\n'};
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 16;
/// Blocks are padded to whole registers. Where that makes a tensor larger than this, packing it when it is loaded is
/// cheaper than the space: only small ones are affected.
constexpr double kMostPadding = 1.1;
/// Elements from which halving a tensor is more than its entry in the index takes.
constexpr int64_t kWorthSection = 128;
/// Elements; far above any there is, and so small that products of two don't overflow.
constexpr int64_t kLongestBlock = 1 << 20;

[[noreturn]] void damaged(const std::string& what) {
  throw Error(ErrorCode::InvalidEngine, "the engine's plan is damaged: " + what, "build the engine again");
}

size_t aligned(size_t bytes) { return (bytes + Tensor::kAlignment - 1) / Tensor::kAlignment * Tensor::kAlignment; }

/// A tensor that is written beside the graph: packed, or as FP16, or both.
struct Section {
  std::string name;
  const Tensor* tensor;
  std::optional<WeightStore::Packed> packed;
  std::vector<uint16_t> half;  ///< in place of the floats, where nothing is lost by it

  const void* data() const { return half.empty() ? static_cast<const void*>(packed->data) : half.data(); }
  size_t bytes() const { return half.empty() ? packed->bytes : half.size() * sizeof(uint16_t); }
};

/// Weights that were rounded to FP16 are kept as such; empty where something would be lost.
std::vector<uint16_t> asHalf(const void* floats, size_t bytes) {
  std::vector<uint16_t> half(bytes / sizeof(float));
  for (size_t i = 0; i < half.size(); ++i) {
    float value;
    std::memcpy(&value, static_cast<const uint8_t*>(floats) + i * sizeof(float), sizeof value);
    half[i] = floatToHalf(value);
    const float back = halfToFloat(half[i]);
    if (std::memcmp(&back, &value, sizeof value) != 0) return {};
  }
  return half;
}

bool isWeight(const onnx::Node& node, const std::string& name) {
  return (node.is("Conv") || node.is("Gemm") || node.is("MatMul")) && node.inputs.size() > 1 &&
         node.inputs[1] == name && node.inputs[0] != name && !(node.hasInput(2) && node.inputs[2] == name);
}

/// Whether only products read the tensor, themselves or through a DequantizeLinear: all others want it row-major.
bool onlyWeights(const onnx::Graph& graph, const onnx::Links& links, const std::string& name) {
  if (links.isOutput(name)) return false;
  for (const int consumer : links.consumers(name)) {
    const onnx::Node& node = graph.nodes[static_cast<size_t>(consumer)];
    if (isWeight(node, name)) continue;
    if (!node.is("DequantizeLinear") || node.inputs[0] != name || links.isOutput(node.outputs[0])) return false;
    for (const int user : links.consumers(node.outputs[0])) {
      if (!isWeight(graph.nodes[static_cast<size_t>(user)], node.outputs[0])) return false;
    }
  }
  return true;
}

std::vector<Section> sectionsOf(const onnx::Graph& graph, const WeightStore& weights) {
  const onnx::Links links(graph);
  std::vector<Section> sections;
  for (const auto& [name, tensor] : graph.initializers) {
    Section section{name, &tensor, std::nullopt, {}};
    if (tensor.rank() >= 2 && onlyWeights(graph, links, name)) section.packed = weights.packed(tensor);
    if (section.packed &&
        static_cast<double>(section.packed->bytes) > kMostPadding * static_cast<double>(tensor.bytes()))
      section.packed.reset();
    if (tensor.dtype() == DType::Float32 && tensor.size() >= kWorthSection) {
      section.half = section.packed ? asHalf(section.packed->data, section.packed->bytes)
                                    : asHalf(tensor.data<void>(), tensor.bytes());
    }
    if (section.packed || !section.half.empty()) sections.push_back(std::move(section));
  }
  return sections;
}

BlockedLayout layoutFrom(const json& entry, const Tensor& tensor, size_t width, size_t bytes) {
  BlockedLayout layout;
  entry.at("dims").get_to(layout.dims);
  entry.at("padded").get_to(layout.padded);
  entry.at("strides").get_to(layout.strides);
  entry.at("blocks").get_to(layout.blocks);
  const size_t rank = layout.dims.size();
  if (layout.padded.size() != rank || layout.strides.size() != rank || elementCount(layout.dims) != tensor.size()) {
    damaged("a layout that doesn't fit its tensor");
  }
  // The last element lies inside: so does every other.
  Dims last = layout.padded;
  int64_t reach = 0, step = 1;
  for (size_t axis = 0; axis < rank; ++axis) {
    if (layout.padded[axis] < layout.dims[axis] || layout.dims[axis] < 1 || layout.strides[axis] < 0)
      damaged("a layout");
    last[axis] -= 1;
  }
  for (auto block = layout.blocks.rbegin(); block != layout.blocks.rend(); ++block) {
    const auto axis = static_cast<size_t>(block->first);
    if (block->first < 0 || axis >= rank || block->second < 1 || block->second > kLongestBlock || step > kLongestBlock)
      damaged("a layout");
    reach += (block->second - 1) * step;
    step *= block->second;
    last[axis] /= block->second;
  }
  for (size_t axis = 0; axis < rank; ++axis) {
    int64_t along = 0;
    if (__builtin_mul_overflow(last[axis], layout.strides[axis], &along) ||
        __builtin_add_overflow(reach, along, &reach)) {
      damaged("a layout");
    }
  }
  if (static_cast<uint64_t>(reach) >= bytes / width) damaged("a layout that reaches beyond its tensor");
  return layout;
}

}  // namespace

std::string writePlan(const onnx::Model& simplified, const WeightStore& weights) {
  const std::vector<Section> sections = sectionsOf(simplified.graph, weights);
  onnx::Model rest = simplified;
  for (const Section& section : sections) {
    rest.graph.initializers[section.name] = Tensor(section.tensor->dtype(), {0});
  }
  const std::string graph = onnx::writeModel(rest, true);
  size_t offset = aligned(graph.size());
  json index{{"graph", graph.size()}, {"tensors", json::array()}};
  for (const Section& section : sections) {
    json entry{{"name", section.name},
               {"shape", section.tensor->dims()},
               {"type", static_cast<int>(section.tensor->dtype())},
               {"half", !section.half.empty()},
               {"offset", offset},
               {"bytes", section.bytes()}};
    if (section.packed) {
      const BlockedLayout& layout = section.packed->layout;
      entry["layout"] = {{"dims", layout.dims},
                         {"padded", layout.padded},
                         {"strides", layout.strides},
                         {"blocks", layout.blocks},
                         {"key", section.packed->key}};
    }
    index["tensors"].push_back(std::move(entry));
    offset += aligned(section.bytes());
  }
  // Names are protobuf strings, which may hold any bytes; JSON takes UTF-8 only.
  const std::vector<uint8_t> text = json::to_cbor(index);
  const size_t start = aligned(kHeaderBytes + text.size());
  std::string plan(start + offset, '\0');
  std::memcpy(plan.data(), kMagic, sizeof kMagic);
  const auto textBytes = static_cast<uint32_t>(text.size());
  for (int i = 0; i < 4; ++i) {
    plan[8 + static_cast<size_t>(i)] = static_cast<char>(kVersion >> (8 * i));
    plan[12 + static_cast<size_t>(i)] = static_cast<char>(textBytes >> (8 * i));
  }
  std::memcpy(plan.data() + kHeaderBytes, text.data(), text.size());
  std::memcpy(plan.data() + start, graph.data(), graph.size());
  size_t at = start + aligned(graph.size());
  for (const Section& section : sections) {
    std::memcpy(plan.data() + at, section.data(), section.bytes());
    at += aligned(section.bytes());
  }
  return plan;
}

onnx::Model readPlan(const uint8_t* data, size_t size, const std::shared_ptr<const void>& owner, WeightStore& weights) {
  if (size < kHeaderBytes || std::memcmp(data, kMagic, sizeof kMagic) != 0) damaged("it doesn't begin as one");
  const auto field = [&](size_t at) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i) value |= static_cast<uint32_t>(data[at + i]) << (8 * i);
    return value;
  };
  if (field(8) != kVersion) {
    throw Error(ErrorCode::IncompatibleEngine,
                "the engine's plan has format " + std::to_string(field(8)) + ", and this presisi reads " +
                    std::to_string(kVersion),
                "build the engine again");
  }
  const size_t textBytes = field(12);
  const size_t start = aligned(kHeaderBytes + textBytes);
  if (start > size) damaged("it ends early");
  const size_t room = size - start;
  try {
    const json index = json::from_cbor(data + kHeaderBytes, data + kHeaderBytes + textBytes);
    const auto graphBytes = index.at("graph").get<size_t>();
    if (graphBytes > room) damaged("it ends early");
    onnx::Model model = onnx::readModel(data + start, graphBytes, owner);
    for (const json& entry : index.at("tensors")) {
      const auto name = entry.at("name").get<std::string>();
      const auto offset = entry.at("offset").get<size_t>();
      const auto bytes = entry.at("bytes").get<size_t>();
      const auto known = model.graph.initializers.find(name);
      if (known == model.graph.initializers.end()) damaged("weights of no node");
      if (offset > room || bytes > room - offset || offset % Tensor::kAlignment != 0) damaged("it ends early");
      const auto type = static_cast<DType>(entry.at("type").get<int>());
      if (type != known->second.dtype() || byteSize(type) == 0) damaged("weights of another type");
      const bool half = entry.at("half").get<bool>();
      if (half && type != DType::Float32) damaged("weights of another type");
      const size_t width = half ? sizeof(uint16_t) : byteSize(type);
      const uint8_t* from = data + start + offset;
      const Dims shape = entry.at("shape").get<Dims>();
      Tensor tensor;
      if (half) {
        const auto memory = std::make_shared<Tensor>(type, Dims{static_cast<int64_t>(bytes / width)});
        kernels().widenHalf(reinterpret_cast<const uint16_t*>(from), static_cast<int64_t>(bytes / width),
                            memory->data<float>());
        tensor = Tensor::view(type, shape, memory->data<void>(), memory);
      } else {
        tensor = Tensor::view(type, shape, from, owner);
      }
      if (tensor.bytes() / byteSize(type) > bytes / width) damaged("weights that are cut short");
      if (entry.contains("layout")) {
        const json& layout = entry.at("layout");
        weights.adopt(tensor, layoutFrom(layout, tensor, width, bytes), layout.at("key").get<std::string>());
      }
      known->second = std::move(tensor);
    }
    return model;
  } catch (const json::exception& error) {
    damaged(error.what());
  }
}

}  // namespace presisi::cpu
