// SPDX-License-Identifier: Apache-2.0
// The weights that a plan's quantizers sit on.
#pragma once

#include <fmt/format.h>

#include <memory>

#include "graph/site.h"
#include "tightrope/error.h"
#include "tightrope/model.h"
#include "tightrope/plan.h"

namespace tightrope {

// Calls fit_it(elements of the weight), and adds the node to what is wrong with them.
template <typename Fit>
auto with_weight(const Model& model, const Quantizer& quantizer, const Fit& fit_it) {
  try {
    return fit_it(model.constant(value_of(quantizer, model.graph())));
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(fmt::format("{} (node '{}')", error.what(), quantizer.node));
  }
}

// The model with nothing but the rescalings of a plan; null where it has none. Operations have the same names.
inline std::unique_ptr<Model> with_rescalings(const Model& model, const Plan& plan) {
  if (plan.rescalings.empty()) return nullptr;
  Plan rescalings;
  rescalings.rescalings = plan.rescalings;
  return model.apply(rescalings);
}

}  // namespace tightrope
