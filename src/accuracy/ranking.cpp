// SPDX-License-Identifier: Apache-2.0
#include "accuracy/ranking.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tightrope/error.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

SampleReader read(std::span<const Sample> samples) {
  return [samples, next = std::size_t{0}]() mutable -> std::optional<Sample> {
    if (next == samples.size()) return std::nullopt;
    return samples[next++];
  };
}

constexpr double kIncomparable = std::numeric_limits<double>::infinity();

// |y - y0|^2 / |y0|^2. Elements that are equal, infinities and NaN included, are no error.
template <typename T>
double squared_error(std::span<const T> values, std::span<const T> reference) {
  double error = 0;
  double norm = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double y = values[i];
    const double y0 = reference[i];
    if (std::isfinite(y0)) norm += y0 * y0;
    if (y == y0 || (std::isnan(y) && std::isnan(y0))) continue;
    error += (y - y0) * (y - y0);
  }
  if (error == 0) return 0;
  if (!std::isfinite(error)) return kIncomparable;
  return norm == 0 ? 1 : error / norm;
}

double float_error(const Tensor& output, const Tensor& reference) {
  if (output.shape() != reference.shape()) return kIncomparable;
  if (output.type() == ElementType::kF32 && reference.type() == ElementType::kF32) {
    return squared_error(output.as<float>(), reference.as<float>());
  }
  return squared_error<double>(output.to_doubles(), reference.to_doubles());
}

double share_of_unequal(const Tensor& output, const Tensor& reference) {
  if (output.shape() != reference.shape()) return kIncomparable;
  const std::vector<double> values = output.to_doubles();
  const std::vector<double> expected = reference.to_doubles();
  std::size_t unequal = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) unequal += values[i] != expected[i] ? 1 : 0;
  return expected.empty() ? 0 : static_cast<double>(unequal) / static_cast<double>(expected.size());
}

}  // namespace

double output_error(std::span<const Tensor> outputs, std::span<const Tensor> reference) {
  const bool any_float = std::ranges::any_of(reference, [](const Tensor& output) { return is_float(output.type()); });
  double sum = 0;
  std::size_t counted = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    if (any_float && !is_float(reference[i].type())) continue;
    sum += any_float ? float_error(outputs[i], reference[i]) : share_of_unequal(outputs[i], reference[i]);
    ++counted;
  }
  return counted == 0 ? 0 : std::min(1.0, sum / static_cast<double>(counted));
}

std::vector<double> rank_groups(const Model& model, const Plan& plan, std::span<const Group> groups,
                                std::span<const Sample> samples, const CompileOptions& options, RestoreMode mode) {
  if (samples.empty()) throw InvalidArgument("[ranking] there are no samples; at least one is needed.");
  CompileOptions compile_options = options;
  compile_options.throughput = true;
  std::size_t inferences = 0;
  const auto run = [&](const std::vector<bool>& reverted, const auto& done) {
    const auto candidate = model.apply(without(plan, groups, reverted, mode));
    const auto session = candidate->compile(compile_options);
    session->run_all(read(samples), "ranking", [&](std::size_t index, std::vector<Tensor> outputs) {
      done(index, std::move(outputs));
      progress("ranking", ++inferences, (groups.size() + 1) * samples.size());
    });
  };

  std::vector<bool> reverted(groups.size(), true);
  std::vector<std::vector<Tensor>> reference(samples.size());
  run(reverted, [&](std::size_t index, std::vector<Tensor> outputs) { reference[index] = std::move(outputs); });

  std::vector<double> scores;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    double sum = 0;
    reverted[g] = false;
    run(reverted,
        [&](std::size_t index, const std::vector<Tensor>& outputs) { sum += output_error(outputs, reference[index]); });
    reverted[g] = true;
    scores.push_back(sum / static_cast<double>(samples.size()));
  }
  return scores;
}

}  // namespace tightrope
