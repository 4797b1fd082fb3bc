// SPDX-License-Identifier: Apache-2.0
#include "base/fingerprint.h"

#include <fmt/format.h>

#include <cstring>

namespace tightrope {

void Fingerprint::mix(std::uint64_t word) {
  state_ = (state_ ^ word) * 0xD6E8FEB86659FD93U;
  state_ ^= state_ >> 32U;
}

void Fingerprint::add(const void* data, std::size_t bytes) {
  const auto* next = static_cast<const std::byte*>(data);
  mix(bytes);
  std::uint64_t word = 0;
  for (; bytes >= sizeof(word); bytes -= sizeof(word), next += sizeof(word)) {
    std::memcpy(&word, next, sizeof(word));
    mix(word);
  }
  word = 0;
  if (bytes > 0) std::memcpy(&word, next, bytes);
  mix(word);
}

std::string Fingerprint::text() const { return fmt::format("{:016x}", state_); }

}  // namespace tightrope
