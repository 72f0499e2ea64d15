#include "conversions.hpp"

#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "core/error.hpp"

namespace presisi::binding {

namespace {

constexpr double kMaxSafeInteger = 9007199254740991.0;
/// More dimensions than any network has.
constexpr uint32_t kMaxRank = 16;
/// From here on an output's memory is handed to JavaScript; below, a copy is cheaper than a finalizer.
constexpr size_t kHandOverBytes = 64 * 1024;

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::InvalidArgument, message); }

std::array<double, 3> requireTriple(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsArray() || value.As<Napi::Array>().Length() != 3) {
    refuse(std::string("expected an array of three numbers for ") + key);
  }
  std::array<double, 3> triple{};
  for (uint32_t i = 0; i < 3; ++i) {
    const Napi::Value element = value.As<Napi::Array>().Get(i);
    if (!element.IsNumber()) refuse(std::string("expected an array of three numbers for ") + key);
    triple[i] = element.As<Napi::Number>().DoubleValue();
  }
  return triple;
}

Dims requireDims(const Napi::Value& value, const std::string& name) {
  if (!value.IsArray()) refuse("expected an array of dimensions for \"" + name + "\"");
  const Napi::Array array = value.As<Napi::Array>();
  if (array.Length() > kMaxRank) refuse("too many dimensions for \"" + name + "\"");
  Dims dims;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value element = array.Get(i);
    const double number = element.IsNumber() ? element.As<Napi::Number>().DoubleValue() : -1;
    if (!(number >= 0 && number <= kMaxSafeInteger && number == std::floor(number))) {
      refuse("expected non-negative integers as dimensions of \"" + name + "\"");
    }
    dims.push_back(static_cast<int64_t>(number));
  }
  return dims;
}

napi_typedarray_type arrayTypeOf(DType dtype) {
  switch (dtype) {
    case DType::Float32: return napi_float32_array;
    case DType::Float64: return napi_float64_array;
    case DType::Int8: return napi_int8_array;
    case DType::Uint8:
    case DType::Bool: return napi_uint8_array;
    case DType::Int16: return napi_int16_array;
    case DType::Uint16:
    case DType::Float16:
    case DType::Bfloat16: return napi_uint16_array;
    case DType::Int32: return napi_int32_array;
    case DType::Uint32: return napi_uint32_array;
    case DType::Int64: return napi_bigint64_array;
    case DType::Uint64: return napi_biguint64_array;
    case DType::Undefined:
    case DType::String: break;
  }
  throw Error(ErrorCode::UnsupportedModel, std::string("JavaScript has no array of ") + name(dtype));
}

struct TypedContent {
  size_t elements;
  const void* address;
};

/// All there is to know of a typed array, asked for at once; nothing where it isn't one of this type.
std::optional<TypedContent> contentOf(const Napi::Value& array, napi_typedarray_type type) {
  if (!array.IsTypedArray()) return std::nullopt;
  napi_typedarray_type found{};
  size_t elements = 0;
  void* address = nullptr;
  const napi_status status =
      napi_get_typedarray_info(array.Env(), array, &found, &elements, &address, nullptr, nullptr);
  if (status != napi_ok) throw Napi::Error::New(array.Env());
  if (found != type) return std::nullopt;
  return TypedContent{elements, address};
}

/// Looks into `data`, which has to be the input's kind of array, with as many elements as `dims` has.
Tensor viewOf(const Napi::Value& data, const Dims& dims, const backend::TensorInfo& input) {
  const std::optional<TypedContent> content = contentOf(data, arrayTypeOf(input.dtype));
  if (!content) {
    refuse("expected the typed array of " + std::string(name(input.dtype)) + " for \"" + input.name + "\"");
  }
  double expected = 1;
  for (const int64_t dim : dims) expected *= static_cast<double>(dim);
  if (expected == 0) {
    throw Error(ErrorCode::ShapeMismatch, "\"" + input.name + "\" is empty: dimensions " + toString(dims));
  }
  if (static_cast<double>(content->elements) != expected) {
    throw Error(ErrorCode::ShapeMismatch, "\"" + input.name + "\" has dimensions " + toString(dims) + " but " +
                                              std::to_string(content->elements) + " elements");
  }
  return Tensor::view(input.dtype, dims, content->address);
}

}  // namespace

Napi::Object requireObject(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) refuse(std::string("expected an object for ") + name);
  return value.As<Napi::Object>();
}

std::string requireString(const Napi::Object& object, const char* key) {
  const Napi::Value value = object.Get(key);
  if (!value.IsString()) refuse(std::string("expected a string for ") + key);
  return value.As<Napi::String>().Utf8Value();
}

std::string optionalString(const Napi::Object& object, const char* key) {
  return object.Get(key).IsUndefined() ? std::string() : requireString(object, key);
}

double optionalNumber(const Napi::Object& object, const char* key, double otherwise) {
  const Napi::Value value = object.Get(key);
  if (value.IsUndefined()) return otherwise;
  if (!value.IsNumber() || !std::isfinite(value.As<Napi::Number>().DoubleValue())) {
    refuse(std::string("expected a finite number for ") + key);
  }
  return value.As<Napi::Number>().DoubleValue();
}

int64_t optionalInteger(const Napi::Object& object, const char* key, int64_t low, int64_t high, int64_t otherwise) {
  const double number = optionalNumber(object, key, static_cast<double>(otherwise));
  if (number != std::floor(number) || number < static_cast<double>(low) || number > static_cast<double>(high)) {
    refuse("expected an integer between " + std::to_string(low) + " and " + std::to_string(high) + " for " + key);
  }
  return static_cast<int64_t>(number);
}

bool optionalFlag(const Napi::Object& object, const char* key, bool otherwise) {
  const Napi::Value value = object.Get(key);
  if (value.IsUndefined()) return otherwise;
  if (!value.IsBoolean()) refuse(std::string("expected true or false for ") + key);
  return value.As<Napi::Boolean>().Value();
}

std::vector<std::string> optionalStrings(const Napi::Object& object, const char* key) {
  std::vector<std::string> strings;
  const Napi::Value value = object.Get(key);
  if (value.IsUndefined()) return strings;
  if (!value.IsArray()) refuse(std::string("expected an array of strings for ") + key);
  const Napi::Array array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value element = array.Get(i);
    if (!element.IsString()) refuse(std::string("expected an array of strings for ") + key);
    strings.push_back(element.As<Napi::String>().Utf8Value());
  }
  return strings;
}

backend::Feeds toFeeds(const Napi::Value& value, const std::vector<backend::TensorInfo>& inputs,
                       std::vector<Napi::ObjectReference>* keepAlive) {
  if (!value.IsArray()) refuse("expected an array of feeds");
  backend::Feeds feeds;
  const Napi::Array array = value.As<Napi::Array>();
  if (array.Length() != 2 * inputs.size()) refuse("expected data and dimensions for each of the inputs");
  uint32_t next = 0;
  for (const backend::TensorInfo& input : inputs) {
    const Napi::Value data = array.Get(next++);
    const Dims dims = requireDims(array.Get(next++), input.name);
    feeds.emplace(input.name, viewOf(data, dims, input));
    if (keepAlive != nullptr) keepAlive->push_back(Napi::Persistent(data.As<Napi::Object>()));
  }
  return feeds;
}

ImagesFromJs toImages(const Napi::Value& value) {
  const Napi::Object object = requireObject(value, "images");
  const Napi::Value pixels = object.Get("pixels");
  const std::optional<TypedContent> content = contentOf(pixels, napi_uint8_array);
  if (!content) refuse("expected a Uint8Array for pixels");
  ImagesFromJs images;
  images.input = requireString(object, "input");
  images.pixels = static_cast<const uint8_t*>(content->address);
  images.bytes = content->elements;
  images.shape.count = optionalInteger(object, "count", 1, 1 << 16, 0);
  images.shape.height = optionalInteger(object, "height", 1, 1 << 16, 0);
  images.shape.width = optionalInteger(object, "width", 1, 1 << 16, 0);
  images.normalization.scale = optionalNumber(object, "scale", images.normalization.scale);
  images.normalization.mean = requireTriple(object, "mean");
  images.normalization.std = requireTriple(object, "std");
  images.normalization.channelsFirst = requireString(object, "layout") == "NCHW";
  images.normalization.blueFirst = requireString(object, "channels") == "BGR";
  images.keepAlive.push_back(Napi::Persistent(pixels.As<Napi::Object>()));
  return images;
}

Napi::Value toTypedArray(Napi::Env env, const Tensor& tensor) {
  const napi_typedarray_type type = arrayTypeOf(tensor.dtype());
  Napi::ArrayBuffer buffer;
  if (tensor.bytes() >= kHandOverBytes) {
    auto owner = std::make_unique<Tensor>(tensor);
    buffer = Napi::ArrayBuffer::New(
        env, owner->data<uint8_t>(), owner->bytes(),
        [](Napi::Env, void*, Tensor* held) { const std::unique_ptr<Tensor> dying(held); }, owner.get());
    owner.release();
  } else {
    buffer = Napi::ArrayBuffer::New(env, tensor.bytes());
    if (tensor.bytes() > 0) std::memcpy(buffer.Data(), tensor.data<uint8_t>(), tensor.bytes());
  }
  napi_value array = nullptr;
  const napi_status status = napi_create_typedarray(env, type, static_cast<size_t>(tensor.size()), buffer, 0, &array);
  if (status != napi_ok) throw Napi::Error::New(env);
  return Napi::Value(env, array);
}

Napi::Array toJs(Napi::Env env, const Dims& dims) {
  Napi::Array array = Napi::Array::New(env, dims.size());
  for (size_t i = 0; i < dims.size(); ++i) array.Set(static_cast<uint32_t>(i), static_cast<double>(dims[i]));
  return array;
}

Napi::Array toJs(Napi::Env env, const std::vector<std::string>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) array.Set(static_cast<uint32_t>(i), values[i]);
  return array;
}

Napi::Array toJs(Napi::Env env, const std::vector<backend::TensorInfo>& infos) {
  Napi::Array array = Napi::Array::New(env, infos.size());
  for (size_t i = 0; i < infos.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", infos[i].name);
    object.Set("type", name(infos[i].dtype));
    object.Set("dims", toJs(env, infos[i].dims));
    array.Set(static_cast<uint32_t>(i), object);
  }
  return array;
}

Napi::Array toJs(Napi::Env env, const std::vector<onnx::ValueInfo>& values) {
  std::vector<backend::TensorInfo> infos;
  for (const onnx::ValueInfo& value : values) infos.push_back({value.name, value.dtype, value.dims, value.hasShape});
  return toJs(env, infos);
}

Napi::Array toJs(Napi::Env env, const std::vector<backend::LayerInfo>& layers) {
  Napi::Array array = Napi::Array::New(env, layers.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    const backend::LayerInfo& layer = layers[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", layer.name);
    object.Set("op", layer.op);
    object.Set("requested", layer.requested);
    object.Set("precision", layer.precision);
    object.Set("kernel", layer.kernel);
    object.Set("fused", toJs(env, layer.fused));
    if (!layer.reason.empty()) object.Set("reason", layer.reason);
    if (!layer.format.empty()) object.Set("format", layer.format);
    object.Set("reformat", layer.reformat);
    object.Set("outputDims", toJs(env, layer.outputDims));
    object.Set("macs", static_cast<double>(layer.macs));
    object.Set("weightBytes", static_cast<double>(layer.weightBytes));
    object.Set("activationBytes", static_cast<double>(layer.activationBytes));
    array.Set(static_cast<uint32_t>(i), object);
  }
  return array;
}

}  // namespace presisi::binding
