// SPDX-License-Identifier: Apache-2.0
// Metrics that need no code of the user's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tightrope/quantize.h"

namespace tightrope {

// What a metric gathers while a model runs over the data.
class Meter {
 public:
  virtual ~Meter() = default;
  virtual void add(std::size_t item, const Sample& sample, const std::vector<Tensor>& outputs) = 0;  // in order
  virtual Validation result() const = 0;                                    // of one item at least
  virtual SampleReader watch(SampleReader reader) const { return reader; }  // may look at what the model gets next
};

struct Metric {
  std::string name;  // without parameters
  bool higher_is_better = true;
  bool needs_labels = true;
  std::function<std::unique_ptr<Meter>()> begin = {};  // empty: the metric is of a program
  std::function<std::map<std::string, double>(const Model&)> program =
      {};                      // runs it; by name, one without a name is ""
  ValidationFn validate = {};  // by itself; empty for a program
};

// `name` may have parameters: "wer:blank=28,separator=0". The first output of the model counts, unless said otherwise.
//
// Of labels, by entry, so that batches of any size give the same:
// "top1", "top5", or any other number: share of entries with the label's index among the largest scores (last axis;
// unit axes behind axis 1 do not count). A score that is not a number makes the entry wrong. "psnr": mean peak
// signal-to-noise ratio in dB for targets with values in [0,1], to which outputs are clipped; at most 120 dB. "mse":
// mean squared error; lower is better. "ssim": mean structural similarity of such targets, with a Gaussian window of 11
// pixels and sigma 1.5; [N,C,H,W] or [N,H,W,C] with up to 4 channels, or [N,H,W].
//
// Of labels, over all of the data, without values per item:
// "f1", "f1_macro", "f1_micro": of classes by the largest score, of integers, or of one score per entry that is above
// `threshold` (0.5). "f1" is that of class 1.
// "pearson", "spearman": correlation of outputs with labels, one of each per entry.
// "miou": mean over classes of intersection over union, of scores [N,C,H,W] or [N,H,W,C], or of class indices; labels
// that are negative or `ignore` (255) don't count.
// "map": mean average precision as COCO has it, boxes of any size, 100 per image and class. Outputs: rows of [x1, y1,
// x2, y2, score, class]; or of 7 numbers as of DetectionOutput; or boxes with scores [.., 5], and classes; or boxes,
// scores and classes, of which `scores` numbers the output with scores where it is not plain. Labels: [N, objects, 5]
// of [x1, y1, x2, y2, class] in the units of the outputs, filled up with class -1; a sixth column marks crowds. "wer",
// "cer": errors per word or symbol; lower is better. Outputs: scores [N, time, symbols], of which the best ones are
// read as CTC with `blank` (0; -1: the last), or integers [N, length]. Labels: [N, length]. Negative numbers and `pad`
// are left out. `separator` is what stands between words; without it each symbol is a word.
//
// Without labels, by entry: "cosine" and "sqnr" (dB, at most 120): agreement with the outputs of `original`, all
// outputs joined.
//
// "cmd:PROGRAM {model}": what a program prints that a shell runs, with {model} replaced by the path of the model, saved
// for it: a number, or JSON with several by name, alone or in the last line. Higher is better, unless the caller says
// otherwise. Where it fails, MetricError.
//
// An item counts as the entries along axis 0 that its inputs, outputs and label agree on. Values per item come with
// means where all items have equally many entries.
// Throws InvalidArgument for an unknown name or parameter, listing the known ones.
Metric built_in_metric(const std::string& name, const Model& original);
std::vector<std::string> built_in_metric_names();

// Throws what built_in_metric() throws, without a model.
void check_metric_name(const std::string& name);

// All metrics, with one pass over the data: a number for one metric, several by name. The first is for metrics of
// outputs alone, which gives more than the second: candidates are judged on parts of the data. Both throw
// InvalidArgument where two metrics have the same name.
ValidationFn validation_of(std::vector<Metric> metrics);
ModelValidationFn model_validation_of(std::vector<Metric> metrics, CompileOptions options = {});

}  // namespace tightrope
