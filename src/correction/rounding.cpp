// SPDX-License-Identifier: Apache-2.0
#include "correction/rounding.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/parallel.h"
#include "correction/layer_matrices.h"
#include "tightrope/log.h"

namespace tightrope {
namespace {

using Matrix = Eigen::MatrixXd;
using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// The error of nearest levels in the output of a layer, relative to what there is to see in it: both as variances,
// since a constant error is the bias's to correct.
double relative_error(const Rows& rows, const Layer& layer, const LayerWeight& weight) {
  const std::size_t channels = layer.channels / rows.groups;
  double error = 0;
  double signal = 0;
  for (std::size_t g = 0; g < rows.groups; ++g) {
    const auto x = rows_of(rows.values, layer, rows.groups, g, 0, rows.count);
    const auto part = [&](const FloatMatrix& all) { return all.middleRows(index(g * channels), index(channels)); };
    const FloatMatrix y = x * part(weight.elements).transpose();
    const FloatMatrix e = y - x * part(weight.quantized).transpose();
    signal += (y.rowwise() - y.colwise().mean()).squaredNorm();
    error += (e.rowwise() - e.colwise().mean()).squaredNorm();
  }
  return signal > 0 ? error / signal : 0;
}

// Second moments of the rows of the samples with this remainder by two, one matrix a group. Centered: covariances.
std::vector<Matrix> moments_of(const Rows& rows, const Layer& layer, std::size_t remainder, bool centered) {
  std::vector<Matrix> moments;
  for (std::size_t g = 0; g < rows.groups; ++g) {
    Matrix sum = Matrix::Zero(index(layer.inputs), index(layer.inputs));
    Eigen::VectorXd mean = Eigen::VectorXd::Zero(index(layer.inputs));
    double count = 0;
    for (std::size_t s = remainder; s < rows.ends.size(); s += 2) {
      const std::size_t begin = s == 0 ? 0 : rows.ends[s - 1];
      if (begin == rows.ends[s]) continue;
      const Matrix x = rows_of(rows.values, layer, rows.groups, g, begin, rows.ends[s]).cast<double>();
      sum.selfadjointView<Eigen::Upper>().rankUpdate(x.transpose());
      mean += x.colwise().sum().transpose();
      count += static_cast<double>(x.rows());
    }
    if (count > 0) {
      sum /= count;
      mean /= count;
      if (centered) sum.selfadjointView<Eigen::Upper>().rankUpdate(mean, -1);
    }
    moments.emplace_back(sum.selfadjointView<Eigen::Upper>());
  }
  return moments;
}

// The mean square of the output's error for errors of the weight [channels, inputs].
double output_error(const Matrix& errors, std::span<const Matrix> moments) {
  const Eigen::Index channels = errors.rows() / index(moments.size());
  double sum = 0;
  for (std::size_t g = 0; g < moments.size(); ++g) {
    const auto part = errors.middleRows(index(g) * channels, channels);
    sum += (part * moments[g]).cwiseProduct(part).sum();
  }
  return sum;
}

// The levels of one channel.
struct Grid {
  double scale = 1;
  double zero_point = 0;
  double lowest = 0;
  double highest = 0;

  double level(double value) const { return std::clamp(std::nearbyint(value / scale + zero_point), lowest, highest); }
  double value(double level) const { return scale * (level - zero_point); }
};

// Rounds the entries one after the other, those with the largest moments first; each takes in what the errors of those
// before it ask for, so that the output's error is as small as it can still be.
Matrix levels_in_order(const Matrix& weight, const Matrix& moments, std::span<const Grid> grids) {
  const Eigen::Index inputs = weight.cols();
  std::vector<Eigen::Index> order(static_cast<std::size_t>(inputs));
  std::iota(order.begin(), order.end(), Eigen::Index{0});
  std::ranges::stable_sort(order, [&](Eigen::Index a, Eigen::Index b) { return moments(a, a) < moments(b, b); });
  const double damping = 0.01 * moments.diagonal().mean();
  Matrix sorted(inputs, inputs);
  for (Eigen::Index i = 0; i < inputs; ++i) {
    for (Eigen::Index j = 0; j < inputs; ++j)
      sorted(i, j) = moments(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(j)]);
    sorted(i, i) += damping;
  }
  const Eigen::LLT<Matrix, Eigen::Upper> factors(sorted);
  const RowMatrix root = factors.matrixU();  // root^T * root = moments
  Matrix levels(weight.rows(), inputs);
  Matrix errors = Matrix::Zero(weight.rows(), inputs);  // in the sorted order
  for (Eigen::Index i = inputs; i-- > 0;) {
    const Eigen::Index column = order[static_cast<std::size_t>(i)];
    const Eigen::Index done = inputs - 1 - i;
    Eigen::VectorXd target = weight.col(column);
    if (done > 0) target += errors.rightCols(done) * root.row(i).tail(done).transpose() / root(i, i);
    for (Eigen::Index c = 0; c < weight.rows(); ++c) {
      const Grid& grid = grids[static_cast<std::size_t>(c)];
      levels(c, column) = grid.level(target(c));
      errors(c, i) = weight(c, column) - grid.value(levels(c, column));
    }
  }
  return levels;
}

// Moves single levels by one step as long as that lowers the error, in a few sweeps.
void descend(Matrix& levels, const Matrix& weight, const Matrix& moments, std::span<const Grid> grids) {
  constexpr int kSweeps = 3;
  const Eigen::Index inputs = weight.cols();
  for (Eigen::Index c = 0; c < weight.rows(); ++c) {
    const Grid& grid = grids[static_cast<std::size_t>(c)];
    Eigen::VectorXd error(inputs);
    for (Eigen::Index i = 0; i < inputs; ++i) error(i) = weight(c, i) - grid.value(levels(c, i));
    Eigen::VectorXd slope = moments * error;
    bool moved = true;
    for (int sweep = 0; sweep < kSweeps && moved; ++sweep) {
      moved = false;
      for (Eigen::Index i = 0; i < inputs; ++i) {
        const double step = slope(i) > 0 ? 1 : -1;
        const double gain = 2 * grid.scale * std::abs(slope(i)) - grid.scale * grid.scale * moments(i, i);
        const double level = levels(c, i) + step;
        if (!(gain > 0) || level < grid.lowest || level > grid.highest) continue;
        levels(c, i) = level;
        slope -= step * grid.scale * moments.col(i);
        moved = true;
      }
    }
  }
}

Matrix elements_of(const RoundingProblem& problem, std::size_t group) {
  const std::size_t channels = problem.channels / problem.groups;
  return Eigen::Map<const RowMatrix>(problem.elements.data() + group * channels * problem.inputs, index(channels),
                                     index(problem.inputs));
}

// What the search for one layer's levels takes, in multiplications.
double work_of(const Layer& layer) {
  const auto inputs = static_cast<double>(layer.inputs);
  const double rows = 4 * inputs;
  return inputs * inputs * (rows + inputs + 2 * static_cast<double>(layer.channels));
}

struct Outcome {
  std::vector<std::int8_t> rounding;
  bool is_better = false;
};

Outcome round_layer(const Model& model, const Quantizer& quantizer, const Layer& layer, const Rows& rows,
                    bool centered) {
  const LayerWeight weight = weight_of(model, quantizer, layer);
  const RowMatrix elements = weight.elements.cast<double>();
  const std::vector<Matrix> fitting = moments_of(rows, layer, 0, centered);
  std::vector<double> flat;
  for (const Matrix& moments : fitting) flat.insert(flat.end(), moments.data(), moments.data() + moments.size());
  const std::vector<std::int8_t> steps = best_rounding({{elements.data(), static_cast<std::size_t>(elements.size())},
                                                        layer.channels,
                                                        layer.inputs,
                                                        flat,
                                                        rows.groups,
                                                        weight.levels.scale,
                                                        weight.levels.zero_point,
                                                        weight.levels.lowest,
                                                        weight.levels.lowest + quantizer.range.levels - 1});
  Outcome outcome;
  outcome.rounding.resize(steps.size());
  Matrix before = (weight.elements - weight.quantized).cast<double>();
  Matrix after = before;
  for (std::size_t c = 0; c < layer.channels; ++c) {
    const double scale = weight.scale(c);
    for (std::size_t i = 0; i < layer.inputs; ++i) {
      const std::int8_t step = steps[c * layer.inputs + i];
      outcome.rounding[layer.element(c, i)] = step;
      after(index(c), index(i)) -= scale * step;
    }
  }
  const std::vector<Matrix> judging = moments_of(rows, layer, 1, centered);
  outcome.is_better = output_error(after, judging) < output_error(before, judging);
  return outcome;
}

// Enough to see what is typical: some eight entries along the first axis, which mostly is that of a batch.
std::span<const Sample> typical_samples(std::span<const Sample> samples) {
  constexpr std::int64_t kEntries = 8;
  const auto& inputs = samples.front().inputs;
  const bool has_axis = !inputs.empty() && !inputs[0].tensor.shape().empty();
  const std::int64_t entries = has_axis ? std::max<std::int64_t>(inputs[0].tensor.shape()[0], 1) : 1;
  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(kEntries / entries, 1));
  return samples.first(std::min(samples.size(), wanted));
}

// Entries of a row with all its groups; of one group where the extents of the data are open.
std::size_t width_of(const Layer& layer, const Graph& graph) {
  const Shape& data = graph.value(layer.data).shape;
  if (layer.taps.empty() || data.size() < 2 || data[1] < 1) return layer.inputs;
  return static_cast<std::size_t>(data[1]) * element_count(Shape(layer.taps.begin(), layer.taps.end()));
}

// The layers that nearest levels cost too much.
std::vector<Layer> loud_layers(const Model& model, const Plan& plan, std::vector<Layer> layers,
                               std::span<const Sample> samples) {
  constexpr double kBearable = 1e-3;  // of the variance of the output: 30 dB
  constexpr std::size_t kRows = 256;  // of a layer, in all; fewer where they are long, since each has more to tell
  constexpr std::size_t kEntries = std::size_t{1} << 18U;
  const std::span<const Sample> few = typical_samples(samples);
  std::vector<std::size_t> wanted;
  for (const Layer& layer : layers) {
    const std::size_t rows = std::clamp<std::size_t>(kEntries / width_of(layer, model.graph()), 16, kRows);
    wanted.push_back((rows + few.size() - 1) / few.size());
  }
  const std::vector<Rows> rows = sample_rows(model, plan, layers, few, wanted);
  std::vector<double> errors(layers.size());
  for_each_in_parallel(layers.size(), [&](std::size_t l) {
    const Quantizer& quantizer = plan.quantizers[layers[l].weight];
    if (rows[l].count > 0) errors[l] = relative_error(rows[l], layers[l], weight_of(model, quantizer, layers[l]));
  });
  std::vector<Layer> loud;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    log(LogLevel::kDebug, fmt::format("[weight rounding] node '{}': nearest levels make a relative error of {:.3g}.",
                                      plan.quantizers[layers[l].weight].node, errors[l]));
    if (errors[l] > kBearable) loud.push_back(std::move(layers[l]));
  }
  return loud;
}

}  // namespace

std::vector<std::int8_t> best_rounding(const RoundingProblem& problem) {
  const std::size_t channels = problem.channels / problem.groups;
  const std::size_t square = problem.inputs * problem.inputs;
  std::vector<std::int8_t> steps(problem.channels * problem.inputs, 0);
  for (std::size_t g = 0; g < problem.groups; ++g) {
    const Matrix weight = elements_of(problem, g);
    const Matrix moments =
        Eigen::Map<const Matrix>(problem.moments.data() + g * square, index(problem.inputs), index(problem.inputs));
    if (!(moments.diagonal().sum() > 0)) continue;  // nothing but zeros was seen: every rounding is as good
    std::vector<Grid> grids;
    for (std::size_t c = g * channels; c < (g + 1) * channels; ++c) {
      const auto of_channel = [&](std::span<const float> values) { return values[values.size() == 1 ? 0 : c]; };
      grids.push_back({of_channel(problem.scale), problem.zero_point.empty() ? 0 : of_channel(problem.zero_point),
                       static_cast<double>(problem.lowest), static_cast<double>(problem.highest)});
    }
    Matrix levels = levels_in_order(weight, moments, grids);
    descend(levels, weight, moments, grids);
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t i = 0; i < problem.inputs; ++i) {
        const double step = levels(index(c), index(i)) - grids[c].level(weight(index(c), index(i)));
        steps[(g * channels + c) * problem.inputs + i] = static_cast<std::int8_t>(std::clamp(step, -127.0, 127.0));
      }
    }
  }
  return steps;
}

RoundedWeights round_layers(const Model& model, Plan plan, std::vector<Layer> layers, std::span<const Sample> samples,
                            bool centered) {
  constexpr double kMostWork = 4e11;  // in all layers: a minute or two
  constexpr std::size_t kBytes = std::size_t{256} << 20U;
  RoundedWeights result{std::move(plan)};
  if (samples.size() < 2) return result;
  double work = 0;
  std::erase_if(layers, [&](const Layer& layer) {
    const double more = work_of(layer);
    if (work + more > kMostWork) return ++result.too_large, true;
    work += more;
    return false;
  });
  for (std::size_t first = 0; first < layers.size();) {
    std::vector<std::size_t> wanted;
    std::size_t bytes = 0;
    std::size_t end = first;
    for (; end < layers.size(); ++end) {
      const std::size_t rows = std::max<std::size_t>(8 * layers[end].inputs, 1024) / samples.size() + 1;
      const std::size_t more = rows * samples.size() * layers[end].inputs * sizeof(float);
      if (end > first && bytes + more > kBytes) break;
      bytes += more;
      wanted.push_back(rows);
    }
    const std::span<const Layer> batch = std::span(layers).subspan(first, end - first);
    const std::vector<Rows> rows = sample_rows(model, result.plan, batch, samples, wanted);
    std::vector<Outcome> outcomes(batch.size());
    for_each_in_parallel(batch.size(), [&](std::size_t l) {
      const Quantizer& quantizer = result.plan.quantizers[batch[l].weight];
      if (rows[l].count > 0) outcomes[l] = round_layer(model, quantizer, batch[l], rows[l], centered);
    });
    for (std::size_t l = 0; l < batch.size(); ++l) {
      ++(outcomes[l].is_better ? result.rounded : result.refused);
      if (outcomes[l].is_better) result.plan.quantizers[batch[l].weight].rounding = std::move(outcomes[l].rounding);
    }
    first = end;
  }
  return result;
}

RoundedWeights round_weights(const Model& model, Plan plan, std::span<const Sample> samples,
                             const QuantizeOptions& options) {
  std::vector<Layer> layers = layers_of(plan, model.graph());
  if (samples.size() < 2 || layers.empty()) return {std::move(plan)};
  if (!options.weight_rounding) layers = loud_layers(model, plan, std::move(layers), samples);
  return round_layers(model, std::move(plan), std::move(layers), samples, options.bias_correction);
}

}  // namespace tightrope
