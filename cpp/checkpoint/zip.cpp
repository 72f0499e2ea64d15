#include "checkpoint/zip.hpp"

#include <algorithm>
#include <numeric>

#include "checkpoint/crc32.hpp"

namespace presisi::checkpoint {

namespace {

constexpr uint32_t kLocalHeader = 0x04034B50;
constexpr uint32_t kCentralHeader = 0x02014B50;
constexpr uint32_t kEnd = 0x06054B50;
constexpr uint32_t kEnd64 = 0x06064B50;
constexpr uint32_t kEnd64Locator = 0x07064B50;

constexpr size_t kLocalHeaderSize = 30;
constexpr size_t kCentralHeaderSize = 46;
constexpr size_t kEndSize = 22;
constexpr size_t kEnd64Size = 56;
constexpr size_t kEnd64LocatorSize = 20;
constexpr size_t kLongestComment = 0xFFFF;

/// The largest published checkpoints have some thousand members.
constexpr uint64_t kMostMembers = 1000000;

constexpr uint16_t kEncrypted = 1;
constexpr uint16_t kSizesFollow = 8;  ///< flag bit 3: the local header leaves sizes and CRC to a descriptor behind

constexpr uint16_t kZip64Field = 1;

/// Replaces the 32-bit fields that are saturated by those of the ZIP64 extra field, which has only these, in order.
/// False when they aren't there.
bool widen(ByteView extra, std::initializer_list<uint64_t*> fields) {
  const bool needed = std::any_of(fields.begin(), fields.end(), [](const uint64_t* f) { return *f == 0xFFFFFFFF; });
  if (!needed) return true;
  size_t at = 0;
  while (extra.size - at >= 4) {
    const auto id = load<uint16_t>(extra.data + at);
    const size_t size = load<uint16_t>(extra.data + at + 2);
    at += 4;
    if (size > extra.size - at) return false;
    if (id == kZip64Field) {
      size_t used = 0;
      for (uint64_t* field : fields) {
        if (*field != 0xFFFFFFFF) continue;
        if (size - used < 8) return false;
        *field = load<uint64_t>(extra.data + at + used);
        used += 8;
      }
      return true;
    }
    at += size;
  }
  return false;
}

}  // namespace

ZipArchive::ZipArchive(std::shared_ptr<const MappedFile> file, std::string label)
    : file_(std::move(file)), label_(std::move(label)) {
  readDirectory(locate());
  checkOverlaps();
  indexNames();
  hasChecksums_ = std::any_of(members_.begin(), members_.end(), [](const Member& member) { return member.crc != 0; });
}

void ZipArchive::refuse(const std::string& reason) const { corrupt(label_ + ": " + reason); }

ZipArchive::Directory ZipArchive::locate() const {
  const uint8_t* bytes = file_->data();
  const size_t size = file_->size();
  if (size < kEndSize) refuse("a zip file needs at least 22 bytes but it has " + std::to_string(size));
  const size_t earliest = size - kEndSize - std::min(size - kEndSize, kLongestComment);
  size_t end = size - kEndSize;
  while (load<uint32_t>(bytes + end) != kEnd || load<uint16_t>(bytes + end + 20) != size - end - kEndSize) {
    if (end == earliest) refuse("its zip directory, which ends the file, is missing");
    --end;
  }
  const auto disk = load<uint16_t>(bytes + end + 4);
  Directory directory;
  directory.count = load<uint16_t>(bytes + end + 10);
  directory.size = load<uint32_t>(bytes + end + 12);
  directory.offset = load<uint32_t>(bytes + end + 16);
  size_t stop = end;
  if (end >= kEnd64LocatorSize && load<uint32_t>(bytes + end - kEnd64LocatorSize) == kEnd64Locator) {
    const uint64_t at = load<uint64_t>(bytes + end - kEnd64LocatorSize + 8);
    const size_t limit = end - kEnd64LocatorSize;
    if (at > limit || limit - at < kEnd64Size || load<uint32_t>(bytes + at) != kEnd64) {
      refuse("its ZIP64 directory record is not at offset " + std::to_string(at) + ", where the file says");
    }
    const Directory wide{load<uint64_t>(bytes + at + 48), load<uint64_t>(bytes + at + 40),
                         load<uint64_t>(bytes + at + 32)};
    const auto agree = [](uint64_t narrow, uint64_t saturated, uint64_t value) {
      return narrow == saturated || narrow == value;
    };
    if (!agree(directory.count, 0xFFFF, wide.count) || !agree(directory.size, 0xFFFFFFFF, wide.size) ||
        !agree(directory.offset, 0xFFFFFFFF, wide.offset)) {
      refuse("its two zip directory records contradict each other");
    }
    directory = wide;
    stop = at;
  } else if (disk != 0 && disk != 0xFFFF) {
    unsupported(label_ + ": it is one part of a zip archive of several files", "join the parts into one file");
  }
  if (directory.offset > stop || directory.size != stop - directory.offset) {
    refuse("its zip directory should span " + std::to_string(directory.size) + " bytes from offset " +
           std::to_string(directory.offset) + " but the record behind it lies at " + std::to_string(stop));
  }
  if (directory.count > directory.size / kCentralHeaderSize || directory.count > kMostMembers) {
    refuse("its zip directory of " + std::to_string(directory.size) + " bytes can't list " +
           std::to_string(directory.count) + " members");
  }
  return directory;
}

void ZipArchive::readDirectory(const Directory& directory) {
  const uint8_t* at = file_->data() + directory.offset;
  size_t left = directory.size;
  members_.reserve(directory.count);
  for (uint64_t i = 0; i < directory.count; ++i) {
    if (left < kCentralHeaderSize || load<uint32_t>(at) != kCentralHeader) {
      refuse("entry " + std::to_string(i) + " of its zip directory is damaged");
    }
    const auto flags = load<uint16_t>(at + 8);
    const size_t nameSize = load<uint16_t>(at + 28);
    const size_t extraSize = load<uint16_t>(at + 30);
    const size_t all = kCentralHeaderSize + nameSize + extraSize + load<uint16_t>(at + 32);
    if (left < all) refuse("entry " + std::to_string(i) + " of its zip directory is cut off");

    Member member;
    member.name = {reinterpret_cast<const char*>(at + kCentralHeaderSize), nameSize};
    member.method = load<uint16_t>(at + 10);
    member.crc = load<uint32_t>(at + 16);
    member.size = load<uint32_t>(at + 20);
    member.header = load<uint32_t>(at + 42);
    uint64_t size = load<uint32_t>(at + 24);
    if (!widen({at + kCentralHeaderSize + nameSize, extraSize}, {&size, &member.size, &member.header})) {
      refuse("the ZIP64 sizes of its member " + quote(member.name) + " are missing");
    }
    if ((flags & kEncrypted) != 0) {
      unsupported(label_ + ": its member " + quote(member.name) + " is encrypted", "save it anew with torch.save");
    }
    if (member.method == 0 && size != member.size) {
      refuse("its member " + quote(member.name) + " is stored, yet of " + std::to_string(size) + " bytes in " +
             std::to_string(member.size));
    }
    readLocalHeader(member, directory.offset);
    members_.push_back(member);
    at += all;
    left -= all;
  }
  if (left != 0) refuse("its zip directory has " + std::to_string(left) + " bytes more than its members need");
}

void ZipArchive::readLocalHeader(Member& member, uint64_t end) const {
  const auto outside = [&] {
    refuse("its member " + quote(member.name) + " of " + std::to_string(member.size) + " bytes at offset " +
           std::to_string(member.header) + " reaches beyond the " + std::to_string(end) + " bytes of data");
  };
  if (member.header > end || end - member.header < kLocalHeaderSize) outside();
  const uint8_t* at = file_->data() + member.header;
  if (load<uint32_t>(at) != kLocalHeader) {
    refuse("its member " + quote(member.name) + " is not at offset " + std::to_string(member.header));
  }
  const auto flags = load<uint16_t>(at + 6);
  const size_t nameSize = load<uint16_t>(at + 26);
  const size_t extraSize = load<uint16_t>(at + 28);
  const uint64_t start = kLocalHeaderSize + nameSize + extraSize;
  const uint64_t room = end - member.header;
  if (start > room || member.size > room - start) outside();
  const std::string_view name(reinterpret_cast<const char*>(at + kLocalHeaderSize), nameSize);
  bool agrees = name == member.name && load<uint16_t>(at + 8) == member.method && (flags & kEncrypted) == 0;
  if ((flags & kSizesFollow) == 0) {
    uint64_t packed = load<uint32_t>(at + 18);
    uint64_t size = load<uint32_t>(at + 22);
    agrees = agrees && widen({at + kLocalHeaderSize + nameSize, extraSize}, {&size, &packed}) &&
             packed == member.size && (member.method != 0 || size == packed) && load<uint32_t>(at + 14) == member.crc;
  }
  if (!agrees) refuse("the directory and the header of its member " + quote(member.name) + " contradict each other");
  member.data = member.header + start;
}

void ZipArchive::checkOverlaps() const {
  std::vector<uint32_t> order(members_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return members_[a].header < members_[b].header; });
  for (size_t i = 1; i < order.size(); ++i) {
    const Member& before = members_[order[i - 1]];
    const Member& after = members_[order[i]];
    if (before.data + before.size > after.header) {
      refuse("its members " + quote(before.name) + " and " + quote(after.name) + " overlap");
    }
  }
}

void ZipArchive::indexNames() {
  byName_.resize(members_.size());
  std::iota(byName_.begin(), byName_.end(), 0u);
  std::sort(byName_.begin(), byName_.end(),
            [&](uint32_t a, uint32_t b) { return members_[a].name < members_[b].name; });
  for (size_t i = 1; i < byName_.size(); ++i) {
    const std::string_view name = members_[byName_[i]].name;
    if (members_[byName_[i - 1]].name == name) refuse("it has two members named " + quote(name));
  }
}

const ZipArchive::Member* ZipArchive::find(std::string_view name) const {
  const auto found = std::lower_bound(byName_.begin(), byName_.end(), name,
                                      [&](uint32_t i, std::string_view wanted) { return members_[i].name < wanted; });
  return found != byName_.end() && members_[*found].name == name ? &members_[*found] : nullptr;
}

void ZipArchive::requireStored() const {
  for (const Member& member : members_) {
    if (member.method == 0) continue;
    unsupported(label_ + ": its member " + quote(member.name) + " is compressed (zip method " +
                    std::to_string(member.method) + "), which torch.save never does",
                "torch.save it anew, or zip it without compression: zip -0");
  }
}

ByteView ZipArchive::read(const Member& member) const {
  const ByteView bytes{file_->data() + member.data, static_cast<size_t>(member.size)};
  if (hasChecksums_ && crc32(bytes.data, bytes.size) != member.crc) {
    refuse("the bytes of its member " + quote(member.name) + " don't have the checksum (CRC-32) saved with them");
  }
  return bytes;
}

}  // namespace presisi::checkpoint
