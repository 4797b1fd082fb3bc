// SPDX-License-Identifier: Apache-2.0
// All commands as a module, which main.cpp loads once OpenVINO is there.
#include <iostream>
#include <string>
#include <vector>

#include "cli.h"

extern "C" [[gnu::visibility("default")]] int tightrope_run(int count, char** values) {
  tightrope::cli::stop_on_interrupt();
  const std::vector<std::string> arguments(values + (count > 0 ? 1 : 0), values + count);
  return tightrope::cli::run(arguments, std::cout, std::cerr);
}
