// SPDX-License-Identifier: Apache-2.0
#include "devices/processor.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace tightrope {
namespace {

TEST(Processor, HasTheDotProductsThatLinuxLists) {
  std::ifstream file("/proc/cpuinfo");
  if (!file) GTEST_SKIP() << "there is no /proc/cpuinfo";
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::string expected;
  for (const auto& [flag, name] : {std::pair{" avx_vnni", "AVX-VNNI"},
                                   {" avx512_vnni", "AVX-512 VNNI"},
                                   {" amx_int8", "AMX"},
                                   {" asimddp", "dotprod"},
                                   {" i8mm", "i8mm"}}) {
    if (text.find(flag) != std::string::npos) expected = name;
  }
  EXPECT_EQ(dot_products_of_host(), expected);
}

}  // namespace
}  // namespace tightrope
