// SPDX-License-Identifier: Apache-2.0
// Overlap of classes of pixels: mean intersection over union.
#include <fmt/format.h>

#include <cmath>
#include <map>

#include "metrics/meters.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

// Scores of `classes` for each pixel; scores of one pixel are `stride` apart.
struct ScoreLayout {
  std::size_t classes = 0;
  std::size_t stride = 1;
};

// Classes along axis 1, where the axes behind it are the label's; otherwise along the last one.
ScoreLayout score_layout(std::size_t item, const Tensor& output, const Tensor& label) {
  const Shape& shape = output.shape();
  if (shape.size() >= 3 && label.size() > 0 && output.size() % label.size() == 0) {
    const std::size_t classes = output.size() / label.size();
    const std::size_t behind = element_count(Shape(shape.begin() + 2, shape.end()));
    const std::size_t pixels = label.size() / static_cast<std::size_t>(shape[0]);
    if (static_cast<std::size_t>(shape[1]) == classes && behind == pixels) return {classes, behind};
    if (static_cast<std::size_t>(shape.back()) == classes) return {classes, 1};
  }
  refuse("miou", item,
         fmt::format("the label has shape {} and the model's output {}; a class index per pixel is needed, "
                     "and scores [N,C,H,W] or [N,H,W,C], or class indices",
                     to_string(label.shape()), to_string(shape)));
}

std::vector<std::int64_t> predicted_classes(std::size_t item, const Tensor& output, const Tensor& label) {
  std::vector<std::int64_t> classes;
  classes.reserve(label.size());
  if (output.size() == label.size()) {
    for (const double value : output.to_doubles()) classes.push_back(std::llround(value));
    return classes;
  }
  const auto [count, stride] = score_layout(item, output, label);
  const std::vector<float> scores = output.to_floats();
  std::vector<float> of_pixel(count);
  for (std::size_t pixel = 0; pixel < label.size(); ++pixel) {
    const std::size_t first = pixel / stride * stride * count + pixel % stride;
    for (std::size_t c = 0; c < count; ++c) of_pixel[c] = scores[stride == 1 ? pixel * count + c : first + c * stride];
    classes.push_back(largest(of_pixel));
  }
  return classes;
}

class IouMeter : public Meter {
 public:
  explicit IouMeter(double ignored) : ignored_(ignored) {}

  void add(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) override {
    const Tensor& label = label_of("miou", item, sample, "a class index per pixel");
    const std::vector<std::int64_t> predicted = predicted_classes(item, outputs.front(), label);
    const std::vector<double> wanted = label.to_doubles();
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (!(wanted[i] >= 0) || wanted[i] == ignored_) continue;
      const auto one = static_cast<std::int64_t>(wanted[i]);
      Overlap& overlap = overlaps_[one];
      ++overlap.joined;
      if (predicted[i] == one)
        ++overlap.common;
      else
        ++overlaps_[predicted[i]].joined;
    }
  }

  Validation result() const override {
    double sum = 0;
    for (const auto& [label, overlap] : overlaps_) sum += overlap.common / overlap.joined;
    if (overlaps_.empty())
      throw InvalidArgument("[metric miou] the labels hold no class; class indices from 0 on are needed");
    return sum / static_cast<double>(overlaps_.size());
  }

 private:
  struct Overlap {
    double common = 0;
    double joined = 0;
  };

  double ignored_;
  std::map<std::int64_t, Overlap> overlaps_;  // by class
};

}  // namespace

std::unique_ptr<Meter> begin_iou(double ignored) { return std::make_unique<IouMeter>(ignored); }

}  // namespace tightrope
