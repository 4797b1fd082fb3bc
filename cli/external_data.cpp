// SPDX-License-Identifier: Apache-2.0
// A message of protobuf is a sequence of fields: number and kind, for most of them a length, then the content. What is
// not looked for is skipped, so that tensors are never read into memory.
#include "external_data.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <set>
#include <string>
#include <utility>

namespace tightrope::cli {
namespace {

namespace fs = std::filesystem;

enum class Message { kModel, kFunction, kGraph, kNode, kAttribute, kSparseTensor, kTensor, kEntry };

// Where messages lie in others, by the numbers of onnx.proto.
struct Place {
  Message outer;
  std::uint64_t field;
  Message inner;
};

constexpr std::array kPlaces = {
    Place{Message::kModel, 7, Message::kGraph},
    Place{Message::kModel, 25, Message::kFunction},
    Place{Message::kFunction, 7, Message::kNode},
    Place{Message::kGraph, 1, Message::kNode},
    Place{Message::kGraph, 5, Message::kTensor},
    Place{Message::kGraph, 15, Message::kSparseTensor},
    Place{Message::kNode, 5, Message::kAttribute},
    Place{Message::kAttribute, 5, Message::kTensor},
    Place{Message::kAttribute, 6, Message::kGraph},
    Place{Message::kAttribute, 10, Message::kTensor},
    Place{Message::kAttribute, 11, Message::kGraph},
    Place{Message::kAttribute, 22, Message::kSparseTensor},
    Place{Message::kAttribute, 23, Message::kSparseTensor},
    Place{Message::kSparseTensor, 1, Message::kTensor},
    Place{Message::kSparseTensor, 2, Message::kTensor},
    Place{Message::kTensor, 13, Message::kEntry},
};

class Search {
 public:
  explicit Search(const fs::path& model) : folder_(model.parent_path()), file_(model, std::ios::binary) {}

  std::vector<fs::path> run(std::uint64_t size) {
    read(Message::kModel, size, 0);
    return std::move(found_);
  }

 private:
  enum Kind : std::uint64_t { kNumber = 0, kEightBytes = 1, kSized = 2, kFourBytes = 5 };

  // Reads the fields up to `end`. At damage the file is in a failed state, and all ends.
  void read(Message message, std::uint64_t end, int depth) {
    constexpr int kDeepest = 100;  // protobuf's own limit
    if (depth > kDeepest) file_.setstate(std::ios::failbit);
    std::string key;
    while (at_ < end && file_) {
      const std::uint64_t tag = number();
      const std::uint64_t kind = tag & 7;
      const std::uint64_t length = kind == kFourBytes ? 4 : kind == kEightBytes ? 8 : number();
      if (kind == kNumber) continue;
      if ((kind != kSized && kind != kFourBytes && kind != kEightBytes) || at_ > end || length > end - at_) {
        file_.setstate(std::ios::failbit);
      } else if (message == Message::kEntry) {
        take_entry(tag >> 3, text(length), key);
      } else {
        read_field(message, tag >> 3, length, depth);
      }
    }
  }

  void read_field(Message outer, std::uint64_t field, std::uint64_t length, int depth) {
    const auto* const place = std::ranges::find_if(
        kPlaces, [&](const Place& candidate) { return candidate.outer == outer && candidate.field == field; });
    if (place != kPlaces.end()) {
      read(place->inner, at_ + length, depth + 1);
    } else {
      file_.seekg(static_cast<std::streamoff>(length), std::ios::cur);
      at_ += length;
    }
  }

  // An entry of external_data: a key, then a value.
  void take_entry(std::uint64_t field, std::string text, std::string& key) {
    if (field == 1) key = std::move(text);
    if (field != 2 || key != "location") return;
    if (known_.insert(text).second) found_.push_back(folder_ / text);
  }

  std::uint64_t number() {
    std::uint64_t value = 0;
    int byte = 0x80;
    for (unsigned shift = 0; shift < 64 && byte >= 0x80; shift += 7) {
      byte = file_.get();
      if (byte < 0) return 0;
      ++at_;
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    }
    return value;
  }

  std::string text(std::uint64_t length) {
    constexpr std::uint64_t kLongest = 4096;  // of a path
    std::string text(std::min(length, kLongest + 1), '\0');
    file_.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (length > kLongest) file_.setstate(std::ios::failbit);
    at_ += length;
    return text;
  }

  fs::path folder_;
  std::ifstream file_;
  std::uint64_t at_ = 0;
  std::set<std::string> known_;
  std::vector<fs::path> found_;
};

}  // namespace

std::vector<fs::path> external_data_of(const fs::path& model) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(model, error);
  return error ? std::vector<fs::path>() : Search(model).run(size);
}

}  // namespace tightrope::cli
