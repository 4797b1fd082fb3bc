// SPDX-License-Identifier: Apache-2.0
// What execution costs beside quantization.
#pragma once

#include <optional>

#include "accuracy/control.h"

namespace tightrope {

// Measures `best` in the precision that the device chooses by itself, where that is another one than that of the
// validation, the options ask for it, and time is left. Otherwise the log says that it was not. `measured` is what the
// validation of `best` gave.
std::optional<DeployedRecord> measure_deployed(const Plan& best, const Evaluation& original, const Evaluation& measured,
                                               const Means& means, const AccuracyOptions& options);

}  // namespace tightrope
