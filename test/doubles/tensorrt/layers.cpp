#include "layers.hpp"

#include <algorithm>

#include "graph/passes.hpp"

namespace presisi::doubles::tensorrt {

namespace {

const std::set<std::string> kMatrix{"Conv", "ConvTranspose", "Gemm", "MatMul"};
const std::set<std::string> kPointwise{
    "Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "Elu", "Swish", "Add", "Mul",     "Sub",
    "Div",  "Gelu", "Erf",       "Sqrt",    "Pow",  "Exp",         "Neg",       "Abs", "Min",   "Max", "Softplus"};
const std::set<std::string> kShuffle{"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze"};
const std::set<std::string> kActivations{"Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSwish", "Swish", "Gelu"};

std::string typeOf(const onnx::Node& node) {
  if (node.opType == "Conv") return "CaskConvolution";
  if (node.opType == "ConvTranspose") return "CaskDeconvolution";
  if (node.opType == "Gemm" || node.opType == "MatMul") return "gemm";
  if (node.opType.find("Pool") != std::string::npos) return "CaskPooling";
  if (kShuffle.count(node.opType)) return "Shuffle";
  if (kPointwise.count(node.opType)) return "PointWiseV2";
  if (node.opType == "Softmax") return "CaskSoftMaxV2";
  if (node.opType.rfind("Reduce", 0) == 0) return "Reduce";
  return node.opType;
}

std::string precisionOf(DType dtype) {
  switch (dtype) {
    case DType::Float16: return "FP16";
    case DType::Int8: return "INT8";
    case DType::Int32: return "INT32";
    case DType::Int64: return "INT64";
    case DType::Bool: return "BOOL";
    case DType::Uint8: return "UINT8";
    default: return "FP32";
  }
}

std::string tacticOf(const LayerRow& row) {
  if (row.type == "CaskConvolution" || row.type == "CaskDeconvolution" || row.type == "gemm") {
    const std::string kind = row.type == "gemm" ? "gemm" : "fprop_implicit_gemm";
    if (row.precision == "INT8")
      return "sm80_xmma_" + kind + "_interleaved_i8i8_i8i32_f32_tilesize64x64x64_tensor16x8x32";
    if (row.precision == "FP16") return "sm80_xmma_" + kind + "_f16f16_f16f16_f16_tilesize64x64x64_tensor16x8x16";
    return "sm80_xmma_" + kind + "_tf32f32_tf32f32_f32_tilesize64x64x16_tensor16x8x8";
  }
  return row.type == "PointWiseV2" ? "PWN_" + row.precision : "0x" + std::to_string(row.name.size());
}

/// Groups the nodes of one model into layers.
class Partition {
 public:
  Partition(const onnx::Model& model, const LayerWishes& wishes, const graph::Specialization& known)
      : graph_(model.graph), wishes_(wishes), known_(known), links_(model.graph) {
    for (const auto& [name, tensor] : known.constants) constants_.insert(name);
    for (const onnx::Node& node : graph_.nodes) {
      const bool constant = std::all_of(node.inputs.begin(), node.inputs.end(), [&](const std::string& name) {
        return name.empty() || constants_.count(name) > 0;
      });
      if (constant) constants_.insert(node.outputs.begin(), node.outputs.end());
    }
  }

  std::vector<LayerRow> run() {
    std::vector<bool> taken(graph_.nodes.size(), false);
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const onnx::Node& node = graph_.nodes[i];
      if (taken[i] || isQuantizer(node) || isConstant(node)) continue;
      LayerRow row = begin(node);
      std::string end = node.outputs[0];
      if (kMatrix.count(node.opType)) {
        for (int next = links_.onlyConsumer(end); next >= 0; next = links_.onlyConsumer(end)) {
          const onnx::Node& follower = graph_.nodes[static_cast<size_t>(next)];
          if (!kActivations.count(follower.opType) || taken[static_cast<size_t>(next)]) break;
          taken[static_cast<size_t>(next)] = true;
          absorb(row, follower);
          end = follower.outputs[0];
        }
      }
      finish(row, node, end);
    }
    for (size_t i = 0; i < graph_.nodes.size(); ++i) leftover(graph_.nodes[i]);
    return std::move(rows_);
  }

 private:
  static bool isQuantizer(const onnx::Node& node) { return node.is("QuantizeLinear") || node.is("DequantizeLinear"); }
  bool isConstant(const onnx::Node& node) const {
    return std::all_of(node.outputs.begin(), node.outputs.end(),
                       [&](const std::string& name) { return name.empty() || constants_.count(name) > 0; });
  }
  const onnx::Node* producer(const std::string& tensor) const {
    const int index = links_.producer(tensor);
    return index < 0 ? nullptr : &graph_.nodes[static_cast<size_t>(index)];
  }
  static std::string label(const onnx::Node& node) { return node.name.empty() ? node.outputs[0] : node.name; }

  LayerRow begin(const onnx::Node& node) {
    LayerRow row;
    row.type = typeOf(node);
    absorb(row, node);
    return row;
  }

  void absorb(LayerRow& row, const onnx::Node& node) {
    row.name += (row.name.empty() ? "" : " + ") + label(node);
    row.nodes.push_back(label(node));
    for (const std::string& output : node.outputs) {
      if (!output.empty()) row.makes.push_back(output);
    }
  }

  /// The precision, and the quantizers around the layer: fused into it, or reformats before it.
  void finish(LayerRow& row, const onnx::Node& node, const std::string& end) {
    bool quantized = kMatrix.count(node.opType) > 0 || kPointwise.count(node.opType) > 0 || row.type == "CaskPooling";
    std::vector<const onnx::Node*> dequantizers;
    size_t index = 0;
    for (const std::string& input : node.inputs) {
      const size_t position = index++;
      if (input.empty()) continue;
      const onnx::Node* source = producer(input);
      const bool dequantized = source && source->is("DequantizeLinear");
      const bool weight = constants_.count(input) > 0 || (dequantized && constants_.count(source->inputs[0]));
      if (weight) {
        const auto type = known_.types.find(input);
        if (type != known_.types.end()) row.weights += elementCount(type->second.dims);
        if (position == 1 && kMatrix.count(node.opType) && !dequantized) quantized = false;
        continue;
      }
      row.inputs.push_back(dequantized ? source->inputs[0] : input);
      if (dequantized) dequantizers.push_back(source);
      if (!dequantized) quantized = false;
      row.readsAs.push_back(dequantized ? "INT8" : "");
    }
    row.precision = quantized && !row.inputs.empty() ? "INT8" : floatPrecision(node);
    if (held(wishes_.float32, node)) row.precision = "FP32";
    if (held(wishes_.float16, node)) row.precision = "FP16";
    for (std::string& read : row.readsAs) {
      if (read.empty() || row.precision != "INT8") read = row.precision;
    }
    for (const onnx::Node* dequantizer : dequantizers) {
      const onnx::Node* quantizer = producer(dequantizer->inputs[0]);
      const std::string from = quantizer ? quantizer->inputs[0] : dequantizer->inputs[0];
      done_.insert(dequantizer->outputs[0]);
      const bool made = std::any_of(rows_.begin(), rows_.end(), [&](const LayerRow& other) {
        return std::count(other.outputs.begin(), other.outputs.end(), dequantizer->inputs[0]) > 0;
      });
      if (row.precision == "INT8" && !made) reformat(row.name, from, dequantizer->inputs[0], "FP32", "INT8", quantizer);
      if (row.precision != "INT8") {
        reformat(row.name, dequantizer->inputs[0], dequantizer->outputs[0], "INT8", row.precision, dequantizer);
        std::replace(row.inputs.begin(), row.inputs.end(), dequantizer->inputs[0], dequantizer->outputs[0]);
      }
    }
    // An INT8 layer whose only reader quantizes writes INT8 itself.
    row.outputs = {end};
    row.writesAs = row.precision == "INT8" ? floatPrecision(node) : row.precision;
    const int next = links_.onlyConsumer(end);
    if (next >= 0 && row.precision == "INT8" && graph_.nodes[static_cast<size_t>(next)].is("QuantizeLinear")) {
      const onnx::Node& quantizer = graph_.nodes[static_cast<size_t>(next)];
      row.outputs = {quantizer.outputs[0]};
      row.makes.push_back(quantizer.outputs[0]);
      row.writesAs = "INT8";
      done_.insert(quantizer.outputs[0]);
    }
    row.tactic = tacticOf(row);
    rows_.push_back(std::move(row));
  }

  void reformat(const std::string& reader, const std::string& from, const std::string& to, const std::string& reads,
                const std::string& writes, const onnx::Node* node) {
    if (!done_.insert("reformat " + to).second) return;
    LayerRow row;
    row.name = "Reformatting CopyNode for Input Tensor 0 to " + reader;
    row.type = "Reformat";
    row.precision = writes;
    row.inputs = {from};
    row.outputs = {to};
    row.readsAs = {reads};
    row.writesAs = writes;
    row.makes = {to};
    row.tactic = "0x0000000000000000";
    if (node) {
      row.nodes = {label(*node)};
      done_.insert(node->outputs[0]);
    }
    rows_.push_back(std::move(row));
  }

  /// A quantizer that no layer took in: one at the end of the network, or a pair that only rounds.
  void leftover(const onnx::Node& node) {
    if (!isQuantizer(node) || isConstant(node) || done_.count(node.outputs[0])) return;
    if (constants_.count(node.inputs[0])) return;
    const onnx::Node* source = producer(node.inputs[0]);
    if (source && isQuantizer(*source) && constants_.count(source->inputs[0])) return;
    const bool quantizes = node.is("QuantizeLinear");
    reformat(label(node), node.inputs[0], node.outputs[0], quantizes ? "FP32" : "INT8", quantizes ? "INT8" : "FP32",
             &node);
  }

  std::string floatPrecision(const onnx::Node& node) const {
    const auto type = known_.types.find(node.outputs[0]);
    const std::string own = type == known_.types.end() ? "FP32" : precisionOf(type->second.dtype);
    return own == "FP32" && wishes_.half && !wishes_.stronglyTyped ? "FP16" : own;
  }

  static bool held(const std::set<std::string>& names, const onnx::Node& node) { return names.count(label(node)) > 0; }

  const onnx::Graph& graph_;
  const LayerWishes& wishes_;
  const graph::Specialization& known_;
  onnx::Links links_;
  std::set<std::string> constants_;  ///< tensors that no input of the network reaches
  std::vector<LayerRow> rows_;
  std::set<std::string> done_;
};

std::string format(const std::string& precision) {
  if (precision == "INT8") return "Thirty-two wide channel vectorized row major Int8 format";
  if (precision == "FP16") return "Channel major FP16 format where channel % 8 == 0";
  if (precision == "FP32") return "Row major linear FP32";
  if (precision == "INT32") return "Row major linear Int32";
  if (precision == "INT64") return "Row major linear Int64 format";
  if (precision == "BOOL") return "Row major linear BOOL";
  return "Row major linear " + precision + " format";
}

}  // namespace

LayerPlan planLayers(const onnx::Model& model, const std::map<std::string, Dims>& shapes, const LayerWishes& wishes) {
  const graph::Specialization known = graph::specialize(model, shapes);
  LayerPlan plan;
  for (const auto& [name, type] : known.types) plan.dims[name] = type.dims;
  plan.rows = Partition(model, wishes, known).run();
  // In the order of execution: a row comes after those that make what it reads.
  std::map<std::string, size_t> order;
  for (const onnx::ValueInfo& input : model.graph.inputs) order[input.name] = 0;
  for (size_t i = 0; i < model.graph.nodes.size(); ++i) {
    for (const std::string& output : model.graph.nodes[i].outputs) order[output] = i + 1;
  }
  std::stable_sort(plan.rows.begin(), plan.rows.end(), [&](const LayerRow& a, const LayerRow& b) {
    const auto last = [&](const LayerRow& row) { return row.makes.empty() ? size_t{0} : order[row.makes.front()]; };
    return last(a) < last(b);
  });
  return plan;
}

Json toJson(const LayerPlan& plan) {
  Json rows = Json::array();
  for (const LayerRow& row : plan.rows) {
    rows.push_back({row.name, row.type, row.precision, row.tactic, row.nodes, row.inputs, row.outputs, row.makes,
                    row.readsAs, row.writesAs, row.weights});
  }
  return {{"rows", rows}, {"dims", plan.dims}};
}

LayerPlan layerPlanFromJson(const Json& json) {
  LayerPlan plan;
  plan.dims = json.at("dims").get<std::map<std::string, Dims>>();
  using Names = std::vector<std::string>;
  for (const Json& row : json.at("rows")) {
    plan.rows.push_back({row.at(0), row.at(1), row.at(2), row.at(3), row.at(4).get<Names>(), row.at(5).get<Names>(),
                         row.at(6).get<Names>(), row.at(7).get<Names>(), row.at(8).get<Names>(), row.at(9),
                         row.at(10)});
  }
  return plan;
}

Json inspect(const LayerPlan& plan, const LayerRow& row, bool dynamicBatch) {
  const auto tensor = [&](const std::string& name, const std::string& precision) {
    Dims dims;
    if (const auto it = plan.dims.find(name); it != plan.dims.end()) dims = it->second;
    if (dynamicBatch && !dims.empty()) dims[0] = -1;
    return Json{{"Name", name}, {"Location", "Device"}, {"Dimensions", dims}, {"Format/Datatype", format(precision)}};
  };
  Json inputs = Json::array(), outputs = Json::array();
  for (size_t i = 0; i < row.inputs.size(); ++i) inputs.push_back(tensor(row.inputs[i], row.readsAs[i]));
  for (const std::string& output : row.outputs) outputs.push_back(tensor(output, row.writesAs));
  Json json{{"Name", row.name}, {"LayerType", row.type}, {"Inputs", inputs}, {"Outputs", outputs}};
  if (row.type == "Reformat") {
    json["ParameterType"] = "Reformat";
    json["Origin"] = "REFORMAT";
  } else if (row.weights > 0) {
    json["ParameterType"] = row.type == "CaskConvolution" ? "Convolution" : row.type;
    const std::string type = row.precision == "INT8" ? "Int8" : row.precision == "FP16" ? "Half" : "Float";
    json["Weights"] = {{"Type", type}, {"Count", row.weights}};
  }
  json["TacticName"] = row.tactic;
  json["TacticValue"] = "0x0000000000000000";
  json["StreamId"] = 0;
  std::string metadata;
#if PRESISI_DOUBLE_SINCE_8_6
  for (const std::string& node : row.nodes)
    metadata += (metadata.empty() ? "" : "\x1E") + ("[ONNX Layer: " + node + "]");
#endif
  json["Metadata"] = metadata;
  return json;
}

}  // namespace presisi::doubles::tensorrt
