#include "checkpoint/pickle_globals.hpp"

#include <algorithm>
#include <iterator>

namespace presisi::checkpoint::pickle {

namespace {

constexpr Global kGlobals[] = {
    {"collections", "OrderedDict", Role::OrderedDict},
    {"torch._utils", "_rebuild_tensor_v2", Role::RebuildTensor},
    {"torch._utils", "_rebuild_tensor_v3", Role::RebuildTensor},
    {"torch._utils", "_rebuild_parameter", Role::RebuildParameter},
    {"torch._utils", "_rebuild_parameter_with_state", Role::RebuildParameter},

    {"torch", "FloatStorage", Role::Storage, DType::Float32},
    {"torch", "HalfStorage", Role::Storage, DType::Float16},
    {"torch", "BFloat16Storage", Role::Storage, DType::Bfloat16},
    {"torch", "DoubleStorage", Role::Storage, DType::Float64},
    {"torch", "LongStorage", Role::Storage, DType::Int64},
    {"torch", "IntStorage", Role::Storage, DType::Int32},
    {"torch", "ShortStorage", Role::Storage, DType::Int16},
    {"torch", "CharStorage", Role::Storage, DType::Int8},
    {"torch", "ByteStorage", Role::Storage, DType::Uint8},
    {"torch", "BoolStorage", Role::Storage, DType::Bool},
    {"torch", "ComplexFloatStorage", Role::Storage},
    {"torch", "ComplexDoubleStorage", Role::Storage},
    {"torch", "QInt8Storage", Role::Storage},
    {"torch", "QUInt8Storage", Role::Storage},
    {"torch", "QInt32Storage", Role::Storage},
    {"torch", "QUInt4x2Storage", Role::Storage},
    {"torch", "QUInt2x4Storage", Role::Storage},
    {"torch.storage", "UntypedStorage", Role::UntypedStorage},
    {"torch.storage", "_UntypedStorage", Role::UntypedStorage},
    {"torch", "UntypedStorage", Role::UntypedStorage},
    {"torch", "_UntypedStorage", Role::UntypedStorage},
    {"torch.storage", "TypedStorage", Role::UntypedStorage},
    {"torch.storage", "_TypedStorage", Role::UntypedStorage},

    {"torch", "float32", Role::ElementType, DType::Float32},
    {"torch", "float16", Role::ElementType, DType::Float16},
    {"torch", "bfloat16", Role::ElementType, DType::Bfloat16},
    {"torch", "float64", Role::ElementType, DType::Float64},
    {"torch", "int64", Role::ElementType, DType::Int64},
    {"torch", "int32", Role::ElementType, DType::Int32},
    {"torch", "int16", Role::ElementType, DType::Int16},
    {"torch", "int8", Role::ElementType, DType::Int8},
    {"torch", "uint8", Role::ElementType, DType::Uint8},
    {"torch", "uint16", Role::ElementType, DType::Uint16},
    {"torch", "uint32", Role::ElementType, DType::Uint32},
    {"torch", "uint64", Role::ElementType, DType::Uint64},
    {"torch", "bool", Role::ElementType, DType::Bool},
    {"torch", "complex32", Role::ElementType},
    {"torch", "complex64", Role::ElementType},
    {"torch", "complex128", Role::ElementType},
    {"torch", "float8_e4m3fn", Role::ElementType},
    {"torch", "float8_e4m3fnuz", Role::ElementType},
    {"torch", "float8_e5m2", Role::ElementType},
    {"torch", "float8_e5m2fnuz", Role::ElementType},
    {"torch", "float8_e8m0fnu", Role::ElementType},

    {"torch", "Size", Role::Size},
    {"torch", "device", Role::Inert},
    {"argparse", "Namespace", Role::Namespace},
    {"collections", "Counter", Role::Inert},
    {"collections", "defaultdict", Role::Inert},
    // Protocol 2 writes bytes as the text of their Latin-1 characters.
    {"_codecs", "encode", Role::Inert},
    {"builtins", "set", Role::Inert},
    {"builtins", "frozenset", Role::Inert},
    {"builtins", "bytearray", Role::Inert},
    {"builtins", "complex", Role::Inert},
    {"builtins", "dict", Role::Inert},
    {"builtins", "list", Role::Inert},
    {"numpy", "dtype", Role::Inert},
    {"numpy", "ndarray", Role::Inert},
    {"numpy._core.multiarray", "scalar", Role::Inert},
    {"numpy._core.multiarray", "_reconstruct", Role::Inert},
    {"numpy._core.numeric", "_frombuffer", Role::Inert},
};

/// Modules under the names that older versions of Python and NumPy gave them.
std::string_view currentName(std::string_view module) {
  if (module == "__builtin__") return "builtins";
  if (module == "numpy.core.multiarray") return "numpy._core.multiarray";
  if (module == "numpy.core.numeric") return "numpy._core.numeric";
  return module;
}

}  // namespace

const Global* findGlobal(std::string_view module, std::string_view name) {
  const std::string_view current = currentName(module);
  const auto* found = std::find_if(std::begin(kGlobals), std::end(kGlobals),
                                   [&](const Global& g) { return g.name == name && g.module == current; });
  return found != std::end(kGlobals) ? found : nullptr;
}

const Global& globalAt(size_t index) { return kGlobals[index]; }
size_t indexOf(const Global& global) { return static_cast<size_t>(&global - kGlobals); }

}  // namespace presisi::checkpoint::pickle
