// SPDX-License-Identifier: Apache-2.0
// Detections: mean average precision as COCO has it. The rules: docs/algorithms.md#mean-average-precision
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

#include "metrics/meters.h"
#include "tightrope/error.h"

namespace tightrope {
namespace {

constexpr std::size_t kLimit = 100;  // detections per image and class
constexpr std::size_t kThresholds = 10;

// In steps that are rounded as COCO's are: shares of few objects often lie right on one.
double threshold(std::size_t i) { return 0.5 + static_cast<double>(i) * ((0.95 - 0.5) / 9); }
double share(std::size_t i) { return i == 100 ? 1 : static_cast<double>(i) * 0.01; }

struct Box {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  double area() const { return (x2 - x1) * (y2 - y1); }
};

struct Detection {
  Box box;
  double score = 0;
  std::int64_t label = -1;
};

struct Object {
  Box box;
  std::int64_t label = -1;
  bool crowd = false;
};

// What one image gives for one class.
struct Image {
  std::vector<Detection> detections;
  std::vector<Object> objects;
};

// A crowd is covered as far as the detection lies inside of it.
double overlap(const Box& detection, const Object& object) {
  const double width = std::min(detection.x2, object.box.x2) - std::max(detection.x1, object.box.x1);
  const double height = std::min(detection.y2, object.box.y2) - std::max(detection.y1, object.box.y1);
  if (width <= 0 || height <= 0) return 0;
  const double common = width * height;
  return common / (object.crowd ? detection.area() : detection.area() + object.box.area() - common);
}

// Reading -----------------------------------------------------------------------------------------------------------

class Layout {
 public:
  Layout(std::size_t item, const std::vector<Tensor>& outputs, std::size_t images, double scores_output)
      : item_(item), outputs_(outputs), images_(images), scores_output_(scores_output) {}

  // Of each image, in the order of the model.
  std::vector<std::vector<Detection>> read() const {
    const Tensor& first = outputs_.front();
    if (!first.shape().empty() && first.shape().back() == 7) return numbered_rows(first.to_doubles());
    if (!first.shape().empty() && first.shape().back() == 6) return rows(first, nullptr, nullptr);
    const Tensor* boxes = nullptr;
    std::vector<const Tensor*> others;
    for (const Tensor& output : outputs_) {
      const std::int64_t columns = output.shape().size() < 2 ? 0 : output.shape().back();
      if (boxes == nullptr && (columns == 4 || columns == 5))
        boxes = &output;
      else
        others.push_back(&output);
    }
    if (boxes == nullptr) refuse_layout();
    const std::size_t count = boxes->size() / static_cast<std::size_t>(boxes->shape().back());
    std::erase_if(others, [&](const Tensor* output) { return output->size() != count; });
    if (boxes->shape().back() == 5 && !others.empty()) return rows(*boxes, nullptr, others.front());
    if (boxes->shape().back() != 4 || others.size() != 2) refuse_layout();
    const bool second_has_scores = scores_output_ >= 0
                                       ? others[1] == &outputs_[static_cast<std::size_t>(scores_output_)]
                                       : !is_float(others[0]->type()) && is_float(others[1]->type());
    return second_has_scores ? rows(*boxes, others[1], others[0]) : rows(*boxes, others[0], others[1]);
  }

 private:
  [[noreturn]] void refuse_layout() const {
    std::string shapes;
    for (const Tensor& output : outputs_) shapes += (shapes.empty() ? "" : ", ") + to_string(output.shape());
    refuse("map", item_,
           fmt::format("the model's outputs have shapes {}; rows of 6 or 7 numbers are needed, or boxes "
                       "[.., 5] and classes, or boxes [.., 4], scores and classes",
                       shapes));
  }

  // Rows of image, class, score and box, up to a negative image.
  std::vector<std::vector<Detection>> numbered_rows(const std::vector<double>& values) const {
    std::vector<std::vector<Detection>> all(images_);
    for (std::size_t at = 0; at + 7 <= values.size() && values[at] >= 0; at += 7) {
      const auto image = static_cast<std::size_t>(values[at]);
      if (image >= images_) refuse("map", item_, fmt::format("a detection is of image {}, of {}", image, images_));
      all[image].push_back({{values[at + 3], values[at + 4], values[at + 5], values[at + 6]},
                            values[at + 2],
                            std::llround(values[at + 1])});
    }
    return all;
  }

  // Boxes with scores and classes behind them, or in tensors of their own.
  std::vector<std::vector<Detection>> rows(const Tensor& boxes, const Tensor* scores, const Tensor* classes) const {
    const auto columns = static_cast<std::size_t>(boxes.shape().back());
    const std::size_t count = boxes.size() / columns;
    if (count % images_ != 0 || (images_ > 1 && static_cast<std::size_t>(boxes.shape()[0]) != images_)) refuse_layout();
    const std::vector<double> values = boxes.to_doubles();
    const std::vector<double> score = scores != nullptr ? scores->to_doubles() : std::vector<double>();
    const std::vector<double> label = classes != nullptr ? classes->to_doubles() : std::vector<double>();
    std::vector<std::vector<Detection>> all(images_);
    for (std::size_t i = 0; i < count; ++i) {
      const double* row = &values[i * columns];
      const Detection found{{row[0], row[1], row[2], row[3]},
                            scores != nullptr ? score[i] : row[4],
                            std::llround(classes != nullptr ? label[i] : row[5])};
      if (found.label >= 0 && !std::isnan(found.score)) all[i / (count / images_)].push_back(found);
    }
    return all;
  }

  std::size_t item_;
  const std::vector<Tensor>& outputs_;
  std::size_t images_;
  double scores_output_;
};

std::vector<std::vector<Object>> objects_of(std::size_t item, const Tensor& label) {
  const Shape& shape = label.shape();
  const std::size_t rank = shape.size();
  if ((rank != 2 && rank != 3) || (shape.back() != 5 && shape.back() != 6)) {
    refuse("map", item,
           fmt::format("the label has shape {}; [N, objects, 5] of x1, y1, x2, y2, class is needed", to_string(shape)));
  }
  const std::size_t images = rank == 2 ? 1 : static_cast<std::size_t>(shape[0]);
  const auto columns = static_cast<std::size_t>(shape.back());
  const auto rows = static_cast<std::size_t>(shape[rank - 2]);
  const std::vector<double> values = label.to_doubles();
  std::vector<std::vector<Object>> all(images);
  for (std::size_t i = 0; i < images * rows; ++i) {
    const double* row = &values[i * columns];
    if (row[4] >= 0)
      all[i / rows].push_back({{row[0], row[1], row[2], row[3]}, std::llround(row[4]), columns == 6 && row[5] != 0});
  }
  return all;
}

// Judging -----------------------------------------------------------------------------------------------------------

enum class Verdict : std::uint8_t { kWrong, kRight, kIgnored };

struct Judged {
  double score = 0;
  std::array<Verdict, kThresholds> verdicts{};
};

// Detections from the best one on, each matched with the object that it covers best and that is still free. Crowds,
// which stand last, are taken where nothing else is, and by any number of detections.
std::vector<Judged> judged(Image image) {
  std::ranges::stable_sort(image.detections, std::greater<>(), &Detection::score);
  if (image.detections.size() > kLimit) image.detections.resize(kLimit);
  std::ranges::stable_sort(image.objects, {}, &Object::crowd);
  std::vector<Judged> result;
  for (const Detection& detection : image.detections) result.push_back({detection.score, {}});
  for (std::size_t t = 0; t < kThresholds; ++t) {
    std::vector<bool> taken(image.objects.size(), false);
    for (std::size_t d = 0; d < result.size(); ++d) {
      double best = threshold(t);
      const Object* match = nullptr;
      for (std::size_t o = 0; o < image.objects.size(); ++o) {
        const Object& object = image.objects[o];
        if (taken[o] && !object.crowd) continue;
        if (match != nullptr && !match->crowd && object.crowd) break;
        const double covered = overlap(image.detections[d].box, object);
        if (covered < best) continue;
        best = covered;
        match = &object;
      }
      if (match == nullptr) continue;
      taken[static_cast<std::size_t>(match - image.objects.data())] = true;
      result[d].verdicts[t] = match->crowd ? Verdict::kIgnored : Verdict::kRight;
    }
  }
  return result;
}

// The mean of the precision at 101 shares of found objects, where precision never rises with that share.
double average_precision(const std::vector<Judged>& all, std::size_t t, double objects) {
  std::vector<double> found, precision;
  double right = 0, wrong = 0;
  for (const Judged& one : all) {
    if (one.verdicts[t] == Verdict::kIgnored) continue;
    (one.verdicts[t] == Verdict::kRight ? right : wrong) += 1;
    found.push_back(right / objects);
    precision.push_back(right / (right + wrong));
  }
  for (std::size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  double sum = 0;
  for (std::size_t i = 0; i <= 100; ++i) {
    const auto at = std::ranges::lower_bound(found, share(i));
    if (at != found.end()) sum += precision[static_cast<std::size_t>(at - found.begin())];
  }
  return sum / 101;
}

class PrecisionMeter : public Meter {
 public:
  explicit PrecisionMeter(double scores_output) : scores_output_(scores_output) {}

  void add(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) override {
    if (scores_output_ >= static_cast<double>(outputs.size()))
      refuse("map", item, fmt::format("'scores' is {}; the model has {} outputs", scores_output_, outputs.size()));
    const auto objects = objects_of(item, label_of("map", item, sample, "a list of objects"));
    const auto detections = Layout(item, outputs, objects.size(), scores_output_).read();
    for (std::size_t i = 0; i < objects.size(); ++i) {
      std::map<std::int64_t, Image> by_class;
      for (const Object& object : objects[i]) by_class[object.label].objects.push_back(object);
      for (const Detection& detection : detections[i]) by_class[detection.label].detections.push_back(detection);
      for (auto& [label, image] : by_class) {
        objects_[label] += static_cast<double>(std::ranges::count(image.objects, false, &Object::crowd));
        std::ranges::move(judged(std::move(image)), std::back_inserter(judged_[label]));
      }
    }
  }

  Validation result() const override {
    double sum = 0, count = 0;
    for (const auto& [label, objects] : objects_) {
      if (objects == 0) continue;
      std::vector<Judged> all = judged_.at(label);
      std::ranges::stable_sort(all, std::greater<>(), &Judged::score);
      for (std::size_t t = 0; t < kThresholds; ++t) sum += average_precision(all, t, objects);
      count += static_cast<double>(kThresholds);
    }
    if (count == 0) throw InvalidArgument("[metric map] the labels hold no object");
    return sum / count;
  }

 private:
  double scores_output_;
  std::map<std::int64_t, std::vector<Judged>> judged_;  // by class
  std::map<std::int64_t, double> objects_;              // crowds left out
};

}  // namespace

std::unique_ptr<Meter> begin_precision(double scores_output) { return std::make_unique<PrecisionMeter>(scores_output); }

}  // namespace tightrope
