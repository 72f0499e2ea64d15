#include "support.hpp"

using namespace presisi;
using namespace presisi::test;

TEST_CASE("an engine goes through its bytes unchanged") {
  Device device;
  const onnx::Model model = quantizedConvolutions();
  const auto built = device.build(model, buildOptions("int8"));
  const std::string plan = built->serialize();
  const auto loaded = device.load(plan, buildOptions("int8"));
  CHECK(loaded->serialize() == plan);
  CHECK(loaded->inputs()[0].dims == built->inputs()[0].dims);
  const backend::Feeds feeds = images(2);
  CHECK(same(loaded->createSession({})->run(feeds), expected(model, feeds)));
  // Of a plan alone it isn't known what was asked for, only what came of it.
  for (const backend::LayerInfo& layer : loaded->layers()) {
    CHECK(layer.requested.empty());
    CHECK(layer.macs == 0);
    CHECK_FALSE(layer.precision.empty());
  }
}

TEST_CASE("an engine of another GPU is refused with what to do") {
  Device device;
  const std::string plan = device.build(convolutions(), buildOptions("fp32"))->serialize();
  const auto theirs = device.backend.probe().identity;
  REQUIRE(doubleCudaPretend("Xavier;7.2;integrated;7620;8;0"));
  const auto error = errorOf([&] { device.load(plan); });
  REQUIRE(error);
  CHECK(error->code() == ErrorCode::IncompatibleEngine);
  CHECK(std::string(error->what()).find("on Xavier (compute capability 7.2)") != std::string::npos);
  CHECK(error->hint().find("quantize the model again") != std::string::npos);
  CHECK(device.backend.mismatch(theirs).find("this is Xavier") != std::string::npos);
}

TEST_CASE("bytes that are no plan are refused") {
  Device device;
  CHECK(throwsError(ErrorCode::InvalidEngine, "empty", [&] { device.load(""); }));
  const std::string plan = device.build(convolutions(), buildOptions("fp32"))->serialize();
  std::string damaged = plan;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  for (const std::string& bytes : {std::string("garbage"), plan.substr(0, plan.size() / 2), damaged}) {
    const auto error = errorOf([&] { device.load(bytes); });
    REQUIRE(error);
    CHECK((error->code() == ErrorCode::InvalidEngine || error->code() == ErrorCode::IncompatibleEngine));
  }
}

TEST_CASE("settings of a load are checked like those of a build") {
  Device device;
  const std::string plan = device.build(convolutions(), buildOptions("fp32"))->serialize();
  CHECK(throwsError(ErrorCode::InvalidArgument, "nonsense",
                    [&] { device.load(plan, buildOptions("fp32", 1, R"({"nonsense":1})")); }));
}

TEST_CASE("every allocation that fails while loading and running is OutOfMemory and leaves nothing behind") {
  const std::string plan = Device().build(convolutions(), buildOptions("fp32"))->serialize();
  int failures = 0;
  for (int nth = 1; nth < 64; ++nth) {
    CAPTURE(nth);
    Device device;  // checks that nothing is left
    doubleCudaFailAllocation(nth);
    const auto error = errorOf([&] { device.load(plan)->createSession({})->run(images(2)); });
    if (!error) break;
    CHECK(error->code() == ErrorCode::OutOfMemory);
    ++failures;
  }
  CHECK(failures >= 4);  // input and output, on host and device
  CHECK(failures < 63);
}

TEST_CASE("a session that ran out of memory works once there is some") {
  Device device;
  const onnx::Model model = convolutions();
  const auto engine = device.build(model, buildOptions("fp32"));
  const auto session = engine->createSession({});
  session->run(images(1));
  for (int nth = 1; nth < 32; ++nth) {
    CAPTURE(nth);
    const backend::Feeds feeds = images(1 + nth % 4);  // another shape each time: memory is set up anew
    doubleCudaFailAllocation(nth);
    const auto error = errorOf([&] { session->run(feeds); });
    doubleCudaFailAllocation(0);
    if (error) CHECK(error->code() == ErrorCode::OutOfMemory);
    CHECK(same(session->run(feeds), expected(model, feeds)));
  }
}
