#pragma once

#include <napi.h>

/// The addon's functions. lib/native.ts holds the one typed description of them; keep the two together.
namespace presisi::binding {

Napi::Value backends(const Napi::CallbackInfo& info);
Napi::Value operators(const Napi::CallbackInfo& info);

Napi::Value architectures(const Napi::CallbackInfo& info);
Napi::Value describeArchitecture(const Napi::CallbackInfo& info);
Napi::Value convertModel(const Napi::CallbackInfo& info);
Napi::Value makeModel(const Napi::CallbackInfo& info);

Napi::Value loadModel(const Napi::CallbackInfo& info);

Napi::Value createCalibrator(const Napi::CallbackInfo& info);
Napi::Value collectImages(const Napi::CallbackInfo& info);
Napi::Value collectFeeds(const Napi::CallbackInfo& info);
Napi::Value solveCalibration(const Napi::CallbackInfo& info);
Napi::Value parseTable(const Napi::CallbackInfo& info);
Napi::Value writeText(const Napi::CallbackInfo& info);

Napi::Value readPicture(const Napi::CallbackInfo& info);
Napi::Value areFolders(const Napi::CallbackInfo& info);
Napi::Value pictureGeometry(const Napi::CallbackInfo& info);
Napi::Value resamplePicture(const Napi::CallbackInfo& info);

Napi::Value createSamples(const Napi::CallbackInfo& info);
Napi::Value addSamples(const Napi::CallbackInfo& info);

Napi::Value buildEngine(const Napi::CallbackInfo& info);

Napi::Value extractPlan(const Napi::CallbackInfo& info);
Napi::Value openEngine(const Napi::CallbackInfo& info);
Napi::Value runFeeds(const Napi::CallbackInfo& info);
Napi::Value runFeedsSync(const Napi::CallbackInfo& info);
Napi::Value runImages(const Napi::CallbackInfo& info);
Napi::Value inspectEngine(const Napi::CallbackInfo& info);

Napi::Value startSampler(const Napi::CallbackInfo& info);
Napi::Value drainSampler(const Napi::CallbackInfo& info);
Napi::Value samplerStatistics(const Napi::CallbackInfo& info);
Napi::Value stopSampler(const Napi::CallbackInfo& info);

Napi::Value createStop(const Napi::CallbackInfo& info);
Napi::Value requestStop(const Napi::CallbackInfo& info);
Napi::Value closeHandle(const Napi::CallbackInfo& info);

}  // namespace presisi::binding
