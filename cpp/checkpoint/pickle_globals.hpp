#pragma once

#include <cstddef>
#include <string_view>

#include "core/dtype.hpp"

/// The globals that a pickle may name. The list follows what torch.load(weights_only=True) takes, less the tensors that
/// are no dense arrays, plus what published training scripts keep beside a state_dict (argparse.Namespace, NumPy's
/// scalars and arrays), which is inert data and read as such.
namespace presisi::checkpoint::pickle {

enum class Role {
  OrderedDict,
  RebuildTensor,     ///< torch._utils._rebuild_tensor_v2, and _v3, which adds the element type
  RebuildParameter,  ///< torch._utils._rebuild_parameter, _rebuild_parameter_with_state
  Storage,           ///< a type of elements in a persistent id: torch.FloatStorage
  UntypedStorage,
  ElementType,  ///< torch.float16, …
  Size,         ///< torch.Size: a tuple
  Namespace,    ///< argparse.Namespace: its attributes are kept
  Inert,        ///< made and filled, it stays opaque
};

struct Global {
  std::string_view module;
  std::string_view name;
  Role role;
  DType dtype = DType::Undefined;  ///< of Storage and ElementType; Undefined where no Tensor holds such elements
};

/// Null for everything else.
const Global* findGlobal(std::string_view module, std::string_view name);
const Global& globalAt(size_t index);
size_t indexOf(const Global& global);

}  // namespace presisi::checkpoint::pickle
