#pragma once

#include <doctest/doctest.h>
#include <hooks.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/reference/reference.hpp"
#include "backend/tensorrt/api.hpp"
#include "backend/tensorrt/backend.hpp"
#include "quantization/qdq.hpp"
#include "support/errors.hpp"
#include "support/model_builder.hpp"

namespace presisi::test {

/// Begins and ends every test with a device in order, on which nothing was left behind. It has memory of its own,
/// unless a test pretends otherwise.
struct Device {
  Device() {
    doubleCudaReset();
    REQUIRE(doubleCudaPretend("NVIDIA RTX 4000;8.9;discrete;16384;48;0"));
  }
  ~Device() {
    doubleCudaFailAllocation(0);
    const DoubleCudaState state = doubleCudaState();
    CHECK(state.deviceAllocations == 0);
    CHECK(state.pinnedAllocations == 0);
    CHECK(state.streams == 0);
    CHECK(state.events == 0);
    CHECK(state.graphs == 0);
    CHECK(state.invalidAccesses == 0);
    doubleCudaReset();
  }
  tensorrt::TensorRtBackend backend;

  std::shared_ptr<backend::Engine> build(const onnx::Model& model, const backend::BuildOptions& options = {}) {
    return backend.build(model, options, {}, {});
  }
  std::shared_ptr<backend::Engine> load(const std::string& plan, const backend::BuildOptions& options = {}) {
    const auto bytes = std::make_shared<const std::string>(plan);
    return backend.load(reinterpret_cast<const uint8_t*>(bytes->data()), bytes->size(), bytes, options);
  }
};

/// x [batch, 3, 6, 6] -> Conv -> Relu -> Conv -> y; `batch` -1 is dynamic.
inline onnx::Model convolutions(int64_t batch = -1) {
  ModelBuilder b;
  b.input("x", {batch, 3, 6, 6}).weight("w1", {4, 3, 3, 3}).weight("b1", {4}).weight("w2", {2, 4, 1, 1});
  b.node("Conv", {"x", "w1", "b1"}, {"c"}, {onnx::Attribute::ofInts("pads", {1, 1, 1, 1})});
  b.node("Relu", {"c"}, {"r"}).node("Conv", {"r", "w2"}, {"y"}).output("y");
  return b.model;
}

inline onnx::Model quantizedConvolutions(int64_t batch = -1) {
  const onnx::Model model = convolutions(batch);
  return quantization::insertQdq(model, uniformThresholds(model), {}).model;
}

inline backend::Feeds images(int64_t batch, float shift = 0) {
  return {{"x", ModelBuilder().random({batch, 3, 6, 6}, -1 + shift, 1 + shift)}};
}

inline std::vector<Tensor> expected(const onnx::Model& model, const backend::Feeds& feeds) {
  backend::BuildOptions options;
  options.maxBatch = 64;
  return backend::reference::instance().build(model, options, {}, {})->createSession({})->run(feeds);
}

inline bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].dims() != b[i].dims() || a[i].dtype() != b[i].dtype() || a[i].toFloats() != b[i].toFloats()) return false;
  }
  return true;
}

inline backend::BuildOptions buildOptions(const std::string& precision, int64_t maxBatch = 4,
                                          const std::string& settings = {}) {
  backend::BuildOptions options;
  options.precision = precision;
  options.maxBatch = maxBatch;
  options.settings = settings;
  return options;
}

inline backend::SessionOptions sessionOptions(const std::string& settings, bool profile = false) {
  backend::SessionOptions options;
  options.settings = settings;
  options.profile = profile;
  return options;
}

/// What was logged, to look at afterwards.
struct Log {
  std::vector<std::string> lines;
  backend::LogFn sink() {
    return [this](backend::LogLevel, const std::string& line) { lines.push_back(line); };
  }
  bool has(const std::string& text) const {
    for (const std::string& line : lines) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }
};

}  // namespace presisi::test
