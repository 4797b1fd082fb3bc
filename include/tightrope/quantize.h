// SPDX-License-Identifier: Apache-2.0
// The two jobs: 8-bit quantization, and 8-bit quantization that keeps the user's metric.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tightrope/error.h"
#include "tightrope/event.h"
#include "tightrope/model.h"
#include "tightrope/options.h"
#include "tightrope/plan.h"
#include "tightrope/report.h"

namespace tightrope {

struct QuantizationResult {
  std::unique_ptr<Model> model;
  Plan plan;  // model == base.apply(plan)
  Report report;
};

// Quantizes to 8 bits with ranges observed on `calibration`; `model` is untouched.
// Throws InvalidArgument for empty or unfitting data, QuantizationError where nothing can be quantized.
QuantizationResult quantize(const Model& model, const Dataset& calibration, const QuantizeOptions& options = {});

// A metric over the whole dataset, with one value per item where the metric is their mean; or several metrics by name,
// each with a limit in AccuracyOptions::limits, or for information.
struct Validation {
  Validation(double value) : metric(value) {}  // NOLINT(google-explicit-constructor): a lambda may return a number
  Validation(double value, std::vector<double> per_item) : metric(value), values(std::move(per_item)) {}
  Validation(std::map<std::string, double> by_name)  // NOLINT(google-explicit-constructor)
      : metrics(std::move(by_name)) {}
  double metric = 0;
  std::vector<double> values;
  std::map<std::string, double> metrics;  // not empty: instead of `metric`
};
using ValidationFn = std::function<Validation(Session& model, const Dataset& data)>;

// The same of a model that is not compiled yet, for what runs it elsewhere. It is only asked about all of the data:
// candidates are not judged on parts of it, and not measured as deployed.
using ModelValidationFn = std::function<Validation(const Model& model, const Dataset& data)>;

// Thrown when no model within the limit was found; carries the best one.
class AccuracyNotReached : public Error {
 public:
  AccuracyNotReached(const std::string& message, std::shared_ptr<QuantizationResult> best)
      : Error(message), best_(std::move(best)) {}
  const QuantizationResult& best() const { return *best_; }

 private:
  std::shared_ptr<QuantizationResult> best_;
};

// Quantizes, and keeps in floating point what must stay there for the metric to drop by max_drop at most.
//
// The returned model was measured with `validate` on all of `validation`; the report holds that number. `on_event` is
// told what happens, and can stop the run (event.h).
// Throws what quantize() throws; InvalidArgument for a metric that is not finite; AccuracyNotReached.
// How: docs/algorithms.md#accuracy-control
QuantizationResult quantize_with_accuracy_control(const Model& model, const Dataset& calibration,
                                                  const Dataset& validation, const ValidationFn& validate,
                                                  const QuantizeOptions& options = {},
                                                  const AccuracyOptions& accuracy = {}, EventFn on_event = {});
QuantizationResult quantize_with_accuracy_control(const Model& model, const Dataset& calibration,
                                                  const Dataset& validation, const ModelValidationFn& validate,
                                                  const QuantizeOptions& options = {},
                                                  const AccuracyOptions& accuracy = {}, EventFn on_event = {});

// Where quantizers would go, without data: a plan with empty ranges. Throws what quantize() throws.
// Rules: docs/algorithms.md#placement
Plan place(const Graph& graph, const QuantizeOptions& options = {});

// What placement decided for an operation.
struct Decision {
  bool in_int8 = false;
  std::string rule;  // the name of the rule that decided, such as "ignored scope"
  std::string why;   // sentences for people
};

struct ExplainedPlan {
  Plan plan;                        // as place() gives it; empty where nothing can be quantized
  std::vector<Decision> decisions;  // by NodeId
};
ExplainedPlan place_and_explain(const Graph& graph, const QuantizeOptions& options = {});

}  // namespace tightrope
