// SPDX-License-Identifier: Apache-2.0
// The modes of 8-bit floating point, which allow little else.
#pragma once

#include "tightrope/options.h"

namespace tightrope {

// Throws InvalidArgument for options that do not go together with the mode.
void check_mode(const QuantizeOptions& options);

}  // namespace tightrope
