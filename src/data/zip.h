// SPDX-License-Identifier: Apache-2.0
// Reads members of a zip archive: stored or deflated, with 64-bit sizes, checked against their CRC.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace tightrope {

struct ZipMember {
  std::string name;
  int method = 0;  // 0: stored, 8: deflated
  std::uint32_t crc = 0;
  std::uint64_t packed_size = 0;
  std::uint64_t size = 0;
  std::uint64_t header = 0;  // offset of the member's own header in the file
};

// One archive, open for reading. Nothing is allocated by sizes that the file merely claims.
class ZipFile {
 public:
  // Reads the central directory. Throws IoError for a file that cannot be opened or is no zip archive.
  explicit ZipFile(std::filesystem::path path);

  const std::vector<ZipMember>& members() const { return members_; }
  const std::filesystem::path& path() const { return path_; }

  // Hands the unpacked bytes of `member` to `take` piece by piece, in order.
  // Throws IoError naming file and member for damaged or encrypted data and for other methods.
  void unpack(const ZipMember& member, const std::function<void(std::span<const std::byte>)>& take);

 private:
  std::vector<unsigned char> bytes_at(std::uint64_t offset, std::uint64_t count, const std::string& what);
  void read_directory();

  std::filesystem::path path_;
  std::ifstream file_;
  std::uint64_t file_size_ = 0;
  std::vector<ZipMember> members_;
};

}  // namespace tightrope
