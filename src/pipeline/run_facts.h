// SPDX-License-Identifier: Apache-2.0
// What the measurements of a run of accuracy control depend on.
#pragma once

#include <string>

#include "store/store.h"
#include "tightrope/model.h"
#include "tightrope/options.h"

namespace tightrope {

// Not among them: what says only how far to go (limits, iterations, time), where files are, and how many items run at a
// time. Every field of the options is named in the source, so that a new one can't be forgotten.
Facts facts_of(const Model& model, const std::string& calibration_fingerprint,
               const std::string& validation_fingerprint, const QuantizeOptions& options,
               const AccuracyOptions& accuracy);

}  // namespace tightrope
