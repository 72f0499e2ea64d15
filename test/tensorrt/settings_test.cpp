#include "backend/tensorrt/settings.hpp"

#include <doctest/doctest.h>

#include "support/errors.hpp"

using namespace presisi;
using namespace presisi::tensorrt;
using presisi::test::throwsError;

namespace {

bool refused(const std::string& json, const std::string& text) {
  return throwsError(ErrorCode::InvalidArgument, text, [&] { parseBuildSettings(json); });
}

/// A setting that only some versions have is read there and refused elsewhere, saying which have it.
void checkFeature(bool available, const std::string& json, const std::string& versions) {
  CAPTURE(json);
  if (available) {
    CHECK_NOTHROW(parseBuildSettings(json));
  } else {
    CHECK(refused(json, versions));
    CHECK(refused(json, api::compiledVersion().text()));
  }
}

}  // namespace

TEST_CASE("no settings are TensorRT's defaults") {
  const BuildSettings settings = parseBuildSettings("");
  CHECK(settings.tf32);
  CHECK(settings.halfFallback);
  CHECK(settings.gpuFallback);
  CHECK_FALSE(settings.workspaceBytes);
  CHECK_FALSE(settings.optimizationLevel);
  CHECK(settings.stronglyTyped == api::isStronglyTypedOnly);
  CHECK(parseSessionSettings("{}").transfers);
}

TEST_CASE("every setting is read") {
  const BuildSettings settings = parseBuildSettings(
      R"({"tf32":false,"workspaceBytes":1048576,"timingCache":"a.cache","dlaCore":1,"gpuFallback":false,"sparsity":true,
          "refit":true,"deterministic":true,"avgTimingIterations":3,
          "profiles":{"x":{"min":[1,3],"opt":[2,3],"max":[4,3]}}})");
  CHECK_FALSE(settings.tf32);
  CHECK(settings.workspaceBytes == 1048576);
  CHECK(settings.timingCache == "a.cache");
  CHECK(settings.dlaCore == 1);
  CHECK_FALSE(settings.gpuFallback);
  CHECK(settings.sparsity);
  CHECK(settings.refit);
  CHECK(settings.deterministic);
  CHECK(settings.avgTimingIterations == 3);
  CHECK(settings.profiles.at("x").opt == Dims{2, 3});
}

TEST_CASE("settings of the wrong kind are refused by name") {
  CHECK(refused("[1]", "a JSON object"));
  CHECK(refused("{", "isn't JSON"));
  CHECK(refused(R"({"tensorFloat":true})", "tensorFloat"));
  CHECK(refused(R"({"tf32":1})", "true or false for tf32 but received 1 of type number"));
  CHECK(refused(R"({"workspaceBytes":0})", "workspaceBytes"));
  CHECK(refused(R"({"workspaceBytes":1.5})", "workspaceBytes"));
  CHECK(refused(R"({"workspaceBytes":18446744073709551615})", "workspaceBytes"));
  CHECK(refused(R"({"timingCache":""})", "timingCache"));
  CHECK(refused(R"({"fallback":"bf16"})", "one of fp16, fp32 for fallback"));
  CHECK(refused(R"({"dlaCore":-1})", "dlaCore"));
  CHECK(refused(R"({"profiles":{"x":{"min":[1],"opt":[1]}}})", "min, opt and max"));
  CHECK(refused(R"({"profiles":{"x":{"min":[2],"opt":[1],"max":[4]}}})", "min <= opt <= max"));
  CHECK(refused(R"({"profiles":{"x":{"min":[0],"opt":[1],"max":[4]}}})", "positive integers"));
  CHECK(refused(R"({"profiles":{"x":{"min":[1],"opt":[1],"max":[1e99]}}})", "positive integers"));
  CHECK(refused(R"({"profiles":{"x":{"min":[1],"opt":[1,1],"max":[4]}}})", "one rank"));
  CHECK(refused(R"({"deterministic":true})", "needs timingCache"));
}

TEST_CASE("settings that a generation lacks say which has them") {
  checkFeature(api::hasOptimizationLevel, R"({"optimizationLevel":5})", "TensorRT 8.6 or newer");
  checkFeature(api::hasVersionCompatible, R"({"versionCompatible":true})", "TensorRT 8.6 or newer");
  checkFeature(api::hasHardwareCompatibility, R"({"hardwareCompatibility":"amperePlus"})", "TensorRT 8.6 or newer");
  checkFeature(api::hasStronglyTyped, R"({"stronglyTyped":true})", "TensorRT 9 or newer");
  checkFeature(api::hasLayerPrecisions, R"({"layerPrecisions":{"a":"fp16"}})", "TensorRT 10 or older");
  checkFeature(api::hasLayerPrecisions, R"({"fallback":"fp32"})", "TensorRT 10 or older");
  const std::string same = R"({"hardwareCompatibility":"sameComputeCapability"})";
  if (api::hasHardwareCompatibility) {
    checkFeature(api::hasSameComputeCapability, same, "TensorRT 10.9 or newer");
  } else {
    checkFeature(false, same, "TensorRT 8.6 or newer");
  }
  if (api::isStronglyTypedOnly) {
    CHECK(refused(R"({"stronglyTyped":false})", "stronglyTyped"));
  } else if (api::hasStronglyTyped) {
    CHECK(refused(R"({"stronglyTyped":true,"fallback":"fp32"})", "can't go with stronglyTyped"));
  }
}

TEST_CASE("session settings") {
  using ZeroCopy = SessionSettings::ZeroCopy;
  const SessionSettings settings =
      parseSessionSettings(R"({"cudaGraph":true,"zeroCopy":false,"spinWait":true,"transfers":false})");
  CHECK(settings.cudaGraph);
  CHECK(settings.zeroCopy == ZeroCopy::Off);
  CHECK(settings.spinWait);
  CHECK_FALSE(settings.transfers);
  CHECK(parseSessionSettings(R"({"zeroCopy":true})").zeroCopy == ZeroCopy::On);
  CHECK(parseSessionSettings(R"({"zeroCopy":"auto"})").zeroCopy == ZeroCopy::Auto);
  for (const char* wrong : {R"({"zeroCopy":"yes"})", R"({"cudaGraph":"on"})", R"({"tf32":true})"}) {
    CAPTURE(wrong);
    CHECK(throwsError(ErrorCode::InvalidArgument, "", [&] { parseSessionSettings(wrong); }));
  }
}
