#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/crc32.hpp"

/// Writers of zip archives and pickles, right and wrong ones, that share nothing with the readers but the CRC.
namespace presisi::test {

template <typename T>
std::string little(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

template <typename T>
std::string bytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// A member, and what its headers shall claim where that differs.
struct ZipMember {
  std::string name;
  std::string bytes;
  uint16_t method = 0;
  uint16_t flags = 0;
  std::optional<uint32_t> crc;
  std::optional<uint64_t> size;
  std::optional<uint64_t> packed;
  std::optional<uint64_t> header;
  std::string localName;
  bool zip64 = false;       ///< saturated 32-bit fields and a ZIP64 extra field
  bool descriptor = false;  ///< sizes and CRC behind the data, as PyTorch writes them
};

struct ZipOptions {
  bool checksums = true;
  bool zip64End = false;
  size_t alignment = 64;  ///< of the data; by padding in the local extra field, as PyTorch does
  std::optional<uint64_t> count;
  std::optional<uint64_t> directorySize;
  std::optional<uint64_t> directoryOffset;
  std::string comment;
};

inline std::string makeZip(const std::vector<ZipMember>& members, const ZipOptions& options = {}) {
  std::string file;
  std::string directory;
  for (const ZipMember& member : members) {
    const auto header = member.header.value_or(file.size());
    const auto size = member.size.value_or(member.bytes.size());
    const auto packed = member.packed.value_or(size);
    const auto* data = reinterpret_cast<const uint8_t*>(member.bytes.data());
    const uint32_t crc = member.crc.value_or(options.checksums ? checkpoint::crc32(data, member.bytes.size()) : 0u);
    const auto narrow = [&](uint64_t value) { return little(member.zip64 ? ~0u : static_cast<uint32_t>(value)); };
    const auto flags = static_cast<uint16_t>(member.flags | (member.descriptor ? 8 : 0));
    const std::string common = little(member.method) + little(uint32_t{0});  // no time
    const std::string& localName = member.localName.empty() ? member.name : member.localName;

    std::string extra;
    if (member.zip64 && !member.descriptor) {
      extra += little(uint16_t{1}) + little(uint16_t{16}) + little(size) + little(packed);
    }
    const size_t start = file.size() + 30 + localName.size() + extra.size() + 4;
    const size_t padding = (options.alignment - start % options.alignment) % options.alignment;
    extra += little(uint16_t{0x4246}) + little(static_cast<uint16_t>(padding)) + std::string(padding, 'Z');
    file += "PK\3\4" + little(uint16_t{45}) + little(flags) + common;
    file += member.descriptor ? std::string(12, '\0') : little(crc) + narrow(packed) + narrow(size);
    file += little(static_cast<uint16_t>(localName.size())) + little(static_cast<uint16_t>(extra.size()));
    file += localName + extra + member.bytes;
    if (member.descriptor) file += "PK\7\10" + little(crc) + narrow(packed) + narrow(size);

    std::string wide;
    if (member.zip64)
      wide = little(uint16_t{1}) + little(uint16_t{24}) + little(size) + little(packed) + little(header);
    directory += "PK\1\2" + little(uint16_t{45}) + little(uint16_t{45}) + little(flags) + common + little(crc) +
                 narrow(packed) + narrow(size) + little(static_cast<uint16_t>(member.name.size())) +
                 little(static_cast<uint16_t>(wide.size())) + std::string(10, '\0') + narrow(header) + member.name +
                 wide;
  }
  const uint64_t count = options.count.value_or(members.size());
  const uint64_t directorySize = options.directorySize.value_or(directory.size());
  const uint64_t directoryOffset = options.directoryOffset.value_or(file.size());
  file += directory;
  if (options.zip64End) {
    const uint64_t record = file.size();
    file += "PK\6\6" + little(uint64_t{44}) + little(uint16_t{45}) + little(uint16_t{45}) + little(uint64_t{0}) +
            little(count) + little(count) + little(directorySize) + little(directoryOffset);
    file += "PK\6\7" + little(uint32_t{0}) + little(record) + little(uint32_t{1});
    file += "PK\5\6" + little(uint32_t{0}) + little(uint32_t{~0u}) + little(uint32_t{~0u}) + little(uint32_t{~0u});
  } else {
    file += "PK\5\6" + little(uint32_t{0}) + little(static_cast<uint16_t>(count)) +
            little(static_cast<uint16_t>(count)) + little(static_cast<uint32_t>(directorySize)) +
            little(static_cast<uint32_t>(directoryOffset));
  }
  return file + little(static_cast<uint16_t>(options.comment.size())) + options.comment;
}

/// Pieces of pickles, protocol 2. Each function returns what pushes one value.
namespace pickled {

inline const std::string kProto = "\x80\x02";
inline const std::string kNone = "N";
inline const std::string kEmptyTuple = ")";
inline const std::string kOrderedDict = "ccollections\nOrderedDict\n)R";

inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string text(const std::string& value) { return "X" + little(static_cast<uint32_t>(value.size())) + value; }
inline std::string integer(int64_t value) { return "\x8a\x08" + little(value); }
inline std::string real(double value) {
  std::string bytes = little(value);
  return "G" + std::string(bytes.rbegin(), bytes.rend());
}
inline std::string tuple(const std::vector<std::string>& items) {
  std::string all = "(";
  for (const auto& item : items) all += item;
  return all + "t";
}
inline std::string integers(const std::vector<int64_t>& values) {
  std::string all = "(";
  for (const int64_t value : values) all += integer(value);
  return all + "t";
}
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& items, const std::string& start = "}") {
  std::string all = start + "(";
  for (const auto& [key, value] : items) all += text(key) + value;
  return all + "u";
}
inline std::string reduce(const std::string& callee, const std::string& arguments) { return callee + arguments + "R"; }

inline std::string storage(const std::string& type, const std::string& key, int64_t elements,
                           const std::string& module = "torch") {
  return tuple({text("storage"), global(module, type), text(key), text("cpu"), integer(elements)}) + "Q";
}
inline std::string tensor(const std::string& storage, int64_t offset, const std::vector<int64_t>& dims,
                          const std::vector<int64_t>& strides) {
  return reduce(global("torch._utils", "_rebuild_tensor_v2"),
                tuple({storage, integer(offset), integers(dims), integers(strides), "\x89", kOrderedDict}));
}

}  // namespace pickled

/// A checkpoint as torch.save lays it out: the pickle of `root`, and storages by their keys.
struct TorchFile {
  std::string root;
  std::vector<std::pair<std::string, std::string>> storages;
  std::string byteOrder = "little";
  std::string version = "3\n";

  std::vector<ZipMember> members() const {
    std::vector<ZipMember> all;
    const auto add = [&](const std::string& name, const std::string& bytes) {
      ZipMember member;
      member.name = "archive/" + name;
      member.bytes = bytes;
      member.descriptor = true;
      all.push_back(member);
    };
    add("data.pkl", pickled::kProto + root + ".");
    if (!byteOrder.empty()) add("byteorder", byteOrder);
    for (const auto& [key, bytes] : storages) add("data/" + key, bytes);
    if (!version.empty()) add("version", version);
    return all;
  }
  std::string bytes(const ZipOptions& options = {}) const { return makeZip(members(), options); }
};

/// A state_dict of one FP32 matrix [2, 3] named `weight`, of the values 0 … 5.
inline TorchFile smallTorchFile() {
  TorchFile file;
  file.root = pickled::dict({{"weight", pickled::tensor(pickled::storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1})}});
  file.storages = {{"0", bytesOf<float>({0, 1, 2, 3, 4, 5})}};
  return file;
}

inline std::string makeSafetensors(const std::string& header, const std::string& data) {
  return little(static_cast<uint64_t>(header.size())) + header + data;
}

}  // namespace presisi::test
