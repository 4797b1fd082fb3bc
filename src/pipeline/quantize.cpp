// SPDX-License-Identifier: Apache-2.0
#include "tightrope/quantize.h"

#include <fmt/format.h>

#include "base/model_fingerprint.h"
#include "base/stopwatch.h"
#include "pipeline/find_plan.h"
#include "pipeline/make_plan.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

QuantizationResult finish(const Model& model, Plan plan, Report report) {
  const Stopwatch watch;
  QuantizationResult result{model.apply(plan), std::move(plan), std::move(report)};
  // Without times, so that equal runs give equal files.
  result.model->set_note(std::string(kReportNote), to_json(result.report, false));
  result.report.stages.push_back({"writing", watch.seconds()});
  return result;
}

// Counts the items that the validation function reads.
class CountedDataset : public Dataset {
 public:
  explicit CountedDataset(const Dataset& data) : data_(data) {}
  std::optional<std::size_t> size() const override { return data_.size(); }
  SampleReader read() const override {
    return [this, reader = data_.read()] {
      auto sample = reader();
      if (sample) ++items_;
      return sample;
    };
  }
  std::int64_t items() const { return items_; }

 private:
  const Dataset& data_;
  mutable std::int64_t items_ = 0;
};

}  // namespace

QuantizationResult quantize(const Model& model, const Dataset& calibration, const QuantizeOptions& options) {
  check(options);
  PlanResult planned = make_plan(model, calibration, options, 0);
  return finish(model, std::move(planned.plan), std::move(planned.report));
}

QuantizationResult quantize_with_accuracy_control(const Model& model, const Dataset& calibration,
                                                  const Dataset& validation, const ModelValidationFn& validate,
                                                  const QuantizeOptions& options, const AccuracyOptions& accuracy) {
  Caller caller;
  caller.evaluate = [&](const Plan& plan, std::string_view) -> Evaluation {
    const CountedDataset counted(validation);
    const Validation measured = validate(*model.apply(plan), counted);
    return {measured.metric, counted.items(), measured.metrics};
  };
  if (accuracy.intermediate_model_dir) {
    caller.save_intermediate = [&, path = intermediate_model_path(*accuracy.intermediate_model_dir, model.framework())](
                                   const Plan& plan) { model.apply(plan)->save(path); };
  }
  // Of the calibration data only the subset is read anyway, of the validation data all.
  caller.calibration_fingerprint = [&] { return fingerprint_of(calibration, false); };
  caller.validation_fingerprint = [&] { return fingerprint_of(validation, true); };
  Controlled controlled = find_plan(model, calibration, caller, options, accuracy);
  auto result =
      std::make_shared<QuantizationResult>(finish(model, std::move(controlled.plan), std::move(controlled.report)));
  if (controlled.met) return std::move(*result);
  std::string message = fmt::format("{} {}", shortfall_of(result->report), advice_for(result->report));
  throw AccuracyNotReached(message, std::move(result));
}

QuantizationResult quantize_with_accuracy_control(const Model& model, const Dataset& calibration,
                                                  const Dataset& validation, const ValidationFn& validate,
                                                  const QuantizeOptions& options, const AccuracyOptions& accuracy) {
  const ModelValidationFn compiled = [&](const Model& applied, const Dataset& data) {
    const auto session = applied.compile({accuracy.validation_device, accuracy.validation_precision, false});
    return validate(*session, data);
  };
  return quantize_with_accuracy_control(model, calibration, validation, compiled, options, accuracy);
}

}  // namespace tightrope
