#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "conversions.hpp"
#include "core/error.hpp"
#include "exports.hpp"
#include "job.hpp"
#include "picture/jpeg.hpp"
#include "picture/resample.hpp"

namespace presisi::binding {

namespace {

using Bytes = std::vector<uint8_t>;

/// Sides that fit the arithmetic of weights; no file format has larger ones.
constexpr int64_t kMaxSide = INT32_MAX / 4;

picture::Kernel kernelOf(const std::string& name) {
  using picture::Kernel;
  constexpr std::pair<const char*, Kernel> kNames[] = {{"nearest", Kernel::Nearest},   {"linear", Kernel::Linear},
                                                       {"cubic", Kernel::Cubic},       {"mitchell", Kernel::Mitchell},
                                                       {"lanczos2", Kernel::Lanczos2}, {"lanczos3", Kernel::Lanczos3}};
  for (const auto& [known, kernel] : kNames) {
    if (name == known) return kernel;
  }
  throw Error(ErrorCode::InvalidArgument, "unknown kernel: " + name);
}

/// From `{ resize, crop, kernel }`.
picture::Resizing toResizing(const Napi::Value& value) {
  const Napi::Object object = requireObject(value, "resizing");
  picture::Resizing resizing;
  resizing.resize = optionalInteger(object, "resize", 1, kMaxSide, resizing.resize);
  resizing.crop = optionalInteger(object, "crop", 1, resizing.resize, resizing.crop);
  resizing.kernel = kernelOf(requireString(object, "kernel"));
  return resizing;
}

std::pair<int64_t, int64_t> toSize(const Napi::Value& value) {
  const Napi::Object object = requireObject(value, "size");
  return {optionalInteger(object, "width", 1, kMaxSide, 0), optionalInteger(object, "height", 1, kMaxSide, 0)};
}

Napi::Uint8Array requireBytes(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Error(ErrorCode::InvalidArgument, std::string("expected a Uint8Array for ") + name);
  }
  return value.As<Napi::Uint8Array>();
}

/// Handed over, not copied.
Napi::Value toJs(Napi::Env env, Bytes bytes) {
  auto owner = std::make_unique<Bytes>(std::move(bytes));
  auto buffer = Napi::ArrayBuffer::New(
      env, owner->data(), owner->size(),
      [](Napi::Env, void*, Bytes* held) { const std::unique_ptr<Bytes> dying(held); }, owner.get());
  const size_t size = owner.release()->size();
  return Napi::Uint8Array::New(env, size, buffer, 0);
}

/// Not one that the system would see a part of.
bool isPath(const std::string& path) { return path.find('\0') == std::string::npos; }

/// A regular file's content; nothing where that isn't to be had, or there is none, or more than `limit` bytes of it.
std::optional<Bytes> contentOf(const std::string& path, int64_t limit) {
  if (!isPath(path)) return std::nullopt;
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return std::nullopt;
  std::optional<Bytes> content;
  struct stat about {};
  if (fstat(file, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0 && about.st_size <= limit) {
    content.emplace(static_cast<size_t>(about.st_size));
    size_t have = 0;
    while (have < content->size()) {
      const ssize_t more = read(file, content->data() + have, content->size() - have);
      if (more < 0 && errno == EINTR) continue;
      if (more <= 0) break;
      have += static_cast<size_t>(more);
    }
    if (have < content->size()) content.reset();
  }
  close(file);
  return content;
}

/// What `readPicture` gives.
struct ReadPicture {
  std::optional<Bytes> bytes;
  bool decoded = false;
};

Napi::Value toJs(Napi::Env env, ReadPicture& picture) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("decoded", picture.decoded);
  if (picture.bytes) result.Set("bytes", toJs(env, std::move(*picture.bytes)));
  return result;
}

/// Where it is an intact JPEG picture, `into` gets its pixels.
bool decodeInto(const uint8_t* bytes, size_t size, const picture::Resizing& resizing, uint8_t* into) {
  const std::optional<Bytes> pixels = picture::decodeJpeg(bytes, size, resizing);
  if (pixels) std::copy(pixels->begin(), pixels->end(), into);
  return pixels.has_value();
}

}  // namespace

/// `readPicture(path | bytes, resizing, into, { limit, wantsBytes }) -> Promise<{ decoded, bytes? }>`: `decoded` where
/// it is an intact JPEG picture, whose pixels `into` has then; `bytes` is what a file of at most `limit` bytes holds,
/// absent where it can't be read, and where it was decoded and they aren't wanted.
Napi::Value readPicture(const Napi::CallbackInfo& info) {
  const picture::Resizing resizing = toResizing(info[1]);
  Napi::Uint8Array target = requireBytes(info[2], "into");
  if (static_cast<int64_t>(target.ByteLength()) != resizing.crop * resizing.crop * picture::kChannels) {
    throw Error(ErrorCode::InvalidArgument, "expected room for crop x crop x 3 bytes");
  }
  uint8_t* const into = target.Data();
  std::vector<Napi::ObjectReference> keepAlive;
  keepAlive.push_back(Napi::Persistent(target.As<Napi::Object>()));
  const auto toResult = [](Napi::Env env, ReadPicture& read) { return toJs(env, read); };
  if (info[0].IsString()) {
    const std::string path = info[0].As<Napi::String>().Utf8Value();
    const Napi::Object options = requireObject(info[3], "options");
    const int64_t limit = optionalInteger(options, "limit", 0, INT64_C(1) << 40, 0);
    const bool wantsBytes = optionalFlag(options, "wantsBytes", true);
    const auto work = [path, limit, wantsBytes, resizing, into](const JobContext&) {
      ReadPicture read{contentOf(path, limit), false};
      read.decoded = read.bytes && decodeInto(read.bytes->data(), read.bytes->size(), resizing, into);
      if (read.decoded && !wantsBytes) read.bytes.reset();
      return read;
    };
    return runJob(info.Env(), Lane::Pictures, {}, std::move(keepAlive), work, toResult);
  }
  const Napi::Uint8Array given = requireBytes(info[0], "picture");
  keepAlive.push_back(Napi::Persistent(given.As<Napi::Object>()));
  const auto work = [data = given.Data(), size = given.ByteLength(), resizing, into](const JobContext&) {
    return ReadPicture{{}, decodeInto(data, size, resizing, into)};
  };
  return runJob(info.Env(), Lane::Pictures, {}, std::move(keepAlive), work, toResult);
}

/// `areFolders(paths) -> Promise<boolean[]>`: false, too, for what isn't there.
Napi::Value areFolders(const Napi::CallbackInfo& info) {
  if (!info[0].IsArray()) throw Error(ErrorCode::InvalidArgument, "expected an array of paths");
  const Napi::Array given = info[0].As<Napi::Array>();
  std::vector<std::string> paths;
  for (uint32_t i = 0; i < given.Length(); ++i) paths.push_back(given.Get(i).ToString().Utf8Value());
  const auto work = [paths = std::move(paths)](const JobContext&) {
    std::vector<bool> folders;
    for (const std::string& path : paths) {
      struct stat about {};
      folders.push_back(isPath(path) && stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode));
    }
    return folders;
  };
  return runJob(info.Env(), Lane::Pictures, {}, {}, work, [](Napi::Env env, const std::vector<bool>& folders) {
    Napi::Array result = Napi::Array::New(env, folders.size());
    for (size_t i = 0; i < folders.size(); ++i) {
      result.Set(static_cast<uint32_t>(i), Napi::Boolean::New(env, folders[i]));
    }
    return Napi::Value(result);
  });
}

/// `pictureGeometry({ width, height }, resizing) -> { width, height, left, top }`
Napi::Value pictureGeometry(const Napi::CallbackInfo& info) {
  const auto [width, height] = toSize(info[0]);
  const picture::Geometry geometry = picture::geometryOf(width, height, toResizing(info[1]));
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("width", static_cast<double>(geometry.width));
  result.Set("height", static_cast<double>(geometry.height));
  result.Set("left", static_cast<double>(geometry.left));
  result.Set("top", static_cast<double>(geometry.top));
  return result;
}

/// `resamplePicture(pixels, { width, height }, resizing) -> Promise<Uint8Array>`
Napi::Value resamplePicture(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array pixels = requireBytes(info[0], "pixels");
  const auto [width, height] = toSize(info[1]);
  if (static_cast<int64_t>(pixels.ElementLength()) != width * height * picture::kChannels) {
    throw Error(ErrorCode::InvalidArgument, "expected width x height x 3 bytes of pixels");
  }
  const picture::Resizing resizing = toResizing(info[2]);
  std::vector<Napi::ObjectReference> keepAlive;
  keepAlive.push_back(Napi::Persistent(pixels.As<Napi::Object>()));
  const auto work = [data = pixels.Data(), width = width, height = height, resizing](const JobContext&) {
    const picture::Pixels whole{data, width, height, static_cast<double>(width), static_cast<double>(height)};
    return picture::scaledCrop(whole, picture::geometryOf(width, height, resizing), resizing);
  };
  return runJob(info.Env(), Lane::Pictures, {}, std::move(keepAlive), work,
                [](Napi::Env env, Bytes& made) { return toJs(env, std::move(made)); });
}

}  // namespace presisi::binding
