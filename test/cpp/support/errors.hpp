#pragma once

#include <optional>
#include <string>

#include "core/error.hpp"

namespace presisi::test {

/// The Error that `f` throws; nothing when it throws none. Other exceptions pass.
template <typename F>
std::optional<Error> errorOf(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

/// Whether `f` throws an Error of that code whose message has `text` in it.
template <typename F>
bool throwsError(ErrorCode code, const std::string& text, F&& f) {
  const auto error = errorOf(f);
  return error && error->code() == code && std::string(error->what()).find(text) != std::string::npos;
}

}  // namespace presisi::test
