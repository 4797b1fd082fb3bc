// SPDX-License-Identifier: Apache-2.0
#include "base/packed.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>

#include "tightrope/error.h"

namespace tightrope {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base64(std::span<const Bytef> bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) group = group << 8U | (i + j < bytes.size() ? bytes[i + j] : 0U);
    for (std::size_t j = 0; j < 4; ++j)
      text += i + j > bytes.size() ? '=' : kDigits[group >> (18U - 6U * static_cast<unsigned>(j)) & 63U];
  }
  return text;
}

std::optional<std::vector<Bytef>> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::vector<Bytef> bytes;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint32_t group = 0;
    unsigned padding = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const bool may_pad = i + 4 == text.size() && j >= 2;
      const bool pads = may_pad && text[i + j] == '=';
      const std::size_t digit = pads ? 0 : kDigits.find(text[i + j]);
      if (digit == std::string_view::npos || (padding > 0 && !pads)) return std::nullopt;
      group = group << 6U | static_cast<std::uint32_t>(digit);
      padding += pads ? 1 : 0;
    }
    for (unsigned j = 0; j + padding < 3; ++j) bytes.push_back(static_cast<Bytef>(group >> (16U - 8U * j)));
  }
  return bytes;
}

}  // namespace

std::string packed(std::span<const std::int8_t> list) {
  uLongf size = compressBound(list.size());
  std::vector<Bytef> bytes(size);
  const auto* source = reinterpret_cast<const Bytef*>(list.data());
  if (compress2(bytes.data(), &size, source, list.size(), Z_BEST_COMPRESSION) != Z_OK)
    throw InternalError("[plan] a list could not be compressed");
  return std::to_string(list.size()) + ":" + base64(std::span(bytes).first(size));
}

std::optional<std::vector<std::int8_t>> unpacked(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + colon, count);
  if (error != std::errc() || end != text.data() + colon) return std::nullopt;
  const auto bytes = from_base64(text.substr(colon + 1));
  constexpr std::size_t kMostGain = 1100;  // what zlib can make of a byte
  if (!bytes || count / kMostGain > bytes->size()) return std::nullopt;
  std::vector<std::int8_t> list(count);
  uLongf size = count;
  const bool is_whole = uncompress(reinterpret_cast<Bytef*>(list.data()), &size, bytes->data(), bytes->size()) == Z_OK;
  if (!is_whole || size != count) return std::nullopt;
  return list;
}

}  // namespace tightrope
