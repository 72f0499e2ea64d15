#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "checkpoint/pickle.hpp"

namespace presisi::checkpoint::pickle {

/// The pickle machine: a stack, marks on it, and a memo. Runs one pickle and hands over its document.
class Machine {
 public:
  Machine(ByteView bytes, const std::string& label) : bytes_(bytes), label_(label) {}
  Document run();

 private:
  // Reading the pickle.
  const uint8_t* take(uint64_t size);
  template <typename T>
  T take() {
    return load<T>(take(sizeof(T)));
  }
  std::string_view takeLine();
  std::string_view takeText(uint64_t size);

  // The stack and the values.
  Id add(Value value);
  Id addItems(Kind kind, std::vector<Id> items);
  void push(Id id);
  void push(Value value) { push(add(value)); }
  void pushText(Kind kind, uint64_t size);
  void pushInteger(int64_t value);
  void pushLong(uint64_t size);
  void pushTuple(size_t size);
  Id pop();
  Id top() const;
  std::vector<Id> popToMark();
  void remember(uint64_t slot, Id id);
  void recall(uint64_t slot);
  const Value& at(Id id) const { return out_.values_[id]; }
  bool isText(Id id, std::string_view text) const;
  const Global* asGlobal(Id id) const;
  const std::vector<Id>& tuple(Id id, const char* what) const;
  int64_t integer(Id id, const char* what) const;
  Dims integers(Id id, const char* what) const;

  // Opcodes.
  /// True when the pickle is over.
  bool step(uint8_t opcode);
  bool stepData(uint8_t opcode);
  bool stepContainer(uint8_t opcode);
  void pushGlobal(std::string_view module, std::string_view name);
  void stackGlobal();
  void inst();
  void append(Id list, const std::vector<Id>& items);
  void setItems(Id dict, const std::vector<Id>& items);
  void reduce();
  void newObject();
  void build();
  void persistentId();
  Id call(const Global& global, Id arguments);
  Id orderedDict(const std::vector<Id>& arguments);
  Id rebuildTensor(const std::vector<Id>& arguments);

  [[noreturn]] void refuse(const std::string& reason) const;
  [[noreturn]] void refuseOpcode(uint8_t opcode);
  [[noreturn]] void refuseGlobal(std::string_view module, std::string_view name) const;

  ByteView bytes_;
  const std::string& label_;
  size_t position_ = 0;
  std::vector<Id> stack_;
  std::vector<size_t> marks_;  ///< heights of the stack
  std::unordered_map<uint64_t, Id> memo_;
  size_t elements_ = 0;  ///< in all containers together
  Document out_;
};

}  // namespace presisi::checkpoint::pickle
