// SPDX-License-Identifier: Apache-2.0
// Entries of a report as JSON; without times, equal runs give equal text.
#pragma once

#include "base/json.h"
#include "tightrope/report.h"

namespace tightrope {

Json json_of(const EvaluationRecord& record, bool with_times);
Json json_of(const GroupRecord& record, bool with_times);

}  // namespace tightrope
