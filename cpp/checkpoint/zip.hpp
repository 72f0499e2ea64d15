#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/bytes.hpp"
#include "core/file.hpp"

namespace presisi::checkpoint {

/// A zip file as PyTorch writes them, with ZIP64 fields where it needs them (PKWARE APPNOTE 4.3). Only members that
/// are stored uncompressed, as all of torch.save's are, can be read. Opening checks the whole directory against the
/// file: every member lies in front of the directory, none overlaps another, no name occurs twice.
class ZipArchive {
 public:
  struct Member {
    std::string_view name;  ///< lies in the mapped file
    uint64_t header = 0;    ///< offset of its local header
    uint64_t data = 0;      ///< offset of its bytes
    uint64_t size = 0;      ///< as it is stored
    uint32_t crc = 0;
    uint16_t method = 0;  ///< of compression; 0: none
  };

  /// `label` names the file in messages. Throws InvalidModel; UnsupportedModel for encrypted members and for archives
  /// of several files.
  ZipArchive(std::shared_ptr<const MappedFile> file, std::string label);

  /// In the order of the directory.
  const std::vector<Member>& members() const { return members_; }
  /// Null when there is none.
  const Member* find(std::string_view name) const;
  /// Throws UnsupportedModel naming a member that is compressed, if there is one.
  void requireStored() const;
  /// Its bytes, after their CRC-32 was verified.
  ByteView read(const Member& member) const;
  /// False when PyTorch was told to leave checksums out (torch.serialization.set_crc32_options(False)): it then writes
  /// zero for every member.
  bool hasChecksums() const { return hasChecksums_; }

 private:
  struct Directory {
    uint64_t offset = 0;
    uint64_t size = 0;
    uint64_t count = 0;
  };

  Directory locate() const;
  void readDirectory(const Directory& directory);
  void readLocalHeader(Member& member, uint64_t end) const;
  void checkOverlaps() const;
  void indexNames();
  [[noreturn]] void refuse(const std::string& reason) const;

  std::shared_ptr<const MappedFile> file_;
  std::string label_;
  std::vector<Member> members_;
  std::vector<uint32_t> byName_;  ///< indices into members_, sorted by name
  bool hasChecksums_ = false;
};

}  // namespace presisi::checkpoint
