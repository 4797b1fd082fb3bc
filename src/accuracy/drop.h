// SPDX-License-Identifier: Apache-2.0
// What a metric lost, in the unit of the user's limit.
#pragma once

#include <string_view>

#include "tightrope/options.h"

namespace tightrope {

// How much worse `metric` is than `original`: positive is worse, negative is better. A relative drop is a share of
// |original|. Rounded to the fifteen digits that a metric can tell, so that 0.90 against 0.89 is 0.01 and not a little
// more. Throws InvalidArgument for a relative drop from an original of zero.
double drop_of(double original, double metric, DropType drop_type, bool higher_is_better);

// Throws InvalidArgument for a metric that is not finite. `evaluation` says which one: "original model", "candidate 3".
void check_metric(double metric, std::string_view evaluation);

}  // namespace tightrope
