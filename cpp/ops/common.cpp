#include "ops/common.hpp"

#include <algorithm>

namespace presisi::ops {

void failModel(const onnx::Node& node, const std::string& message, const std::string& hint) {
  throw Error(ErrorCode::InvalidModel, node.label() + ": " + message, hint);
}

void failShape(const onnx::Node& node, const std::string& message, const std::string& hint) {
  throw Error(ErrorCode::ShapeMismatch, node.label() + ": " + message, hint);
}

void failUnsupported(const onnx::Node& node, const std::string& message, const std::string& hint) {
  throw Error(ErrorCode::UnsupportedOperator, node.label() + ": " + message, hint);
}

std::string inputName(const onnx::Node& node, size_t index) {
  std::string text = "input " + std::to_string(index);
  if (node.hasInput(index)) text += " (\"" + node.inputs[index] + "\")";
  return text;
}

bool isFloating(DType dtype) {
  return dtype == DType::Float32 || dtype == DType::Float64 || dtype == DType::Float16 || dtype == DType::Bfloat16;
}

bool isInteger(DType dtype) {
  switch (dtype) {
    case DType::Int8:
    case DType::Uint8:
    case DType::Int16:
    case DType::Uint16:
    case DType::Int32:
    case DType::Uint32:
    case DType::Int64:
    case DType::Uint64: return true;
    default: return false;
  }
}

bool isNumeric(DType dtype) { return isFloating(dtype) || isInteger(dtype); }

bool has(const InferContext& ctx, size_t index) {
  return index < ctx.inputs.size() && ctx.inputs[index].dtype != DType::Undefined;
}

bool has(const RunContext& ctx, size_t index) { return index < ctx.inputs.size() && !ctx.inputs[index].empty(); }

void requireInputs(const InferContext& ctx, size_t least, size_t most) {
  if (ctx.inputs.size() > most || ctx.inputs.size() < least) {
    const std::string expected =
        least == most ? std::to_string(least) : std::to_string(least) + " to " + std::to_string(most);
    failModel(ctx.node, "expected " + expected + " inputs but found " + std::to_string(ctx.inputs.size()));
  }
  for (size_t i = 0; i < least; ++i) {
    if (!has(ctx, i)) failModel(ctx.node, "input " + std::to_string(i) + " is required but absent");
  }
}

void requireOutputs(const InferContext& ctx, size_t least, size_t most) {
  const size_t count = ctx.node.outputs.size();
  if (count < least || count > most) {
    const std::string expected =
        least == most ? std::to_string(least) : std::to_string(least) + " to " + std::to_string(most);
    failModel(ctx.node, "expected " + expected + " outputs but found " + std::to_string(count));
  }
}

void requireRank(const InferContext& ctx, size_t index, size_t least, size_t most) {
  const size_t rank = ctx.inputs[index].dims.size();
  if (rank >= least && rank <= most) return;
  const std::string expected =
      least == most ? std::to_string(least) : std::to_string(least) + " to " + std::to_string(most);
  failModel(ctx.node, inputName(ctx.node, index) + " should have rank " + expected + " but has shape " +
                          toString(ctx.inputs[index].dims));
}

void requireType(const InferContext& ctx, size_t index, std::initializer_list<DType> allowed) {
  const DType dtype = ctx.inputs[index].dtype;
  if (std::find(allowed.begin(), allowed.end(), dtype) != allowed.end()) return;
  std::string expected;
  for (const DType type : allowed) expected += (expected.empty() ? "" : " or ") + std::string(name(type));
  failModel(ctx.node, inputName(ctx.node, index) + " should be " + expected + " but is " + name(dtype));
}

void requireFloating(const InferContext& ctx, size_t index) {
  if (!isFloating(ctx.inputs[index].dtype)) {
    failModel(ctx.node, inputName(ctx.node, index) + " should be a floating-point tensor but is " +
                            name(ctx.inputs[index].dtype));
  }
}

void requireNumeric(const InferContext& ctx, size_t index) {
  if (!isNumeric(ctx.inputs[index].dtype)) {
    failModel(ctx.node,
              inputName(ctx.node, index) + " should be a numeric tensor but is " + name(ctx.inputs[index].dtype));
  }
}

void requireSameType(const InferContext& ctx, size_t index, size_t other) {
  if (ctx.inputs[index].dtype != ctx.inputs[other].dtype) {
    failModel(ctx.node, inputName(ctx.node, index) + " is " + name(ctx.inputs[index].dtype) + " but " +
                            inputName(ctx.node, other) + " is " + name(ctx.inputs[other].dtype));
  }
}

const Tensor& requireConstant(const InferContext& ctx, size_t index) {
  if (index >= ctx.constants.size() || ctx.constants[index] == nullptr) {
    throw Error(ErrorCode::UnsupportedModel,
                ctx.node.label() + ": the output's shape depends on the value of " + inputName(ctx.node, index) +
                    ", which is known only as the network runs",
                "export the model with static shapes");
  }
  return *ctx.constants[index];
}

std::vector<int64_t> requireConstantInts(const InferContext& ctx, size_t index) {
  const TensorType& type = ctx.inputs[index];
  if (!isInteger(type.dtype)) {
    failModel(ctx.node, inputName(ctx.node, index) + " should hold integers but is " + name(type.dtype));
  }
  requireRank(ctx, index, 0, 1);
  return requireConstant(ctx, index).toInt64s();
}

std::vector<TensorType> forOutputs(const onnx::Node& node, std::vector<TensorType> types) {
  types.resize(node.outputs.size());
  return types;
}

std::vector<TensorType> sameAsFirst(const InferContext& ctx) {
  requireInputs(ctx, 1, ctx.inputs.size());
  return {ctx.inputs[0]};
}

int64_t normalizeAxis(const onnx::Node& node, int64_t axis, size_t rank, const char* what) {
  const auto count = static_cast<int64_t>(rank);
  if (axis < -count || axis >= count) {
    failModel(node, std::string(what) + " is " + std::to_string(axis) + ", outside [" + std::to_string(-count) + ", " +
                        std::to_string(count - 1) + "] for a tensor of rank " + std::to_string(count));
  }
  return axis < 0 ? axis + count : axis;
}

std::vector<int64_t> normalizeAxes(const onnx::Node& node, const std::vector<int64_t>& axes, size_t rank,
                                   const char* what) {
  std::vector<int64_t> result;
  std::vector<bool> seen(rank, false);
  for (const int64_t axis : axes) {
    const int64_t normal = normalizeAxis(node, axis, rank, what);
    if (seen[static_cast<size_t>(normal)])
      failModel(node, std::string(what) + " names axis " + std::to_string(normal) + " twice");
    seen[static_cast<size_t>(normal)] = true;
    result.push_back(normal);
  }
  return result;
}

int64_t multiply(const onnx::Node& node, int64_t a, int64_t b) {
  int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) {
    failModel(node, "a size overflows 64 bits: " + std::to_string(a) + " x " + std::to_string(b));
  }
  return result;
}

int64_t add(const onnx::Node& node, int64_t a, int64_t b) {
  int64_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) {
    failModel(node, "a size overflows 64 bits: " + std::to_string(a) + " + " + std::to_string(b));
  }
  return result;
}

Dims broadcast(const onnx::Node& node, const Dims& a, const Dims& b) {
  const size_t rank = std::max(a.size(), b.size());
  Dims out(rank, 1);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1)
      failShape(node, "shapes " + toString(a) + " and " + toString(b) + " do not broadcast");
    out[rank - 1 - i] = x == 1 ? y : x;
  }
  return out;
}

namespace {

int64_t wrappingProduct(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

}  // namespace

Dims stridesOf(const Dims& dims) {
  Dims strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = wrappingProduct(strides[i], dims[i]);
  return strides;
}

Dims broadcastStrides(const Dims& dims, const Dims& out) {
  const Dims own = stridesOf(dims);
  Dims strides(out.size(), 0);
  const size_t offset = out.size() - dims.size();
  for (size_t i = 0; i < dims.size(); ++i) strides[offset + i] = dims[i] == 1 ? 0 : own[i];
  return strides;
}

int64_t countBetween(const Dims& dims, size_t from, size_t to) {
  int64_t count = 1;
  for (size_t i = from; i < to; ++i) count = wrappingProduct(count, dims[i]);
  return count;
}

void runWidened(const RunContext& ctx, std::vector<Tensor>& outputs, RunFn f) {
  const auto narrow = [](const Tensor& t) { return t.dtype() == DType::Float16 || t.dtype() == DType::Bfloat16; };
  if (std::none_of(ctx.inputs.begin(), ctx.inputs.end(), narrow) &&
      std::none_of(outputs.begin(), outputs.end(), narrow)) {
    return f(ctx, outputs);
  }
  RunContext wide{ctx.node, ctx.opset, ctx.inputs, ctx.stop};
  for (Tensor& input : wide.inputs) {
    if (narrow(input)) input = input.cast(DType::Float32);
  }
  std::vector<Tensor> results = outputs;
  for (Tensor& result : results) {
    if (narrow(result)) result = Tensor(DType::Float32, result.dims());
  }
  f(wide, results);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (narrow(outputs[i])) outputs[i] = results[i].cast(outputs[i].dtype());
  }
}

}  // namespace presisi::ops
