#include "calibration/calibrator.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "backend/registry.hpp"
#include "core/error.hpp"
#include "core/trace.hpp"
#include "support/interpreter.hpp"
#include "support/model_builder.hpp"

using namespace presisi;
using calibration::Calibrator;
using calibration::Histogram;
using calibration::Method;

namespace {

/// Big enough maps that threads share the counting.
onnx::Model network() {
  test::ModelBuilder b;
  b.input("x", {-1, 3, 64, 64});
  b.weight("w1", {16, 3, 3, 3}).weight("w2", {4, 16, 1, 1});
  b.node("Conv", {"x", "w1"}, {"c1"}, {onnx::Attribute::ofInts("pads", {1, 1, 1, 1})});
  b.node("Relu", {"c1"}, {"r1"});
  b.node("Conv", {"r1", "w2"}, {"y"});
  b.output("y");
  return b.model;
}

Tensor images(int64_t count) {
  test::ModelBuilder b;
  return b.random({count, 3, 64, 64}, -2, 2);
}

Tensor slice(const Tensor& tensor, int64_t first, int64_t count) {
  Dims dims = tensor.dims();
  const int64_t each = tensor.size() / dims[0];
  dims[0] = count;
  return Tensor::view(DType::Float32, dims, tensor.data<float>() + first * each);
}

Calibrator make(const onnx::Model& model, std::vector<std::string> tensors, int threads, int64_t maxBatch) {
  return Calibrator(model, std::move(tensors), backend::get("reference"), threads, maxBatch, {}, {});
}

bool isSame(const Histogram& a, const Histogram& b) {
  return a.bins() == b.bins() && a.width() == b.width() && a.zeros() == b.zeros() && a.total() == b.total() &&
         a.min() == b.min() && a.max() == b.max();
}

ErrorCode codeOf(const std::function<void()>& action, std::string* message = nullptr) {
  try {
    action();
  } catch (const Error& error) {
    if (message != nullptr) *message = error.what();
    return error.code();
  }
  return ErrorCode::Internal;
}

}  // namespace

TEST_CASE("calibrator: reads inputs and activations, whatever the batches and threads") {
  const onnx::Model model = network();
  const Tensor data = images(7);
  Calibrator whole = make(model, {"x", "r1"}, 1, 7);
  whole.collect({{"x", data}}, {});
  REQUIRE(whole.samples() == 7);
  CHECK(whole.histograms().at("x").total() == 7 * 3 * 64 * 64);
  CHECK(whole.histograms().at("r1").total() == 7 * 16 * 64 * 64);

  // Against the values themselves.
  onnx::Model exposed = model;
  onnx::ValueInfo value;
  value.name = "r1";
  exposed.graph.outputs.push_back(value);
  const std::vector<float> relu = test::interpret(exposed, {{"x", data}}).at("r1").toFloats();
  Histogram expected;
  expected.add(relu.data(), static_cast<int64_t>(relu.size()));
  CHECK(isSame(whole.histograms().at("r1"), expected));

  for (const int threads : {1, 3}) {
    Calibrator cut = make(model, {"x", "r1"}, threads, 3);
    for (int64_t first = 0; first < 7; first += 3) {
      cut.collect({{"x", slice(data, first, std::min<int64_t>(3, 7 - first))}}, {});  // 3, 3 and a ragged 1
    }
    CHECK(cut.samples() == 7);
    for (const char* tensor : {"x", "r1"}) CHECK(isSame(cut.histograms().at(tensor), whole.histograms().at(tensor)));
  }
}

TEST_CASE("calibrator: running and counting are phases that take turns") {
  Calibrator calibrator = make(network(), {"x", "r1", "c1"}, 1, 1);
  Trace trace;
  for (int i = 0; i < 2; ++i) calibrator.collect({{"x", images(1)}}, {});
  const std::vector<SpanRecord> records = trace.take();
  REQUIRE(records.size() == 2);
  CHECK(records[0].name == "run");
  CHECK(records[1].name == "collect");
  // Each batch: run up to c1, count it, run up to r1, count it, run to the end, count the input.
  CHECK(records[0].count == 6);
  CHECK(records[1].count == 6);
  CHECK(records[0].depth == 0);
  CHECK(records[1].depth == 0);
}

TEST_CASE("calibrator: one collection, solved by every method") {
  Calibrator calibrator = make(network(), {"r1", "x", "r1"}, 2, 4);
  calibrator.collect({{"x", images(4)}}, {});
  for (const Method method : {Method::MinMax, Method::Percentile, Method::Mse, Method::Entropy}) {
    double last = 0;
    const auto thresholds = calibrator.solve({method},
                                             [&](const Progress& p) {
                                               CHECK(p.phase == "solve");
                                               CHECK(p.total == 2);
                                               last = p.completed;
                                             },
                                             {});
    CHECK(last == 2);
    REQUIRE(thresholds.size() == 2);
    const calibration::Threshold& relu = thresholds.at("r1");
    CHECK(relu.amax == solve(calibrator.histograms().at("r1"), {method}));
    CHECK(relu.min == 0);
    CHECK(relu.max > 0);
    CHECK(relu.samples == 4 * 16 * 64 * 64);
    CHECK(thresholds.at("x").min < 0);
  }
}

TEST_CASE("calibrator: a graph output can be asked for, and others are ignored") {
  onnx::Model model = network();
  Calibrator calibrator = make(model, {"y"}, 1, 1);
  calibrator.collect({{"x", images(1)}}, {});
  CHECK(calibrator.histograms().size() == 1);
  CHECK(calibrator.histograms().at("y").total() == 4 * 64 * 64);
}

TEST_CASE("calibrator: NaN and infinities name the tensor and the sample, and spoil the collection") {
  for (const float bad : {NAN, INFINITY}) {
    Calibrator calibrator = make(network(), {"r1"}, 2, 2);
    calibrator.collect({{"x", images(2)}}, {});
    Tensor data = images(2);
    data.data<float>()[data.size() / 2 + 5] = bad;
    std::string message;
    CHECK(codeOf([&] { calibrator.collect({{"x", data}}, {}); }, &message) == ErrorCode::InvalidCalibration);
    CAPTURE(message);
    CHECK(message.find("\"r1\"") != std::string::npos);
    CHECK(message.find("samples 2 to 3") != std::string::npos);
    CHECK(message.find("first in sample 3") != std::string::npos);
    CHECK(codeOf([&] { calibrator.collect({{"x", images(1)}}, {}); }) == ErrorCode::InvalidCalibration);
    CHECK(codeOf([&] { calibrator.solve({}, {}, {}); }) == ErrorCode::InvalidCalibration);
  }
}

TEST_CASE("calibrator: feeds that don't fit are refused and cost nothing") {
  Calibrator calibrator = make(network(), {"x", "r1"}, 1, 2);
  CHECK(codeOf([&] { calibrator.solve({}, {}, {}); }) == ErrorCode::InvalidCalibration);  // no data
  CHECK(codeOf([&] { calibrator.collect({}, {}); }) == ErrorCode::InvalidCalibration);
  CHECK(codeOf([&] { calibrator.collect({{"z", images(1)}}, {}); }) == ErrorCode::ShapeMismatch);
  CHECK(codeOf([&] {
          calibrator.collect({{"x", Tensor(DType::Float32, {1, 3, 64})}}, {});
        }) == ErrorCode::ShapeMismatch);
  CHECK(codeOf([&] {
          calibrator.collect({{"x", Tensor(DType::Float32, {0, 3, 64, 64})}}, {});
        }) == ErrorCode::InvalidCalibration);
  CHECK(calibrator.samples() == 0);
  calibrator.collect({{"x", images(2)}}, {});
  CHECK(calibrator.solve({}, {}, {}).size() == 2);
}

TEST_CASE("calibrator: stops when asked, and refuses unknown tensors") {
  Calibrator calibrator = make(network(), {"r1"}, 1, 1);
  StopSource source;
  source.requestStop();
  CHECK(codeOf([&] { calibrator.collect({{"x", images(1)}}, source.token()); }) == ErrorCode::Canceled);
  CHECK(codeOf([&] { make(network(), {"nowhere"}, 1, 1); }) == ErrorCode::InvalidArgument);
}
