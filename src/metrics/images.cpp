// SPDX-License-Identifier: Apache-2.0
// Likeness of images: PSNR, mean squared error, SSIM.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "metrics/meters.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

constexpr double kSmallestError = 1e-12;  // keeps the signal-to-noise ratio of equal images finite (120 dB)

struct Pair {
  std::vector<float> got;
  std::vector<float> wanted;
};

Pair pair_of(std::string_view metric, std::size_t item, const Sample& sample, const Tensor& output) {
  const Tensor& label = label_of(metric, item, sample, "the wanted output");
  if (label.size() != output.size() || output.size() == 0) {
    refuse(metric, item,
           fmt::format("the label has shape {} and the model's output {}; equally many elements are needed",
                       to_string(label.shape()), to_string(output.shape())));
  }
  return {output.to_floats(), label.to_floats()};
}

// With targets in [0,1], and outputs clipped to what an image can show.
Pair images_of(std::string_view metric, std::size_t item, const Sample& sample, const Tensor& output) {
  Pair pair = pair_of(metric, item, sample, output);
  const auto outside = std::ranges::find_if_not(pair.wanted, [](float v) { return v >= -0.001f && v <= 1.001f; });
  if (outside != pair.wanted.end())
    refuse(metric, item, fmt::format("the label holds the value {}; values in [0,1] are needed", *outside));
  for (float& value : pair.got) value = std::clamp(value, 0.0F, 1.0F);
  return pair;
}

// The mean squared error of every entry.
std::vector<double> squared_errors(const Pair& pair, std::size_t entries) {
  const std::size_t size = pair.got.size() / entries;
  std::vector<double> errors(entries, 0);
  for (std::size_t i = 0; i < pair.got.size(); ++i) {
    const double difference = static_cast<double>(pair.got[i]) - static_cast<double>(pair.wanted[i]);
    errors[i / size] += difference * difference;
  }
  for (double& error : errors) error /= static_cast<double>(size);
  return errors;
}

std::size_t entries_of_pair(const Sample& sample, const std::vector<Tensor>& outputs) {
  return entries_of(sample, std::span(outputs).first(1), sample.label);
}

Score score_psnr(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) {
  const Pair pair = images_of("psnr", item, sample, outputs.front());
  const std::vector<double> errors = squared_errors(pair, entries_of_pair(sample, outputs));
  Score score{0, errors.size()};
  for (const double error : errors) score.sum -= 10 * std::log10(error < kSmallestError ? kSmallestError : error);
  return score;
}

Score score_mse(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) {
  const Pair pair = pair_of("mse", item, sample, outputs.front());
  const std::vector<double> errors = squared_errors(pair, entries_of_pair(sample, outputs));
  Score score{0, errors.size()};
  for (const double error : errors) score.sum += error;
  return score;
}

// ssim ------------------------------------------------------------------------------------------------------------

constexpr std::size_t kWindow = 11;

std::array<double, kWindow> gaussian() {
  std::array<double, kWindow> weights{};
  double sum = 0;
  for (std::size_t i = 0; i < kWindow; ++i) {
    const double distance = static_cast<double>(i) - static_cast<double>(kWindow / 2);
    sum += weights[i] = std::exp(-distance * distance / (2 * 1.5 * 1.5));
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

// Planes of an image, whatever the layout.
struct Planes {
  std::size_t height = 0;
  std::size_t width = 0;
  std::size_t channels = 1;
  std::size_t pixel_stride = 1;  // from one pixel to the next
  std::size_t plane_stride = 0;  // from one channel to the next
};

Planes planes_of(std::size_t item, const Shape& shape) {
  const auto extent = [&](std::size_t axis) { return static_cast<std::size_t>(shape[axis]); };
  const auto few = [&](std::size_t axis) { return shape[axis] >= 1 && shape[axis] <= 4; };
  Planes planes;
  if (shape.size() == 3) {
    planes = {extent(1), extent(2), 1, 1, extent(1) * extent(2)};
  } else if (shape.size() == 4 && few(1)) {
    planes = {extent(2), extent(3), extent(1), 1, extent(2) * extent(3)};
  } else if (shape.size() == 4 && few(3)) {
    planes = {extent(1), extent(2), extent(3), extent(3), 1};
  }
  if (planes.height < kWindow || planes.width < kWindow) {
    refuse("ssim", item,
           fmt::format("the model's output has shape {}; images of {} pixels a side or more, [N,C,H,W] or "
                       "[N,H,W,C], are needed",
                       to_string(shape), kWindow));
  }
  return planes;
}

// Weighted means over all windows that lie inside of the plane.
std::vector<double> blurred(const std::vector<double>& plane, std::size_t height, std::size_t width) {
  static const std::array<double, kWindow> weights = gaussian();
  const std::size_t columns = width - kWindow + 1;
  std::vector<double> rows(height * columns, 0), result((height - kWindow + 1) * columns, 0);
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t x = 0; x < columns; ++x) {
      for (std::size_t i = 0; i < kWindow; ++i) rows[y * columns + x] += weights[i] * plane[y * width + x + i];
    }
  }
  for (std::size_t y = 0; y + kWindow <= height; ++y) {
    for (std::size_t i = 0; i < kWindow; ++i) {
      for (std::size_t x = 0; x < columns; ++x) result[y * columns + x] += weights[i] * rows[(y + i) * columns + x];
    }
  }
  return result;
}

double similarity(const std::vector<double>& a, const std::vector<double>& b, std::size_t height, std::size_t width) {
  const auto mean_product = [&](const std::vector<double>& first, const std::vector<double>& second) {
    std::vector<double> product(first.size());
    std::ranges::transform(first, second, product.begin(), std::multiplies<>());
    return blurred(product, height, width);
  };
  constexpr double kC1 = 0.01 * 0.01;
  constexpr double kC2 = 0.03 * 0.03;
  const std::vector<double> mean_a = blurred(a, height, width), mean_b = blurred(b, height, width);
  const std::vector<double> aa = mean_product(a, a), bb = mean_product(b, b), ab = mean_product(a, b);
  double sum = 0;
  for (std::size_t i = 0; i < ab.size(); ++i) {
    const double both = mean_a[i] * mean_b[i];
    const double squares = mean_a[i] * mean_a[i] + mean_b[i] * mean_b[i];
    sum += (2 * both + kC1) * (2 * (ab[i] - both) + kC2) / ((squares + kC1) * (aa[i] + bb[i] - squares + kC2));
  }
  return sum / static_cast<double>(ab.size());
}

Score score_ssim(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) {
  const Tensor& output = outputs.front();
  const Pair pair = images_of("ssim", item, sample, output);
  const Planes planes = planes_of(item, output.shape());
  const std::size_t pixels = planes.height * planes.width;
  Score score{0, output.size() / (pixels * planes.channels)};
  const auto plane = [&](const std::vector<float>& from, std::size_t entry, std::size_t channel) {
    std::vector<double> values(pixels);
    const std::size_t first = entry * pixels * planes.channels + channel * planes.plane_stride;
    for (std::size_t i = 0; i < pixels; ++i) values[i] = static_cast<double>(from[first + i * planes.pixel_stride]);
    return values;
  };
  for (std::size_t entry = 0; entry < score.entries; ++entry) {
    for (std::size_t channel = 0; channel < planes.channels; ++channel) {
      score.sum +=
          similarity(plane(pair.got, entry, channel), plane(pair.wanted, entry, channel), planes.height, planes.width) /
          static_cast<double>(planes.channels);
    }
  }
  return score;
}

}  // namespace

std::unique_ptr<Meter> begin_psnr() { return std::make_unique<MeanMeter>(score_psnr); }
std::unique_ptr<Meter> begin_mse() { return std::make_unique<MeanMeter>(score_mse); }
std::unique_ptr<Meter> begin_ssim() { return std::make_unique<MeanMeter>(score_ssim); }

}  // namespace tightrope
