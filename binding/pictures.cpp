#include "conversions.hpp"
#include "core/error.hpp"
#include "engine/enlarge.hpp"
#include "exports.hpp"

namespace presisi::binding {

namespace {

Napi::TypedArray requireArray(const Napi::Object& object, const char* key, napi_typedarray_type type) {
  const Napi::Value value = object.Get(key);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
    throw Error(ErrorCode::InvalidArgument, std::string("expected a typed array for ") + key);
  }
  return value.As<Napi::TypedArray>();
}

engine::AxisWeights toWeights(const Napi::Value& value) {
  const Napi::Object object = requireObject(value, "weights");
  const auto starts = requireArray(object, "starts", napi_int32_array).As<Napi::Int32Array>();
  const auto weights = requireArray(object, "weights", napi_int32_array).As<Napi::Int32Array>();
  engine::AxisWeights axis;
  axis.count = optionalInteger(object, "count", 1, INT32_MAX, 0);
  axis.width = optionalInteger(object, "width", 1, axis.count, 0);
  axis.made = static_cast<int64_t>(starts.ElementLength());
  axis.starts = starts.Data();
  axis.weights = weights.Data();
  if (static_cast<int64_t>(weights.ElementLength()) != axis.made * axis.width) {
    throw Error(ErrorCode::InvalidArgument, "expected " + std::to_string(axis.made * axis.width) + " weights");
  }
  return axis;
}

}  // namespace

/// `enlarge(pixels, columns, rows) -> Uint8Array`, at once: weights as `{ count, width, starts, weights }`.
Napi::Value enlarge(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Error(ErrorCode::InvalidArgument, "expected a Uint8Array for pixels");
  }
  const auto pixels = info[0].As<Napi::Uint8Array>();
  const engine::AxisWeights columns = toWeights(info[1]), rows = toWeights(info[2]);
  if (static_cast<int64_t>(pixels.ElementLength()) != columns.count * rows.count * 3) {
    throw Error(ErrorCode::InvalidArgument, "expected the pixels that weights are for");
  }
  const std::vector<uint8_t> made = engine::enlarge(pixels.Data(), columns, rows);
  Napi::Uint8Array result = Napi::Uint8Array::New(info.Env(), made.size());
  std::copy(made.begin(), made.end(), result.Data());
  return result;
}

}  // namespace presisi::binding
