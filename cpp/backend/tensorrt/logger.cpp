#include "backend/tensorrt/logger.hpp"

#include <algorithm>
#include <cctype>

namespace presisi::tensorrt {

namespace {

/// One failure is often told in several lines, but what came long before has little to do with it.
constexpr size_t kKept = 6;

backend::LogLevel levelOf(nvinfer1::ILogger::Severity severity) {
  using Severity = nvinfer1::ILogger::Severity;
  switch (severity) {
    case Severity::kINTERNAL_ERROR:
    case Severity::kERROR: return backend::LogLevel::Error;
    case Severity::kWARNING: return backend::LogLevel::Warning;
    case Severity::kINFO: return backend::LogLevel::Info;
    default: return backend::LogLevel::Verbose;
  }
}

bool saysOutOfMemory(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* sign : {"out of memory", "outofmemory", "out_of_memory", "cudaerrormemoryallocation"}) {
    if (text.find(sign) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

Logger::Listener::Listener(Logger& logger, backend::LogFn sink) : logger_(logger), sink_(std::move(sink)) {
  if (!sink_) return;
  const std::lock_guard<std::mutex> lock(logger_.mutex_);
  logger_.listeners_.push_back(this);
}

Logger::Listener::~Listener() {
  const std::lock_guard<std::mutex> lock(logger_.mutex_);
  auto& all = logger_.listeners_;
  all.erase(std::remove(all.begin(), all.end(), this), all.end());
}

void Logger::log(Severity severity, const char* message) noexcept {
  // Verbose output is thousands of lines per layer: building strings of it would slow the build down.
  if (severity == Severity::kVERBOSE || message == nullptr) return;
  try {
    note(levelOf(severity), message);
  } catch (...) {
    // No memory for a string: nothing may leave a callback, and the message is all that is lost.
  }
}

void Logger::note(backend::LogLevel level, const std::string& message) noexcept {
  try {
    // One at a time: listeners needn't be thread-safe.
    const std::lock_guard<std::mutex> lock(mutex_);
    if (level == backend::LogLevel::Error) {
      errors_.push_back(message);
      if (errors_.size() > kKept) errors_.pop_front();
    }
    for (const Listener* listener : listeners_) listener->sink_(level, message);
  } catch (...) {
    // As above; a listener that throws breaks its contract.
  }
}

std::string Logger::takeErrors() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::string text;
  for (const std::string& error : errors_) text += (text.empty() ? "" : "; ") + error;
  errors_.clear();
  return text;
}

Error Logger::failure(ErrorCode code, const std::string& doing, const std::string& hint) {
  const std::string said = takeErrors();
  const std::string message =
      std::string(api::productName()) + " failed while " + doing + ": " + (said.empty() ? "it gave no reason" : said);
  if (saysOutOfMemory(said)) {
    return Error(ErrorCode::OutOfMemory, message,
                 "use a smaller batch or workspaceBytes, or free the GPU of other work");
  }
  return Error(code, message, hint);
}

}  // namespace presisi::tensorrt
