#include "checkpoint/pickle.hpp"

#include "checkpoint/pickle_machine.hpp"
#include "checkpoint/pickle_opcodes.hpp"

namespace presisi::checkpoint::pickle {

namespace {

// Some 30 values describe a tensor, and a few hundred bytes: these are far beyond any published checkpoint, and keep
// what a hostile one can ask for to some hundred megabytes.
constexpr size_t kMostBytes = size_t{256} << 20;
constexpr size_t kMostValues = size_t{4} << 20;
constexpr size_t kMostElements = size_t{16} << 20;
constexpr size_t kDeepestMarks = 10000;

constexpr int kHighestProtocol = 5;

}  // namespace

const char* name(Kind kind) {
  switch (kind) {
    case Kind::None: return "None";
    case Kind::Bool: return "a bool";
    case Kind::Integer: return "an integer";
    case Kind::Real: return "a float";
    case Kind::Text: return "a string";
    case Kind::Bytes: return "bytes";
    case Kind::Tuple: return "a tuple";
    case Kind::List: return "a list";
    case Kind::Dict: return "a dict";
    case Kind::Object: return "an argparse.Namespace";
    case Kind::Opaque: return "an object";
    case Kind::Global: return "a type";
    case Kind::Storage: return "a storage";
    case Kind::Tensor: return "a tensor";
  }
  return "a value";
}

Document read(ByteView bytes, const std::string& label) {
  if (bytes.size > kMostBytes) {
    unsupported(label + ": its pickle has " + std::to_string(bytes.size) + " bytes; at most 256 MiB are read",
                kSaveStateDict);
  }
  return Machine(bytes, label).run();
}

Document Machine::run() {
  while (!step(take<uint8_t>())) {
  }
  out_.root_ = pop();
  return std::move(out_);
}

void Machine::refuse(const std::string& reason) const {
  corrupt(label_ + ": its pickle is damaged at byte " + std::to_string(position_) + ": " + reason);
}

void Machine::refuseOpcode(uint8_t opcode) {
  const char* name = refusedName(opcode);
  if (name == nullptr) refuse(std::to_string(opcode) + " is no opcode");
  unsupported(label_ + ": its pickle uses the opcode " + name + "; nothing but tensors is read",
              std::string(kSaveStateDict) + ", with torch's own pickle protocol");
}

const uint8_t* Machine::take(uint64_t size) {
  if (size > bytes_.size - position_) refuse("it ends within a value");
  const uint8_t* at = bytes_.data + position_;
  position_ += static_cast<size_t>(size);
  return at;
}

std::string_view Machine::takeText(uint64_t size) {
  const uint8_t* at = take(size);
  return {reinterpret_cast<const char*>(at), static_cast<size_t>(size)};
}

std::string_view Machine::takeLine() {
  const size_t start = position_;
  while (take<uint8_t>() != '\n') {
  }
  return {reinterpret_cast<const char*>(bytes_.data + start), position_ - start - 1};
}

Id Machine::add(Value value) {
  if (out_.values_.size() >= kMostValues) {
    unsupported(label_ + ": its pickle has more than " + std::to_string(kMostValues) + " values", kSaveStateDict);
  }
  out_.values_.push_back(value);
  return static_cast<Id>(out_.values_.size() - 1);
}

Id Machine::addItems(Kind kind, std::vector<Id> items) {
  elements_ += items.size();
  if (elements_ > kMostElements) {
    unsupported(label_ + ": its pickle's containers have more than " + std::to_string(kMostElements) + " elements",
                kSaveStateDict);
  }
  Value value;
  value.kind = kind;
  value.index = out_.items_.size();
  out_.items_.push_back(std::move(items));
  return add(value);
}

void Machine::push(Id id) {
  if (stack_.size() >= kMostValues) refuse("its stack grows beyond " + std::to_string(kMostValues) + " values");
  stack_.push_back(id);
}

void Machine::pushText(Kind kind, uint64_t size) {
  const std::string_view text = takeText(size);
  Value value;
  value.kind = kind;
  value.size = static_cast<uint32_t>(text.size());
  value.text = text.data();
  push(value);
}

void Machine::pushInteger(int64_t integer) {
  Value value;
  value.kind = Kind::Integer;
  value.integer = integer;
  push(value);
}

void Machine::pushLong(uint64_t size) {
  const uint8_t* at = take(size);
  if (size > 8) {
    Value opaque;
    opaque.kind = Kind::Opaque;
    return push(opaque);
  }
  // Two's complement, little-endian, of as many bytes as it needs.
  uint64_t bits = size > 0 && (at[size - 1] & 0x80) != 0 ? ~uint64_t{0} : 0;
  if (size > 0) std::memcpy(&bits, at, static_cast<size_t>(size));
  pushInteger(static_cast<int64_t>(bits));
}

Id Machine::pop() {
  const Id id = top();
  stack_.pop_back();
  return id;
}

Id Machine::top() const {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) refuse("it takes a value that isn't there");
  return stack_.back();
}

std::vector<Id> Machine::popToMark() {
  if (marks_.empty()) refuse("it goes back to a mark that isn't there");
  const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<Id> items(from, stack_.end());
  stack_.erase(from, stack_.end());
  marks_.pop_back();
  return items;
}

void Machine::pushTuple(size_t size) {
  std::vector<Id> items(size);
  for (size_t i = size; i-- > 0;) items[i] = pop();
  push(addItems(Kind::Tuple, std::move(items)));
}

void Machine::remember(uint64_t slot, Id id) {
  memo_[slot] = id;
  if (memo_.size() > kMostValues) refuse("its memo grows beyond " + std::to_string(kMostValues) + " values");
}

void Machine::recall(uint64_t slot) {
  const auto found = memo_.find(slot);
  if (found == memo_.end()) refuse("it recalls memo " + std::to_string(slot) + ", which isn't there");
  push(found->second);
}

bool Machine::step(uint8_t opcode) {
  switch (opcode) {
    case kStop: return true;
    case kProto: {
      const int protocol = take<uint8_t>();
      if (protocol > kHighestProtocol) refuse("protocol " + std::to_string(protocol) + " is unknown");
      return false;
    }
    case kFrame: take<uint64_t>(); return false;  // a hint for readers of streams
    case kMark:
      if (marks_.size() >= kDeepestMarks) refuse("it nests deeper than " + std::to_string(kDeepestMarks) + " levels");
      marks_.push_back(stack_.size());
      return false;
    case kPop:
      // As Python has it: where a mark is on top, the mark is what goes.
      if (!marks_.empty() && marks_.back() == stack_.size()) {
        marks_.pop_back();
      } else {
        pop();
      }
      return false;
    case kPopMark: popToMark(); return false;
    case kDup: push(top()); return false;
    case kBinGet: recall(take<uint8_t>()); return false;
    case kLongBinGet: recall(take<uint32_t>()); return false;
    case kBinPut: remember(take<uint8_t>(), top()); return false;
    case kLongBinPut: remember(take<uint32_t>(), top()); return false;
    case kMemoize: remember(memo_.size(), top()); return false;
    case kGlobal: {
      const std::string_view module = takeLine();
      pushGlobal(module, takeLine());
      return false;
    }
    case kStackGlobal: stackGlobal(); return false;
    case kInst: inst(); return false;
    case kReduce: reduce(); return false;
    case kNewObj: newObject(); return false;
    case kBuild: build(); return false;
    case kBinPersId: persistentId(); return false;
    default:
      if (!stepData(opcode) && !stepContainer(opcode)) refuseOpcode(opcode);
      return false;
  }
}

bool Machine::stepData(uint8_t opcode) {
  Value value;
  switch (opcode) {
    case kNone: push(value); return true;
    case kNewTrue:
    case kNewFalse:
      value.kind = Kind::Bool;
      value.integer = opcode == kNewTrue ? 1 : 0;
      push(value);
      return true;
    case kBinInt: pushInteger(take<int32_t>()); return true;
    case kBinInt1: pushInteger(take<uint8_t>()); return true;
    case kBinInt2: pushInteger(take<uint16_t>()); return true;
    case kLong1: pushLong(take<uint8_t>()); return true;
    case kLong4: pushLong(take<uint32_t>()); return true;
    case kBinFloat: {
      const uint64_t bits = __builtin_bswap64(take<uint64_t>());  // the one big-endian number of the format
      value.kind = Kind::Real;
      std::memcpy(&value.real, &bits, sizeof bits);
      push(value);
      return true;
    }
    case kShortBinUnicode: pushText(Kind::Text, take<uint8_t>()); return true;
    case kBinUnicode: pushText(Kind::Text, take<uint32_t>()); return true;
    case kBinUnicode8: pushText(Kind::Text, take<uint64_t>()); return true;
    case kShortBinString: pushText(Kind::Text, take<uint8_t>()); return true;
    case kBinString: pushText(Kind::Text, take<uint32_t>()); return true;
    case kShortBinBytes: pushText(Kind::Bytes, take<uint8_t>()); return true;
    case kBinBytes: pushText(Kind::Bytes, take<uint32_t>()); return true;
    case kBinBytes8:
    case kByteArray8: pushText(Kind::Bytes, take<uint64_t>()); return true;
    default: return false;
  }
}

bool Machine::stepContainer(uint8_t opcode) {
  Value opaque;
  opaque.kind = Kind::Opaque;
  switch (opcode) {
    case kEmptyTuple: pushTuple(0); return true;
    case kTuple1: pushTuple(1); return true;
    case kTuple2: pushTuple(2); return true;
    case kTuple3: pushTuple(3); return true;
    case kTuple: push(addItems(Kind::Tuple, popToMark())); return true;
    case kEmptyList: push(addItems(Kind::List, {})); return true;
    case kList: push(addItems(Kind::List, popToMark())); return true;
    case kEmptyDict: push(addItems(Kind::Dict, {})); return true;
    case kDict: {
      const std::vector<Id> items = popToMark();
      const Id dict = addItems(Kind::Dict, {});
      setItems(dict, items);
      push(dict);
      return true;
    }
    case kEmptySet: push(opaque); return true;
    case kFrozenSet:
      popToMark();
      push(opaque);
      return true;
    case kAppend: {
      const Id item = pop();
      append(top(), {item});
      return true;
    }
    case kAppends:
    case kAddItems: {
      const std::vector<Id> items = popToMark();
      append(top(), items);
      return true;
    }
    case kSetItem: {
      const Id value = pop();
      const Id key = pop();
      setItems(top(), {key, value});
      return true;
    }
    case kSetItems: {
      const std::vector<Id> items = popToMark();
      setItems(top(), items);
      return true;
    }
    default: return false;
  }
}

void Machine::append(Id list, const std::vector<Id>& items) {
  const Kind kind = at(list).kind;
  if (kind == Kind::Opaque) return;
  if (kind != Kind::List) refuse(std::string("it appends to ") + name(kind));
  elements_ += items.size();
  if (elements_ > kMostElements) refuse("its containers grow beyond " + std::to_string(kMostElements) + " elements");
  auto& all = out_.items_[at(list).index];
  all.insert(all.end(), items.begin(), items.end());
}

void Machine::setItems(Id dict, const std::vector<Id>& items) {
  const Kind kind = at(dict).kind;
  if (items.size() % 2 != 0) refuse("a key of a dict has no value");
  if (kind == Kind::Opaque) return;
  if (kind != Kind::Dict) refuse(std::string("it sets items of ") + name(kind));
  elements_ += items.size();
  if (elements_ > kMostElements) refuse("its containers grow beyond " + std::to_string(kMostElements) + " elements");
  auto& all = out_.items_[at(dict).index];
  all.insert(all.end(), items.begin(), items.end());
}

}  // namespace presisi::checkpoint::pickle
