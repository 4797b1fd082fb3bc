// SPDX-License-Identifier: Apache-2.0
// What became of each group and why, for the report.
#pragma once

#include "accuracy/candidates.h"
#include "accuracy/restore.h"
#include "tightrope/report.h"

namespace tightrope {

// Fills in the fate, the reason and the contribution of the groups of `report`, which `found` speaks of in their order.
void tell_fates(Report& report, const RestoreResult& found, const Candidates& candidates);

}  // namespace tightrope
