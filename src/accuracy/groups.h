// SPDX-License-Identifier: Apache-2.0
// Which parts of a plan can only leave it together.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// Operations that return to floating point together, and the quantizers that leave the plan with them. A group without
// operations is possible: its quantizers serve nothing that runs in 8 bits, but may do harm.
struct Group {
  std::vector<std::string> operations;  // sorted
  std::vector<std::size_t> quantizers;  // indices into Plan::quantizers, ascending
};

// Quantizers belong together where they serve the same operation, directly or through others. To share a scale is no
// reason: a range stays what it is when another one leaves.
// Every quantizer is in exactly one group; groups come in the order of their first quantizer.
std::vector<Group> form_groups(const Plan& plan);

// The plan without the groups whose entry in `reverted` is true, and without the bias shifts of their operations.
// Rescalings stay as long as one of their operations does.
// With kActivationsOnly their weight quantizers and bias shifts stay, as far as these are of weights: weights remain in
// 8 bits. A plan with only some groups is the plan without all the others.
Plan without(const Plan& plan, std::span<const Group> groups, const std::vector<bool>& reverted, RestoreMode mode);

// The shift of an operation whose weight alone is in 8 bits; nothing where none is left.
std::optional<BiasShift> of_weight_alone(const BiasShift& shift);

// Leaves out rescalings of which no operation is quantized.
void drop_idle_rescalings(Plan& plan);

// The plan without additions whose convolution is no longer in 8 bits: nothing is faster for them then. Quantizers that
// serve other operations too stay.
Plan without_orphans(Plan plan);

// What it costs to revert the group: its operations, or a quarter where there are none.
double price(const Group& group);

}  // namespace tightrope
