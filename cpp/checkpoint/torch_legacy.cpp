// What PyTorch wrote before 1.6: recognised, to say what to do about it, and not read.

#include <algorithm>
#include <string_view>

#include "checkpoint/bytes.hpp"
#include "checkpoint/torch.hpp"

namespace presisi::checkpoint {

namespace {

/// 0x1950A86A20F9469CFC6C, little-endian behind the opcode LONG1: the first of the pickles in the old format.
constexpr std::string_view kMagic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);
/// The same in protocols 0 and 1, which write numbers as text.
constexpr std::string_view kMagicText = "L119547037146038801333356L\n";

std::string_view beginning(const MappedFile& file, size_t size) {
  if (file.size() == 0) return {};
  return {reinterpret_cast<const char*>(file.data()), std::min(size, file.size())};
}

/// The opcode PROTO and a protocol there is.
bool isPickle(const MappedFile& file) {
  return file.size() >= 3 && file.data()[0] == 0x80 && file.data()[1] >= 2 && file.data()[1] <= 5;
}

bool isMagic(const MappedFile& file) {
  const std::string_view start = beginning(file, 32);
  return (isPickle(file) && start.find(kMagic) != std::string_view::npos) ||
         start.substr(0, kMagicText.size()) == kMagicText;
}

/// The tar of PyTorch 0.1, by the first of its members.
bool isTar(const MappedFile& file) {
  if (file.size() < 512 || beginning(file, 262).substr(257) != "ustar") return false;
  const std::string_view name = beginning(file, 100);
  for (const char* member : {"sys_info", "pickle", "storages", "tensors"}) {
    if (name.substr(0, name.find('\0')) == member) return true;
  }
  return false;
}

}  // namespace

bool isTorchLegacy(const MappedFile& file) { return isPickle(file) || isMagic(file) || isTar(file); }

void refuseTorchLegacy(const std::string& path, const MappedFile& file) {
  if (isMagic(file) || isTar(file)) {
    unsupported(path + ": it has the format that PyTorch wrote before 1.6, which is not read",
                "save it anew with a current PyTorch: torch.save(torch.load(path, map_location=\"cpu\", "
                "weights_only=True), other)");
  }
  unsupported(path + ": it is a pickle that torch.save did not write; pickles can run code and are not read",
              kSaveStateDict);
}

}  // namespace presisi::checkpoint
