// SPDX-License-Identifier: Apache-2.0
// Rankings as other processes get them, and what these do with them.
#include "accuracy/ranking.h"
#include "arrays.h"
#include "bind.h"
#include "tightrope/model.h"
#include "tightrope/onnx.h"
#include "tightrope/openvino.h"

namespace tightrope::python {
namespace {

using Settings = std::tuple<std::string, std::string, int, bool>;  // see the binding of Ranking

Settings settings_of(const Ranking& ranking) {
  return {ranking.options.device, ranking.options.precision, ranking.options.requests,
          ranking.mode == RestoreMode::kActivationsOnly};
}

std::vector<py::object> samples_of(const Ranking& ranking) {
  std::vector<py::object> samples;
  for (const Sample& sample : ranking.samples) samples.push_back(inputs_of(sample));
  return samples;
}

// A GroupScorer with what it refers to.
class Scorer {
 public:
  Scorer(const Model& model, Plan plan, std::vector<Sample> samples, const Settings& settings)
      : plan_(std::move(plan)),
        groups_(form_groups(plan_)),
        samples_(std::move(samples)),
        scorer_(
            {model,
             plan_,
             groups_,
             samples_,
             {.device = std::get<0>(settings), .precision = std::get<1>(settings), .requests = std::get<2>(settings)},
             std::get<3>(settings) ? RestoreMode::kActivationsOnly : RestoreMode::kActivationsAndWeights}) {}

  double score(std::size_t group) { return scorer_.score(group); }

 private:
  Plan plan_;
  std::vector<Group> groups_;
  std::vector<Sample> samples_;
  GroupScorer scorer_;
};

std::unique_ptr<Scorer> make_scorer(const Model& model, const Plan& plan, const std::vector<py::object>& inputs,
                                    const Settings& settings) {
  std::vector<Sample> samples;
  for (const py::object& sample : inputs) samples.push_back(sample_of(sample));
  return std::make_unique<Scorer>(model, plan, std::move(samples), settings);
}

}  // namespace

ScoreElsewhere scores_with(const std::optional<py::object>& function) {
  if (!function) return {};
  return [kept = keep(*function)](const Ranking& ranking, const std::function<bool(std::size_t, double)>& done) {
    const py::gil_scoped_acquire gil;
    (*kept)(py::cast(ranking, py::return_value_policy::reference), py::cpp_function(done));
  };
}

void bind_ranking(py::module_& module) {
  py::class_<Ranking>(module, "Ranking", "All that the scores of a plan's groups depend on.")
      .def_property_readonly(
          "model", [](const Ranking& ranking) { return &ranking.model; }, py::return_value_policy::reference)
      .def_property_readonly("plan", [](const Ranking& ranking) { return ranking.plan; })
      .def_property_readonly(
          "groups", [](const Ranking& ranking) { return ranking.groups.size(); }, "Their number.")
      .def_property_readonly("samples", &samples_of, "A list of (name, array) for each sample.")
      .def_property_readonly("settings", &settings_of,
                             "Device, precision, samples at a time, and whether weights stay in 8 bits.");
  py::class_<Scorer>(module, "Scorer", "Scores one group at a time, on any thread.")
      .def(py::init(&make_scorer), py::arg("model"), py::arg("plan"), py::arg("samples"), py::arg("settings"),
           py::keep_alive<1, 2>())
      .def("score", &Scorer::score, py::arg("group"), py::call_guard<py::gil_scoped_release>());
  module.def(
      "save_original",
      [](const Model& model, const std::string& path) {
        const py::gil_scoped_release release;
        model.save(path);
        std::vector<std::string> files;
        for (const auto& file : model.files_of(path)) files.push_back(file.string());
        return files;
      },
      py::arg("model"), py::arg("path"), "Writes all files of the model as it was given; returns their paths.");
  module.def(
      "read_model",
      [](const std::string& path, const std::string& framework) {
        const py::gil_scoped_release release;
        return framework == "onnx" ? read_onnx(path) : read_openvino(path);
      },
      py::arg("path"), py::arg("framework"), "A model in a file.");
}

}  // namespace tightrope::python
