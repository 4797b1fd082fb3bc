// SPDX-License-Identifier: Apache-2.0
#include "devices/processor.h"

#include <fstream>
#include <thread>

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace tightrope {
namespace {

std::string name_of_host() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return {};
}

}  // namespace

std::string_view dot_products_of_host() {
#if defined(__x86_64__) || defined(__i386__)
  if (__builtin_cpu_supports("amx-int8") != 0) return "AMX";
  if (__builtin_cpu_supports("avx512vnni") != 0) return "AVX-512 VNNI";
  if (__builtin_cpu_supports("avxvnni") != 0) return "AVX-VNNI";
#elif defined(__aarch64__) && defined(__linux__)
  if ((getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0) return "i8mm";
  if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) return "dotprod";
#elif defined(__aarch64__) && defined(__APPLE__)
  return "dotprod";  // all of them
#endif
  return {};
}

std::string description_of_host() {
  std::string text = name_of_host();
  const auto add = [&](std::string_view part) {
    if (!part.empty()) text += (text.empty() ? "" : ", ") + std::string(part);
  };
  add(dot_products_of_host());
  add(std::to_string(std::thread::hardware_concurrency()) + " threads");
  return text;
}

}  // namespace tightrope
