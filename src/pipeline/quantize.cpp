// SPDX-License-Identifier: Apache-2.0
#include "tightrope/quantize.h"

#include <fmt/format.h>

#include "accuracy/messages.h"
#include "base/model_fingerprint.h"
#include "base/stopwatch.h"
#include "pipeline/find_plan.h"
#include "pipeline/make_plan.h"
#include "pipeline/with_workers.h"
#include "tightrope/error.h"
#include "tightrope/log.h"

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

using Positions = std::optional<std::span<const std::int64_t>>;

// All items, or those at ascending positions; counts how many the validation function reads.
class CountedDataset : public Dataset {
 public:
  CountedDataset(const Dataset& data, Positions positions) : data_(data), positions_(positions) {}
  std::optional<std::size_t> size() const override { return positions_ ? positions_->size() : data_.size(); }
  bool is_in_memory() const override { return data_.is_in_memory(); }
  SampleReader read() const override {
    return [this, reader = data_.read(), next = std::int64_t{0}, wanted = std::size_t{0}]() mutable {
      if (positions_ && wanted == positions_->size()) return std::optional<Sample>();
      auto sample = reader();
      for (; positions_ && sample && next < (*positions_)[wanted]; ++next) sample = reader();
      ++next;
      ++wanted;
      if (sample) ++items_;
      return sample;
    };
  }
  std::int64_t items() const { return items_; }

 private:
  const Dataset& data_;
  Positions positions_;
  mutable std::int64_t items_ = 0;
};

// Runs the user's function on the model under a plan.
class Validating {
 public:
  Validating(const Model& model, const Dataset& data, const ValidationFn& validate, const AccuracyOptions& accuracy)
      : model_(model), data_(data), validate_(validate), accuracy_(accuracy) {}

  Evaluation on_all(const Plan& plan, const std::string& precision) {
    const bool is_kept = kept_ && kept_plan_ == plan && precision == accuracy_.validation_precision;
    const auto session = is_kept ? std::move(kept_) : compiled(plan, precision);
    kept_.reset();
    return run(*session, std::nullopt);
  }

  // Keeps the session for the next part, since compiling may take longer than a few items.
  std::optional<Evaluation> on_part(const Plan& plan, std::span<const std::int64_t> positions) {
    if (!kept_ || kept_plan_ != plan) {
      kept_ = compiled(plan, accuracy_.validation_precision);
      kept_plan_ = plan;
    }
    try {
      return run(*kept_, positions);
    } catch (const Cancelled&) {
      throw;
    } catch (const std::exception& error) {
      log(LogLevel::kInfo,
          fmt::format("[validation] the function can't be tried on {} items: {}", positions.size(), error.what()));
      return std::nullopt;
    }
  }

 private:
  std::unique_ptr<Session> compiled(const Plan& plan, const std::string& precision) const {
    return model_.apply(plan)->compile({accuracy_.validation_device, precision, false});
  }

  Evaluation run(Session& session, Positions positions) const {
    const CountedDataset counted(data_, positions);
    Validation measured = validate_(session, counted);
    return {measured.metric, counted.items(), measured.metrics, 0, std::move(measured.values)};
  }

  const Model& model_;
  const Dataset& data_;
  const ValidationFn& validate_;
  const AccuracyOptions& accuracy_;
  std::unique_ptr<Session> kept_;
  Plan kept_plan_;
};

// The job with what runs the user's function.
QuantizationResult run(const Model& model, const Dataset& calibration, const Dataset& validation, Caller caller,
                       const QuantizeOptions& options, const AccuracyOptions& accuracy) {
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

}  // namespace

QuantizationResult quantize(const Model& model, const Dataset& calibration, const QuantizeOptions& options) {
  check(options);
  PlanResult planned = make_plan(model, calibration, options, 0);
  return finish(model, std::move(planned.plan), std::move(planned.report));
}

QuantizationResult quantize_with_accuracy_control(const Model& model, const Dataset& calibration,
                                                  const Dataset& validation, const ValidationFn& validate,
                                                  const QuantizeOptions& options, const AccuracyOptions& accuracy,
                                                  EventFn on_event) {
  return quantize_with_workers(model, calibration, validation, validate, options, accuracy, {}, std::move(on_event));
}

QuantizationResult quantize_with_workers(const Model& model, const Dataset& calibration, const Dataset& validation,
                                         const ValidationFn& validate, const QuantizeOptions& options,
                                         const AccuracyOptions& accuracy, const ScoreElsewhere& elsewhere,
                                         EventFn on_event) {
  Caller caller;
  caller.score_elsewhere = elsewhere;
  caller.on_event = std::move(on_event);
  Validating validating(model, validation, validate, accuracy);
  caller.evaluate = [&](const Plan& plan, std::string_view) {
    return validating.on_all(plan, accuracy.validation_precision);
  };
  caller.evaluate_deployed = [&](const Plan& plan, std::string_view) { return validating.on_all(plan, {}); };
  caller.parts = {static_cast<std::int64_t>(validation.size().value_or(0)), validation.is_in_memory(),
                  [&](const Plan& plan, std::string_view, std::span<const std::int64_t> positions) {
                    return validating.on_part(plan, positions);
                  }};
  return run(model, calibration, validation, std::move(caller), options, accuracy);
}

QuantizationResult quantize_with_accuracy_control(const Model& model, const Dataset& calibration,
                                                  const Dataset& validation, const ModelValidationFn& validate,
                                                  const QuantizeOptions& options, const AccuracyOptions& accuracy,
                                                  EventFn on_event) {
  return quantize_with_workers(model, calibration, validation, validate, options, accuracy, {}, std::move(on_event));
}

QuantizationResult quantize_with_workers(const Model& model, const Dataset& calibration, const Dataset& validation,
                                         const ModelValidationFn& validate, const QuantizeOptions& options,
                                         const AccuracyOptions& accuracy, const ScoreElsewhere& elsewhere,
                                         EventFn on_event) {
  if (accuracy.measure_deployed) {
    throw InvalidArgument(
        "option 'measure_deployed' is on; the metric runs the model by itself, and decides the precision");
  }
  Caller caller;
  caller.score_elsewhere = elsewhere;
  caller.on_event = std::move(on_event);
  caller.evaluate = [&](const Plan& plan, std::string_view) -> Evaluation {
    const CountedDataset counted(validation, std::nullopt);
    Validation measured = validate(*model.apply(plan), counted);
    return {measured.metric, counted.items(), measured.metrics, 0, std::move(measured.values)};
  };
  return run(model, calibration, validation, std::move(caller), options, accuracy);
}

}  // namespace tightrope
