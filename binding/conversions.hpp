#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "core/tensor.hpp"
#include "engine/preprocess.hpp"
#include "handles.hpp"
#include "onnx/model.hpp"

/// JavaScript values to the core's and back. Everything that comes in is checked: InvalidArgument names what was wrong.
namespace presisi::binding {

Napi::Object requireObject(const Napi::Value& value, const char* name);
std::string requireString(const Napi::Object& object, const char* key);
/// Empty when absent.
std::string optionalString(const Napi::Object& object, const char* key);
double optionalNumber(const Napi::Object& object, const char* key, double otherwise);
/// An integer in [low, high]; `otherwise` when absent.
int64_t optionalInteger(const Napi::Object& object, const char* key, int64_t low, int64_t high, int64_t otherwise);
bool optionalFlag(const Napi::Object& object, const char* key, bool otherwise);
std::vector<std::string> optionalStrings(const Napi::Object& object, const char* key);

/// From `[data, dims, data, dims, ...]`, in the order of `inputs`: names and types stand there. (What a run passes goes
/// through arrays: after a network has had the caches to itself, each kind of call into the engine costs microseconds.)
/// They look into typed arrays; where `keepAlive` is given, it holds those beyond the call.
backend::Feeds toFeeds(const Napi::Value& value, const std::vector<backend::TensorInfo>& inputs,
                       std::vector<Napi::ObjectReference>* keepAlive = nullptr);

/// Interleaved RGB bytes of some pictures of one size, and how a model wants them.
struct ImagesFromJs {
  std::string input;
  const uint8_t* pixels = nullptr;
  size_t bytes = 0;
  engine::ImageBatch shape;
  engine::Normalization normalization;
  std::vector<Napi::ObjectReference> keepAlive;
};

/// From `{ input, pixels, count, height, width, scale, mean, std, layout, channels }`.
ImagesFromJs toImages(const Napi::Value& value);

/// A typed array with the tensor's content. Large contents are handed over, not copied.
Napi::Value toTypedArray(Napi::Env env, const Tensor& tensor);

Napi::Array toJs(Napi::Env env, const Dims& dims);
Napi::Array toJs(Napi::Env env, const std::vector<std::string>& values);
/// `[{ name, type, dims }]`
Napi::Array toJs(Napi::Env env, const std::vector<backend::TensorInfo>& infos);
Napi::Array toJs(Napi::Env env, const std::vector<onnx::ValueInfo>& values);
Napi::Array toJs(Napi::Env env, const std::vector<backend::LayerInfo>& layers);

}  // namespace presisi::binding
