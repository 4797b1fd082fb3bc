// SPDX-License-Identifier: Apache-2.0
#include "devices/processor.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace tightrope {

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

}  // namespace tightrope
