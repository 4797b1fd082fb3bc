// SPDX-License-Identifier: Apache-2.0
#include "data/npz.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>

#include "tightrope/error.h"

namespace tightrope {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::string_view kSuffix = ".npy";
constexpr std::size_t kLongestHeader = std::size_t{1} << 20;
constexpr std::uint64_t kDeflateRatio = 1032;  // no deflated data is smaller than this fraction of what it unpacks to

struct NpyHeader {
  std::string dtype;  // "<f4"
  bool fortran_order = false;
  Shape shape;
};

// Reads the Python dictionary in front of an array. Each function moves on and is false where the text is another.
class HeaderText {
 public:
  explicit HeaderText(std::string_view text) : rest_(text) {}

  bool read(NpyHeader& header) {
    bool dtype = false, order = false, shape = false;
    if (!take('{')) return false;
    while (!take('}')) {
      std::string key;
      if (!quoted(key) || !take(':')) return false;
      if (key == "descr") {
        dtype = quoted(header.dtype) || structured(header.dtype);
        if (!dtype) return false;
      } else if (key == "fortran_order") {
        header.fortran_order = word("True");
        order = header.fortran_order || word("False");
        if (!order) return false;
      } else if (key == "shape") {
        shape = extents(header.shape);
        if (!shape) return false;
      } else {
        return false;
      }
      if (!take(',') && !starts_with('}')) return false;
    }
    return dtype && order && shape;
  }

 private:
  bool starts_with(char wanted) {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size()));
    return !rest_.empty() && rest_.front() == wanted;
  }
  bool take(char wanted) {
    if (!starts_with(wanted)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool word(std::string_view wanted) {
    if (!starts_with(wanted.front()) || !rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(wanted.size());
    return true;
  }
  bool quoted(std::string& text) {
    const char mark = starts_with('\'') ? '\'' : '"';
    if (!take(mark)) return false;
    const std::size_t end = rest_.find(mark);
    if (end == std::string_view::npos) return false;
    text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return true;
  }
  // A list of fields, kept as it stands for the message that refuses it.
  bool structured(std::string& text) {
    if (!starts_with('[')) return false;
    const std::size_t end = rest_.find(']');
    if (end == std::string_view::npos) return false;
    text = rest_.substr(0, end + 1);
    rest_.remove_prefix(end + 1);
    return true;
  }
  bool extents(Shape& shape) {
    if (!take('(')) return false;
    while (!take(')')) {
      std::int64_t extent = 0;
      starts_with(' ');
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
      if (error != std::errc() || extent < 0) return false;
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      word("L");  // as Python 2 wrote it
      shape.push_back(extent);
      if (!take(',') && !starts_with(')')) return false;
    }
    return true;
  }

  std::string_view rest_;
};

struct DtypeRow {
  std::string_view name;
  ElementType type;
};
constexpr DtypeRow kDtypes[] = {{"b1", ElementType::kBoolean}, {"i1", ElementType::kI8},  {"i2", ElementType::kI16},
                                {"i4", ElementType::kI32},     {"i8", ElementType::kI64}, {"u1", ElementType::kU8},
                                {"u2", ElementType::kU16},     {"u4", ElementType::kU32}, {"u8", ElementType::kU64},
                                {"f2", ElementType::kF16},     {"f4", ElementType::kF32}, {"f8", ElementType::kF64}};

ElementType type_of(std::string_view dtype) {
  if (dtype.size() != 3 || std::string_view("<>|=").find(dtype[0]) == std::string_view::npos)
    return ElementType::kOther;
  const auto* row = std::ranges::find(kDtypes, dtype.substr(1), &DtypeRow::name);
  return row == std::end(kDtypes) ? ElementType::kOther : row->type;
}

// Elements of `shape`, where they fit into `limit` bytes.
std::optional<std::uint64_t> elements_within(const Shape& shape, std::uint64_t element_size, std::uint64_t limit) {
  if (std::ranges::find(shape, 0) != shape.end()) return 0;
  std::uint64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (count > limit / element_size / static_cast<std::uint64_t>(extent)) return std::nullopt;
    count *= static_cast<std::uint64_t>(extent);
  }
  return count;
}

void swap_bytes(std::byte* data, std::size_t count, std::size_t element_size) {
  for (std::size_t i = 0; i < count; ++i) std::reverse(data + i * element_size, data + (i + 1) * element_size);
}

// From Fortran order (first index runs fastest) to C order.
void transpose(const std::byte* from, std::byte* to, std::size_t element_size, const Shape& shape) {
  std::vector<std::size_t> strides;
  std::size_t stride = 1;
  for (const std::int64_t extent : shape) {
    strides.push_back(stride);
    stride *= static_cast<std::size_t>(extent);
  }
  std::vector<std::size_t> index(shape.size(), 0);
  std::size_t at = 0;
  for (std::size_t i = 0; i < stride; ++i) {
    std::memcpy(to + i * element_size, from + at * element_size, element_size);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      at += strides[axis];
      if (++index[axis] < static_cast<std::size_t>(shape[axis])) break;
      at -= strides[axis] * index[axis];
      index[axis] = 0;
    }
  }
}

using Words = std::shared_ptr<std::uint64_t[]>;  // as bytes, aligned for every element type

Words allocate(std::uint64_t bytes) { return Words(new std::uint64_t[bytes / 8 + 1]); }

Words in_c_order(const Words& data, std::uint64_t bytes, std::size_t element_size, const Shape& shape) {
  const Words result = allocate(bytes);
  transpose(reinterpret_cast<const std::byte*>(data.get()), reinterpret_cast<std::byte*>(result.get()), element_size,
            shape);
  return result;
}

// What comes of a .npy file piece by piece.
class ArrayReader {
 public:
  // `where` begins messages: "cannot read 'x.npz': array 'y'"; of `size` bytes `most` can be there.
  ArrayReader(std::string where, std::uint64_t size, std::uint64_t most)
      : where_(std::move(where)), size_(size), most_(most) {}

  void take(std::span<const std::byte> piece) {
    if (layout_) return append(piece.data(), piece.size());
    head_.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    const auto preamble = read_preamble();
    if (!preamble || head_.size() < preamble->end) return;
    // By now the packed bytes are known to be there, so this bounds what is allocated.
    if (size_ > most_) fail(fmt::format("states {} bytes, more than the file can hold", size_));
    read_layout(std::string_view(head_).substr(preamble->text, preamble->end - preamble->text), size_ - preamble->end);
    data_ = allocate(layout_->bytes);
    append(head_.data() + preamble->end, head_.size() - preamble->end);
    head_.clear();
  }

  Tensor tensor() {
    if (!layout_) fail("ends within its header");
    const NpyHeader& header = layout_->header;
    const std::size_t element_size = size_of(layout_->type);
    if (header.dtype[0] == (std::endian::native == std::endian::little ? '>' : '<')) {
      swap_bytes(reinterpret_cast<std::byte*>(data_.get()), layout_->bytes / element_size, element_size);
    }
    if (header.fortran_order && layout_->bytes > 0)
      data_ = in_c_order(data_, layout_->bytes, element_size, header.shape);
    return Tensor(layout_->type, header.shape, std::shared_ptr<const void>(data_, data_.get()));
  }

 private:
  struct Preamble {
    std::size_t text = 0;  // where the header text starts
    std::size_t end = 0;   // where the elements start
  };
  struct Layout {
    NpyHeader header;
    ElementType type = ElementType::kOther;
    std::uint64_t bytes = 0;
  };

  [[noreturn]] void fail(const std::string& what) const { throw IoError(fmt::format("{} {}", where_, what), false); }

  void append(const void* bytes, std::size_t count) {  // no more comes than the stated size
    std::memcpy(reinterpret_cast<std::byte*>(data_.get()) + filled_, bytes, count);
    filled_ += count;
  }

  // Magic, version and length of the header; nothing while too few bytes came.
  std::optional<Preamble> read_preamble() const {
    if (head_.size() < 12) return std::nullopt;
    if (!head_.starts_with(kMagic)) fail("is not in .npy format");
    const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(head_[i])); };
    if (byte(6) < 1 || byte(6) > 3) fail(fmt::format("has .npy version {}; 1 to 3 are known", byte(6)));
    const bool wide = byte(6) > 1;
    const std::size_t text = wide ? 12 : 10;
    const std::size_t length = byte(8) | byte(9) << 8 | (wide ? byte(10) << 16 | byte(11) << 24 : 0);
    if (length > kLongestHeader || text + length > size_)
      fail(fmt::format("states a header of {} bytes, more than there can be", length));
    return Preamble{text, text + length};
  }

  void read_layout(std::string_view text, std::uint64_t bytes) {
    layout_.emplace();
    if (!HeaderText(text).read(layout_->header)) fail("has a damaged .npy header");
    layout_->type = type_of(layout_->header.dtype);
    if (layout_->type == ElementType::kOther) {
      fail(fmt::format("has dtype '{}'; booleans, integers or floats of 1 to 8 bytes are needed",
                       layout_->header.dtype));
    }
    const auto count = elements_within(layout_->header.shape, size_of(layout_->type), bytes);
    if (!count || *count * size_of(layout_->type) != bytes) {
      fail(fmt::format("has shape {} of dtype '{}', which does not fit its {} bytes", to_string(layout_->header.shape),
                       layout_->header.dtype, bytes));
    }
    layout_->bytes = bytes;
  }

  std::string where_;
  std::uint64_t size_;
  std::uint64_t most_;
  std::string head_;
  std::optional<Layout> layout_;
  Words data_;
  std::uint64_t filled_ = 0;
};

}  // namespace

std::string array_name(const ZipMember& member) {
  return member.name.ends_with(kSuffix) ? member.name.substr(0, member.name.size() - kSuffix.size()) : std::string();
}

Tensor read_array(ZipFile& file, const ZipMember& member) {
  ArrayReader reader(fmt::format("cannot read '{}': array '{}'", file.path().string(), array_name(member)), member.size,
                     member.method == 0 ? member.packed_size : member.packed_size * kDeflateRatio);
  file.unpack(member, [&](std::span<const std::byte> piece) { reader.take(piece); });
  return reader.tensor();
}

Tensor read_npy(const std::filesystem::path& path) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) throw IoError(fmt::format("cannot read '{}': it cannot be opened", path.string()), false);
  ArrayReader reader(fmt::format("cannot read '{}': the array", path.string()), size, size);
  std::vector<std::byte> piece(std::min<std::uintmax_t>(size, kPiece));
  for (std::uintmax_t left = size; left > 0;) {
    const std::size_t count = std::min<std::uintmax_t>(left, piece.size());
    file.read(reinterpret_cast<char*>(piece.data()), static_cast<std::streamsize>(count));
    if (!file) throw IoError(fmt::format("cannot read '{}': it ends too early", path.string()), false);
    reader.take(std::span(piece).first(count));
    left -= count;
  }
  return reader.tensor();
}

}  // namespace tightrope
