#include <stdexcept>

#include "calibration/table.hpp"
#include "support.hpp"

using namespace presisi;
using namespace presisi::test;
using tensorrt::api::hasImplicitCalibration;

namespace {

/// Gives the batches in turn; counts how many were taken.
struct Source {
  explicit Source(std::vector<backend::Feeds> all, std::string cache = {}, std::string method = "entropy") {
    auto calibration = std::make_shared<backend::OwnCalibration>();
    calibration->method = std::move(method);
    calibration->cache = std::move(cache);
    calibration->next = [this, all = std::move(all)](backend::Feeds& feeds) {
      if (taken == all.size()) return false;
      feeds = all[taken++];
      return true;
    };
    calibration->keep = [this](const std::string& text) { kept = text; };
    options = buildOptions("int8", 4);
    options.calibration = calibration;
    options.log = log.sink();
  }
  size_t taken = 0;
  std::string kept;
  Log log;
  backend::BuildOptions options;
};

std::vector<backend::Feeds> batches(int64_t size, int count) {
  std::vector<backend::Feeds> all;
  for (int i = 0; i < count; ++i) all.push_back(images(size, 0.1f * static_cast<float>(i)));
  return all;
}

}  // namespace

TEST_CASE("TensorRT calibrates by itself, and its cache spares the next one" * doctest::skip(!hasImplicitCalibration)) {
  for (const char* method : {"entropy", "minmax"}) {
    CAPTURE(method);
    Device device;
    Source source(batches(2, 3), {}, method);
    const auto engine = device.build(convolutions(), source.options);
    CHECK(source.taken == 3);
    const calibration::TensorRtCache cache = calibration::parseTensorRtCache(source.kept);
    CHECK(cache.version == tensorrt::api::runtimeVersionNumber());
    CHECK(cache.algorithm == (std::string(method) == "entropy" ? "EntropyCalibration2" : "MinMaxCalibration"));
    CHECK(cache.scales.count("x") == 1);
    bool int8 = false;
    for (const backend::LayerInfo& layer : engine->layers()) {
      int8 = int8 || (layer.requested == "int8" && layer.precision == "int8");
    }
    CHECK(int8);

    Source again({}, source.kept, method);
    const auto same = device.build(convolutions(), again.options);
    CHECK(again.taken == 0);
    const backend::Feeds feeds = images(1);
    CHECK(test::same(engine->createSession({})->run(feeds), same->createSession({})->run(feeds)));
  }
}

TEST_CASE("a fixed batch calibrates too" * doctest::skip(!hasImplicitCalibration)) {
  Device device;
  Source source(batches(2, 2));
  CHECK_NOTHROW(device.build(convolutions(2), source.options));
  CHECK(source.taken == 2);
}

TEST_CASE("a cache of another version or method is refused, not skipped" * doctest::skip(!hasImplicitCalibration)) {
  Device device;
  Source other(batches(1, 1), "TRT-8001-EntropyCalibration2\nx: 3c010a14\n");
  CHECK(throwsError(ErrorCode::InvalidCalibration, "TRT-8001-EntropyCalibration2",
                    [&] { device.build(convolutions(), other.options); }));
  const std::string number = std::to_string(tensorrt::api::runtimeVersionNumber());
  Source method(batches(1, 1), "TRT-" + number + "-MinMaxCalibration\nx: 3c010a14\n");
  CHECK(throwsError(ErrorCode::InvalidCalibration, "needs TRT-" + number + "-EntropyCalibration2",
                    [&] { device.build(convolutions(), method.options); }));
  Source garbage(batches(1, 1), "not a cache");
  CHECK(throwsError(ErrorCode::InvalidCalibration, "header", [&] { device.build(convolutions(), garbage.options); }));
}

TEST_CASE("what goes wrong in the source comes out unchanged" * doctest::skip(!hasImplicitCalibration)) {
  Device device;
  for (const size_t failing : {size_t{0}, size_t{2}}) {
    Source source(batches(1, 4));
    auto calibration = std::make_shared<backend::OwnCalibration>(*source.options.calibration);
    calibration->next = [&, inner = calibration->next](backend::Feeds& feeds) {
      if (source.taken == failing) throw std::domain_error("the image is broken");
      return inner(feeds);
    };
    source.options.calibration = calibration;
    CHECK_THROWS_WITH_AS(device.build(convolutions(), source.options), "the image is broken", std::domain_error);
    CHECK(source.kept.empty());
  }
}

TEST_CASE("batches that don't fit are refused or left out" * doctest::skip(!hasImplicitCalibration)) {
  Device device;
  Source none({});
  CHECK(throwsError(ErrorCode::InvalidCalibration, "no calibration data",
                    [&] { device.build(convolutions(), none.options); }));
  Source wrong({{{"x", ModelBuilder().random({1, 3, 5, 5})}}});
  CHECK(throwsError(ErrorCode::ShapeMismatch, "input \"x\"", [&] { device.build(convolutions(), wrong.options); }));
  std::vector<backend::Feeds> uneven = batches(2, 2);
  uneven.push_back(images(1));
  Source partial(uneven);
  CHECK_NOTHROW(device.build(convolutions(), partial.options));
  CHECK(partial.log.has("1 calibration batches of another shape"));
}

TEST_CASE("a calibration is canceled between batches" * doctest::skip(!hasImplicitCalibration)) {
  Device device;
  Source source(batches(1, 50));
  StopSource stop;
  const auto progress = [&](const Progress& p) {
    if (p.phase == "calibrate" && p.completed == 2) stop.requestStop();
  };
  CHECK(throwsError(ErrorCode::Canceled, "",
                    [&] { device.backend.build(convolutions(), source.options, progress, stop.token()); }));
  CHECK(source.taken == 2);
}

TEST_CASE("a calibration that contradicts the build is refused") {
  Device device;
  const auto refused = [&](const std::string& text, const onnx::Model& model, backend::BuildOptions options) {
    return throwsError(ErrorCode::InvalidArgument, text, [&] { device.build(model, options); });
  };
  Source source(batches(1, 1));
  if (!hasImplicitCalibration) {
    CHECK(refused("TensorRT 10 or older", convolutions(), source.options));
    return;
  }
  CHECK(refused("carries its scales", quantizedConvolutions(), source.options));
  Source unknown(batches(1, 1), {}, "mse");
  CHECK(refused("one of entropy, minmax", convolutions(), unknown.options));
  source.options.precision = "fp16";
  CHECK(refused("a calibration was given for an fp16 build", convolutions(), source.options));
  source.options.precision = "int8";
  if (tensorrt::api::hasStronglyTyped) {
    source.options.settings = R"({"stronglyTyped":true})";
    CHECK(refused("stronglyTyped", convolutions(), source.options));
  }
}
