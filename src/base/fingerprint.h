// SPDX-License-Identifier: Apache-2.0
// Tells by a few digits whether two things are the same; not against those who mean harm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tightrope {

class Fingerprint {
 public:
  void add(const void* data, std::size_t bytes);
  void add(std::string_view text) { add(text.data(), text.size()); }
  void add(std::int64_t number) { add(&number, sizeof(number)); }

  std::uint64_t value() const { return state_; }
  std::string text() const;  // 16 hexadecimal digits

 private:
  void mix(std::uint64_t word);

  std::uint64_t state_ = 0x9E3779B97F4A7C15U;
};

}  // namespace tightrope
