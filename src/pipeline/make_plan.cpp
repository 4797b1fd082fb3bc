// SPDX-License-Identifier: Apache-2.0
#include "pipeline/make_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "accuracy/groups.h"
#include "accuracy/ranking.h"
#include "base/stopwatch.h"
#include "correction/fast_bias.h"
#include "correction/smoothing.h"
#include "graph/site.h"
#include "ranges/fit.h"
#include "statistics/collect.h"
#include "tightrope/error.h"
#include "tightrope/log.h"
#include "tightrope/quantize.h"

namespace tightrope {
namespace {

// What is observed for a quantizer: the extremes of an activation, or the mean input of a weight whose operation gets
// its bias corrected. Nothing for other weights.
std::optional<StatisticRequest> request_for(const Quantizer& quantizer, const Graph& graph,
                                            const QuantizeOptions& options) {
  if (quantizer.kind == SiteKind::kWeight) {
    if (!options.bias_correction || !corrects_bias(quantizer, graph)) return std::nullopt;
    return bias_request(quantizer, graph);
  }
  StatisticRequest request;
  request.value = value_of(quantizer, graph);
  request.channel_axes = quantizer.channel_axes;
  if (!quantizer.smoothing.empty())
    request.channel_axes = {static_cast<int>(graph.value(request.value).shape.size()) - 1};
  request.low = options.activation_range.min_aggregator.value_or(Aggregator::kMin);
  request.high = options.activation_range.max_aggregator.value_or(Aggregator::kMax);
  return request;
}

// A model under calibration: each request once, and what was observed for it.
class Calibration {
 public:
  Calibration(const Model& model, const QuantizeOptions& options) : model_(model), options_(options) {}

  void run(const Plan& plan, const Dataset& data, std::size_t kept_samples) {
    for (const Quantizer& quantizer : plan.quantizers) {
      const auto request = request_for(quantizer, model_.graph(), options_);
      if (request && std::find(requests_.begin(), requests_.end(), *request) == requests_.end())
        requests_.push_back(*request);
    }
    statistics_ = collect(model_, data, requests_, options_.subset_size, kept_samples);
  }

  // Null for weights that nothing was asked for.
  const Observed* of(const Quantizer& quantizer) const {
    const auto request = request_for(quantizer, model_.graph(), options_);
    if (!request) return nullptr;
    const auto found = std::find(requests_.begin(), requests_.end(), *request);
    return &statistics_.observed[static_cast<std::size_t>(found - requests_.begin())];
  }

  std::int64_t items() const { return statistics_.items; }
  std::vector<Sample> take_samples() { return std::move(statistics_.samples); }

 private:
  const Model& model_;
  const QuantizeOptions& options_;
  std::vector<StatisticRequest> requests_;
  Statistics statistics_;
};

void warn_of_unseen(const std::string& body, std::int64_t items, const Graph& graph) {
  const std::size_t slash = body.rfind('/');
  const Node& owner = graph.node(graph.find(body.substr(0, slash)));
  log(LogLevel::kWarning,
      fmt::format(
          "[calibration] node '{}' ({}): none of the {} items gives values to its {} branch; activations without "
          "values stay in floating point there. Items that take the branch are needed to quantize them.",
          owner.name, owner.type, items, body.substr(slash + 1)));
}

// There is no range for what calibration saw nothing of: activations in the branch of an If that no item took. Weights
// need no data, and stay in 8 bits.
Plan leave_out_unseen(Plan plan, const Graph& graph, const Calibration& calibration) {
  std::vector<std::string> bodies;  // in the order of the plan
  std::erase_if(plan.quantizers, [&](const Quantizer& quantizer) {
    if (quantizer.kind == SiteKind::kWeight || !calibration.of(quantizer)->low.empty()) return false;
    const std::string& body = graph.node(graph.find(quantizer.node)).body;
    if (std::ranges::find(bodies, body) == bodies.end()) bodies.push_back(body);
    return true;
  });
  for (const std::string& body : bodies) warn_of_unseen(body, calibration.items(), graph);
  return plan;
}

// No 8-bit range holds infinities, or the huge constants of masks and small numbers at once: what needs such a tensor
// in 8 bits stays in floating point.
Plan leave_out_unbounded(const Plan& plan, const Calibration& calibration) {
  constexpr float kLargest = 1e30F;
  const std::vector<Group> groups = form_groups(plan);
  std::vector<bool> left_out(groups.size(), false);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (const std::size_t i : groups[g].quantizers) {
      const Quantizer& quantizer = plan.quantizers[i];
      if (quantizer.kind == SiteKind::kWeight) continue;
      const auto& magnitude = calibration.of(quantizer)->magnitude;
      if (std::all_of(magnitude.begin(), magnitude.end(), [](float value) { return value <= kLargest; })) continue;
      left_out[g] = true;
      log(LogLevel::kWarning,
          fmt::format("[ranges] node '{}' has values beyond any 8-bit range; {} stays in floating point.",
                      quantizer.node, fmt::join(groups[g].operations, ", ")));
    }
  }
  return without_orphans(without(plan, groups, left_out, RestoreMode::kActivationsAndWeights));
}

// Adds the node to what is wrong with its weight.
template <typename Fit>
auto with_weight(const Model& model, const Quantizer& quantizer, const Fit& fit_it) {
  try {
    return fit_it(model.constant(value_of(quantizer, model.graph())));
  } catch (const InvalidArgument& error) {
    throw InvalidArgument(fmt::format("{} (node '{}')", error.what(), quantizer.node));
  }
}

// Tensors that several products read have one smoothing, from the weights of all of them.
Plan choose_smoothing(const Model& model, Plan plan, const Calibration& calibration, double alpha) {
  std::map<ValueId, std::vector<std::size_t>> by_tensor;
  std::map<std::string, std::size_t> weights;
  for (std::size_t i = 0; i < plan.quantizers.size(); ++i) {
    const Quantizer& quantizer = plan.quantizers[i];
    if (quantizer.smoothing.empty()) continue;
    if (quantizer.kind == SiteKind::kWeight)
      weights.emplace(quantizer.node, i);
    else
      by_tensor[value_of(quantizer, model.graph())].push_back(i);
  }
  for (const auto& [tensor, quantizers] : by_tensor) {
    std::vector<std::size_t> sharers = quantizers;
    for (const std::size_t i : quantizers) {
      for (const std::string& product : plan.quantizers[i].operations) sharers.push_back(weights.at(product));
    }
    const std::vector<float>& data = calibration.of(plan.quantizers[quantizers[0]])->magnitude;
    std::vector<float> rows(data.size(), 0);
    for (const std::size_t i : std::span(sharers).subspan(quantizers.size())) {
      const Quantizer& quantizer = plan.quantizers[i];
      const Observed observed = with_weight(model, quantizer, [&](const Tensor& weight) {
        return observed_in(weight, std::vector{1 - quantizer.channel_axes[0]});
      });
      for (std::size_t row = 0; row < rows.size(); ++row) rows[row] = std::max(rows[row], observed.magnitude[row]);
    }
    const std::vector<float> smoothing = smoothing_of(data, rows, alpha);
    for (const std::size_t i : sharers) plan.quantizers[i].smoothing = smoothing;
  }
  return plan;
}

Range fit_weight_of(const Model& model, const Quantizer& quantizer) {
  return with_weight(model, quantizer, [&](const Tensor& elements) {
    const Tensor weight = multiplied(elements, quantizer);
    return fit_weight(weight, quantizer.channel_axes, quantizer.config, quantizer.half_range);
  });
}

Observed observed_by(const Model& model, const Quantizer& quantizer, const Calibration& calibration) {
  if (quantizer.kind != SiteKind::kWeight) return *calibration.of(quantizer);
  return with_weight(model, quantizer,
                     [&](const Tensor& weight) { return observed_in(weight, quantizer.channel_axes); });
}

// A scale may be shared by activations, and by the tables of embeddings, whose rows become activations.
Plan fit(const Model& model, Plan plan, const Calibration& calibration) {
  std::map<int, std::vector<Observed>> shared;
  for (const Quantizer& quantizer : plan.quantizers) {
    if (quantizer.shared_scale >= 0)
      shared[quantizer.shared_scale].push_back(observed_by(model, quantizer, calibration));
  }
  for (Quantizer& quantizer : plan.quantizers) {
    if (quantizer.shared_scale >= 0) {
      quantizer.range = fit_activation(united(shared[quantizer.shared_scale]), quantizer.config);
    } else if (quantizer.kind == SiteKind::kWeight) {
      quantizer.range = fit_weight_of(model, quantizer);
    } else {
      const Observed& observed = *calibration.of(quantizer);
      quantizer.range = fit_activation(quantizer.smoothing.empty() ? observed : divided(observed, quantizer.smoothing),
                                       quantizer.config);
    }
  }
  return plan;
}

Plan correct_biases(const Model& model, Plan plan, const Calibration& calibration) {
  for (const Quantizer& weight : plan.quantizers) {
    if (weight.kind != SiteKind::kWeight) continue;
    const Observed* observed = calibration.of(weight);
    if (observed == nullptr || observed->mean.empty()) continue;  // nothing asked for, or nothing seen
    // Minima and maxima may pass over NaN, a mean does not; infinities were left out before.
    if (!std::all_of(observed->mean.begin(), observed->mean.end(), [](float value) { return std::isfinite(value); })) {
      throw InvalidArgument(
          fmt::format("[bias correction] node '{}': what it reads holds NaN on some calibration item; data on which "
                      "the model gives numbers are needed",
                      weight.node));
    }
    const Tensor elements = model.constant(value_of(weight, model.graph()));
    const std::size_t axes = weight_port(weight, model.graph()).channel_axes.size();
    plan.bias_shifts.push_back({weight.node, bias_shift(elements, weight, axes, observed->mean)});
  }
  return plan;
}

// Two graphs that compute the same differ in rounding only.
void check_base(const Model& model, const Sample& sample) {
  constexpr double kTolerance = 1e-6;  // |y - y0|^2 / |y0|^2
  const Graph& graph = model.graph();
  std::vector<Probe> outputs;
  for (const Node& node : graph.nodes()) {
    if (node.kind == OpKind::kResult) outputs.push_back({node.inputs[0], Probe::Reduction::kWhole, {}});
  }
  const auto run = [&](std::span<const Probe> probes) { return model.compile({}, probes)->run(sample); };
  const std::vector<Tensor> original = run({});
  const double error = output_error(run(outputs), original);
  if (error <= kTolerance || error <= output_error(run({}), original)) return;  // or it never gives the same twice
  throw QuantizationError(
      fmt::format("[model] {}, and now gives other outputs on a calibration item, with a relative squared error of "
                  "{:.2g}; a model of the newer operator set is needed, as other converters make it",
                  graph.carried_over, error));
}

}  // namespace

PlanResult make_plan(const Model& model, const Dataset& data, const QuantizeOptions& options, std::size_t kept_samples,
                     Report report) {
  PlanResult result;
  result.report = std::move(report);
  result.report.framework = model.framework();
  result.report.status = "quantized";
  const auto timed = [&](const char* stage, auto&& work) {
    const Stopwatch watch;
    work();
    result.report.stages.push_back({stage, watch.seconds()});
  };

  timed("placement", [&] { result.plan = mark_smoothed(place(model.graph(), options), model.graph(), options); });
  Calibration calibration(model, options);
  const bool is_in_doubt = !model.graph().carried_over.empty();
  timed("calibration", [&] {
    calibration.run(result.plan, data, std::max<std::size_t>(kept_samples, is_in_doubt ? 1 : 0));
    result.samples = calibration.take_samples();
    if (is_in_doubt) check_base(model, result.samples.front());
    if (kept_samples == 0) result.samples.clear();
  });
  timed("ranges", [&] {
    result.plan = leave_out_unseen(std::move(result.plan), model.graph(), calibration);
    result.plan = leave_out_unbounded(result.plan, calibration);
    result.plan = choose_smoothing(model, std::move(result.plan), calibration, options.smooth_quant_alpha);
    result.plan = fit(model, std::move(result.plan), calibration);
  });
  if (result.plan.empty()) {
    throw QuantizationError(
        "[ranges] nothing is left to quantize: every operation reads values beyond any 8-bit range, or none on any "
        "calibration item");
  }
  if (options.bias_correction) {
    timed("bias correction", [&] { result.plan = correct_biases(model, std::move(result.plan), calibration); });
  }
  result.report.calibration_items = calibration.items();
  result.report.quantized = quantized_operations(result.plan);
  log(LogLevel::kInfo, fmt::format("{} operations run in 8 bits, with {} quantizers calibrated on {} items.",
                                   result.report.quantized.size(), result.plan.quantizers.size(), calibration.items()));
  return result;
}

std::size_t ranking_samples(const AccuracyOptions& options) {
  constexpr std::int64_t kDefault = 8;  // more do not change the order: docs/algorithms.md#ranking
  return static_cast<std::size_t>(options.ranking_subset_size.value_or(kDefault));
}

std::filesystem::path intermediate_model_path(const std::string& folder, std::string_view framework) {
  if (!std::filesystem::is_directory(folder)) {
    throw IoError(fmt::format("intermediate_model_dir '{}' is no folder; an existing one is needed", folder), true);
  }
  return std::filesystem::path(folder) /
         (framework == "openvino" ? "intermediate_model.xml" : "intermediate_model.onnx");
}

}  // namespace tightrope
