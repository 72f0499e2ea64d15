#include "engine/engine_file.hpp"

#include <xxhash.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/error.hpp"

namespace presisi::engine {

namespace {

constexpr char kMagic[8] = {'P', 'R', 'E', 'S', 'I', 'S', 'I', '\n'};
constexpr uint32_t kHeaderBytes = 64;
constexpr uint64_t kPlanAlignment = 4096;          // a page: the plan is used where it is mapped
constexpr uint64_t kMaxMetadataBytes = 64u << 20;  // parsed whole; real ones are some kilobytes

struct Header {
  uint32_t version = kFormatVersion;
  uint32_t headerBytes = kHeaderBytes;
  uint64_t metadataOffset = kHeaderBytes;
  uint64_t metadataBytes = 0;
  uint64_t planOffset = 0;
  uint64_t planBytes = 0;
  uint64_t metadataHash = 0;
  uint64_t planHash = 0;
};

/// The header's fields in file order, little-endian on every machine.
class FieldWriter {
 public:
  explicit FieldWriter(uint8_t* out) : out_(out) {}
  void put(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) *out_++ = static_cast<uint8_t>(value >> (8 * i));
  }

 private:
  uint8_t* out_;
};

class FieldReader {
 public:
  explicit FieldReader(const uint8_t* in) : in_(in) {}
  uint64_t get(int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= static_cast<uint64_t>(*in_++) << (8 * i);
    return value;
  }

 private:
  const uint8_t* in_;
};

void encode(const Header& header, uint8_t* out) {
  std::memcpy(out, kMagic, sizeof kMagic);
  FieldWriter fields(out + sizeof kMagic);
  fields.put(header.version, 4);
  fields.put(header.headerBytes, 4);
  for (const uint64_t field : {header.metadataOffset, header.metadataBytes, header.planOffset, header.planBytes,
                               header.metadataHash, header.planHash}) {
    fields.put(field, 8);
  }
}

Header decode(const uint8_t* in) {
  Header header;
  FieldReader fields(in + sizeof kMagic);
  header.version = static_cast<uint32_t>(fields.get(4));
  header.headerBytes = static_cast<uint32_t>(fields.get(4));
  for (uint64_t* field : {&header.metadataOffset, &header.metadataBytes, &header.planOffset, &header.planBytes,
                          &header.metadataHash, &header.planHash}) {
    *field = fields.get(8);
  }
  return header;
}

uint64_t alignUp(uint64_t value) { return (value + kPlanAlignment - 1) / kPlanAlignment * kPlanAlignment; }

[[noreturn]] void damaged(const std::string& path, const std::string& what) {
  throw Error(ErrorCode::InvalidEngine, path + ": " + what, "build the engine again");
}

/// The member `backend` of metadata that is as it should be; `complain` gets what is wrong otherwise.
template <typename Complain>
std::string checkMetadata(const char* begin, size_t size, const Complain& complain) {
  const nlohmann::json json = nlohmann::json::parse(begin, begin + size, nullptr, false);
  if (!json.is_object()) complain("expected a JSON object for the metadata of an engine");
  for (const char* key : {"backend", "version"}) {
    const auto it = json.find(key);
    if (it == json.end() || !it->is_string()) {
      complain("expected a string \"" + std::string(key) + "\" in the metadata of an engine");
    }
  }
  return json["backend"].get<std::string>();
}

}  // namespace

void writeEngineFile(const std::string& path, const std::string& metadata, const std::string& plan) {
  const auto complain = [](const std::string& what) { throw Error(ErrorCode::InvalidArgument, what); };
  if (metadata.size() > kMaxMetadataBytes) complain("the metadata of an engine passes 64 MiB");
  checkMetadata(metadata.data(), metadata.size(), complain);

  Header header;
  header.metadataBytes = metadata.size();
  header.planOffset = alignUp(kHeaderBytes + metadata.size());
  header.planBytes = plan.size();
  header.metadataHash = XXH64(metadata.data(), metadata.size(), 0);
  header.planHash = XXH64(plan.data(), plan.size(), 0);
  uint8_t encoded[kHeaderBytes];
  encode(header, encoded);
  const std::vector<uint8_t> padding(header.planOffset - kHeaderBytes - metadata.size());
  writeFileAtomically(path, {{encoded, sizeof encoded},
                             {metadata.data(), metadata.size()},
                             {padding.data(), padding.size()},
                             {plan.data(), plan.size()}});
}

namespace {

bool hasMagic(const MappedFile& file) {
  return file.size() >= sizeof kMagic && std::memcmp(file.data(), kMagic, sizeof kMagic) == 0;
}

}  // namespace

bool isEngineFile(const std::string& path) { return hasMagic(*MappedFile::open(path)); }

EngineFile readEngineFile(const std::string& path) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  const uint8_t* bytes = file->data();
  if (!hasMagic(*file)) {
    throw Error(ErrorCode::InvalidEngine, path + ": not a presisi engine",
                "engines are made by building a model; an ONNX file is not one");
  }
  if (file->size() < kHeaderBytes) damaged(path, "the engine is truncated inside its header");
  const Header header = decode(bytes);
  if (header.version != kFormatVersion) {
    throw Error(ErrorCode::IncompatibleEngine,
                path + ": expected engine format " + std::to_string(kFormatVersion) + " but found " +
                    std::to_string(header.version),
                "build the engine again with this version of presisi");
  }
  // There is one way to lay the format out, and every difference from it is damage: no field is left unchecked, and
  // no sum of two fields is formed before both are known to be small.
  if (header.headerBytes != kHeaderBytes || header.metadataOffset != kHeaderBytes ||
      header.metadataBytes > kMaxMetadataBytes || header.planOffset != alignUp(kHeaderBytes + header.metadataBytes)) {
    damaged(path, "the header of the engine is damaged");
  }
  const uint64_t size = file->size();
  if (header.planOffset > size || header.planBytes > size - header.planOffset) {
    damaged(path, "the engine is truncated: its header announces " + std::to_string(header.planBytes) +
                      " bytes of plan at " + std::to_string(header.planOffset) + " but the file has " +
                      std::to_string(size) + " bytes");
  }
  if (header.planBytes < size - header.planOffset) damaged(path, "the engine has bytes after its end");
  const uint8_t* metadata = bytes + header.metadataOffset;
  const size_t metadataBytes = static_cast<size_t>(header.metadataBytes);
  if (XXH64(metadata, metadataBytes, 0) != header.metadataHash) damaged(path, "the metadata is damaged");
  for (uint64_t i = kHeaderBytes + header.metadataBytes; i < header.planOffset; ++i) {
    if (bytes[i] != 0) damaged(path, "the padding between metadata and plan is damaged");
  }

  EngineFile engine;
  engine.metadata.assign(reinterpret_cast<const char*>(metadata), metadataBytes);
  engine.backend = checkMetadata(engine.metadata.data(), engine.metadata.size(),
                                 [&](const std::string& what) { damaged(path, what); });
  engine.plan = bytes + header.planOffset;
  engine.planBytes = static_cast<size_t>(header.planBytes);
  if (XXH64(engine.plan, engine.planBytes, 0) != header.planHash) damaged(path, "the plan is damaged");
  engine.file = file;
  return engine;
}

}  // namespace presisi::engine
