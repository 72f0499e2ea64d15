#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/bytes.hpp"
#include "checkpoint/pickle_globals.hpp"
#include "core/tensor.hpp"

/// A reader of the pickles that torch.save writes (protocols 2 to 5). It is an interpreter of the pickle machine whose
/// only values are plain data and descriptions of tensors: no class is looked up, no function called. A global that is
/// not in the table of pickle_globals.hpp, and an opcode that has no part in saving tensors, is refused by name.
///
/// Memory and time are linear in the pickle: values are numbered and refer to each other by number, so that shared and
/// self-referential structures cost nothing and nothing here is recursive.
namespace presisi::checkpoint::pickle {

enum class Kind : uint8_t {
  None,
  Bool,
  Integer,
  Real,
  Text,
  Bytes,
  Tuple,
  List,
  Dict,    ///< dict, OrderedDict
  Object,  ///< argparse.Namespace: its attributes are the dict it was built with
  Opaque,  ///< inert data that is not looked into: a set, a NumPy array, an integer beyond 64 bits, …
  Global,
  Storage,
  Tensor,
};

/// `a dict`, for messages.
const char* name(Kind kind);

/// The number of a value.
using Id = uint32_t;

struct Value {
  Kind kind = Kind::None;
  uint32_t size = 0;  ///< Text, Bytes: bytes
  union {
    int64_t integer = 0;  ///< Integer, Bool
    double real;
    const char* text;  ///< Text, Bytes: lies in the pickle
    uint64_t index;    ///< Tuple, List, Dict, Object, Storage, Tensor: place in their pool; Global: of the table
  };
};

/// The persistent id `("storage", type, key, location, elements)`.
struct Storage {
  DType dtype = DType::Undefined;
  std::string_view type;  ///< `FloatStorage`
  std::string_view key;   ///< the member `data/<key>` of the archive
  int64_t elements = 0;   ///< bytes of what is untyped
  bool untyped = false;
};

/// What _rebuild_tensor_v2 is told. Not yet checked against the storage's bytes.
struct TensorRecord {
  Storage storage;
  DType dtype = DType::Undefined;  ///< Undefined: a type that no Tensor holds, named by `type`
  std::string_view type;
  int64_t offset = 0;  ///< elements
  Dims dims;
  Dims strides;  ///< elements
};

class Document {
 public:
  const Value& operator[](Id id) const { return values_[id]; }
  Id root() const { return root_; }
  std::string_view text(Id id) const { return {values_[id].text, values_[id].size}; }
  /// Of a Tuple or List. Of a Dict or Object: key, value, key, value, …
  const std::vector<Id>& items(Id id) const { return items_[values_[id].index]; }
  const TensorRecord& tensor(Id id) const { return tensors_[values_[id].index]; }

 private:
  friend class Machine;
  std::vector<Value> values_;
  std::vector<std::vector<Id>> items_;
  std::vector<Storage> storages_;
  std::vector<TensorRecord> tensors_;
  Id root_ = 0;
};

/// `bytes` must outlive the document. `label` names the file in messages. Throws InvalidModel for what is truncated or
/// senseless, UnsupportedModel for what is refused.
Document read(ByteView bytes, const std::string& label);

}  // namespace presisi::checkpoint::pickle
