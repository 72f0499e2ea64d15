#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.hpp"

namespace presisi::onnx::wire {

/// Fields of one protobuf message, encoded. Big payloads (weights) are not copied: they are remembered as pieces of
/// memory that must outlive the encoder, so that a message costs as much memory as its small fields.
class Encoder {
 public:
  void integer(uint32_t field, int64_t value);
  void real(uint32_t field, float value);
  void text(uint32_t field, std::string_view value);
  void packedIntegers(uint32_t field, const std::vector<int64_t>& values);
  /// `data` must outlive this encoder and those that take it in.
  void payload(uint32_t field, const void* data, size_t size);
  /// A nested message. Its length precedes it, which is why it must be complete.
  void message(uint32_t field, Encoder nested);

  size_t size() const { return small_.size() + payloadBytes_; }
  /// The message in order; looks into this encoder and into the payloads.
  std::vector<ByteSpan> spans() const;

 private:
  struct Payload {
    size_t at;  ///< bytes of `small_` before it
    ByteSpan bytes;
  };

  std::string small_;
  std::vector<Payload> payloads_;  ///< by `at`, ascending
  size_t payloadBytes_ = 0;
};

}  // namespace presisi::onnx::wire
