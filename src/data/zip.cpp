// SPDX-License-Identifier: Apache-2.0
#include "data/zip.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "tightrope/error.h"

namespace tightrope {
namespace {

constexpr std::uint32_t kMemberSignature = 0x04034b50;
constexpr std::uint32_t kEntrySignature = 0x02014b50;
constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kEnd64Signature = 0x06064b50;
constexpr std::uint32_t kLocator64Signature = 0x07064b50;
constexpr std::size_t kMemberBytes = 30;
constexpr std::size_t kEntryBytes = 46;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64Bytes = 56;
constexpr std::size_t kLocator64Bytes = 20;
constexpr std::size_t kLongestComment = 65535;
constexpr std::size_t kPiece = std::size_t{1} << 16;

// Little-endian number of `count` bytes.
std::uint64_t number(std::span<const unsigned char> bytes, std::size_t offset, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = count; i-- > 0;) value = value << 8 | bytes[offset + i];
  return value;
}

std::uint16_t u16(std::span<const unsigned char> bytes, std::size_t offset) {
  return static_cast<std::uint16_t>(number(bytes, offset, 2));
}
std::uint32_t u32(std::span<const unsigned char> bytes, std::size_t offset) {
  return static_cast<std::uint32_t>(number(bytes, offset, 4));
}
std::uint64_t u64(std::span<const unsigned char> bytes, std::size_t offset) { return number(bytes, offset, 8); }

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw IoError(fmt::format("cannot read '{}': {}", path.string(), what), false);
}

[[noreturn]] void fail(const std::filesystem::path& path, const ZipMember& member, const std::string& what) {
  throw IoError(fmt::format("cannot read '{}': member '{}' {}", path.string(), member.name, what), false);
}

// Sizes and offset that did not fit into 32 bits stand in extra field 1, only those, in this order.
// False where one of them is missing.
bool widen(ZipMember& member, std::span<const unsigned char> extra) {
  while (extra.size() >= 4) {
    const std::size_t id = u16(extra, 0);
    const std::size_t length = u16(extra, 2);
    extra = extra.subspan(4);
    if (length > extra.size()) break;
    if (id == 1) {
      std::size_t at = 0;
      for (std::uint64_t* field : {&member.size, &member.packed_size, &member.header}) {
        if (*field != 0xFFFFFFFFu) continue;
        if (at + 8 > length) return false;
        *field = u64(extra, at);
        at += 8;
      }
      return true;
    }
    extra = extra.subspan(length);
  }
  return member.size != 0xFFFFFFFFu && member.packed_size != 0xFFFFFFFFu && member.header != 0xFFFFFFFFu;
}

// zlib's state, released on every way out.
class Inflater {
 public:
  Inflater() { ready_ = inflateInit2(&stream_, -MAX_WBITS) == Z_OK; }
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Unpacks all of `packed`. False where it is no deflated data or the stream ended before its end.
  bool feed(std::span<const unsigned char> packed, const std::function<void(std::span<const unsigned char>)>& take) {
    if (!ready_ || ended_) return false;
    stream_.next_in = const_cast<unsigned char*>(packed.data());
    stream_.avail_in = static_cast<uInt>(packed.size());
    do {
      stream_.next_out = out_.data();
      stream_.avail_out = static_cast<uInt>(out_.size());
      const int state = inflate(&stream_, Z_NO_FLUSH);
      if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) return false;
      take(std::span(out_).first(out_.size() - stream_.avail_out));
      ended_ = state == Z_STREAM_END;
    } while (!ended_ && (stream_.avail_in > 0 || stream_.avail_out == 0));
    return stream_.avail_in == 0;
  }
  bool ended() const { return ended_; }

 private:
  z_stream stream_{};
  std::vector<unsigned char> out_ = std::vector<unsigned char>(kPiece);
  bool ready_ = false;
  bool ended_ = false;
};

}  // namespace

ZipFile::ZipFile(std::filesystem::path path) : path_(std::move(path)) {
  std::error_code error;
  const auto status = std::filesystem::status(path_, error);
  if (!std::filesystem::exists(status)) fail(path_, "no such file");
  if (!std::filesystem::is_regular_file(status)) fail(path_, "it is not a regular file");
  file_.open(path_, std::ios::binary);
  file_size_ = std::filesystem::file_size(path_, error);
  if (!file_ || error) fail(path_, "it cannot be opened");
  read_directory();
}

std::vector<unsigned char> ZipFile::bytes_at(std::uint64_t offset, std::uint64_t count, const std::string& what) {
  if (offset > file_size_ || count > file_size_ - offset) fail(path_, what + " ends behind the end of the file");
  std::vector<unsigned char> bytes(count);
  file_.clear();
  file_.seekg(static_cast<std::streamoff>(offset));
  file_.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(count));
  if (!file_) fail(path_, what + " cannot be read");
  return bytes;
}

void ZipFile::read_directory() {
  const std::uint64_t tail_size = std::min<std::uint64_t>(file_size_, kEndBytes + kLongestComment);
  const std::uint64_t tail_start = file_size_ - tail_size;
  const auto tail = bytes_at(tail_start, tail_size, "the end record");
  std::optional<std::size_t> end;
  for (std::size_t i = tail.size() < kEndBytes ? 0 : tail.size() - kEndBytes + 1; !end && i-- > 0;) {
    if (u32(tail, i) == kEndSignature && i + kEndBytes + u16(tail, i + 20) == tail.size()) end = i;
  }
  if (!end) fail(path_, "it is no zip archive, or its end is cut off; an .npz file is needed");

  std::uint64_t count = u16(tail, *end + 10);
  std::uint64_t directory_size = u32(tail, *end + 12);
  std::uint64_t directory_start = u32(tail, *end + 16);
  const std::uint64_t end_offset = tail_start + *end;
  if (count == 0xFFFF || directory_size == 0xFFFFFFFFu || directory_start == 0xFFFFFFFFu) {
    if (end_offset < kLocator64Bytes) fail(path_, "the 64-bit end record is missing");
    const auto locator = bytes_at(end_offset - kLocator64Bytes, kLocator64Bytes, "the 64-bit locator");
    if (u32(locator, 0) != kLocator64Signature) fail(path_, "the 64-bit end record is missing");
    const auto end64 = bytes_at(u64(locator, 8), kEnd64Bytes, "the 64-bit end record");
    if (u32(end64, 0) != kEnd64Signature) fail(path_, "the 64-bit end record is damaged");
    count = u64(end64, 32);
    directory_size = u64(end64, 40);
    directory_start = u64(end64, 48);
  }

  const auto directory = bytes_at(directory_start, directory_size, "the directory of the archive");
  std::span<const unsigned char> rest(directory);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (rest.size() < kEntryBytes || u32(rest, 0) != kEntrySignature) {
      fail(path_, fmt::format("entry {} of the archive's directory is damaged", i));
    }
    const std::size_t name_size = u16(rest, 28);
    const std::size_t extra_size = u16(rest, 30);
    const std::size_t entry_size = kEntryBytes + name_size + extra_size + u16(rest, 32);
    if (rest.size() < entry_size) fail(path_, fmt::format("entry {} of the archive's directory is damaged", i));
    ZipMember member{.name = std::string(rest.begin() + kEntryBytes, rest.begin() + kEntryBytes + name_size),
                     .method = u16(rest, 10),
                     .crc = u32(rest, 16),
                     .packed_size = u32(rest, 20),
                     .size = u32(rest, 24),
                     .header = u32(rest, 42)};
    if (!widen(member, rest.subspan(kEntryBytes + name_size, extra_size))) fail(path_, member, "has no 64-bit size");
    if ((u16(rest, 8) & 1u) != 0) fail(path_, member, "is encrypted; arrays must be stored openly");
    members_.push_back(std::move(member));
    rest = rest.subspan(entry_size);
  }
}

void ZipFile::unpack(const ZipMember& member, const std::function<void(std::span<const std::byte>)>& take) {
  if (member.method != 0 && member.method != 8) {
    fail(path_, member, fmt::format("is packed with method {}; stored (0) or deflated (8) is needed", member.method));
  }
  const std::string what = fmt::format("member '{}'", member.name);
  const auto header = bytes_at(member.header, kMemberBytes, what);
  if (u32(header, 0) != kMemberSignature) fail(path_, member, "has a damaged header");
  std::uint64_t offset = member.header + kMemberBytes + u16(header, 26) + u16(header, 28);
  if (offset > file_size_ || member.packed_size > file_size_ - offset) fail(path_, member, "is cut off");

  std::uint64_t unpacked = 0;
  uLong crc = crc32(0, nullptr, 0);
  const auto pass_on = [&](std::span<const unsigned char> piece) {
    unpacked += piece.size();
    if (unpacked > member.size) fail(path_, member, fmt::format("is longer than its stated {} bytes", member.size));
    crc = crc32(crc, piece.data(), static_cast<uInt>(piece.size()));
    take(std::as_bytes(piece));
  };
  Inflater inflater;
  for (std::uint64_t left = member.packed_size; left > 0;) {
    const std::uint64_t count = std::min<std::uint64_t>(left, kPiece);
    const auto piece = bytes_at(offset, count, what);
    if (member.method == 0) {
      pass_on(piece);
    } else if (!inflater.feed(piece, pass_on)) {
      fail(path_, member, "holds damaged compressed data");
    }
    offset += count;
    left -= count;
  }
  if (member.method == 8 && !inflater.ended()) fail(path_, member, "holds compressed data that is cut off");
  if (unpacked != member.size) {
    fail(path_, member, fmt::format("unpacks to {} bytes; {} are stated", unpacked, member.size));
  }
  if (crc != member.crc) fail(path_, member, "is damaged: its checksum differs from the stated one");
}

}  // namespace tightrope
