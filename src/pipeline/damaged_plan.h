// SPDX-License-Identifier: Apache-2.0
// A plan that any metric must find bad.
#pragma once

#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// Turns the signs of about half of each weight that could be quantized, channel by channel: what a layer computes has
// little to do with what it did, but depends on the data still and stays as large as it was. Needs no data. Empty where
// there is no such weight.
Plan damaged_plan(const Model& model, const QuantizeOptions& options);

}  // namespace tightrope
