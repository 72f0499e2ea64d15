#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.hpp"
#include "calibration/calibrator.hpp"
#include "core/error.hpp"
#include "engine/preprocess.hpp"
#include "job.hpp"
#include "onnx/model.hpp"
#include "telemetry/sampler.hpp"

/// What JavaScript holds: type-tagged externals, so that a foreign object is an error and never a wild pointer.
namespace presisi::binding {

/// A simplified FP32 model.
struct LoadedModel {
  onnx::Model model;
  int64_t weightBytes = 0;
};

struct LoadedCalibrator {
  std::shared_ptr<const LoadedModel> model;
  std::unique_ptr<calibration::Calibrator> calibrator;
};

/// Pictures that wait for a backend to calibrate with them: batches of one shape.
struct LoadedSamples {
  std::string input;
  engine::ImageBatch shape;
  engine::Normalization normalization;
  std::vector<std::vector<uint8_t>> batches;
};

struct LoadedEngine {
  std::string backend;
  std::string metadata;
  int64_t maxBatch = 1;
  int threads = 0;
  std::string settings;  ///< of its sessions
  std::shared_ptr<backend::Engine> engine;
  std::mutex running;                         ///< a session runs once at a time
  std::unique_ptr<backend::Session> session;  ///< made on first use
  std::vector<backend::TensorInfo> inputs;
  std::vector<backend::TensorInfo> outputs;
};

/// Null until a lane has opened its sensors, and again when the environment closes.
struct LoadedSampler {
  std::unique_ptr<telemetry::Sampler> sampler;
};

/// Name in messages, and tag: random numbers that are nobody else's.
template <typename T>
struct HandleTraits;
template <>
struct HandleTraits<LoadedSamples> {
  static constexpr const char* kName = "samples";
  static constexpr napi_type_tag kTag{0x3f7a94d1c8e2560b, 0xa46d0be37198f25c};
};
template <>
struct HandleTraits<LoadedModel> {
  static constexpr const char* kName = "model";
  static constexpr napi_type_tag kTag{0x5a1f0c6be2d94713, 0x9b1e6f02c47d8a31};
};
template <>
struct HandleTraits<LoadedCalibrator> {
  static constexpr const char* kName = "calibrator";
  static constexpr napi_type_tag kTag{0x5a1f0c6be2d94713, 0x9b1e6f02c47d8a32};
};
template <>
struct HandleTraits<LoadedEngine> {
  static constexpr const char* kName = "engine";
  static constexpr napi_type_tag kTag{0x5a1f0c6be2d94713, 0x9b1e6f02c47d8a33};
};
template <>
struct HandleTraits<LoadedSampler> {
  static constexpr const char* kName = "sampler";
  static constexpr napi_type_tag kTag{0x7c40e2b95d1af386, 0x81f3b6d02e9c574a};
};
template <>
struct HandleTraits<Stop> {
  static constexpr const char* kName = "stop handle";
  static constexpr napi_type_tag kTag{0x5a1f0c6be2d94713, 0x9b1e6f02c47d8a34};
};

template <typename T>
struct Handle {
  std::shared_ptr<T> value;   ///< null once released
  int64_t externalBytes = 0;  ///< reported to the garbage collector
};

/// `externalBytes` is what the value holds outside JavaScript's heap.
template <typename T>
Napi::Value wrap(Napi::Env env, std::shared_ptr<T> value, int64_t externalBytes) {
  auto handle = std::make_unique<Handle<T>>();
  handle->value = std::move(value);
  handle->externalBytes = externalBytes;
  Napi::External<Handle<T>> external =
      Napi::External<Handle<T>>::New(env, handle.get(), [](Napi::Env finalEnv, Handle<T>* dying) {
        const std::unique_ptr<Handle<T>> owner(dying);
        Napi::MemoryManagement::AdjustExternalMemory(finalEnv, -owner->externalBytes);
      });
  handle.release();
  external.TypeTag(&HandleTraits<T>::kTag);
  Napi::MemoryManagement::AdjustExternalMemory(env, externalBytes);
  return external;
}

template <typename T>
Handle<T>& handleOf(const Napi::Value& value) {
  if (!value.IsExternal() || !value.As<Napi::External<Handle<T>>>().CheckTypeTag(&HandleTraits<T>::kTag)) {
    throw Error(ErrorCode::InvalidArgument, std::string("not a handle of a presisi ") + HandleTraits<T>::kName);
  }
  return *value.As<Napi::External<Handle<T>>>().Data();
}

template <typename T>
std::shared_ptr<T> unwrap(const Napi::Value& value) {
  const Handle<T>& handle = handleOf<T>(value);
  if (!handle.value) throw Error(ErrorCode::Disposed, std::string("the ") + HandleTraits<T>::kName + " was disposed");
  return handle.value;
}

/// Empties the handle; the value is the caller's to destroy. Null when it was empty already.
template <typename T>
std::shared_ptr<T> release(Napi::Env env, const Napi::Value& value) {
  Handle<T>& handle = handleOf<T>(value);
  if (handle.value) Napi::MemoryManagement::AdjustExternalMemory(env, -std::exchange(handle.externalBytes, 0));
  return std::exchange(handle.value, nullptr);
}

}  // namespace presisi::binding
