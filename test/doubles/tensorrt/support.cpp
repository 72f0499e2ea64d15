#include "support.hpp"

#include <cstring>

#include "core/error.hpp"

namespace presisi::doubles::tensorrt {

namespace {

constexpr uint32_t kContainer = 1;

uint64_t checksum(const char* data, size_t size) {  // FNV-1a
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<unsigned char>(data[i])) * 0x100000001b3u;
  return hash;
}

template <typename T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

bool guarded(nvinfer1::ILogger& logger, const char* where, const std::function<bool()>& work) noexcept {
  try {
    return work();
  } catch (const std::exception& error) {
    say(logger, Severity::kERROR, std::string(where) + ": " + error.what());
  } catch (...) {
    say(logger, Severity::kINTERNAL_ERROR, std::string(where) + ": unknown exception");
  }
  return false;
}

Dims toDims(const nvinfer1::Dims& dims) { return {dims.d, dims.d + std::max(0, dims.nbDims)}; }

nvinfer1::Dims fromDims(const Dims& dims) {
  if (dims.size() > static_cast<size_t>(nvinfer1::Dims::MAX_DIMS)) return noDims();
  nvinfer1::Dims out{};
  out.nbDims = static_cast<int32_t>(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) out.d[i] = static_cast<std::remove_reference_t<decltype(out.d[0])>>(dims[i]);
  return out;
}

nvinfer1::DataType fromDType(DType dtype) {
  switch (dtype) {
    case DType::Float16: return nvinfer1::DataType::kHALF;
    case DType::Int8: return nvinfer1::DataType::kINT8;
    case DType::Int32: return nvinfer1::DataType::kINT32;
    case DType::Bool: return nvinfer1::DataType::kBOOL;
    case DType::Uint8: return nvinfer1::DataType::kUINT8;
#if NV_TENSORRT_MAJOR >= 10
    case DType::Int64: return nvinfer1::DataType::kINT64;
    case DType::Bfloat16: return nvinfer1::DataType::kBF16;
#else
    case DType::Int64: return nvinfer1::DataType::kINT32;
#endif
    default: return nvinfer1::DataType::kFLOAT;
  }
}

DType toDType(nvinfer1::DataType type) {
  switch (type) {
    case nvinfer1::DataType::kFLOAT: return DType::Float32;
    case nvinfer1::DataType::kHALF: return DType::Float16;
    case nvinfer1::DataType::kINT8: return DType::Int8;
    case nvinfer1::DataType::kINT32: return DType::Int32;
    case nvinfer1::DataType::kBOOL: return DType::Bool;
    case nvinfer1::DataType::kUINT8: return DType::Uint8;
#if NV_TENSORRT_MAJOR >= 10
    case nvinfer1::DataType::kINT64: return DType::Int64;
    case nvinfer1::DataType::kBF16: return DType::Bfloat16;
#endif
    default: return DType::Undefined;
  }
}

Gpu currentGpu() {
  cudaDeviceProp properties;
  const cudaError_t error = cudaGetDeviceProperties(&properties, 0);
  if (error != cudaSuccess) {
    throw Error(ErrorCode::Internal,
                "CUDA initialization failure with error: " + std::to_string(static_cast<int>(error)) + " (" +
                    cudaGetErrorString(error) + ")");
  }
  return {properties.name, properties.major, properties.minor};
}

std::string libraryVersion() {
  return std::to_string(NV_TENSORRT_MAJOR) + "." + std::to_string(NV_TENSORRT_MINOR) + "." +
         std::to_string(NV_TENSORRT_PATCH);
}

std::string pack(const char (&magic)[5], const Json& head, const std::string& body) {
  const std::string text = head.dump();
  std::string out(magic, 4);
  append<uint32_t>(out, kContainer);
  append<uint64_t>(out, text.size());
  append<uint64_t>(out, body.size());
  out += text;
  out += body;
  append<uint64_t>(out, checksum(out.data(), out.size()));
  return out;
}

bool unpack(const char (&magic)[5], const void* data, size_t size, Json& head, std::string& body) {
  constexpr size_t kHeader = 24, kChecksum = 8;
  const char* bytes = static_cast<const char*>(data);
  if (!bytes || size < kHeader + kChecksum || std::memcmp(bytes, magic, 4) != 0) return false;
  uint32_t container;
  uint64_t headSize, bodySize, sum;
  std::memcpy(&container, bytes + 4, sizeof container);
  std::memcpy(&headSize, bytes + 8, sizeof headSize);
  std::memcpy(&bodySize, bytes + 16, sizeof bodySize);
  const uint64_t room = size - kHeader - kChecksum;
  if (container != kContainer || headSize > room || bodySize != room - headSize) return false;
  std::memcpy(&sum, bytes + size - kChecksum, sizeof sum);
  if (sum != checksum(bytes, size - kChecksum)) return false;
  head = Json::parse(bytes + kHeader, bytes + kHeader + headSize, nullptr, false);
  if (!head.is_object()) return false;
  body.assign(bytes + kHeader + headSize, bodySize);
  return true;
}

}  // namespace presisi::doubles::tensorrt
