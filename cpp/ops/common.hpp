#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <vector>

#include "core/error.hpp"
#include "core/tensor.hpp"
#include "ops/operator.hpp"

/// What every operator needs: errors that name the node, checks of inputs, axes, broadcasting, and the choice of an
/// element type.
namespace presisi::ops {

/// The newest opset the operator tables were written against. An entry whose operator has not changed since ends here.
inline constexpr int kNewestOpset = 24;

// Errors. Each message is `<node label>: <message>`.

[[noreturn]] void failModel(const onnx::Node& node, const std::string& message, const std::string& hint = {});
[[noreturn]] void failShape(const onnx::Node& node, const std::string& message, const std::string& hint = {});
/// A version or attribute that ONNX allows and we don't do.
[[noreturn]] void failUnsupported(const onnx::Node& node, const std::string& message, const std::string& hint = {});

/// `input 1 ("shape")`, for messages.
std::string inputName(const onnx::Node& node, size_t index);

// Checks, for `infer`.

bool isFloating(DType dtype);  ///< float16, bfloat16, float32, float64
bool isInteger(DType dtype);   ///< every signed and unsigned integer; not bool
bool isNumeric(DType dtype);   ///< floating or integer

bool has(const InferContext& ctx, size_t index);  ///< the input is there
bool has(const RunContext& ctx, size_t index);

/// The node has between `least` and `most` inputs, and the first `least` are there.
void requireInputs(const InferContext& ctx, size_t least, size_t most);
/// Likewise for outputs; `most` bounds what may be asked for.
void requireOutputs(const InferContext& ctx, size_t least, size_t most);
void requireRank(const InferContext& ctx, size_t index, size_t least, size_t most);
void requireType(const InferContext& ctx, size_t index, std::initializer_list<DType> allowed);
void requireFloating(const InferContext& ctx, size_t index);
void requireNumeric(const InferContext& ctx, size_t index);
/// Input `index` has the element type of input `other`.
void requireSameType(const InferContext& ctx, size_t index, size_t other = 0);

/// The value of an input on which the output's shape depends. Throws UnsupportedModel when it is known only as the
/// network runs.
const Tensor& requireConstant(const InferContext& ctx, size_t index);
/// The same as integers, of rank 0 or 1 and an integer type.
std::vector<int64_t> requireConstantInts(const InferContext& ctx, size_t index);

/// Pads `types` with absent entries, or cuts it, to the number of outputs the node names.
std::vector<TensorType> forOutputs(const onnx::Node& node, std::vector<TensorType> types);

/// Output 0 has the type and shape of input 0.
std::vector<TensorType> sameAsFirst(const InferContext& ctx);

// Axes and shapes.

/// [-rank, rank) -> [0, rank); throws InvalidModel naming the attribute or input `what`.
int64_t normalizeAxis(const onnx::Node& node, int64_t axis, size_t rank, const char* what = "axis");
/// The same for a list, in the order given; an axis named twice is refused.
std::vector<int64_t> normalizeAxes(const onnx::Node& node, const std::vector<int64_t>& axes, size_t rank,
                                   const char* what = "axes");

/// Products and sums of sizes from the model; throw InvalidModel where 64 bits overflow.
int64_t multiply(const onnx::Node& node, int64_t a, int64_t b);
int64_t add(const onnx::Node& node, int64_t a, int64_t b);

/// NumPy's broadcasting, which is ONNX's "multidirectional". Throws ShapeMismatch.
Dims broadcast(const onnx::Node& node, const Dims& a, const Dims& b);

/// Elements to step for one step along each axis of a row-major array.
Dims stridesOf(const Dims& dims);
/// The same for an array of shape `dims` read as if it had shape `out`: 0 along the axes that are repeated.
/// `dims` must broadcast to `out`.
Dims broadcastStrides(const Dims& dims, const Dims& out);
/// Product of dims[from, to); like strides, of use only where the array has elements: shapes such as [0, 2^40, 2^40]
/// wrap around instead of overflowing.
int64_t countBetween(const Dims& dims, size_t from, size_t to);

/// Calls f(out, offsets…) for every element of `out` in row-major order, with the matching offset into each of the
/// arrays whose strides over `out` are given.
template <typename F>
void forEachIndex(const Dims& out, const std::vector<Dims>& strides, F&& f) {
  const int64_t total = elementCount(out);
  const size_t rank = out.size();
  Dims index(rank, 0);
  std::vector<int64_t> offsets(strides.size(), 0);
  for (int64_t i = 0; i < total; ++i) {
    f(i, offsets);
    for (size_t axis = rank; axis-- > 0;) {
      if (++index[axis] < out[axis]) {
        for (size_t k = 0; k < strides.size(); ++k) offsets[k] += strides[k][axis];
        break;
      }
      index[axis] = 0;
      for (size_t k = 0; k < strides.size(); ++k) offsets[k] -= strides[k][axis] * (out[axis] - 1);
    }
  }
}

// Element types.

template <typename T>
struct Tag {
  using type = T;
};

/// Calls f(Tag<T>{}) with the C++ type that stores `dtype`; false when the type has no arithmetic of its own (float16,
/// bfloat16, undefined). Bool is stored as uint8_t.
template <typename F>
bool dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::Float32: return f(Tag<float>{}), true;
    case DType::Float64: return f(Tag<double>{}), true;
    case DType::Int8: return f(Tag<int8_t>{}), true;
    case DType::Uint8:
    case DType::Bool: return f(Tag<uint8_t>{}), true;
    case DType::Int16: return f(Tag<int16_t>{}), true;
    case DType::Uint16: return f(Tag<uint16_t>{}), true;
    case DType::Int32: return f(Tag<int32_t>{}), true;
    case DType::Uint32: return f(Tag<uint32_t>{}), true;
    case DType::Int64: return f(Tag<int64_t>{}), true;
    case DType::Uint64: return f(Tag<uint64_t>{}), true;
    default: return false;
  }
}

/// Calls f(Tag<T>{}) with an unsigned type of the element's width, for operators that move elements and never look at
/// them.
template <typename F>
void dispatchWidth(DType dtype, F&& f) {
  switch (byteSize(dtype)) {
    case 1: f(Tag<uint8_t>{}); return;
    case 2: f(Tag<uint16_t>{}); return;
    case 4: f(Tag<uint32_t>{}); return;
    case 8: f(Tag<uint64_t>{}); return;
    default: throw Error(ErrorCode::Internal, std::string("no tensor holds elements of type ") + name(dtype));
  }
}

/// Runs `f` on float32 copies of the float16 and bfloat16 inputs and converts its outputs back. With other types, runs
/// it as it is.
void runWidened(const RunContext& ctx, std::vector<Tensor>& outputs, RunFn f);

/// The same as an entry for an operator's table.
template <RunFn f>
void widened(const RunContext& ctx, std::vector<Tensor>& outputs) {
  runWidened(ctx, outputs, f);
}

}  // namespace presisi::ops
