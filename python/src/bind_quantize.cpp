// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include <map>
#include <variant>

#include "accuracy/messages.h"
#include "arrays.h"
#include "bind.h"
#include "pipeline/find_plan.h"
#include "pipeline/make_plan.h"
#include "tightrope/error.h"
#include "tightrope/quantize.h"

namespace tightrope::python {
namespace {

// Reads a Python callable that starts an iteration over lists of (input name, C-contiguous array).
class PythonDataset : public Dataset {
 public:
  PythonDataset(py::object start, std::optional<std::size_t> size, std::int64_t batch_size)
      : start_(keep(std::move(start))), size_(size), batch_size_(batch_size) {}

  std::optional<std::size_t> size() const override { return size_; }
  std::int64_t batch_size() const override { return batch_size_; }

  SampleReader read() const override {
    const py::gil_scoped_acquire gil;
    const auto iterator = keep((*start_)());
    return [iterator]() -> std::optional<Sample> {
      const py::gil_scoped_acquire acquired;
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      const py::object item = py::reinterpret_steal<py::object>(PyIter_Next(iterator->ptr()));
      if (!item) {
        if (PyErr_Occurred() != nullptr) throw py::error_already_set();
        return std::nullopt;
      }
      return sample_of(item);
    };
  }

 private:
  std::shared_ptr<py::object> start_;
  std::optional<std::size_t> size_;
  std::int64_t batch_size_;
};

// What Python gives for an evaluation: (metric or metrics by name, items read, values per item).
using Found = std::tuple<std::variant<double, std::map<std::string, double>>, std::int64_t, std::vector<double>>;

Evaluation evaluation_of(Found found) {
  auto& [result, items, values] = found;
  Evaluation evaluation;
  evaluation.items = items;
  evaluation.values = std::move(values);
  if (const auto* metric = std::get_if<double>(&result))
    evaluation.metric = *metric;
  else
    evaluation.metrics = std::get<1>(result);
  return evaluation;
}

// Calls a Python function of (plan, name, positions or None, whether it runs as deployed) that returns (metric or
// metrics by name, items read, values per item), or None where it failed on a part of the items.
class PythonEvaluation {
 public:
  explicit PythonEvaluation(py::object function) : function_(keep(std::move(function))) {}

  std::optional<Evaluation> operator()(const Plan& plan, std::string_view name,
                                       const std::optional<std::vector<std::int64_t>>& positions, bool deployed) const {
    const py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    auto found =
        (*function_)(plan, py::str(name.data(), name.size()), positions, deployed).cast<std::optional<Found>>();
    return found ? std::optional(evaluation_of(std::move(*found))) : std::nullopt;
  }

 private:
  std::shared_ptr<py::object> function_;
};

Caller caller_with(py::object function, std::optional<std::int64_t> items, bool random_access) {
  const PythonEvaluation evaluate(std::move(function));
  Caller caller;
  caller.evaluate = [evaluate](const Plan& plan, std::string_view name) {
    return evaluate(plan, name, std::nullopt, false).value();
  };
  caller.evaluate_deployed = [evaluate](const Plan& plan, std::string_view name) {
    return evaluate(plan, name, std::nullopt, true).value();
  };
  caller.parts = {items.value_or(0), random_access,
                  [evaluate](const Plan& plan, std::string_view name, std::span<const std::int64_t> positions) {
                    return evaluate(plan, name, std::vector<std::int64_t>(positions.begin(), positions.end()), false);
                  }};
  return caller;
}

// `object` has `count` and `evaluate_parts(plan, name, lists of positions)`, which returns a list of what an evaluation
// gives, or None.
Elsewhere elsewhere_with(const std::optional<py::object>& object) {
  if (!object) return {};
  const auto kept = keep(*object);
  const auto count = [kept] {
    const py::gil_scoped_acquire gil;
    return kept->attr("count").cast<std::size_t>();
  };
  const auto evaluate_parts = [kept](const Plan& plan, std::string_view name,
                                     std::span<const std::vector<std::int64_t>> parts) {
    const py::gil_scoped_acquire gil;
    const auto all = kept->attr("evaluate_parts")(plan, py::str(name.data(), name.size()),
                                                  std::vector<std::vector<std::int64_t>>(parts.begin(), parts.end()))
                         .cast<std::vector<std::optional<Found>>>();
    std::vector<std::optional<Evaluation>> evaluations;
    for (const auto& found : all) evaluations.push_back(found ? std::optional(evaluation_of(*found)) : std::nullopt);
    return evaluations;
  };
  return {count, evaluate_parts};
}

std::function<void(const Plan&)> save_with(const std::optional<py::object>& function) {
  if (!function) return {};
  return [kept = keep(*function)](const Plan& plan) {
    const py::gil_scoped_acquire gil;
    (*kept)(plan);
  };
}

EventFn events_to(const std::optional<py::object>& function) {
  if (!function) return {};
  return [kept = keep(*function)](const Event& event) {
    const std::string text = to_json(event);
    const py::gil_scoped_acquire gil;
    return (*kept)(text).cast<bool>();
  };
}

std::function<std::string()> text_with(py::object function) {
  return [kept = keep(std::move(function))] {
    const py::gil_scoped_acquire gil;
    return (*kept)().cast<std::string>();
  };
}

}  // namespace

void bind_quantize(py::module_& module) {
  module.def(
      "check_options",
      [](const std::string& options, const std::optional<std::string>& accuracy, const std::string& framework) {
        check(quantize_options_from_json(options));
        if (!accuracy) return;
        const AccuracyOptions parsed = accuracy_options_from_json(*accuracy);
        check(parsed);
        if (parsed.intermediate_model_dir) intermediate_model_path(*parsed.intermediate_model_dir, framework);
      },
      py::arg("options"), py::arg("accuracy"), py::arg("framework"), "Raises what is wrong with the options.");
  module.def(
      "intermediate_model_path",
      [](const std::string& folder, const std::string& framework) {
        return intermediate_model_path(folder, framework).string();
      },
      py::arg("folder"), py::arg("framework"), "Where the fully quantized model is saved before the search.");
  module.def(
      "place",
      [](const Model& model, const std::string& options) {
        const py::gil_scoped_release release;
        return place(model.graph(), quantize_options_from_json(options));
      },
      py::arg("model"), py::arg("options"), "Where quantizers would go, without data: a plan with empty ranges.");
  module.def(
      "make_plan",
      [](const Model& model, py::object start, std::optional<std::size_t> size, std::int64_t batch_size,
         const std::string& options) {
        const PythonDataset data(std::move(start), size, batch_size);
        const py::gil_scoped_release release;
        PlanResult result = make_plan(model, data, quantize_options_from_json(options), 0);
        return std::make_tuple(std::move(result.plan), to_json(result.report));
      },
      py::arg("model"), py::arg("start"), py::arg("size"), py::arg("batch_size"), py::arg("options"),
      "Calibrates; returns the plan and the report as JSON.");
  module.def(
      "find_plan",
      [](const Model& model, py::object start, std::optional<std::size_t> size, std::int64_t batch_size,
         py::object evaluate, std::optional<std::int64_t> items, bool random_access,
         const std::optional<py::object>& save_intermediate, py::object calibration_fingerprint,
         py::object validation_fingerprint, const std::optional<py::object>& on_event, const std::string& options,
         const std::string& accuracy, const std::optional<py::object>& score_elsewhere,
         const std::optional<py::object>& elsewhere) {
        const PythonDataset data(std::move(start), size, batch_size);
        Caller caller = caller_with(std::move(evaluate), items, random_access);
        caller.save_intermediate = save_with(save_intermediate);
        caller.score_elsewhere = scores_with(score_elsewhere);
        caller.elsewhere = elsewhere_with(elsewhere);
        caller.calibration_fingerprint = text_with(std::move(calibration_fingerprint));
        caller.validation_fingerprint = text_with(std::move(validation_fingerprint));
        caller.on_event = events_to(on_event);
        const py::gil_scoped_release release;
        Controlled result =
            find_plan(model, data, caller, quantize_options_from_json(options), accuracy_options_from_json(accuracy));
        return std::make_tuple(std::move(result.plan), to_json(result.report), result.met, shortfall_of(result.report),
                               advice_for(result.report));
      },
      py::arg("model"), py::arg("start"), py::arg("size"), py::arg("batch_size"), py::arg("evaluate"), py::arg("items"),
      py::arg("random_access"), py::arg("save_intermediate"), py::arg("calibration_fingerprint"),
      py::arg("validation_fingerprint"), py::arg("on_event"), py::arg("options"), py::arg("accuracy"),
      py::arg("score_elsewhere") = py::none(), py::arg("elsewhere") = py::none(),
      "The whole job of accuracy control; evaluate(plan, name, positions or None, as deployed) returns (metric or "
      "metrics by "
      "name, items read, values per item), or None where it failed on a part; items is the number of validation items, "
      "if known; the "
      "fingerprints are functions, called if there is a work_dir; on_event, or None, gets events as JSON and returns "
      "whether to stop; score_elsewhere(ranking, done) calls done(group, score), which says whether it wants more; "
      "elsewhere has count and evaluate_parts(plan, name, lists of positions). Returns the plan, the report as JSON, "
      "whether the "
      "limit is met, and where it is not by how much, and advice.");
  module.def(
      "without_times", [](const std::string& report) { return to_json(report_from_json(report), false); },
      py::arg("report"), "The report's JSON without times, which is equal for equal runs.");
}

}  // namespace tightrope::python
