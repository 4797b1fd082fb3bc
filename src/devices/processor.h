// SPDX-License-Identifier: Apache-2.0
// What the processor at hand can do.
#pragma once

#include <string>
#include <string_view>

namespace tightrope {

// The name of the instructions that add up products of 8-bit integers in 32 bits, so that no sum overflows:
// "AVX-512 VNNI", "dotprod" ... Empty where there are none, or nothing is known of the processor.
std::string_view dot_products_of_host();

// Such as "AMD EPYC 9V74 80-Core Processor, AVX-512 VNNI, 2 threads"; parts that are not known are left out.
std::string description_of_host();

}  // namespace tightrope
