// A libFuzzer target for the ONNX reader, the writer, and what runs before a model is known to be good.
//
//   clang++-14 -std=c++17 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -Icpp \
//     test/fuzz/onnx_reader.cpp cpp/core/*.cpp cpp/onnx/*.cpp cpp/ops/*.cpp cpp/graph/*.cpp -o onnx_reader
//   mkdir -p corpus && ./onnx_reader -max_len=4096 -rss_limit_mb=2048 -max_total_time=180 corpus seeds/
//
// where seeds/ holds small .onnx files. Built without -DNDEBUG, so that protozero's assertions count too.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/error.hpp"
#include "graph/passes.hpp"
#include "onnx/reader.hpp"
#include "onnx/writer.hpp"

using namespace presisi;

namespace {

/// Whatever was read can be written, and what was written reads back to the same bytes.
void roundTrip(const onnx::Model& model) {
  const std::string bytes = onnx::writeModel(model, true);
  const auto again = onnx::readModel(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), nullptr);
  if (onnx::writeModel(again, true) != bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  onnx::Model model;
  try {
    model = onnx::readModel(data, size, nullptr);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::InvalidModel || error.code() == ErrorCode::UnsupportedModel) return 0;
    std::abort();
  }
  roundTrip(model);
  try {
    graph::simplify(model);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::Internal) std::abort();
  }
  return 0;
}
