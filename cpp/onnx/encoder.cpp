#include "onnx/encoder.hpp"

#include <cstring>

namespace presisi::onnx::wire {

namespace {

/// Payloads from this size on are left where they are; below it a span costs more than the copy.
constexpr size_t kBigPayload = 4096;

constexpr uint32_t kVarint = 0;
constexpr uint32_t kLengthDelimited = 2;
constexpr uint32_t kFixed32 = 5;

/// Seven bits a byte, the lowest first; the top bit says that more follow.
void appendVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void appendKey(std::string& out, uint32_t field, uint32_t wireType) { appendVarint(out, field << 3 | wireType); }

}  // namespace

void Encoder::integer(uint32_t field, int64_t value) {
  appendKey(small_, field, kVarint);
  appendVarint(small_, static_cast<uint64_t>(value));
}

void Encoder::real(uint32_t field, float value) {
  appendKey(small_, field, kFixed32);
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  for (int shift = 0; shift < 32; shift += 8) small_.push_back(static_cast<char>(bits >> shift));
}

void Encoder::text(uint32_t field, std::string_view value) {
  appendKey(small_, field, kLengthDelimited);
  appendVarint(small_, value.size());
  small_.append(value);
}

void Encoder::packedIntegers(uint32_t field, const std::vector<int64_t>& values) {
  if (values.empty()) return;
  std::string packed;
  for (const int64_t value : values) appendVarint(packed, static_cast<uint64_t>(value));
  text(field, packed);
}

void Encoder::payload(uint32_t field, const void* data, size_t size) {
  if (size < kBigPayload) return text(field, {static_cast<const char*>(data), size});
  appendKey(small_, field, kLengthDelimited);
  appendVarint(small_, size);
  payloads_.push_back({small_.size(), {data, size}});
  payloadBytes_ += size;
}

void Encoder::message(uint32_t field, Encoder nested) {
  appendKey(small_, field, kLengthDelimited);
  appendVarint(small_, nested.size());
  for (Payload& payload : nested.payloads_) {
    payload.at += small_.size();
    payloads_.push_back(payload);
  }
  small_ += nested.small_;
  payloadBytes_ += nested.payloadBytes_;
}

std::vector<ByteSpan> Encoder::spans() const {
  std::vector<ByteSpan> parts;
  size_t done = 0;
  const auto addSmall = [&](size_t until) {
    if (until > done) parts.push_back({small_.data() + done, until - done});
    done = until;
  };
  for (const Payload& payload : payloads_) {
    addSmall(payload.at);
    parts.push_back(payload.bytes);
  }
  addSmall(small_.size());
  return parts;
}

}  // namespace presisi::onnx::wire
