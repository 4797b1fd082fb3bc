// SPDX-License-Identifier: Apache-2.0
#include "accuracy/deployed.h"

#include <fmt/format.h>

#include "accuracy/drop.h"
#include "tightrope/log.h"

namespace tightrope {

std::optional<DeployedRecord> measure_deployed(const Plan& best, const Evaluation& original, const Evaluation& measured,
                                               const Means& means, const AccuracyOptions& options) {
  const std::string& precision = means.deployed_precision;
  if (precision.empty() || !means.evaluate_deployed) return std::nullopt;
  if (!options.measure_deployed) {
    log(LogLevel::kInfo,
        fmt::format("[validation] the drop was measured in {}; device '{}' runs floating point in {} unless it is told "
                    "otherwise, which may cost accuracy of its own: measure_deployed tells how much.",
                    options.validation_precision, options.validation_device, precision));
    return std::nullopt;
  }
  if (options.time_budget && means.since.seconds() + measured.seconds > *options.time_budget) {
    log(LogLevel::kWarning,
        fmt::format("[validation] in {}, as deployed, the result was not measured: the time budget leaves no time.",
                    precision));
    return std::nullopt;
  }
  const Evaluation deployed = means.evaluate_deployed(best, "result as deployed");
  check_metrics(deployed, options, "result as deployed");
  const Loss loss = loss_of(original, deployed, options);
  const double metric = loss.binding.empty() ? deployed.metric : deployed.metrics.at(loss.binding);
  const DeployedRecord record{precision, metric, loss.drop, loss.drop - loss_of(original, measured, options).drop};
  log(LogLevel::kInfo, fmt::format("[validation] as deployed, in {}: metric {:.6g}, drop {:.6g}; of that {:.6g} by "
                                   "quantization and {:.6g} by execution.",
                                   precision, record.metric, record.drop, record.drop - record.drop_by_execution,
                                   record.drop_by_execution));
  if (record.drop > limit_of(options)) {
    log(LogLevel::kWarning, fmt::format("[validation] as deployed the drop is above the limit {:.6g}; {} as the "
                                        "inference precision keeps to what was validated.",
                                        limit_of(options), options.validation_precision));
  }
  return record;
}

}  // namespace tightrope
