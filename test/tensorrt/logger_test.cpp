#include "backend/tensorrt/logger.hpp"

#include <stdexcept>
#include <thread>

#include "support.hpp"

using namespace presisi;
using namespace presisi::test;
using tensorrt::Logger;
using Severity = nvinfer1::ILogger::Severity;

TEST_CASE("messages reach those who listen, without the verbose ones") {
  Logger logger;
  Log log;
  logger.log(Severity::kINFO, "unheard");
  {
    const Logger::Listener listener(logger, log.sink());
    logger.log(Severity::kVERBOSE, "tactic 7");
    logger.log(Severity::kINFO, "building");
    logger.log(Severity::kWARNING, "slow");
    logger.log(Severity::kERROR, nullptr);
  }
  logger.log(Severity::kINFO, "gone");
  CHECK(log.lines == std::vector<std::string>{"building", "slow"});
}

TEST_CASE("the last errors become the message of the Error, once") {
  Logger logger;
  for (int i = 0; i < 10; ++i) logger.log(Severity::kERROR, ("error " + std::to_string(i)).c_str());
  const Error error = logger.failure(ErrorCode::UnsupportedModel, "building", "a hint");
  CHECK(error.code() == ErrorCode::UnsupportedModel);
  CHECK(error.hint() == "a hint");
  const std::string text = error.what();
  CHECK(text.find("failed while building: ") != std::string::npos);
  CHECK(text.find("error 9") != std::string::npos);
  CHECK(text.find("error 3") == std::string::npos);
  CHECK(std::string(logger.failure(ErrorCode::Internal, "x").what()).find("no reason") != std::string::npos);
}

TEST_CASE("running out of memory is recognised in what is said") {
  for (const char* text : {"Cuda Runtime (out of memory)", "[allocator] OutOfMemory", "cudaErrorMemoryAllocation"}) {
    Logger logger;
    logger.log(Severity::kINTERNAL_ERROR, text);
    CHECK(logger.failure(ErrorCode::Internal, "x").code() == ErrorCode::OutOfMemory);
  }
}

TEST_CASE("a listener that throws harms nobody, and many threads may log") {
  Logger logger;
  int heard = 0;
  const Logger::Listener bad(logger, [](backend::LogLevel, const std::string&) { throw std::runtime_error("no"); });
  logger.log(Severity::kERROR, "first");
  CHECK(logger.takeErrors() == "first");
  Logger other;
  const Logger::Listener listener(other, [&](backend::LogLevel, const std::string&) { ++heard; });
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 100; ++k) other.log(Severity::kWARNING, "w");
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(heard == 400);
}
