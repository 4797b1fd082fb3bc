// SPDX-License-Identifier: Apache-2.0
// Other ways to quantize the operations of a group, with what each of them is predicted to cost: what tuning chooses
// from, and what may be tried before operations return to floating point.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "accuracy/control.h"
#include "accuracy/groups.h"
#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"

namespace tightrope {

// How many samples alternatives_of() can use; two at least are needed.
inline constexpr std::size_t kAlternativeSamples = 32;

// Changes of a plan that concern one group alone. Indices are those of the plan that it was made for.
struct Alternative {
  std::string what;                             // for logs and reports: "weights rounded by the data"
  std::map<std::size_t, Quantizer> quantizers;  // what takes the place of an entry of Plan::quantizers
  std::vector<std::size_t> left_out;            // entries of Plan::quantizers that leave, ascending
  std::vector<BiasShift> shifts;                // take the place of those of the same nodes; an empty one takes it out
  bool stays_fast = true;                       // false: operations run in floating point, their weights are in 8 bits
  double error = 0;                             // predicted, see below
  double error_before = 0;                      // of the plan as it is
};

// By group, what lowers the predicted error, the best first; nothing for groups without layers that are known.
//
// The error of a group is the sum over its layers of the squared error of the layer's output, relative to the output's
// variance, on samples that no alternative was fitted to: every other one. Layers read what the base gives, so an error
// is that of the group alone. Tried are
//
//   ranges of activations: of the extremes and of quantiles of what the samples show, and by output error; asymmetric
//     ones where they cost no time;
//   weights: their ranges by output error, and rounded by the data;
//   biases: what the mean of each output lacks (unless the options correct none);
//   the best of these together;
//   weights alone in 8 bits, without the quantizers of activations.
//
// All stay within what the options and the device allow. `model`: the one that the plan is for. The samples are run a
// few times, whatever the number of groups; no candidate is compiled. Method: docs/algorithms.md#alternatives
std::vector<std::vector<Alternative>> alternatives_of(const Model& model, const Plan& plan,
                                                      std::span<const Group> groups, std::span<const Sample> samples,
                                                      const QuantizeOptions& options);

// The plan with alternatives of different groups. Where quantizers leave, without_orphans() may have more to take out.
Plan with_alternatives(Plan plan, std::span<const Alternative> chosen);

// The plan with the best alternative of each group that keeps it in 8 bits. Says in the log what changed.
Repaired repair(const Model& model, const Plan& plan, std::span<const Sample> samples, const QuantizeOptions& options);

}  // namespace tightrope
