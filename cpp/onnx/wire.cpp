#include "onnx/wire.hpp"

#include <cstring>

#include "core/error.hpp"

namespace presisi::onnx::wire {

using protozero::pbf_wire_type;

void Message::expect(pbf_wire_type type) const {
  if (reader_.wire_type() == type) return;
  throw Error(ErrorCode::InvalidModel, std::string(what_) + ": field " + std::to_string(reader_.tag()) +
                                           " has wire type " + std::to_string(static_cast<int>(reader_.wire_type())) +
                                           " where " + std::to_string(static_cast<int>(type)) + " was expected");
}

int64_t Message::integer() {
  expect(pbf_wire_type::varint);
  return reader_.get_int64();
}

float Message::real() {
  expect(pbf_wire_type::fixed32);
  return reader_.get_float();
}

std::string_view Message::bytes() {
  expect(pbf_wire_type::length_delimited);
  const auto view = reader_.get_view();
  return {view.data(), view.size()};
}

std::string_view Message::run(pbf_wire_type scalar) {
  if (reader_.wire_type() == pbf_wire_type::length_delimited) return bytes();
  expect(scalar);
  const char* begin = reader_.data().data();
  reader_.skip();
  return {begin, static_cast<size_t>(reader_.data().data() - begin)};
}

void Message::integers(std::vector<int64_t>& out, size_t most) {
  const std::string_view payload = run(pbf_wire_type::varint);
  const char* at = payload.data();
  const char* end = at + payload.size();
  while (at < end) {
    if (out.size() == most) {
      throw Error(ErrorCode::InvalidModel,
                  std::string(what_) + ": more than " + std::to_string(most) + " elements in a list");
    }
    out.push_back(static_cast<int64_t>(protozero::decode_varint(&at, end)));
  }
}

void Message::reals(std::vector<float>& out) {
  const std::string_view payload = run(pbf_wire_type::fixed32);
  if (payload.size() % sizeof(float) != 0) {
    throw Error(ErrorCode::InvalidModel, std::string(what_) + ": a list of floats ends inside a number");
  }
  const size_t before = out.size();
  out.resize(before + payload.size() / sizeof(float));
  if (!payload.empty()) std::memcpy(out.data() + before, payload.data(), payload.size());
}

std::pair<std::string, std::string> readEntry(std::string_view bytes) {
  std::pair<std::string, std::string> result;
  Message message(bytes, "StringStringEntryProto");
  while (message.next()) {
    switch (message.field()) {
      case entry::Key: result.first = message.text(); break;
      case entry::Value: result.second = message.text(); break;
      default: message.skip();
    }
  }
  return result;
}

}  // namespace presisi::onnx::wire
