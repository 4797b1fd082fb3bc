// SPDX-License-Identifier: Apache-2.0
#include "pipeline/find_plan.h"

#include "pipeline/make_plan.h"
#include "tightrope/error.h"

namespace tightrope {

Controlled find_plan(const Model& model, const Dataset& calibration, const Caller& caller,
                     const QuantizeOptions& options, const AccuracyOptions& accuracy) {
  check(options);
  check(accuracy);
  if (options.mode != NumberFormat::kInteger)
    throw InvalidArgument(
        "option 'mode' is 8-bit floating point; accuracy control needs integers, which are the default");
  PlanResult planned =
      make_plan(model, calibration, options, ranking_samples(accuracy), evaluate_original(caller.evaluate, accuracy));
  if (caller.save_intermediate) caller.save_intermediate(planned.plan);
  return control_accuracy(model, planned.plan, planned.samples, caller.evaluate, accuracy, std::move(planned.report));
}

}  // namespace tightrope
