// SPDX-License-Identifier: Apache-2.0
// How long models take for one sample, and what each group saves of that.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "accuracy/groups.h"
#include "tightrope/model.h"

namespace tightrope {

// Seconds of one inference under each of several plans, measured side by side; the empty plan is the original model.
using Latency = std::function<std::vector<double>(std::span<const Plan> plans)>;

// The shortest inference of each session, in seconds. The sessions take turns, in another order in each round, so that
// whatever else the machine does disturbs all of them alike: for `seconds` per session, and three rounds at least.
std::vector<double> latencies(std::span<const std::unique_ptr<Session>> sessions, const Sample& sample, double seconds);

// By how many seconds an inference gets longer where a group alone is reverted; below 0 where 8 bits cost more in a
// group than they gain. Measured for a few groups at a time, each time beside the plan as a whole.
std::vector<double> savings_of(const Plan& plan, std::span<const Group> groups, RestoreMode mode,
                               const Latency& latency);

// Savings as prices for the search, which are above 0: what saves nothing counts a little, so that of two such groups
// none is reverted without need.
std::vector<double> prices_from(std::span<const double> savings);

}  // namespace tightrope
