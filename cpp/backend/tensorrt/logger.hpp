#pragma once

#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "backend/tensorrt/api.hpp"
#include "core/error.hpp"

namespace presisi::tensorrt {

/// Where TensorRT's messages go. It reports failures by a null pointer and a line in the log, so the last errors are
/// kept and become the message of the Error. Called from any of TensorRT's threads; must outlive every object made
/// with it.
class Logger : public nvinfer1::ILogger {
 public:
  /// Receives messages for as long as it lives; TensorRT's objects, and so the logger, outlive those who listen.
  class Listener {
   public:
    Listener(Logger& logger, backend::LogFn sink);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

   private:
    friend class Logger;
    Logger& logger_;
    backend::LogFn sink_;
  };

  void log(Severity severity, const char* message) noexcept override;

  /// A message of our own.
  void note(backend::LogLevel level, const std::string& message) noexcept;

  /// What went wrong since this was last asked, oldest first; empty when TensorRT said nothing.
  std::string takeErrors();

  /// The Error for a call that failed while `doing`, out of what was said. OutOfMemory where that is what was said,
  /// else `code`.
  Error failure(ErrorCode code, const std::string& doing, const std::string& hint = {});

 private:
  std::mutex mutex_;
  std::vector<const Listener*> listeners_;
  std::deque<std::string> errors_;
};

/// A null pointer becomes the Error.
template <typename T>
T* require(T* object, Logger& logger, ErrorCode code, const std::string& doing, const std::string& hint = {}) {
  if (object == nullptr) throw logger.failure(code, doing, hint);
  return object;
}

inline void require(bool done, Logger& logger, ErrorCode code, const std::string& doing, const std::string& hint = {}) {
  if (!done) throw logger.failure(code, doing, hint);
}

}  // namespace presisi::tensorrt
