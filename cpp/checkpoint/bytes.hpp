#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace presisi::checkpoint {

/// A piece of a mapped file.
struct ByteView {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

/// A little-endian number that need not be aligned. All machines that presisi is built for are little-endian.
template <typename T>
T load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

/// A name found in a file, for a message: quoted, control characters escaped, cut where it is absurdly long.
std::string quote(std::string_view text);

bool isUtf8(std::string_view text);

/// The file is damaged or contradicts itself.
[[noreturn]] inline void corrupt(const std::string& message) {
  throw Error(ErrorCode::InvalidModel, message, "the file may be incomplete or damaged: fetch or save it again");
}

[[noreturn]] inline void unsupported(const std::string& message, std::string hint) {
  throw Error(ErrorCode::UnsupportedModel, message, std::move(hint));
}

/// What helps with nearly everything that can't be read from a `.pth`.
inline constexpr const char* kSaveStateDict = "save the state_dict alone: torch.save(model.state_dict(), path)";

}  // namespace presisi::checkpoint
