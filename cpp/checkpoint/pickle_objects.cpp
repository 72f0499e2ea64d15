// What a pickle would construct: the opcodes that name a global, call it, or fill what it made.

#include "checkpoint/pickle_machine.hpp"

namespace presisi::checkpoint::pickle {

namespace {

/// torch::Tensor itself stops at 64.
constexpr size_t kMostDims = 64;
/// A call can be repeated in a few bytes, a tensor's description takes up to a kilobyte.
constexpr size_t kMostTensors = size_t{1} << 18;

bool startsWith(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

/// Where the classes of whole models live.
bool isModule(std::string_view module) {
  for (const char* package : {"torch.nn.modules", "torch.nn.parallel", "torch.fx", "torchvision.models", "timm."}) {
    if (startsWith(module, package)) return true;
  }
  return false;
}

}  // namespace

void Machine::refuseGlobal(std::string_view module, std::string_view name) const {
  const std::string full = quote(std::string(module) + "." + std::string(name));
  if (isModule(module)) {
    unsupported(
        label_ + ": it is a whole pickled module, made of classes such as " + full + "; nothing but tensors is read",
        kSaveStateDict);
  }
  unsupported(label_ + ": the checkpoint names the global " + full + "; nothing but tensors is read", kSaveStateDict);
}

bool Machine::isText(Id id, std::string_view text) const { return at(id).kind == Kind::Text && out_.text(id) == text; }

const Global* Machine::asGlobal(Id id) const { return at(id).kind == Kind::Global ? &globalAt(at(id).index) : nullptr; }

const std::vector<Id>& Machine::tuple(Id id, const char* what) const {
  if (at(id).kind != Kind::Tuple) refuse(std::string(what) + " should be a tuple but is " + pickle::name(at(id).kind));
  return out_.items(id);
}

int64_t Machine::integer(Id id, const char* what) const {
  if (at(id).kind != Kind::Integer) {
    refuse(std::string(what) + " should be an integer of 64 bits but is " + pickle::name(at(id).kind));
  }
  return at(id).integer;
}

Dims Machine::integers(Id id, const char* what) const {
  const std::vector<Id>& items = tuple(id, what);
  if (items.size() > kMostDims) refuse(std::string(what) + " has " + std::to_string(items.size()) + " dimensions");
  Dims out;
  out.reserve(items.size());
  for (const Id item : items) out.push_back(integer(item, what));
  return out;
}

void Machine::pushGlobal(std::string_view module, std::string_view name) {
  const Global* global = findGlobal(module, name);
  if (global == nullptr) refuseGlobal(module, name);
  Value value;
  value.kind = Kind::Global;
  value.index = indexOf(*global);
  push(value);
}

void Machine::stackGlobal() {
  const Id name = pop();
  const Id module = pop();
  if (at(name).kind != Kind::Text || at(module).kind != Kind::Text) refuse("the name of a global is no string");
  pushGlobal(out_.text(module), out_.text(name));
}

void Machine::inst() {
  const std::string_view module = takeLine();
  const std::string_view name = takeLine();
  if (findGlobal(module, name) == nullptr) refuseGlobal(module, name);
  refuseOpcode('i');
}

void Machine::reduce() {
  const Id arguments = pop();
  const Id callee = pop();
  const Global* global = asGlobal(callee);
  if (global == nullptr) refuse(std::string("it calls ") + name(at(callee).kind));
  push(call(*global, arguments));
}

void Machine::newObject() {
  const Id arguments = pop();
  const Id callee = pop();
  const Global* global = asGlobal(callee);
  if (global == nullptr) refuse(std::string("it makes an object of ") + name(at(callee).kind));
  switch (global->role) {
    case Role::OrderedDict:
    case Role::Namespace:
    case Role::Inert: return push(call(*global, arguments));
    default: refuseGlobal(global->module, global->name);
  }
}

void Machine::build() {
  const Id state = pop();
  const Id target = top();
  switch (at(target).kind) {
    // Attributes: of a state_dict, its `_metadata`; of what is opaque, nothing to keep.
    case Kind::Dict:
    case Kind::Opaque: return;
    case Kind::Object:
      if (at(state).kind != Kind::Dict) refuse("an argparse.Namespace is not built of a dict");
      out_.values_[target].index = at(state).index;
      return;
    default: refuse(std::string("it builds upon ") + name(at(target).kind));
  }
}

Id Machine::call(const Global& global, Id arguments) {
  const std::vector<Id>& given = tuple(arguments, "the arguments of a call");
  switch (global.role) {
    case Role::OrderedDict: return orderedDict(given);
    case Role::RebuildTensor: return rebuildTensor(given);
    case Role::RebuildParameter:
      if (given.empty() || at(given[0]).kind != Kind::Tensor) refuse("a parameter is made of no tensor");
      return given[0];
    case Role::Size:
      if (given.size() != 1) refuse("a torch.Size is made of " + std::to_string(given.size()) + " values");
      tuple(given[0], "a torch.Size");
      return given[0];
    case Role::Namespace: return addItems(Kind::Object, {});
    case Role::Inert: {
      Value opaque;
      opaque.kind = Kind::Opaque;
      return add(opaque);
    }
    case Role::Storage:
    case Role::UntypedStorage:
    case Role::ElementType: break;
  }
  refuse("it calls the type " + std::string(global.module) + "." + std::string(global.name));
}

/// `OrderedDict()`, or of a list of pairs, as Python 2 wrote it.
Id Machine::orderedDict(const std::vector<Id>& arguments) {
  const bool plain = arguments.empty();
  if (!plain && (arguments.size() != 1 || at(arguments[0]).kind != Kind::List)) {
    refuse("an OrderedDict is made of something else than a list of pairs");
  }
  std::vector<Id> all;
  if (!plain) {
    for (const Id pair : out_.items(arguments[0])) {
      const bool sequence = at(pair).kind == Kind::List || at(pair).kind == Kind::Tuple;
      if (!sequence || out_.items(pair).size() != 2) refuse("an OrderedDict is made of something else than pairs");
      all.insert(all.end(), out_.items(pair).begin(), out_.items(pair).end());
    }
  }
  return addItems(Kind::Dict, std::move(all));
}

/// (storage, offset, size, stride, requires_grad, hooks[, element type][, metadata])
Id Machine::rebuildTensor(const std::vector<Id>& arguments) {
  if (arguments.size() < 6 || arguments.size() > 8) {
    refuse("a tensor is described by " + std::to_string(arguments.size()) + " values");
  }
  if (at(arguments[0]).kind != Kind::Storage) refuse("a tensor lies in no storage");
  if (out_.tensors_.size() >= kMostTensors) {
    unsupported(label_ + ": it has more than " + std::to_string(kMostTensors) + " tensors", kSaveStateDict);
  }
  TensorRecord tensor;
  tensor.storage = out_.storages_[at(arguments[0]).index];
  tensor.dtype = tensor.storage.dtype;
  tensor.type = tensor.storage.type;
  tensor.offset = integer(arguments[1], "the offset of a tensor");
  tensor.dims = integers(arguments[2], "the size of a tensor");
  tensor.strides = integers(arguments[3], "the stride of a tensor");
  const Global* type = arguments.size() > 6 ? asGlobal(arguments[6]) : nullptr;
  if (type != nullptr && type->role == Role::ElementType) {
    if (!tensor.storage.untyped && tensor.dtype != type->dtype) refuse("a tensor's two element types differ");
    tensor.dtype = type->dtype;
    tensor.type = type->name;
  }
  if (tensor.dims.size() != tensor.strides.size()) {
    refuse("a tensor has " + std::to_string(tensor.dims.size()) + " dimensions but " +
           std::to_string(tensor.strides.size()) + " strides");
  }
  Value value;
  value.kind = Kind::Tensor;
  value.index = out_.tensors_.size();
  out_.tensors_.push_back(std::move(tensor));
  return add(value);
}

void Machine::persistentId() {
  const std::vector<Id>& parts = tuple(pop(), "a persistent id");
  if (parts.size() != 5 || !isText(parts[0], "storage")) refuse("a persistent id does not describe a storage");
  const Global* type = asGlobal(parts[1]);
  if (type == nullptr || (type->role != Role::Storage && type->role != Role::UntypedStorage)) {
    refuse("the type of a storage is no type of storages");
  }
  if (at(parts[2]).kind != Kind::Text) refuse("the key of a storage is no string");
  Storage storage;
  storage.dtype = type->dtype;
  storage.type = type->name;
  storage.key = out_.text(parts[2]);
  storage.elements = integer(parts[4], "the element count of a storage");
  storage.untyped = type->role == Role::UntypedStorage;
  if (storage.elements < 0) refuse("a storage has a negative number of elements");
  Value value;
  value.kind = Kind::Storage;
  value.index = out_.storages_.size();
  out_.storages_.push_back(storage);
  push(value);
}

}  // namespace presisi::checkpoint::pickle
