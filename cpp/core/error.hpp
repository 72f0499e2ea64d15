#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace presisi {

/// What went wrong, for programs. `name()` is what JavaScript sees as `error.code`; a test holds the two lists
/// together.
enum class ErrorCode {
  InvalidArgument,      ///< An option or a call is wrong.
  InvalidModel,         ///< The ONNX file is truncated, corrupt, hostile or contradicts itself.
  UnsupportedOperator,  ///< A node whose operator, version or attribute is outside the supported set.
  UnsupportedModel,     ///< A valid model that needs something we do not do (IR version, subgraphs, data type).
  ShapeMismatch,        ///< A tensor's shape, element type or name is not what the model declares.
  InvalidCalibration,   ///< No data, NaN or Inf in an activation, or a cache for another model, data set or method.
  InvalidEngine,        ///< An engine file is damaged.
  IncompatibleEngine,   ///< An engine made by another version, backend or for another device.
  BackendUnavailable,   ///< The backend is not built, or its vendor library can't be loaded.
  FileSystem,           ///< A file can't be read or written.
  OutOfMemory,          ///< An allocation failed.
  Canceled,             ///< The caller asked to stop.
  Disposed,             ///< A handle was used after it was disposed, or disposed while in use.
  Internal,             ///< A defect of presisi: please report.
};

/// The stable name, `ERR_PRESISI_…`.
const char* name(ErrorCode code);

/// The one exception type of the core. `what()` says what was wrong; `hint()` what to do about it (may be empty).
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message, std::string hint = {})
      : std::runtime_error(message), code_(code), hint_(std::move(hint)) {}
  ErrorCode code() const { return code_; }
  const std::string& hint() const { return hint_; }

 private:
  ErrorCode code_;
  std::string hint_;
};

}  // namespace presisi
